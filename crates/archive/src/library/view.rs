//! What the library is given and what it hands out: plain values, no wire format.

use std::{collections::HashSet, ops::Range, sync::Arc, time::Duration};

use athenaeum_core::{ChunkId, DocumentId, SessionId, Timestamp};
use athenaeum_tenancy::{Room, Scope};

use crate::{Notice, Snippet, Total, index::Candidates};

/// A file, as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFile {
    /// Its name: an absolute path, or whatever tells it from others.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was last written, where known. With the length it tells whether it changed since.
    pub modified_at: Option<Timestamp>,
}

/// What reading a file gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewDocument {
    /// BLAKE3 of the file's bytes.
    pub hash: [u8; 32],
    /// Name of its format, lower-case letters and digits: `pdf`, `markdown`.
    pub format: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// Length of the source in bytes.
    pub bytes: u64,
    /// How much of the source the text stands for.
    pub coverage: Coverage,
    /// What was wrong with it, as a JSON array; empty where nothing was.
    pub problems: String,
    /// All of its text.
    pub text: String,
    /// Parts of the text, in order. They may overlap.
    pub chunks: Vec<NewChunk>,
    /// What whoever hands it in says of it, a JSON object; `None` where nothing is said.
    pub metadata: Option<String>,
}

/// A part of a text that is found on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewChunk {
    /// Bytes of [`NewDocument::text`].
    pub range: Range<usize>,
    /// The headings it stands under, for people.
    pub heading: Option<String>,
    /// Where it stands in the source, for people: `page 3`.
    pub place: Option<String>,
    /// Its bytes in the source, where the source is made of text.
    pub source: Option<Range<u64>>,
}

/// How much of a source became text: of so many parts (pages, sheets, slides) so many. 1 of 1 for what has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// Parts with text.
    pub covered: u32,
    /// All parts.
    pub parts: u32,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { covered: 1, parts: 1 }
    }
}

/// What became of a document that was handed to [`Library::keep`](super::Library::keep).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The document that the file has now.
    pub document: DocumentId,
    /// What was done.
    pub outcome: Outcome,
    /// Chunks that are new.
    pub added: u32,
    /// Chunks that went.
    pub removed: Vec<ChunkId>,
}

/// What was done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was not there.
    Added,
    /// The file had other content before.
    Updated,
    /// It is there as it is: the file itself, or another one with the same bytes.
    Same,
}

/// How a file stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileState {
    /// It was seen and is to be read.
    Waiting,
    /// Its text is in the library.
    Kept,
    /// It could not be read; the reason says why.
    Failed,
    /// It is not meant to be read: an ignored name, an unknown format, too large.
    Skipped,
    /// It was there, and no longer is.
    Gone,
}

impl FileState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Kept, Self::Failed, Self::Skipped, Self::Gone];

    /// Returns the name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Kept => "kept",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Gone => "gone",
        }
    }

    /// Finds the state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What was last found.
    pub found: NewFile,
    /// How it stands.
    pub state: FileState,
    /// Why, for people; empty where there is nothing to say.
    pub reason: String,
    /// How often it was tried since it last changed.
    pub tries: u32,
    /// When it was last looked at.
    pub seen_at: Timestamp,
    /// The document that it holds.
    pub document: Option<DocumentId>,
    /// How much of it became text, where something did.
    pub coverage: Option<Coverage>,
}

/// A document without its text.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentSummary {
    /// Ours.
    pub id: DocumentId,
    /// BLAKE3 of the source's bytes.
    pub hash: [u8; 32],
    /// Name of its format.
    pub format: String,
    /// Its title.
    pub title: Option<String>,
    /// Length of the source in bytes.
    pub bytes: u64,
    /// How much of the source became text.
    pub coverage: Coverage,
    /// When it came.
    pub added_at: Timestamp,
    /// When it last became another.
    pub changed_at: Timestamp,
    /// How many chunks it has.
    pub chunks: u32,
    /// A file that holds it: the first by name.
    pub path: Option<String>,
    /// When a file that holds it was last written, where known.
    pub modified_at: Option<Timestamp>,
    /// As [`NewDocument::metadata`].
    pub metadata: Option<String>,
    /// From when on it is there no longer; `None` where it stays.
    pub expires_at: Option<Timestamp>,
}

/// A document whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What lists show.
    pub summary: DocumentSummary,
    /// All files that hold it, by name.
    pub paths: Vec<String>,
    /// As [`NewDocument::problems`].
    pub problems: String,
    /// All of its text.
    pub text: String,
}

/// A chunk by which those that came later are told from the others, whatever else comes and goes: rows are never used
/// twice, and what a chunk says never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its row, higher for what came later.
    pub row: i64,
    /// Its id: in another library, or an older state of this one, that row is not this chunk.
    pub chunk: ChunkId,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Ours.
    pub id: ChunkId,
    /// What it is a part of.
    pub document: Arc<DocumentSummary>,
    /// Index among the document's chunks.
    pub position: u32,
    /// Bytes of the document's text.
    pub range: Range<usize>,
    /// The headings it stands under.
    pub heading: Option<String>,
    /// Where it stands in the source, for people.
    pub place: Option<String>,
    /// Its bytes in the source, where the source is made of text.
    pub source: Option<Range<u64>>,
    /// Its text.
    pub text: String,
}

impl Chunk {
    /// Returns what is searched: the document's title, the headings, the text.
    pub fn searched(&self) -> String {
        super::keep::searched(self.document.title.as_deref(), self.heading.as_deref(), &self.text)
    }
}

/// What to look for in the library.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// In the query language of [`crate::query`]; any text is accepted. Its words are joined by "or", unless
    /// `all_words`.
    pub text: String,
    /// Only chunks with every word.
    pub all_words: bool,
    /// Only these formats; empty: all.
    pub formats: Vec<String>,
    /// Only files written at this moment or later.
    pub after: Option<Timestamp>,
    /// Only files written at this moment or earlier.
    pub before: Option<Timestamp>,
    /// Only these documents; `None`: all.
    pub documents: Option<Arc<HashSet<DocumentId>>>,
    /// How many hits; 0 means 20, and no more than 1,000 are given.
    pub limit: usize,
    /// How many of the best to pass over.
    pub offset: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// How many chunks match.
    pub total: Total,
    /// What was understood differently than typed, or bounded.
    pub notices: Vec<Notice>,
}

/// What a search found, without what is shown of it.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// Chunks and their scores, best first.
    pub chunks: Vec<(ChunkId, f64)>,
    /// Where a question was asked rather than words: what may be ordered anew, by
    /// [`Library::rank_again`](super::Library::rank_again).
    pub question: Option<Question>,
    /// As [`Found::notices`].
    pub notices: Vec<Notice>,
}

/// A question that was looked for, and the chunks that may answer it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Question {
    pub(super) terms: Arc<[String]>,
    pub(super) candidates: Arc<Candidates>,
}

/// What [`Library::rank_again`](super::Library::rank_again) made of a question.
#[derive(Debug, Clone, Default)]
pub struct RankedAgain {
    /// Chunks and their scores, best first.
    pub chunks: Vec<(ChunkId, f64)>,
    /// The best of each of the best documents, which lent their terms.
    pub lenders: Vec<ChunkId>,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The chunk.
    pub chunk: Chunk,
    /// Higher is better; comparable within one answer only.
    pub score: f64,
    /// The passage around the best match.
    pub snippet: Snippet,
}

/// What the library holds for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibraryStats {
    /// Documents kept.
    pub documents: u64,
    /// Chunks of them.
    pub chunks: u64,
    /// Bytes of their text.
    pub text_bytes: u64,
    /// Files in the ledger, by state, those without files left out.
    pub files: Vec<(FileState, u64)>,
    /// Documents by format, the most frequent first.
    pub formats: Vec<(String, u64)>,
}

/// A room: a part of a tenant's library that stands apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEntry {
    /// Its kind and id.
    pub room: Room,
    /// What is in it is read and written under this scope.
    pub scope: Scope,
    /// When it was made.
    pub made_at: Timestamp,
    /// How long a document stays in it after it was last put there; `None`: until it is removed.
    pub ttl: Option<Duration>,
    /// Documents in it.
    pub documents: u64,
    /// Chunks of them.
    pub chunks: u64,
}

/// What a session is called, for people and programs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewSession {
    /// Its name.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// By what it is listed.
    pub tags: Vec<String>,
    /// What else is to be known of it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// What is known of a session. Its texts and artifacts are in the room of the kind `session` with its id, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whether it goes on.
    pub status: SessionStatus,
    /// When it began.
    pub made_at: Timestamp,
    /// When its status last changed.
    pub changed_at: Timestamp,
    /// As it was handed in.
    pub about: NewSession,
}

/// Whether a session goes on. A word for people and programs: what is in its room is found, and more can be put there, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// It goes on.
    Active,
    /// It rests, and may be taken up again.
    Suspended,
    /// It is over.
    Completed,
}

impl SessionStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Completed];

    /// Returns the name that files and programs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
        }
    }

    /// Finds the status of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Which sessions to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsWanted {
    /// Those of this status.
    pub status: Option<SessionStatus>,
    /// Those that have all of these tags.
    pub tags: Vec<String>,
    /// How many at most.
    pub limit: usize,
}

impl Default for SessionsWanted {
    fn default() -> Self {
        Self { status: None, tags: Vec::new(), limit: usize::MAX }
    }
}

/// What of a document's metadata has to hold: under this key a value that is one of these.
#[derive(Debug, Clone, PartialEq)]
pub struct Having {
    /// A key of the object, as it stands.
    pub key: String,
    /// Strings, numbers, truth values and null; anything else is never found.
    pub values: Vec<serde_json::Value>,
}
