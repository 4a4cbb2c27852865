use athenaeum_archive::library;
use athenaeum_retrieval::{
    librarian::{self, Pace, Watched},
    search as retrieval,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    conversation::time,
    search::{Hit, Marked},
};

/// What the library holds, and what is being done in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryStatus {
    /// Documents kept.
    pub(crate) documents: u64,
    /// Parts of them that are found on their own.
    pub(crate) chunks: u64,
    /// Bytes of their text.
    pub(crate) text_bytes: u64,
    /// Files of the ledger by state.
    pub(crate) files: Vec<NamedCount>,
    /// Documents by format, the most frequent first.
    pub(crate) formats: Vec<NamedCount>,
    /// What is being done.
    pub(crate) activity: Activity,
}

/// A name and how often it occurs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedCount {
    /// A state or a format.
    pub(crate) name: String,
    /// How often.
    pub(crate) count: u64,
}

/// What is being done in the library.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Activity {
    /// How far reading has come; null while nothing is read.
    pub(crate) adding: Option<Adding>,
    /// Files and folders that wait to be read.
    pub(crate) waiting: usize,
    /// What the last reading did since the server was started.
    pub(crate) last: Option<Taken>,
    /// How the making of vectors stands.
    pub(crate) embedding: Embedding,
    /// Folders that are watched; none where nothing is watched for whoever asks.
    pub(crate) folders: Vec<Folder>,
    /// Grows whenever something in the library may have changed.
    pub(crate) changes: u64,
}

/// A folder that is watched: what comes, changes and goes there does so in the library.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) path: String,
    /// `always`, `now_and_then` where the system may not tell of every change, `missing`, or `by_another` process.
    pub(crate) watched: &'static str,
    /// Seconds between two looks, where it is looked at now and then.
    pub(crate) every_seconds: Option<u64>,
    /// Why it is not watched always.
    pub(crate) why: Option<String>,
}

/// How far reading has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Adding {
    /// Files come upon.
    pub(crate) files: u64,
    /// Of these, how many are as they were.
    pub(crate) unchanged: u64,
    /// Documents that are new, changed, or known by another file.
    pub(crate) kept: u64,
    /// Files that could not be read.
    pub(crate) failed: u64,
    /// Files that are not meant to be read.
    pub(crate) skipped: u64,
    /// Milliseconds since it began.
    pub(crate) elapsed_ms: u64,
}

/// What a reading did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Taken {
    /// Documents that are new.
    pub(crate) added: u64,
    /// Documents that changed.
    pub(crate) updated: u64,
    /// Files that were known.
    pub(crate) unchanged: u64,
    /// Files that could not be read.
    pub(crate) failed: u64,
    /// Files of no format that is read.
    pub(crate) skipped: u64,
    /// Why it ended early.
    pub(crate) error: Option<String>,
}

/// How the making of vectors stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Embedding {
    /// `idle`, `running`, `elsewhere` (another program makes them), `paused`, `failed`, or `no_model`.
    pub(crate) state: &'static str,
    /// How much of the documents has a vector, as was counted last; null where nobody counted.
    pub(crate) coverage: Option<Coverage>,
    /// How many messages of conversations were looked through and have vectors; null where these are not embedded.
    pub(crate) messages: Option<Coverage>,
    /// The model that makes them; null where nobody looked.
    pub(crate) model: Option<String>,
    /// Models whose vectors answer until those of this one are whole.
    pub(crate) formers: Vec<String>,
    /// Seconds left, where that can be told.
    pub(crate) remaining_seconds: Option<u64>,
    /// Why it ended early.
    pub(crate) error: Option<String>,
}

/// How much can be found by meaning.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Coverage {
    /// Parts with a vector.
    pub(crate) embedded: u64,
    /// Parts that are to have one.
    pub(crate) total: u64,
}

/// Files that were taken in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilesTaken {
    /// In the order in which they were sent.
    pub(crate) files: Vec<FileTaken>,
    /// Where the reading of them can be followed.
    pub(crate) events: String,
}

/// A file that was taken in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileTaken {
    /// As its sender called it.
    pub(crate) name: String,
    /// Where it lies; the ledger knows it by this.
    pub(crate) path: String,
}

/// How many files are read once more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Retried {
    /// Files.
    pub(crate) files: usize,
}

/// A part of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilePage {
    /// By path.
    pub(crate) files: Vec<LibraryFile>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// A file and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryFile {
    /// Where it lies.
    pub(crate) path: String,
    /// `waiting`, `kept`, `failed`, `skipped`, or `gone`.
    pub(crate) state: &'static str,
    /// Why, for people; empty where there is nothing to say.
    pub(crate) reason: String,
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// When it was last written.
    #[schema(format = "date-time")]
    pub(crate) modified_at: Option<String>,
    /// How often it was tried since it last changed.
    pub(crate) tries: u32,
    /// When it was last looked at.
    #[schema(format = "date-time")]
    pub(crate) seen_at: String,
    /// The document that it holds.
    pub(crate) document_id: Option<String>,
    /// Pages, slides or sheets with text, of how many.
    pub(crate) parts: Option<Parts>,
}

/// How much of a source became text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Parts {
    /// Parts with text.
    pub(crate) covered: u32,
    /// All parts.
    pub(crate) total: u32,
}

/// A part of the list of documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentPage {
    /// The newest first.
    pub(crate) documents: Vec<DocumentSummary>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// A document without its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentSummary {
    /// Its id.
    pub(crate) id: String,
    /// Its title.
    pub(crate) title: Option<String>,
    /// A file that holds it.
    pub(crate) path: Option<String>,
    /// Name of its format.
    pub(crate) format: String,
    /// Length of the source in bytes.
    pub(crate) bytes: u64,
    /// BLAKE3 of the source, in hexadecimal digits.
    pub(crate) blake3: String,
    /// How much of the source became text.
    pub(crate) parts: Parts,
    /// How many parts of it are found on their own.
    pub(crate) chunks: u32,
    /// When it came.
    #[schema(format = "date-time")]
    pub(crate) added_at: String,
    /// When it last became another.
    #[schema(format = "date-time")]
    pub(crate) changed_at: String,
    /// When a file that holds it was last written.
    #[schema(format = "date-time")]
    pub(crate) modified_at: Option<String>,
}

/// A document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Document {
    /// What lists tell.
    pub(crate) summary: DocumentSummary,
    /// All files that hold it, by name.
    pub(crate) paths: Vec<String>,
    /// What was wrong with it: objects with `severity`, `record` and `reason`.
    pub(crate) problems: serde_json::Value,
    /// All of its text.
    pub(crate) text: String,
}

/// The answer to a search over conversations and documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Everything {
    /// Best first.
    pub(crate) hits: Vec<AnyHit>,
    /// What was understood differently than typed, or bounded; one sentence each, for people.
    pub(crate) notices: Vec<String>,
    /// How much can be found by meaning so far; null where nobody looked by meaning.
    #[schema(required = true)]
    pub(crate) coverage: Option<Coverage>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
    /// Milliseconds that it took.
    pub(crate) elapsed_ms: f64,
}

/// A message or a part of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnyHit {
    /// `message` or `document`: which of the two is there.
    pub(crate) kind: &'static str,
    /// Higher is better; comparable within one answer only.
    pub(crate) score: f64,
    /// Its rank in each list that has it.
    pub(crate) why: Why,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Hit>,
    /// The part of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<Passage>,
}

/// Why something was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Why {
    /// By its words.
    pub(crate) text: Option<Rank>,
    /// By its meaning.
    pub(crate) meaning: Option<Rank>,
    /// Among those that a model read together with the question; null where none did.
    pub(crate) rerank: Option<Rank>,
}

/// A place in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rank {
    /// From 1.
    pub(crate) rank: u32,
    /// What the list orders by: BM25, the cosine, or what the model says.
    pub(crate) score: f64,
}

/// A part of a document that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Passage {
    /// The document's id.
    pub(crate) document_id: String,
    /// The part's.
    pub(crate) chunk_id: String,
    /// The document's title.
    pub(crate) title: Option<String>,
    /// A file that holds the document.
    pub(crate) path: Option<String>,
    /// Name of its format.
    pub(crate) format: String,
    /// The headings that it stands under.
    pub(crate) heading: Option<String>,
    /// Where in the document, for people: `page 3`.
    pub(crate) place: Option<String>,
    /// First and last byte but one of the document's text.
    pub(crate) text_range: [usize; 2],
    /// The same of the source, where that is text.
    pub(crate) source_range: Option<[u64; 2]>,
    /// The passage around the best match.
    pub(crate) snippet: Marked,
}

/// The answer to a search: messages, or, where `in`, `mode`, `format`, `rerank` or `min_score` is given, messages and documents.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes; nothing makes one")]
pub(crate) enum Found {
    /// Messages.
    Messages(super::search::SearchResults),
    /// Messages and documents.
    Everything(Everything),
}

impl LibraryStatus {
    pub(crate) fn new(stats: library::LibraryStats, activity: &librarian::Activity) -> Self {
        let files = stats.files.into_iter().map(|(state, count)| (state.as_str().to_owned(), count));
        Self {
            documents: stats.documents,
            chunks: stats.chunks,
            text_bytes: stats.text_bytes,
            files: files.map(NamedCount::from).collect(),
            formats: stats.formats.into_iter().map(NamedCount::from).collect(),
            activity: activity.into(),
        }
    }
}

impl From<(String, u64)> for NamedCount {
    fn from((name, count): (String, u64)) -> Self {
        Self { name, count }
    }
}

impl From<&librarian::Activity> for Activity {
    fn from(activity: &librarian::Activity) -> Self {
        Self {
            adding: activity.adding.map(|progress| Adding {
                files: progress.files,
                unchanged: progress.unchanged,
                kept: progress.kept,
                failed: progress.failed,
                skipped: progress.skipped,
                elapsed_ms: u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX),
            }),
            waiting: activity.waiting,
            last: activity.last.clone().map(|last| Taken {
                added: last.added,
                updated: last.updated,
                unchanged: last.unchanged,
                failed: last.failed,
                skipped: last.skipped,
                error: last.error,
            }),
            embedding: Embedding {
                state: Pace::as_str(activity.embedding.pace),
                coverage: activity.embedding.coverage.map(Into::into),
                messages: activity.embedding.messages.map(Into::into),
                model: activity.embedding.model.clone(),
                formers: activity.embedding.formers.clone(),
                remaining_seconds: activity.embedding.remaining.map(|left| left.as_secs()),
                error: activity.embedding.error.clone(),
            },
            folders: activity.folders.iter().map(Folder::from).collect(),
            changes: activity.changes,
        }
    }
}

impl From<&librarian::Folder> for Folder {
    fn from(folder: &librarian::Folder) -> Self {
        let (every, why) = match &folder.watched {
            Watched::NowAndThen { every, why } => (Some(every.as_secs()), Some(why.clone())),
            _ => (None, None),
        };
        Self {
            path: folder.path.to_string_lossy().into_owned(),
            watched: folder.watched.as_str(),
            every_seconds: every,
            why,
        }
    }
}

impl From<retrieval::Coverage> for Coverage {
    fn from(coverage: retrieval::Coverage) -> Self {
        Self { embedded: coverage.embedded, total: coverage.total }
    }
}

impl From<library::Coverage> for Parts {
    fn from(coverage: library::Coverage) -> Self {
        Self { covered: coverage.covered, total: coverage.parts }
    }
}

impl From<library::File> for LibraryFile {
    fn from(file: library::File) -> Self {
        Self {
            path: file.found.path,
            state: file.state.as_str(),
            reason: file.reason,
            bytes: file.found.bytes,
            modified_at: time(file.found.modified_at),
            tries: file.tries,
            seen_at: file.seen_at.to_string(),
            document_id: file.document.map(|id| id.to_string()),
            parts: file.coverage.map(Into::into),
        }
    }
}

impl From<library::DocumentSummary> for DocumentSummary {
    fn from(document: library::DocumentSummary) -> Self {
        Self {
            id: document.id.to_string(),
            title: document.title,
            path: document.path,
            format: document.format,
            bytes: document.bytes,
            blake3: document.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            parts: document.coverage.into(),
            chunks: document.chunks,
            added_at: document.added_at.to_string(),
            changed_at: document.changed_at.to_string(),
            modified_at: time(document.modified_at),
        }
    }
}

impl From<library::Document> for Document {
    fn from(document: library::Document) -> Self {
        Self {
            summary: document.summary.into(),
            paths: document.paths,
            problems: serde_json::from_str(&document.problems).unwrap_or_else(|_| serde_json::json!([])),
            text: document.text,
        }
    }
}

impl Everything {
    /// `next` is where the next page begins.
    pub(crate) fn new(results: retrieval::Results, next: Option<usize>) -> Self {
        Self {
            hits: results.hits.into_iter().map(Into::into).collect(),
            notices: results.notices.into_iter().map(|notice| notice.0).collect(),
            coverage: results.coverage.map(Into::into),
            next_cursor: next.map(|next| next.to_string()),
            elapsed_ms: results.elapsed.as_secs_f64() * 1e3,
        }
    }
}

impl From<retrieval::Hit> for AnyHit {
    fn from(hit: retrieval::Hit) -> Self {
        let rank =
            |rank: Option<retrieval::Rank>| rank.map(|rank| Rank { rank: rank.rank, score: rank.score });
        let retrieval::Why { text, meaning, rerank } = hit.why;
        let why = Why { text: rank(text), meaning: rank(meaning), rerank: rank(rerank) };
        let (kind, message, document) = match hit.found {
            retrieval::Found::Message(message) => ("message", Some((*message).into()), None),
            retrieval::Found::Chunk(chunk) => ("document", None, Some((*chunk).into())),
        };
        Self { kind, score: hit.score, why, message, document }
    }
}

impl From<library::Hit> for Passage {
    fn from(hit: library::Hit) -> Self {
        let document = &hit.chunk.document;
        Self {
            document_id: document.id.to_string(),
            chunk_id: hit.chunk.id.to_string(),
            title: document.title.clone(),
            path: document.path.clone(),
            format: document.format.clone(),
            heading: hit.chunk.heading,
            place: hit.chunk.place,
            text_range: [hit.chunk.range.start, hit.chunk.range.end],
            source_range: hit.chunk.source.map(|range| [range.start, range.end]),
            snippet: Marked::new(&hit.snippet.text, &hit.snippet.marks),
        }
    }
}
