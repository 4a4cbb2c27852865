//! What the archive is asked and what it hands out: plain values, no wire format.

use std::{ops::Range, sync::Arc, time::Duration};

use athenaeum_core::{ConversationId, ImportId, Message, MessageId, Provider, Role, Timestamp};

/// A search as a person types it, with the filters that a page or a flag adds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchRequest {
    /// The query language of [`crate::query`]; any text is accepted.
    pub query: String,
    /// Filters beside those named in the query; both must hold.
    pub filters: Filters,
    /// Order of the hits.
    pub sort: Sort,
    /// Most hits to return; `0` means [`SearchRequest::LIMIT_DEFAULT`], more than
    /// [`SearchRequest::LIMIT_MAX`] is cut to it.
    pub limit: usize,
    /// Where the last page ended, from [`SearchResults::next`].
    pub cursor: Option<Cursor>,
}

impl SearchRequest {
    /// Hits on a page when the request does not say.
    pub const LIMIT_DEFAULT: usize = 20;
    /// Most hits on a page.
    pub const LIMIT_MAX: usize = 200;
}

/// Which messages may be found. Within a field any value may match; all fields must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// Providers, any of them. Empty: all.
    pub providers: Vec<Provider>,
    /// Models, any of them, compared without case; a trailing `*` matches any ending. Empty: all.
    pub models: Vec<String>,
    /// Roles, any of them. Empty: all.
    pub roles: Vec<Role>,
    /// The source's user ids, any of them. Empty: all.
    pub users: Vec<String>,
    /// Written at this moment or later.
    pub after: Option<Timestamp>,
    /// Written at this moment or earlier.
    pub before: Option<Timestamp>,
    /// Things that the message must have, all of them.
    pub has: Vec<Flag>,
    /// Values above that must *not* match (`-provider:claude`).
    pub without: Option<Box<Filters>>,
    /// Only this conversation.
    pub conversation: Option<ConversationId>,
    /// Also finds messages that the source hides from its user (system context, custom instructions).
    pub include_hidden: bool,
}

impl Filters {
    /// Joins two filters into one that both must pass; `None` where nothing can.
    pub fn and(&self, other: &Self) -> Option<Self> {
        crate::store::both_filters(self, other)
    }
}

/// Something that a message can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flag {
    /// A block of code, fenced or of its own kind.
    Code,
    /// An attached file or image.
    Attachment,
    /// A tool call or a tool's result.
    Tool,
}

/// Order of hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// Best BM25 score first.
    #[default]
    Relevance,
    /// Newest first.
    Recent,
}

/// An opaque place in a list. Only valid for the request that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// The answer to a [`SearchRequest`].
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResults {
    /// In the order asked for.
    pub hits: Vec<Hit>,
    /// How many messages match.
    pub total: Total,
    /// What was understood differently than typed, or bounded; one sentence each, for people.
    pub notices: Vec<Notice>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
    /// Time spent in the archive.
    pub elapsed: Duration,
}

/// Where a hit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a message.
    Message(MessageId),
    /// In the title of a conversation.
    Title(ConversationId),
}

/// The order of hits, without what is shown of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranking {
    /// Best first, with their scores.
    pub places: Vec<(Place, f64)>,
    /// As [`SearchResults::notices`].
    pub notices: Vec<Notice>,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Counted.
    Exactly(u64),
    /// Counting stopped here.
    AtLeast(u64),
}

/// A remark to the person who searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice(pub String);

/// One message that matches, or a conversation whose title does.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The conversation it stands in; hits of one conversation share it.
    pub conversation: Arc<ConversationSummary>,
    /// The matches in the title, as ranges of bytes in [`ConversationSummary::title`].
    pub title_marks: Vec<Range<usize>>,
    /// The message; `None` where only the title matches.
    pub message: Option<MessageId>,
    /// Index of the message in its conversation.
    pub position: u32,
    /// Who speaks.
    pub role: Role,
    /// The model that wrote it.
    pub model: Option<String>,
    /// When it was written; `None` where the source does not tell, even if it tells when the conversation began.
    pub created_at: Option<Timestamp>,
    /// Higher is better; comparable within one answer only.
    pub score: f64,
    /// The passage around the best match.
    pub snippet: Snippet,
    /// Stands in a branch that is not the current one.
    pub off_branch: bool,
}

/// A passage of plain text with its matches. Whoever shows it escapes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snippet {
    /// Plain text; `…` stands where it was cut.
    pub text: String,
    /// The matches, ascending and disjoint ranges of bytes in `text`.
    pub marks: Vec<Range<usize>>,
}

/// A conversation without its messages.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationSummary {
    /// Ours.
    pub id: ConversationId,
    /// Who served it.
    pub provider: Provider,
    /// The source's id.
    pub external_id: String,
    /// The title to the letter.
    pub title: Option<String>,
    /// The conversation's model.
    pub model: Option<String>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// The source's user.
    pub user_id: Option<String>,
    /// Messages kept, those of other branches included.
    pub message_count: u32,
}

/// A conversation as somebody sees it who makes something of it, and will want to know whether that is still right.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    /// What lists show.
    pub summary: ConversationSummary,
    /// Another one whenever anything in the conversation is.
    pub version: [u8; 16],
    /// What its messages are filtered by that have no time of their own.
    pub began_at: Option<Timestamp>,
}

/// A conversation whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// What lists show.
    pub summary: ConversationSummary,
    /// Custom instructions that were in force.
    pub system_prompt: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Limit on generated tokens.
    pub max_tokens: Option<i64>,
    /// In stored order: index = position.
    pub messages: Vec<StoredMessage>,
}

/// A message with its id.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    /// Ours.
    pub id: MessageId,
    /// As it was imported; [`Message::parent`] is a position in the same conversation.
    pub message: Message,
}

/// A message and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The conversation it stands in; messages of one conversation share it.
    pub conversation: Arc<ConversationSummary>,
    /// Index of the message in its conversation.
    pub position: u32,
    /// The message.
    pub stored: StoredMessage,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// In the order asked for.
    pub items: Vec<T>,
    /// Where the next part begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// One value and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// A provider, a model, a month (`2024-05`), a day (`2024-05-17`).
    pub value: String,
    /// Messages.
    pub count: u64,
}

/// How the matches of a query spread, most frequent first (months: oldest first).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// Messages by provider.
    pub providers: Vec<Count>,
    /// Messages by model.
    pub models: Vec<Count>,
    /// Messages by role.
    pub roles: Vec<Count>,
    /// Messages by month.
    pub months: Vec<Count>,
}

/// What the archive holds for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Conversations kept.
    pub conversations: u64,
    /// Messages kept.
    pub messages: u64,
    /// How messages spread over providers, models, roles and months.
    pub facets: Facets,
    /// Conversations by provider.
    pub conversations_by_provider: Vec<Count>,
    /// Messages by day, oldest first, days without messages left out.
    pub days: Vec<Count>,
    /// Oldest and newest message.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Size of the database file in bytes.
    pub database_bytes: u64,
}

/// One run of an import, as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportEvent {
    /// Ours.
    pub id: ImportId,
    /// The provider, where the whole source had one.
    pub provider: Option<Provider>,
    /// The path or file name that was imported.
    pub file_path: String,
    /// How it stands.
    pub status: ImportStatus,
    /// The report, as the JSON object that `athenaeum import --json` ends with.
    pub stats: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
}

/// How an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImportStatus {
    /// Running, or killed while it ran.
    InProgress,
    /// Done.
    Completed,
    /// Ended by an error or by its user; what had been committed stays.
    Failed,
}
