use athenaeum_archive as archive;
use athenaeum_retrieval as retrieval;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::conversation::time;

/// One run of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Import {
    /// Ours.
    #[schema(format = "uuid")]
    pub(crate) id: String,
    /// The provider, where the whole source had one.
    pub(crate) provider: Option<String>,
    /// The file's name or path.
    pub(crate) source: String,
    /// How it stands.
    pub(crate) status: ImportStatus,
    /// How far it has come, while this server carries it out.
    pub(crate) progress: Option<Progress>,
    /// What it did: the object that `athenaeum import --json` ends with. Lists of imports leave out its
    /// details.
    #[schema(value_type = Option<Object>)]
    pub(crate) report: Option<Value>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// When it began.
    #[schema(format = "date-time")]
    pub(crate) created_at: String,
}

/// How an import stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportStatus {
    /// Waiting or running.
    InProgress,
    /// Done.
    Completed,
    /// Ended early; what had been stored stays.
    Failed,
}

/// How far an import has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// waiting, reading or finishing.
    #[schema(examples("reading"))]
    pub(crate) phase: &'static str,
    /// Bytes of the source read so far.
    pub(crate) bytes_read: u64,
    /// Bytes of the source in all; 0 where that cannot be known.
    pub(crate) bytes_total: u64,
    /// Conversations found that hold at least one message.
    pub(crate) conversations: u64,
    /// Messages in them.
    pub(crate) messages: u64,
    /// Conversations that the archive did not have.
    pub(crate) added: u64,
    /// Conversations that changed since they were imported last.
    pub(crate) updated: u64,
    /// Conversations that the archive had already.
    pub(crate) unchanged: u64,
    /// Problems met so far.
    pub(crate) problems: u64,
    /// Milliseconds since it began.
    pub(crate) elapsed_ms: u64,
    /// Milliseconds left, where that can be estimated.
    pub(crate) remaining_ms: Option<u64>,
    /// Messages taken in per second.
    pub(crate) messages_per_second: f64,
}

/// A part of the list of imports, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportPage {
    /// The imports.
    pub(crate) imports: Vec<Import>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// An import that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportStarted {
    /// Ours.
    #[schema(format = "uuid")]
    pub(crate) id: String,
    /// Where its progress can be followed as server-sent events.
    pub(crate) events: String,
}

impl Import {
    pub(crate) fn new(event: archive::ImportEvent, progress: Option<&retrieval::Progress>) -> Self {
        Self {
            id: event.id.to_string(),
            provider: event.provider.map(|provider| provider.to_string()),
            source: event.file_path,
            status: match event.status {
                archive::ImportStatus::InProgress => ImportStatus::InProgress,
                archive::ImportStatus::Completed => ImportStatus::Completed,
                archive::ImportStatus::Failed => ImportStatus::Failed,
            },
            // The record is written a moment before the registry lets go of the import.
            progress: progress.filter(|_| event.status == archive::ImportStatus::InProgress).map(Into::into),
            report: event.stats.and_then(|stats| serde_json::from_str(&stats).ok()),
            error: event.error,
            created_at: time(Some(event.created_at)).unwrap_or_default(),
        }
    }

    /// Leaves out what grows with the number of problems.
    pub(crate) fn without_details(mut self) -> Self {
        if let Some(Value::Object(report)) = &mut self.report {
            report.remove("problem_details");
            report.remove("mismatch_details");
        }
        self
    }
}

impl From<&retrieval::Progress> for Progress {
    fn from(progress: &retrieval::Progress) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            phase: progress.phase.as_str(),
            bytes_read: progress.bytes_read,
            bytes_total: progress.bytes_total,
            conversations: progress.conversations,
            messages: progress.messages,
            added: progress.added,
            updated: progress.updated,
            unchanged: progress.unchanged,
            problems: progress.problems,
            elapsed_ms: millis(progress.elapsed),
            remaining_ms: progress.remaining().map(millis),
            messages_per_second: progress.messages_per_second(),
        }
    }
}
