use athenaeum_archive as archive;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    conversation::time,
    search::{Count, Facets, counts},
};

/// What the archive holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// Conversations kept.
    pub(crate) conversations: u64,
    /// Messages kept.
    pub(crate) messages: u64,
    /// How messages spread.
    pub(crate) facets: Facets,
    /// Conversations by provider.
    pub(crate) conversations_by_provider: Vec<Count>,
    /// Messages by day, oldest first; days without messages are left out.
    pub(crate) days: Vec<Count>,
    /// The oldest message.
    #[schema(format = "date-time")]
    pub(crate) first_message_at: Option<String>,
    /// The newest message.
    #[schema(format = "date-time")]
    pub(crate) last_message_at: Option<String>,
    /// Size of the database file in bytes.
    pub(crate) database_bytes: u64,
}

impl From<archive::Stats> for Stats {
    fn from(stats: archive::Stats) -> Self {
        Self {
            conversations: stats.conversations,
            messages: stats.messages,
            facets: stats.facets.into(),
            conversations_by_provider: counts(stats.conversations_by_provider),
            days: counts(stats.days),
            first_message_at: time(stats.span.map(|(first, _)| first)),
            last_message_at: time(stats.span.map(|(_, last)| last)),
            database_bytes: stats.database_bytes,
        }
    }
}
