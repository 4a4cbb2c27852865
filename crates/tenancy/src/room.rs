use sha2::{Digest, Sha256};

/// Names a room: a part of a tenant's belongings that stands apart from the rest, and from every other room.
///
/// ```
/// use athenaeum_tenancy::{Room, local};
///
/// let tenant = local();
/// let ours = tenant.room(&Room::new("session", "abc")?).unwrap();
/// let other = tenant.room(&Room::new("session", "ABC")?).unwrap();
/// assert!(ours != other && ours != tenant, "each is a scope of its own");
/// # Ok::<(), athenaeum_tenancy::InvalidRoom>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Room {
    kind: String,
    id: String,
}

/// Why a text names no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoom {
    /// Its kind is none.
    #[error("a room's kind has 1 to {KIND_MAX} of a-z, 0-9, - and _, such as session or user")]
    Kind,
    /// Its id is none.
    #[error("a room's id has 1 to {ID_BYTES_MAX} bytes")]
    Id,
}

impl Room {
    /// Names the room of this kind (1 to 32 of a-z, 0-9, `-`, `_`, such as `session`) and this id (any text of 1 to 512 bytes).
    /// Ids are compared byte by byte: what differs in case or in how Unicode is composed is another room.
    ///
    /// # Errors
    /// [`InvalidRoom`] where they are longer, empty, or the kind has other characters.
    pub fn new(kind: &str, id: &str) -> Result<Self, InvalidRoom> {
        if !is_plain(kind, KIND_MAX) {
            return Err(InvalidRoom::Kind);
        }
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Err(InvalidRoom::Id);
        }
        Ok(Self { kind: kind.to_owned(), id: id.to_owned() })
    }

    /// Returns what sort of thing it belongs to.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns whose it is among those of its kind.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns what its belongings are stored under. An id that is a safe file name stands as it is, behind a point; any other
    /// as its hash, behind a plus: so none can be written to be taken for another.
    pub(crate) fn tenant_name(&self, tenant: &str) -> String {
        let Self { kind, id } = self;
        if is_plain(id, PLAIN_MAX) {
            return format!("{tenant}{BEGINS}{kind}{PLAIN}{id}");
        }
        let hash: String = Sha256::digest(id.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{tenant}{BEGINS}{kind}{HASHED}{hash}")
    }
}

/// Tells whether a name is one that [`Room::tenant_name`] gives for this tenant.
pub(crate) fn is_name_of(name: &str, tenant: &str) -> bool {
    let Some(room) = name.strip_prefix(tenant).and_then(|rest| rest.strip_prefix(BEGINS)) else {
        return false;
    };
    let Some((kind, id)) = room.split_once([PLAIN, HASHED]) else { return false };
    let is_hash = || id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let hashed = room.as_bytes().get(kind.len()) == Some(&(HASHED as u8));
    is_plain(kind, KIND_MAX) && if hashed { is_hash() } else { is_plain(id, PLAIN_MAX) }
}

/// Between a tenant's name, which cannot hold it, and a room's.
pub(crate) const BEGINS: char = '@';

/// Before an id as it is; no kind and no plain id holds it.
const PLAIN: char = '.';

/// Before the hash of an id.
const HASHED: char = '+';

const KIND_MAX: usize = 32;

const ID_BYTES_MAX: usize = 512;

/// Ids that stand as they are: short enough for every file system.
const PLAIN_MAX: usize = 64;

fn is_plain(text: &str, most: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{for_test, local};

    #[test]
    fn names_are_safe_and_tell_ids_apart_that_look_alike() {
        let ids = [
            "abc",
            "ABC",
            "Abc",
            "abc ",
            " abc",
            "a.bc",
            "a+bc",
            "a@bc",
            "../abc",
            "a/bc",
            "a\\bc",
            "abc\0",
            "é",
            "e\u{301}",
            "É",
            "session.abc",
            "nul",
            "con",
            "-",
            "_",
            "a:b",
            "ａｂｃ",
        ];
        let mut names = HashSet::new();
        for kind in ["session", "user"] {
            for id in ids {
                let name = Room::new(kind, id).unwrap().tenant_name("local");
                assert!(is_name_of(&name, "local"), "{name}");
                assert!(!name.chars().any(char::is_uppercase) && !name.contains(['/', '\\', '\0']), "{name}");
                assert!(names.insert(name), "{kind} {id:?} is taken for another");
            }
        }
        assert_eq!(Room::new("session", "abc").unwrap().tenant_name("local"), "local@session.abc");
    }

    #[test]
    fn an_id_written_like_a_hash_is_not_what_has_that_hash() {
        let long = Room::new("session", "An Id").unwrap().tenant_name("local");
        let hash = long.split_once('+').unwrap().1;
        let written = Room::new("session", hash).unwrap().tenant_name("local");
        assert_ne!(long, written);
        assert_eq!(written, format!("local@session.{hash}"));
    }

    #[test]
    fn what_is_no_room_is_refused() {
        for kind in ["", "Session", "a.b", "a@b", "a+b", "ü", &"a".repeat(33)] {
            assert_eq!(Room::new(kind, "x"), Err(InvalidRoom::Kind), "{kind}");
        }
        for id in ["", &"x".repeat(513)] {
            assert_eq!(Room::new("session", id), Err(InvalidRoom::Id));
        }
    }

    #[test]
    fn a_room_opens_no_other_room_and_no_tenant() {
        let room = Room::new("session", "a").unwrap();
        let ours = local().room(&room).unwrap();
        assert!(ours.is_room() && !local().is_room());
        assert_eq!(ours.room(&room), None);
        assert_eq!(ours.room_named("local@session.b"), None);
        assert_eq!(local().room_named(ours.tenant().as_str()), Some(ours.clone()));
        assert_ne!(for_test("other").room(&room).unwrap(), ours);
        for name in [
            "local",
            "other@session.a",
            "local@",
            "local@session",
            "local@session.A",
            "local@session+a",
            "locals@a.b",
        ] {
            assert_eq!(local().room_named(name), None, "{name}");
        }
        // A tenant whose name begins as another's does has no part in it.
        assert_eq!(for_test("local-2").room_named("local@session.a"), None);
    }

    proptest! {
        #[test]
        fn different_rooms_have_different_names(
            one in ("[a-z0-9_-]{1,4}", "\\PC{1,12}|[a-c@.+/]{1,3}"),
            other in ("[a-z0-9_-]{1,4}", "\\PC{1,12}|[a-c@.+/]{1,3}"),
            tenants in ("[a-b-]{1,3}", "[a-b-]{1,3}"),
        ) {
            let (ours, theirs) = (Room::new(&one.0, &one.1).unwrap(), Room::new(&other.0, &other.1).unwrap());
            let (a, b) = (ours.tenant_name(&tenants.0), theirs.tenant_name(&tenants.1));
            prop_assert_eq!(a == b, ours == theirs && tenants.0 == tenants.1);
            prop_assert!(is_name_of(&a, &tenants.0) && a.len() <= 64 + 98);
            prop_assert_eq!(is_name_of(&a, &tenants.1), tenants.0 == tenants.1);
        }
    }
}
