//! The library of a server: opened when somebody needs it, added to and embedded in the background.
//!
//! A [`Librarian`] stands between a server's pages and wires on one side and [`Library`], [`Meaning`] and
//! [`documents::add`](crate::documents::add) on the other. Nothing is opened before somebody asks for it ([`Open`]). For every
//! tenant with something to do one task reads what was handed in, and another makes the vectors that are missing; what
//! they are at is an [`Activity`], which anybody may watch.
//!
//! What is handed in rests in the *drop folder*, one below it for each tenant ([`Librarian::take_in`]): there it stays, for
//! an answer's citation is checked against the file.
//!
//! [`Librarian::keep_up`] watches folders and the drop folder, so that what comes, changes and goes there does so in the library.
//!
//! **Invariant:** a file that was taken in is read, whatever becomes of the program: it lies in the drop folder, and
//! [`Librarian::catch_up`] adds what lies there.

mod activity;
mod asking;
mod desk;
mod handed_in;
mod names;
mod watching;

use std::{
    collections::HashMap,
    error::Error as StdError,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use athenaeum_archive::{
    Archive,
    library::{File, Library},
};
use athenaeum_core::{ConversationId, Rerank, Timestamp};
use athenaeum_tenancy::{Scope, TenantId};
use tokio::{
    sync::{OnceCell, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub use activity::{Activity, Embedding, Folder, Pace, Taken, Watched};
pub use handed_in::{CopyError, PutBack, copy_handed_in, follow_moved, is_copy, put_back};
pub use watching::Watching;

use crate::{
    documents::Options,
    meaning::{Meaning, MeaningError},
    rooms::{Rooms, RoomsError, Swept},
    search::{self, Coverage, Mode, Request, Results, SearchError, Searcher},
    with_causes,
};
use desk::Desk;

/// Opens what a librarian works with.
pub trait Open: Send + Sync {
    /// Opens the library.
    fn library(&self) -> Opening<Library, athenaeum_archive::Error>;

    /// Opens the vectors and what makes them; `None` where there is no model for that.
    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn StdError + Send + Sync>>;

    /// Opens the model that orders hits anew; `None` where there is none for that.
    fn reranker(&self) -> Opening<Option<Arc<dyn Rerank>>, Box<dyn StdError + Send + Sync>> {
        Box::pin(async { Ok(None) })
    }

    /// Tells how hits are ordered.
    fn searching(&self) -> search::Settings {
        search::Settings::default()
    }
}

/// What [`Open`] will give.
pub type Opening<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// The library of a server. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Librarian(Arc<Inner>);

struct Inner {
    open: Box<dyn Open>,
    library: OnceCell<Library>,
    meaning: OnceCell<Option<Meaning>>,
    /// Whose messages are embedded.
    conversations: OnceLock<Archive>,
    reranker: OnceCell<Option<Arc<dyn Rerank>>>,
    /// Held by the one that looks for topics: each takes a whole processor.
    topics: tokio::sync::Mutex<()>,
    drop_folder: PathBuf,
    options: Options,
    desks: Mutex<HashMap<TenantId, Arc<Desk>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    stopping: CancellationToken,
}

/// Why files could not be taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeInError {
    /// It is being shut down.
    #[error("the library is being closed; hand the files in when it is open again")]
    Closing,
    /// A file could not be put into the drop folder.
    #[error("{name} could not be put into the folder of documents")]
    Folder {
        /// As its sender called it.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Librarian {
    /// Works with what `open` opens; what is handed in rests below `drop_folder`.
    pub fn new(open: impl Open + 'static, drop_folder: &Path, options: Options) -> Self {
        Self(Arc::new(Inner {
            open: Box::new(open),
            library: OnceCell::new(),
            meaning: OnceCell::new(),
            conversations: OnceLock::new(),
            reranker: OnceCell::new(),
            topics: tokio::sync::Mutex::default(),
            drop_folder: drop_folder.to_owned(),
            options,
            desks: Mutex::default(),
            tasks: Mutex::default(),
            stopping: CancellationToken::new(),
        }))
    }

    /// Embeds the conversations of `archive`, too, after the documents and by the same task.
    #[must_use]
    pub fn with_conversations(self, archive: Archive) -> Self {
        // The first one stays; there is one archive to a librarian.
        let _ = self.0.conversations.set(archive);
        self
    }

    /// Notes that somebody reads a conversation: it is embedded before others.
    pub fn opened(&self, scope: &Scope, id: ConversationId) {
        if self.0.conversations.get().is_some() {
            self.desk(scope).opened(id);
        }
    }

    /// Returns the library; the first call opens it.
    ///
    /// # Errors
    /// Those of opening it; the next call tries again.
    pub async fn library(&self) -> Result<&Library, athenaeum_archive::Error> {
        self.0.library.get_or_try_init(|| self.0.open.library()).await
    }

    /// Returns where vectors are and what makes them; the first call opens it. `None` where there is no model, or where
    /// it cannot be opened, which is logged.
    pub async fn meaning(&self) -> Option<&Meaning> {
        match self.0.meaning.get_or_try_init(|| self.0.open.meaning()).await {
            Ok(meaning) => meaning.as_ref(),
            Err(error) => {
                tracing::warn!(error = with_causes(&*error), "searching by meaning is not possible");
                None
            }
        }
    }

    /// Returns the model that orders hits anew; the first call opens it. `None` where there is none, or where it cannot be
    /// opened, which is logged.
    async fn reranker(&self) -> Option<Arc<dyn Rerank>> {
        match self.0.reranker.get_or_try_init(|| self.0.open.reranker()).await {
            Ok(reranker) => reranker.clone(),
            Err(error) => {
                tracing::warn!(error = with_causes(&*error), "hits are not ordered anew");
                None
            }
        }
    }

    /// Searches the conversations of `archive` and the documents. The model is opened for a search by meaning alone.
    ///
    /// # Errors
    /// Those of [`Searcher::search`].
    pub async fn search(
        &self,
        archive: &Archive,
        scope: &Scope,
        request: &Request,
    ) -> Result<Results, SearchError> {
        let library = self.library().await?.clone();
        let meaning = match request.mode {
            Mode::Text => None,
            _ => self.meaning().await.cloned(),
        };
        let reranker = if request.rerank == Some(false) { None } else { self.reranker().await };
        let searcher = Searcher::new(Some(archive.clone()), Some(library), meaning);
        searcher.with_settings(self.0.open.searching(), reranker).search(scope, request).await
    }

    /// Counts how much of the library can be found by meaning; `None` where there is no model.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn coverage(&self, scope: &Scope) -> Result<Option<Coverage>, MeaningError> {
        let library = self.library().await?;
        // An empty library is no reason to open a model.
        if library.chunk_count(scope).await? == 0 {
            return Ok(Some(Coverage::default()));
        }
        match self.meaning().await {
            Some(meaning) => Ok(Some(meaning.coverage(scope, Some(library), None).await?)),
            None => Ok(None),
        }
    }

    /// Puts files into the drop folder, under names that are free there, and has them read. Each is a name as its sender
    /// called it and where it lies; it is moved from there. Returns where they lie now, in the same order.
    ///
    /// A file that is there already, to the byte and under its name, is not put there twice.
    ///
    /// # Errors
    /// [`TakeInError`]; those before the one that failed are taken in.
    pub async fn take_in(
        &self,
        scope: &Scope,
        files: Vec<(String, PathBuf)>,
    ) -> Result<Vec<PathBuf>, TakeInError> {
        if self.0.stopping.is_cancelled() {
            return Err(TakeInError::Closing);
        }
        let folder = self.drop_folder(scope);
        let moved = tokio::task::spawn_blocking(move || names::move_all(&folder, &files)).await;
        let (places, failed) = match moved {
            Ok(moved) => moved,
            Err(error) => {
                let source = std::io::Error::other(error);
                (Vec::new(), Some(TakeInError::Folder { name: "what was sent".to_owned(), source }))
            }
        };
        self.add(scope, places.clone(), false);
        failed.map_or(Ok(places), Err)
    }

    /// Has files and folders read, or read again, in the background.
    pub fn add(&self, scope: &Scope, paths: Vec<PathBuf>, again: bool) {
        if !paths.is_empty() && !self.0.stopping.is_cancelled() {
            self.desk(scope).hand_in(paths, again);
        }
    }

    /// Reads once more what could not be read: one file of the ledger, or, without a path, all that failed. Returns how
    /// many that are.
    ///
    /// # Errors
    /// [`NotFound`](athenaeum_archive::ErrorKind::NotFound) where the ledger does not have it.
    pub async fn retry(&self, scope: &Scope, path: Option<&str>) -> Result<usize, athenaeum_archive::Error> {
        use athenaeum_archive::library::FileState;
        let library = self.library().await?;
        let mut paths = Vec::new();
        match path {
            Some(path) => {
                let file = library.file(scope, path).await?;
                paths.extend(file.map(|file| PathBuf::from(file.found.path)));
            }
            None => {
                let mut after = None;
                loop {
                    let page =
                        library.list(scope, "", Some(FileState::Failed), after.as_ref(), LISTED).await?;
                    paths.extend(page.items.into_iter().map(|file| PathBuf::from(file.found.path)));
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        let count = paths.len();
        self.add(scope, paths, true);
        Ok(count)
    }

    /// Takes a file out of the ledger, and what only it held out of the library; one that lies in the drop folder is
    /// removed from there, too. Returns what the ledger said of it; `None` where it does not have it.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn forget(&self, scope: &Scope, path: &str) -> Result<Option<File>, MeaningError> {
        let library = self.library().await?;
        let Some(file) = library.file(scope, path).await? else { return Ok(None) };
        let own = Path::new(path).strip_prefix(self.drop_folder(scope)).is_ok_and(names::is_plain);
        if own
            && let Err(error) = tokio::fs::remove_file(path).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path, %error, "a document that was forgotten stays in its folder");
        }
        let removed = library.forget(scope, &[path.to_owned()]).await?;
        if !removed.is_empty()
            && let Some(meaning) = self.meaning().await
        {
            meaning.remove_chunks(scope, &removed).await?;
        }
        self.desk(scope).changed();
        Ok(Some(file))
    }

    /// Stops embedding for a tenant, or goes on with it. It lasts until it is said otherwise or the program ends.
    pub fn pause(&self, scope: &Scope, paused: bool) {
        self.desk(scope).pause(paused);
    }

    /// Returns what is being done for a tenant, now and from now on.
    pub fn watch(&self, scope: &Scope) -> watch::Receiver<Activity> {
        self.desk(scope).activity.subscribe()
    }

    /// Returns where the files rest that a tenant hands in. It is made when the first one comes.
    pub fn drop_folder(&self, scope: &Scope) -> PathBuf {
        self.0.drop_folder.join(scope.tenant().as_str())
    }

    /// Adds what lies in the drop folder and in `folders` and is not known yet, and makes the vectors that an earlier run
    /// left missing, those of conversations included. Opens nothing where there is nothing: `library_file` is looked for first.
    pub async fn catch_up(&self, scope: &Scope, library_file: &Path, folders: Vec<PathBuf>) {
        let mut paths = folders;
        let own = self.drop_folder(scope);
        if tokio::fs::try_exists(&own).await.unwrap_or(false) {
            paths.push(own);
        }
        if !paths.is_empty() {
            self.add(scope, paths, false);
        } else if tokio::fs::try_exists(library_file).await.unwrap_or(false) {
            self.desk(scope).fill();
        }
        self.begin_conversations(scope).await;
    }

    /// Takes out of the rooms of a tenant what has expired by `now`, and the vectors of rooms that are gone; see [`Rooms::sweep`].
    /// Opens nothing where there is no library: `library_file` is looked for first; and no model where nothing has expired: vectors
    /// of rooms that are gone then stay until somebody else has opened it.
    ///
    /// # Errors
    /// Those of [`Rooms::sweep`].
    pub async fn sweep_rooms(
        &self,
        scope: &Scope,
        library_file: &Path,
        now: Timestamp,
    ) -> Result<Swept, RoomsError> {
        if !tokio::fs::try_exists(library_file).await.unwrap_or(false) {
            return Ok(Swept::default());
        }
        let library = self.library().await?;
        if !self.0.meaning.initialized() && library.expiring(scope, now).await?.is_empty() {
            return Ok(Swept::default());
        }
        let meaning = self.meaning().await.cloned();
        let searcher = Searcher::new(None, Some(library.clone()), meaning.clone());
        Rooms::new(library.clone(), meaning, searcher).sweep(scope, now).await
    }

    /// Tells whether it makes vectors of conversations, too.
    pub fn has_conversations(&self) -> bool {
        self.0.conversations.get().is_some()
    }

    /// Begins to make the vectors of conversations that are missing, where there are conversations: see
    /// [`Librarian::with_conversations`].
    pub async fn begin_conversations(&self, scope: &Scope) {
        if let Some(archive) = self.0.conversations.get()
            && archive.count(scope).await.is_ok_and(|(count, _)| count > 0)
        {
            self.desk(scope).fill();
        }
    }

    /// Ends what runs in the background, and waits for that. What was kept stays; the next run goes on.
    pub async fn shut_down(&self) {
        self.0.stopping.cancel();
        let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the library broke down");
            }
        }
        if let Some(library) = self.0.library.get() {
            library.close().await;
        }
        // Whoever watches hears the end.
        self.0.desks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns a tenant's desk; the first call sets it up.
    fn desk(&self, scope: &Scope) -> Arc<Desk> {
        let mut desks = self.0.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = desks.entry(scope.tenant().clone());
        Arc::clone(desk.or_insert_with(|| Arc::new(Desk::new(self.clone(), scope.clone()))))
    }

    /// Runs something until it ends or all is shut down.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        if !self.0.stopping.is_cancelled() {
            tasks.push(tokio::spawn(task));
        }
    }
}

impl std::fmt::Debug for Librarian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Librarian").field("drop_folder", &self.0.drop_folder).finish_non_exhaustive()
    }
}

/// Files of the ledger in one look.
const LISTED: usize = 500;
