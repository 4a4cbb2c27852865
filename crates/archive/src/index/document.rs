use athenaeum_core::Role;

/// What is indexed: a message, or a conversation's title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a> {
    /// Message or title.
    pub kind: Kind,
    /// Row of the message; not used for a title.
    pub message_id: i64,
    /// Row of the conversation.
    pub conversation: i64,
    /// Microseconds since 1970 (UTC), where known.
    pub time: Option<i64>,
    /// Who speaks; `None` for a title.
    pub role: Option<Role>,
    /// What can be asked with `has:`, and what is left out by default.
    pub flags: Flags,
    /// Name of the provider.
    pub provider: &'a str,
    /// Name of the model.
    pub model: Option<&'a str>,
    /// The source's user.
    pub user: Option<&'a str>,
    /// A message that SQLite's text index has yet to learn of: to be handed over before the transaction ends.
    pub for_fts5: bool,
}

/// Message or title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A message with its text.
    Message,
    /// The title of a conversation. Scored against other titles, not against messages.
    Title,
}

/// Properties of a message, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// Hidden by its source.
    pub const HIDDEN: Self = Self(1);
    /// In a branch that is not the current one.
    pub const OFF_BRANCH: Self = Self(2);
    /// Holds code.
    pub const CODE: Self = Self(4);
    /// Has an attachment.
    pub const ATTACHMENT: Self = Self(8);
    /// A tool call or its result.
    pub const TOOL: Self = Self(16);

    /// Returns these and those.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}
