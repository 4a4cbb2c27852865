use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::Timestamp;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not {}", self.text, self.expected)
    }
}

impl std::error::Error for InvalidId {}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Mints an id that sorts by `time`, to the millisecond, among ids of its kind. Two calls never
            /// give the same id. Times before 1970 sort as 1970.
            pub fn mint(time: Timestamp) -> Self {
                let millis = u64::try_from(time.as_micros() / 1_000).unwrap_or(0);
                let stamp = uuid::Timestamp::from_unix_time(millis / 1_000, (millis % 1_000) as u32 * 1_000_000, 0, 0);
                Self(Uuid::new_v7(stamp))
            }

            /// Rebuilds the id from its 16 stored bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Returns the 16 bytes to store.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = |_| InvalidId { text: text.chars().take(64).collect(), expected: $expected };
                Uuid::try_parse(text).map(Self).map_err(invalid)
            }
        }
    };
}

uuid_id! {
    /// Names a conversation: a UUIDv7 whose time is the conversation's beginning.
    ConversationId, "a conversation id (a UUID)"
}

uuid_id! {
    /// Names one run of an import: a UUIDv7 of its start.
    ImportId, "an import id (a UUID)"
}

uuid_id! {
    /// Names a document of the library: a UUIDv7 of when it came. It stays the same when the file changes.
    DocumentId, "a document id (a UUID)"
}

uuid_id! {
    /// Names a chunk of a document: a UUIDv7 of when it was cut. A chunk whose text is no longer there is another one.
    ChunkId, "a chunk id (a UUID)"
}

uuid_id! {
    /// Names something that was remembered: a UUIDv7 of when.
    MemoryId, "a memory id (a UUID)"
}

uuid_id! {
    /// Names a session: a UUIDv7 of when it began.
    SessionId, "a session's id (a UUID)"
}

/// Names a message: its row in the archive, never used twice.
///
/// An integer and not a UUID because the full-text index is keyed by it; 16 bytes and their index would cost
/// five percent of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.parse() {
            Ok(row) if row > 0 => Ok(Self(row)),
            _ => Err(InvalidId {
                text: text.chars().take(64).collect(),
                expected: "a message id (a positive number)",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_their_time() {
        let early = ConversationId::mint(Timestamp::from_micros(1_700_000_000_000_000));
        let late = ConversationId::mint(Timestamp::from_micros(1_700_000_000_001_000));
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn an_id_reads_back() {
        let id = ImportId::mint(Timestamp::from_micros(-5));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("../etc/passwd".parse::<ImportId>().is_err());
        assert!("-1".parse::<MessageId>().is_err());
        assert_eq!("7".parse(), Ok(MessageId(7)));
    }
}
