//! What the system tells of folders.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
};

use notify::{
    Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};

use crate::documents::rules;

/// Whether this system tells when whoever wrote a file has closed it.
pub(super) const TELLS_THE_END: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Whether each folder is watched by itself here, so that those that are passed over cost nothing. Elsewhere the system
/// watches all that is below a folder at once.
const ONE_BY_ONE: bool = TELLS_THE_END;

/// The system's watcher. What it tells goes into a queue; what finds no room there is lost, and that is known.
pub(super) struct Disk {
    watcher: Option<RecommendedWatcher>,
    lost: Arc<AtomicBool>,
}

/// What the system told.
#[derive(Debug)]
pub(super) enum Told {
    /// It came there.
    There(PathBuf),
    /// Something about it changed that is not what it holds.
    Noted(PathBuf),
    /// It is being written.
    Written(PathBuf),
    /// Whoever wrote it closed it.
    Closed(PathBuf),
    /// It is called otherwise now: from, to.
    Renamed(PathBuf, PathBuf),
    /// It came there by a new name.
    MovedHere(PathBuf),
    /// It went.
    Went(PathBuf),
}

/// Why a folder is not watched, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unwatched {
    /// It is not there.
    Missing,
    /// The system watches no more folders for this person.
    TooMany,
    /// Something else, in its words.
    Other(String),
}

impl Disk {
    /// Begins; `tell` is the queue that the system's words go into.
    pub(super) fn new(tell: SyncSender<Told>) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let is_lost = Arc::clone(&lost);
        let take = move |event: notify::Result<Event>| {
            let fits = match event {
                // Nobody listens at the end: then nothing is lost.
                Ok(event) => {
                    !event.need_rescan() && words(event).into_iter().all(|told| tell.try_send(told).is_ok())
                }
                Err(error) => {
                    tracing::warn!(%error, "watching folders went wrong for a moment");
                    false
                }
            };
            if !fits {
                is_lost.store(true, Ordering::Release);
            }
        };
        let watcher = RecommendedWatcher::new(take, Config::default().with_follow_symlinks(false));
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(%error, "this system watches no folders; they are looked at now and then");
        });
        Self { watcher: watcher.ok(), lost }
    }

    /// Tells whether something was lost since it was asked last.
    pub(super) fn has_lost(&self) -> bool {
        self.lost.swap(false, Ordering::AcqRel)
    }

    /// Watches `start`, which lies in `folder` or is it, with all that is not passed over below it, and calls `files` with every
    /// file there. Slow: to be called where waiting is no harm.
    pub(super) fn watch(
        &mut self,
        folder: &Path,
        start: &Path,
        passed_over: &[PathBuf],
        mut files: Option<&mut dyn FnMut(&Path) -> bool>,
    ) -> Result<(), Unwatched> {
        if !ONE_BY_ONE && start == folder {
            self.watch_one(start, RecursiveMode::Recursive)?;
        }
        let mut failed = None;
        let wants_files = files.is_some();
        let mut each = |path: &Path| {
            if ONE_BY_ONE && failed.is_none() {
                failed = match self.watch_one(path, RecursiveMode::NonRecursive) {
                    // It went while it was looked at, or nobody may look into it.
                    Err(Unwatched::Missing | Unwatched::Other(_)) if path != folder => None,
                    watched => watched.err(),
                };
            }
            wants_files || failed.is_none()
        };
        let mut file = |path: &Path| files.as_mut().is_none_or(|files| files(path));
        if ONE_BY_ONE || wants_files {
            rules::go_through(folder, start, passed_over, &mut each, &mut file);
        }
        failed.map_or(Ok(()), Err)
    }

    fn watch_one(&mut self, path: &Path, mode: RecursiveMode) -> Result<(), Unwatched> {
        let Some(watcher) = &mut self.watcher else {
            return Err(Unwatched::Other("this system watches no folders".to_owned()));
        };
        watcher.watch(path, mode).map_err(|error| match error.kind {
            ErrorKind::MaxFilesWatch => Unwatched::TooMany,
            ErrorKind::PathNotFound => Unwatched::Missing,
            ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::NotFound => Unwatched::Missing,
            other => Unwatched::Other(notify::Error::new(other).to_string()),
        })
    }
}

/// Tells in our words what the system told in its own.
fn words(event: Event) -> Vec<Told> {
    let mut paths = event.paths.into_iter();
    let told: fn(PathBuf) -> Told = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Told::Closed,
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            let renamed = paths.next().zip(paths.next());
            return renamed.map(|(from, to)| Told::Renamed(from, to)).into_iter().collect();
        }
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Told::MovedHere,
        // One that says both names follows, where it stays within what is watched.
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => Told::Went,
        EventKind::Create(_) => Told::There,
        // Who may read it may be another now.
        EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Any => Told::Noted,
        EventKind::Modify(_) => Told::Written,
        EventKind::Access(_) | EventKind::Other => return Vec::new(),
    };
    paths.map(told).collect()
}
