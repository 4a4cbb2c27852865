//! Parameters as the OpenAPI tells them. The routes read them with [`crate::params`]; a test compares the two.
#![expect(dead_code, reason = "these structs describe; nothing makes one")]

use utoipa::IntoParams;

/// What to look for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// A query in the query language; empty finds everything that the filters let through.
    #[param(example = "\"block-max\" index -draft provider:claude")]
    q: Option<String>,
    /// Only in this conversation.
    #[param(format = "uuid")]
    conversation: Option<String>,
}

/// Which messages count. Within a parameter any value may match; all parameters must.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Providers; repeatable.
    #[param(max_items = 64, value_type = Option<Vec<crate::openapi::ProviderName>>)]
    provider: Option<Vec<String>>,
    /// Models, compared without case; a trailing `*` matches any ending; repeatable.
    #[param(max_items = 64)]
    model: Option<Vec<String>>,
    /// Roles; repeatable.
    #[param(value_type = Option<Vec<crate::dto::conversation::Role>>)]
    role: Option<Vec<String>>,
    /// The source's user ids; repeatable.
    #[param(max_items = 64)]
    user: Option<Vec<String>>,
    /// Written then or later: a moment, or the beginning of a year, month or day; times ago (`7d`) and words
    /// (`last-month`) as in the query language.
    #[param(value_type = Option<crate::openapi::Moment>, example = "2024-05")]
    after: Option<String>,
    /// Written then or earlier: a moment, or the end of a year, month or day; times ago and words likewise.
    #[param(value_type = Option<crate::openapi::Moment>, example = "2024-05-17")]
    before: Option<String>,
    /// Things that the message must have, all of them; repeatable.
    #[param(value_type = Option<Vec<crate::openapi::FlagName>>)]
    has: Option<Vec<String>>,
    /// Also messages that the source hides from its user (system context, custom instructions).
    #[param(default = false)]
    hidden: Option<bool>,
}

/// In which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Order {
    /// Best match first, or newest first.
    #[param(value_type = Option<crate::openapi::SortName>)]
    sort: Option<String>,
}

/// Which topics.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Topics {
    /// Conversations, documents, or both; both where it is left out.
    #[param(value_type = Option<crate::openapi::PlaceName>)]
    r#in: Option<String>,
    /// Most topics; 2 to 50, by how much there is, where it is left out.
    #[param(minimum = 1, maximum = 200)]
    count: Option<u32>,
}

/// Which part of the hits.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchPage {
    /// Most hits to return.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<u32>,
    /// Where the last page ended: its `next_cursor`. Only valid with the same other parameters.
    cursor: Option<String>,
}

/// Which part of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Most entries to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where the last page ended: its `next_cursor`.
    cursor: Option<String>,
}

/// Which part of a list of OpenAI's.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPart {
    /// Most objects to return.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// The oldest first, or the newest.
    #[param(value_type = Option<crate::openapi::DirectionName>)]
    order: Option<String>,
    /// The id of the last one that was seen.
    after: Option<String>,
}

/// Which part of a conversation.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessagePage {
    /// Most messages to return.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Where the last page ended: its `next_cursor`.
    #[param(minimum = 0, maximum = 4_294_967_295_i64)]
    cursor: Option<u32>,
}

/// What to complete.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Suggestion {
    /// How the title begins; case does not matter.
    #[param(example = "sour")]
    prefix: Option<String>,
    /// Most titles to return.
    #[param(minimum = 1, maximum = 50, default = 10)]
    limit: Option<u32>,
}

/// In which form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Export {
    /// Markdown, the import format, or plain text; Markdown where it is left out.
    #[param(value_type = Option<crate::openapi::FormatName>)]
    format: Option<String>,
}

/// Which conversation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ConversationPath {
    /// The conversation's id.
    #[param(format = "uuid")]
    id: String,
}

/// Which message.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MessagePath {
    /// The message's id.
    #[param(minimum = 1)]
    id: i64,
}

/// Which import.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ImportPath {
    /// The import's id.
    #[param(format = "uuid")]
    id: String,
}

/// How to read an upload.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Upload {
    /// Whose export it is; recognised by content where it is left out.
    #[param(value_type = Option<crate::openapi::ProviderName>)]
    provider: Option<String>,
}

/// Which model.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ModelPath {
    /// Its name, percent-encoded: a slash in it is `%2F`.
    #[param(example = "qwen3:0.6b")]
    model: String,
}

/// How long a model stays.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeepAlive {
    /// Seconds that it stays in memory after its last use, 0 for good; as the settings say where this is missing.
    #[param(minimum = 0, maximum = 31_622_400)]
    keep_seconds: Option<u64>,
}

/// How a model is measured.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Measure {
    /// Tokens to read.
    #[param(minimum = 1, maximum = 8192, default = 128)]
    prompt_tokens: Option<u64>,
    /// Tokens to write.
    #[param(minimum = 2, maximum = 1024, default = 32)]
    generated_tokens: Option<u64>,
}

/// Which pull.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PullPath {
    /// The pull's id.
    #[param(format = "uuid")]
    id: String,
}

/// Where and how to look, beside messages: with any of these the answer is another one, see `Everything`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Everywhere {
    /// Looks in conversations, in the library of documents, or in both.
    #[param(value_type = Option<crate::openapi::PlaceName>)]
    r#in: Option<String>,
    /// Looks for words, for meaning, or for both.
    #[param(value_type = Option<crate::openapi::ModeName>)]
    mode: Option<String>,
    /// Has a model read the best hits and order them anew, or leaves them as they were found; without it, they are ordered anew
    /// where the server has a model for it.
    rerank: Option<bool>,
    /// Leaves out hits of a lower score. By how far hits stand out of what is found, 0 is the average one.
    min_score: Option<f64>,
    /// Only documents of this format (`pdf`, `markdown`); repeatable.
    #[param(max_items = 64)]
    format: Option<Vec<String>>,
}

/// Whether to stay.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// Goes on when nothing is being done any more.
    #[param(default = false)]
    wait: Option<bool>,
}

/// Which files of the ledger.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Ledger {
    /// Only files in this state.
    #[param(value_type = Option<crate::openapi::StateName>)]
    state: Option<String>,
    /// Only files whose path begins like this.
    under: Option<String>,
}

/// Which file of the ledger.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilePath {
    /// Its path, as the ledger has it.
    #[param(min_length = 1)]
    path: String,
}

/// Which file of the ledger, if one.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnyFilePath {
    /// Its path, as the ledger has it; all that failed where this is missing.
    path: Option<String>,
}

/// Whether to pause.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paused {
    /// Stops where true, goes on where false.
    #[param(default = false)]
    paused: Option<bool>,
}

/// Which memories.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Memories {
    /// What to look for, by word and by meaning.
    q: Option<String>,
    /// Which memories; those that are found, hot and warm ones, where it is left out.
    #[param(value_type = Option<crate::openapi::TierName>)]
    tier: Option<String>,
}

/// Which memory.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemoryPath {
    /// The memory's id.
    #[param(format = "uuid")]
    id: String,
}

/// Which document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DocumentPath {
    /// The document's id.
    #[param(format = "uuid")]
    id: String,
}
