//! What is done for one tenant, in the background.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use athenaeum_tenancy::Scope;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Activity, Embedding, Librarian, Pace, Taken};
use crate::{
    documents::{self, Options, Report},
    meaning::{Filling, MeaningError},
    search::Coverage,
    with_causes,
};

pub(super) struct Desk {
    librarian: Librarian,
    scope: Scope,
    pub(super) activity: watch::Sender<Activity>,
    tray: Mutex<Tray>,
    /// Vectors may be missing.
    missing: Notify,
}

/// What waits, and who works.
#[derive(Default)]
struct Tray {
    /// To be read; those with `true` though they are as the ledger knows them.
    paths: Vec<(PathBuf, bool)>,
    reads: bool,
    fills: bool,
    paused: bool,
    /// Ends the embedding that is under way.
    filling: CancellationToken,
}

impl Desk {
    pub(super) fn new(librarian: Librarian, scope: Scope) -> Self {
        Self {
            librarian,
            scope,
            activity: watch::Sender::new(Activity::default()),
            tray: Mutex::default(),
            missing: Notify::new(),
        }
    }

    fn tray(&self) -> std::sync::MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has paths read, by the task that reads or by a new one.
    pub(super) fn hand_in(&self, paths: Vec<PathBuf>, again: bool) {
        let mut tray = self.tray();
        for path in paths {
            if !tray.paths.contains(&(path.clone(), again)) {
                tray.paths.push((path, again));
            }
        }
        let waiting = tray.paths.len();
        self.activity.send_modify(|activity| activity.waiting = waiting);
        if !std::mem::replace(&mut tray.reads, true) {
            let (librarian, scope) = (self.librarian.clone(), self.scope.clone());
            self.librarian.spawn(async move { librarian.desk(&scope).read().await });
        }
    }

    /// Reads until nothing waits.
    async fn read(&self) {
        let stopping = &self.librarian.0.stopping;
        loop {
            let (paths, again) = {
                let mut tray = self.tray();
                let Some(again) =
                    tray.paths.first().map(|(_, again)| *again).filter(|_| !stopping.is_cancelled())
                else {
                    tray.reads = false;
                    return;
                };
                let (now, later) =
                    std::mem::take(&mut tray.paths).into_iter().partition(|path| path.1 == again);
                tray.paths = later;
                let now: Vec<(PathBuf, bool)> = now;
                (now.into_iter().map(|(path, _)| path).collect::<Vec<_>>(), again)
            };
            let waiting = self.tray().paths.len();
            self.activity.send_modify(|activity| {
                activity.waiting = waiting;
                activity.adding = Some(documents::Progress::default());
            });
            let taken = self.add(&paths, again).await;
            self.activity.send_modify(|activity| {
                activity.adding = None;
                activity.last = Some(taken);
                activity.changes += 1;
            });
            self.fill();
        }
    }

    async fn add(&self, paths: &[PathBuf], again: bool) -> Taken {
        let library = match self.librarian.library().await {
            Ok(library) => library,
            Err(error) => return Taken { error: Some(with_causes(&error)), ..Taken::default() },
        };
        // A file of the ledger that is gone is no reason to read nothing; its folder's next reading notes it.
        let there: Vec<PathBuf> =
            paths.iter().filter(|path| path.symlink_metadata().is_ok()).cloned().collect();
        let options = Options { again, ..self.librarian.0.options.clone() };
        let tell = |progress: &documents::Progress| {
            self.activity.send_modify(|activity| {
                // What was kept until now can be found already.
                let kept = activity.adding.is_some_and(|before| before.kept != progress.kept);
                activity.changes += u64::from(kept);
                activity.adding = Some(*progress);
            });
        };
        let cancel = self.librarian.0.stopping.child_token();
        let added = documents::add(library, &self.scope, &there, &options, tell, cancel).await;
        let (report, error) = match &added {
            Ok(report) => (Some(report), None),
            Err(error) => (error.report(), Some(with_causes(error))),
        };
        if let Some(error) = &error {
            tracing::warn!(error, "documents could not be taken in");
        }
        self.remove_vectors(report).await;
        let report = report.cloned().unwrap_or_default();
        Taken {
            added: report.added,
            updated: report.updated,
            unchanged: report.unchanged + report.same,
            failed: report.failed,
            skipped: report.skipped,
            error,
        }
    }

    async fn remove_vectors(&self, report: Option<&Report>) {
        let removed = report.map(|report| report.chunks_removed.as_slice()).unwrap_or_default();
        if removed.is_empty() {
            return;
        }
        if let Some(meaning) = self.librarian.meaning().await
            && let Err(error) = meaning.remove_chunks(&self.scope, removed).await
        {
            tracing::warn!(error = with_causes(&error), "vectors of what is gone stay for now");
        }
    }

    pub(super) fn changed(&self) {
        self.activity.send_modify(|activity| activity.changes += 1);
        self.fill();
    }

    /// Has vectors made where some are missing, by the task that makes them or by a new one.
    pub(super) fn fill(&self) {
        self.missing.notify_one();
        let mut tray = self.tray();
        if !std::mem::replace(&mut tray.fills, true) {
            let (librarian, scope) = (self.librarian.clone(), self.scope.clone());
            self.librarian.spawn(async move { librarian.desk(&scope).keep_filling().await });
        }
    }

    pub(super) fn pause(&self, paused: bool) {
        {
            let mut tray = self.tray();
            tray.paused = paused;
            if paused {
                tray.filling.cancel();
            }
        }
        self.activity.send_modify(|activity| {
            activity.embedding.pace = if paused { Pace::Paused } else { Pace::Idle };
            activity.embedding.remaining = None;
        });
        if !paused {
            self.fill();
        }
    }

    /// Makes vectors whenever some may be missing, until all is shut down.
    async fn keep_filling(&self) {
        let stopping = self.librarian.0.stopping.clone();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.missing.notified() => {}
            }
            let cancel = {
                let mut tray = self.tray();
                if tray.paused {
                    continue;
                }
                tray.filling = stopping.child_token();
                tray.filling.clone()
            };
            if let Err(error) = self.fill_once(&cancel).await {
                let said = with_causes(&error);
                tracing::warn!(error = said, "vectors could not be made");
                self.embedding(|embedding| {
                    *embedding = Embedding { pace: Pace::Failed, error: Some(said), ..embedding.clone() };
                });
            }
        }
    }

    async fn fill_once(&self, cancel: &CancellationToken) -> Result<(), MeaningError> {
        let library = self.librarian.library().await?;
        let total = library.chunk_count(&self.scope).await?;
        if total == 0 {
            self.embedding(|embedding| {
                *embedding = Embedding { coverage: Some(Coverage::default()), ..Embedding::default() };
            });
            return Ok(());
        }
        let Some(meaning) = self.librarian.meaning().await else {
            self.embedding(|embedding| {
                *embedding = Embedding { pace: Pace::NoModel, ..Embedding::default() };
            });
            return Ok(());
        };
        let before = meaning.coverage(&self.scope, Some(library)).await?;
        self.embedding(|embedding| {
            *embedding = Embedding { pace: Pace::Running, coverage: Some(before), ..Embedding::default() };
        });
        let tell = |filling: &Filling| {
            let embedded = (before.embedded + filling.made).min(filling.total);
            self.embedding(|embedding| {
                embedding.coverage = Some(Coverage { embedded, total: filling.total });
                // Those that had one were passed over at once; what is left is what is missing.
                embedding.remaining = filling.remaining();
            });
        };
        let filled = meaning.fill(&self.scope, library, tell, cancel).await?;
        let after = meaning.coverage(&self.scope, Some(library)).await?;
        self.embedding(|embedding| {
            let pace = if filled.stopped { Pace::Paused } else { Pace::Idle };
            *embedding = Embedding { pace, coverage: Some(after), ..Embedding::default() };
        });
        Ok(())
    }

    fn embedding(&self, change: impl FnOnce(&mut Embedding)) {
        self.activity.send_modify(|activity| change(&mut activity.embedding));
    }
}
