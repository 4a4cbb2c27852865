use std::{
    any::Any,
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use athenaeum_archive::{Archive, Import};
use athenaeum_core::ImportId;
use athenaeum_tenancy::{Scope, TenantId};
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Error, ImportOptions, Progress, Report, import};

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

    /// Begins an import in the background and returns the id by which the archive records it.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where [`Imports::WAITING_MAX`] wait already or the program is shutting down;
    /// [`Error::Archive`] where the run could not be recorded.
    pub async fn start(
        &self,
        scope: &Scope,
        source: Source,
        options: ImportOptions,
    ) -> Result<ImportId, Error> {
        // Taken before anything is awaited, so that many starts at once do not all see the last free place.
        let place = Arc::clone(&self.shared.places).try_acquire_owned().ok();
        let Some(place) = place.filter(|_| !self.shared.stop.is_cancelled()) else {
            return Err(Error::Busy { waiting: Self::WAITING_MAX });
        };
        let run = import::begin(&self.shared.archive, scope, &source.path, &options).await?;
        let id = run.id();
        let (status, watched) = watch::channel(Status::Running(Progress::default()));
        let cancel = self.shared.stop.child_token();
        let entry = Entry { id, tenant: scope.tenant().clone(), status: watched, cancel: cancel.clone() };
        self.entries(|entries| {
            forget_old(entries);
            entries.push_back(entry);
        });
        let shared = Arc::clone(&self.shared);
        let scope = scope.clone();
        self.shared.tasks.spawn(async move {
            let _place = place;
            shared.carry_out(scope, source, options, run, status, cancel).await;
        });
        Ok(id)
    }

    /// Watches an import: the latest state at once, then each new one. `None` for other tenants' imports and
    /// for those that this program does not remember.
    pub fn subscribe(&self, scope: &Scope, id: ImportId) -> Option<watch::Receiver<Status>> {
        self.entries(|entries| find(entries, scope, id).map(|entry| entry.status.clone()))
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
        scope: Scope,
        source: Source,
        options: ImportOptions,
        run: Import,
        status: watch::Sender<Status>,
        cancel: CancellationToken,
    ) {
        // Closed never: the semaphore lives as long as its imports. A cancelled one need not wait.
        let turn = tokio::select! {
            turn = self.turn.acquire() => turn.ok(),
            () = cancel.cancelled() => None,
        };
        let tell = |progress: &Progress| {
            status.send_replace(Status::Running(*progress));
        };
        let Source { path, keep } = source;
        let ended = import::carry_on(&self.archive, &scope, &path, options, run, tell, cancel).await;
        drop(turn);
        drop(keep);
        status.send_replace(match ended {
            Ok(report) => Status::Completed(Arc::new(report)),
            Err(error) => Status::Failed(Arc::new(error)),
        });
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
