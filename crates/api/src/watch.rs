use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use athenaeum_archive::{ImportEvent, ImportStatus};
use athenaeum_core::{ImportId, Provider};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{Api, problem::Problem};

/// What `/metrics` tells about the archive itself. It is read when somebody asks, at most once a minute, so that
/// nothing runs while nobody does; imports of other processes count as well.
#[derive(Default)]
pub(crate) struct ArchiveWatch(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    read_at: Option<Instant>,
    /// All imports up to this one have ended and are counted.
    settled: Option<ImportId>,
    /// Those after it that are counted.
    counted: HashSet<ImportId>,
}

impl ArchiveWatch {
    pub(crate) async fn refresh(&self, api: &Api) -> Result<(), Problem> {
        let mut watched = self.0.lock().await;
        if watched.read_at.is_some_and(|at| at.elapsed() < REFRESH) {
            return Ok(());
        }
        let stats = api.archive.stats(&api.scope).await?;
        api.metrics.gauge("athenaeum_database_size_bytes", stats.database_bytes as f64);
        api.metrics.gauge("athenaeum_conversations_count", stats.conversations as f64);
        api.metrics.gauge("athenaeum_messages_count", stats.messages as f64);
        watched.count_imports(api).await?;
        watched.read_at = Some(Instant::now());
        Ok(())
    }
}

impl Watched {
    /// Walks from the newest import back to the settled ones and counts those that have ended since.
    async fn count_imports(&mut self, api: &Api) -> Result<(), Problem> {
        let mut cursor = None;
        let mut unsettled: Vec<(ImportId, bool)> = Vec::new();
        'pages: loop {
            let page = api.archive.imports(&api.scope, cursor.as_ref(), 50).await?;
            for event in page.items {
                if self.settled.is_some_and(|settled| event.id <= settled) {
                    break 'pages;
                }
                let ended = event.status != ImportStatus::InProgress;
                unsettled.push((event.id, ended));
                if ended && self.counted.insert(event.id) {
                    count(api, &event);
                }
            }
            let Some(next) = page.next else { break };
            cursor = Some(next);
        }
        for (id, ended) in unsettled.into_iter().rev() {
            if !ended {
                break;
            }
            self.settled = Some(id);
            self.counted.remove(&id);
        }
        Ok(())
    }
}

fn count(api: &Api, event: &ImportEvent) {
    let report: Report =
        event.stats.as_deref().and_then(|stats| serde_json::from_str(stats).ok()).unwrap_or_default();
    let provider = match &event.provider {
        None => "several",
        Some(known) if Provider::KNOWN.contains(known) => known.as_str(),
        // Anybody can make up a name; a series for each would never go away.
        Some(_) => "other",
    };
    let status = if event.status == ImportStatus::Completed { "completed" } else { "failed" };
    api.metrics.import_ended(provider, status, report.conversations, report.messages);
    if let Some(millis) = report.duration_ms {
        api.metrics.import_took(Duration::from_millis(millis));
    }
}

/// The part of a report that is counted.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    conversations: u64,
    messages: u64,
    duration_ms: Option<u64>,
}

/// How old the counts may be.
const REFRESH: Duration = Duration::from_secs(60);
