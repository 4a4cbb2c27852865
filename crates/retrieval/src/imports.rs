use std::{
    any::Any,
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use athenaeum_archive::{Archive, ErrorKind, ImportEvent, ImportStatus};
use athenaeum_core::{ImportId, Provider, Timestamp};
use athenaeum_tenancy::{Scope, TenantId};
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{Error, ImportOptions, Progress, Report, import, import::source_name};

/// The imports that a running program carries out in the background: started, watched, cancelled by id.
///
/// One runs at a time, because the archive has one writer; the others wait in order. A cheap handle: clones
/// share the imports.
#[derive(Clone)]
pub struct Imports {
    shared: Arc<Shared>,
}

/// What to import, and what must live until that is done.
pub struct Source {
    /// A file, a folder or an archive.
    pub path: PathBuf,
    /// Dropped when the import has ended: the temporary folder of an upload.
    pub keep: Option<Box<dyn Any + Send>>,
}

/// How an import of [`Imports`] stands.
#[derive(Debug, Clone)]
pub enum Status {
    /// Waiting or running.
    Running(Progress),
    /// Done.
    Completed(Arc<Report>),
    /// Ended early; what had been stored stays.
    Failed(Arc<Error>),
}

impl Status {
    /// Tells whether nothing more will happen.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Running(_))
    }
}

struct Shared {
    archive: Archive,
    turn: Semaphore,
    /// One for each import that waits or runs.
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    entries: Mutex<VecDeque<Entry>>,
}

struct Entry {
    id: ImportId,
    tenant: TenantId,
    /// What the archive will record.
    source: String,
    provider: Option<Provider>,
    correlation_id: Option<String>,
    started_at: Timestamp,
    status: watch::Receiver<Status>,
    cancel: CancellationToken,
}

// === impl Imports ===

impl Imports {
    /// Most imports that wait for their turn.
    pub const WAITING_MAX: usize = 16;
    /// Finished imports whose outcome is remembered; older ones are found in the archive's records.
    pub const FINISHED_MAX: usize = 64;

    /// Makes an empty set over `archive`.
    pub fn new(archive: Archive) -> Self {
        Self {
            shared: Arc::new(Shared {
                archive,
                turn: Semaphore::new(1),
                places: Arc::new(Semaphore::new(Self::WAITING_MAX + 1)),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                entries: Mutex::default(),
            }),
        }
    }

    /// Begins an import in the background and returns the id by which the archive records it. Does not wait for
    /// whoever writes to the archive now; [`Imports::event`] tells of it from the beginning.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where [`Imports::WAITING_MAX`] wait already or the program is shutting down.
    pub fn start(&self, scope: &Scope, source: Source, options: ImportOptions) -> Result<ImportId, Error> {
        // Taken before anything is awaited, so that many starts at once do not all see the last free place.
        let place = Arc::clone(&self.shared.places).try_acquire_owned().ok();
        let Some(place) = place.filter(|_| !self.shared.stop.is_cancelled()) else {
            return Err(Error::Busy { waiting: Self::WAITING_MAX });
        };
        let started_at = Timestamp::now();
        let id = ImportId::mint(started_at);
        let (status, watched) = watch::channel(Status::Running(Progress::default()));
        let cancel = self.shared.stop.child_token();
        let entry = Entry {
            id,
            tenant: scope.tenant().clone(),
            source: source_name(&source.path, &options),
            provider: options.provider.clone(),
            correlation_id: options.correlation_id.clone(),
            started_at,
            status: watched,
            cancel: cancel.clone(),
        };
        self.entries(|entries| {
            forget_old(entries);
            entries.push_back(entry);
        });
        let shared = Arc::clone(&self.shared);
        let scope = scope.clone();
        let work = async move {
            let _place = place;
            shared.carry_out(id, scope, source, options, status, cancel).await;
        };
        // What it logs tells who began it.
        self.shared.tasks.spawn(work.in_current_span());
        Ok(id)
    }

    /// Watches an import: the latest state at once, then each new one. `None` for other tenants' imports and
    /// for those that this program does not remember.
    pub fn subscribe(&self, scope: &Scope, id: ImportId) -> Option<watch::Receiver<Status>> {
        self.entries(|entries| find(entries, scope, id).map(|entry| entry.status.clone()))
    }

    /// Returns the id under which whoever began an import speaks of it; `None` where there is none, and where
    /// [`Imports::subscribe`] would give `None`.
    pub fn correlation_id(&self, scope: &Scope, id: ImportId) -> Option<String> {
        self.entries(|entries| find(entries, scope, id).and_then(|entry| entry.correlation_id.clone()))
    }

    /// Reads the record of an import, of any program. One of ours that the archive was not free to record yet, or
    /// that ended before it was, is told as it will be or would have been recorded.
    ///
    /// # Errors
    ///
    /// Those of [`Archive::import_event`].
    pub async fn event(&self, scope: &Scope, id: ImportId) -> Result<ImportEvent, athenaeum_archive::Error> {
        match self.shared.archive.import_event(scope, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.entries(|entries| find(entries, scope, id).map(Entry::event)).ok_or(error)
            }
            recorded => recorded,
        }
    }

    /// Asks an import to end; it will be recorded as failed. Ending one that has ended does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] where [`Imports::subscribe`] would give `None`.
    pub fn cancel(&self, scope: &Scope, id: ImportId) -> Result<(), Error> {
        self.entries(|entries| find(entries, scope, id).map(|entry| entry.cancel.cancel()))
            .ok_or(Error::Unknown(id))
    }

    /// Lists the imports that wait or run, in the order of their turn.
    pub fn running(&self, scope: &Scope) -> Vec<(ImportId, Progress)> {
        self.entries(|entries| {
            entries
                .iter()
                .filter(|entry| entry.tenant == *scope.tenant())
                .filter_map(|entry| match &*entry.status.borrow() {
                    Status::Running(progress) => Some((entry.id, *progress)),
                    _ => None,
                })
                .collect()
        })
    }

    /// Cancels everything, takes nothing new, and waits until each import has ended cleanly.
    pub async fn shut_down(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn entries<T>(&self, look: impl FnOnce(&mut VecDeque<Entry>) -> T) -> T {
        look(&mut self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Shared ===

impl Shared {
    async fn carry_out(
        &self,
        id: ImportId,
        scope: Scope,
        source: Source,
        options: ImportOptions,
        status: watch::Sender<Status>,
        cancel: CancellationToken,
    ) {
        let Source { path, keep } = source;
        let tell = |progress: &Progress| {
            status.send_replace(Status::Running(*progress));
        };
        let ended = self.record_and_run(id, &scope, &path, options, tell, cancel).await;
        drop(keep);
        tracing::debug!(%id, failed = ended.is_err(), "the import has ended");
        status.send_replace(match ended {
            Ok(report) => Status::Completed(Arc::new(report)),
            Err(error) => Status::Failed(Arc::new(error)),
        });
    }

    async fn record_and_run(
        &self,
        id: ImportId,
        scope: &Scope,
        path: &Path,
        options: ImportOptions,
        tell: impl FnMut(&Progress) + Send,
        cancel: CancellationToken,
    ) -> Result<Report, Error> {
        let run = tokio::select! {
            run = import::begin(&self.archive, scope, id, path, &options) => run?,
            () = cancel.cancelled() => {
                return Err(Error::Cancelled(Box::new(Report::new(id, source_name(path, &options)))));
            }
        };
        // Closed never: the semaphore lives as long as its imports. A cancelled one need not wait.
        let turn = tokio::select! {
            turn = self.turn.acquire() => turn.ok(),
            () = cancel.cancelled() => None,
        };
        let ended = import::carry_on(&self.archive, scope, path, options, run, tell, cancel).await;
        drop(turn);
        ended
    }
}

// === impl Entry ===

impl Entry {
    /// Tells what the archive would have recorded.
    fn event(&self) -> ImportEvent {
        let (status, stats, error) = match &*self.status.borrow() {
            Status::Running(_) => (ImportStatus::InProgress, None, None),
            Status::Completed(report) => (ImportStatus::Completed, Some(report.to_json()), None),
            Status::Failed(error) => {
                (ImportStatus::Failed, error.report().map(Report::to_json), Some(error.with_causes()))
            }
        };
        ImportEvent {
            id: self.id,
            provider: self.provider.clone(),
            file_path: self.source.clone(),
            status,
            stats,
            error,
            created_at: self.started_at,
        }
    }
}

fn find<'a>(entries: &'a VecDeque<Entry>, scope: &Scope, id: ImportId) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.id == id && entry.tenant == *scope.tenant())
}

/// Drops the oldest finished imports beyond [`Imports::FINISHED_MAX`].
fn forget_old(entries: &mut VecDeque<Entry>) {
    let finished = entries.iter().filter(|entry| entry.status.borrow().is_final()).count();
    let mut surplus = finished.saturating_sub(Imports::FINISHED_MAX);
    entries.retain(|entry| {
        let forget = surplus > 0 && entry.status.borrow().is_final();
        surplus -= usize::from(forget);
        !forget
    });
}
