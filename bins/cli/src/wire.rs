//! The objects that `--json` prints. Names and types are stable; fields may be added.

use athenaeum::archive::{ConversationSummary, Count, Facets, Hit, ImportEvent, ImportStatus, Stats};
use serde::Serialize;
use serde_json::value::RawValue;

/// A conversation in a list.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    id: String,
    provider: &'a str,
    external_id: &'a str,
    title: Option<&'a str>,
    model: Option<&'a str>,
    created_at: Option<String>,
    updated_at: Option<String>,
    user_id: Option<&'a str>,
    message_count: u32,
}

impl<'a> From<&'a ConversationSummary> for Summary<'a> {
    fn from(summary: &'a ConversationSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            provider: summary.provider.as_str(),
            external_id: &summary.external_id,
            title: summary.title.as_deref(),
            model: summary.model.as_deref(),
            created_at: summary.created_at.map(|time| time.to_string()),
            updated_at: summary.updated_at.map(|time| time.to_string()),
            user_id: summary.user_id.as_deref(),
            message_count: summary.message_count,
        }
    }
}

/// A hit of a search.
#[derive(Debug, Serialize)]
pub(crate) struct Found<'a> {
    conversation_id: String,
    message_id: Option<i64>,
    position: u32,
    provider: &'a str,
    title: Option<&'a str>,
    role: &'a str,
    model: Option<&'a str>,
    created_at: Option<String>,
    score: f64,
    off_branch: bool,
    snippet: &'a str,
    /// Matches in `snippet`, as pairs of byte offsets.
    marks: Vec<[usize; 2]>,
    /// Matches in `title`, as pairs of byte offsets.
    title_marks: Vec<[usize; 2]>,
}

impl<'a> From<&'a Hit> for Found<'a> {
    fn from(hit: &'a Hit) -> Self {
        let pairs =
            |marks: &[std::ops::Range<usize>]| marks.iter().map(|mark| [mark.start, mark.end]).collect();
        Self {
            conversation_id: hit.conversation.id.to_string(),
            message_id: hit.message.map(|id| id.0),
            position: hit.position,
            provider: hit.conversation.provider.as_str(),
            title: hit.conversation.title.as_deref(),
            role: hit.role.as_str(),
            model: hit.model.as_deref(),
            created_at: hit.created_at.map(|time| time.to_string()),
            score: hit.score,
            off_branch: hit.off_branch,
            snippet: &hit.snippet.text,
            marks: pairs(&hit.snippet.marks),
            title_marks: pairs(&hit.title_marks),
        }
    }
}

/// What the archive holds.
#[derive(Debug, Serialize)]
pub(crate) struct Totals<'a> {
    conversations: u64,
    messages: u64,
    database_bytes: u64,
    first_at: Option<String>,
    last_at: Option<String>,
    conversations_by_provider: Vec<Counted<'a>>,
    messages_by: Spread<'a>,
}

#[derive(Debug, Serialize)]
struct Spread<'a> {
    provider: Vec<Counted<'a>>,
    model: Vec<Counted<'a>>,
    role: Vec<Counted<'a>>,
    month: Vec<Counted<'a>>,
}

#[derive(Debug, Serialize)]
struct Counted<'a> {
    value: &'a str,
    count: u64,
}

fn counted(counts: &[Count]) -> Vec<Counted<'_>> {
    counts.iter().map(|count| Counted { value: &count.value, count: count.count }).collect()
}

impl<'a> From<&'a Stats> for Totals<'a> {
    fn from(stats: &'a Stats) -> Self {
        let Facets { providers, models, roles, months } = &stats.facets;
        Self {
            conversations: stats.conversations,
            messages: stats.messages,
            database_bytes: stats.database_bytes,
            first_at: stats.span.map(|(first, _)| first.to_string()),
            last_at: stats.span.map(|(_, last)| last.to_string()),
            conversations_by_provider: counted(&stats.conversations_by_provider),
            messages_by: Spread {
                provider: counted(providers),
                model: counted(models),
                role: counted(roles),
                month: counted(months),
            },
        }
    }
}

/// One recorded import.
#[derive(Debug, Serialize)]
pub(crate) struct Run<'a> {
    id: String,
    status: &'static str,
    source: &'a str,
    provider: Option<&'a str>,
    created_at: String,
    error: Option<&'a str>,
    report: Option<&'a RawValue>,
}

impl<'a> From<&'a ImportEvent> for Run<'a> {
    fn from(event: &'a ImportEvent) -> Self {
        Self {
            id: event.id.to_string(),
            status: status(event.status),
            source: &event.file_path,
            provider: event.provider.as_ref().map(athenaeum::core::Provider::as_str),
            created_at: event.created_at.to_string(),
            error: event.error.as_deref(),
            report: event.stats.as_deref().and_then(|stats| serde_json::from_str(stats).ok()),
        }
    }
}

/// Returns the stable name of an import's state.
pub(crate) fn status(status: ImportStatus) -> &'static str {
    match status {
        ImportStatus::InProgress => "in_progress",
        ImportStatus::Completed => "completed",
        ImportStatus::Failed => "failed",
    }
}
