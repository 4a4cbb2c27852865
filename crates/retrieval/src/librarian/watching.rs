//! Folders that are watched: what comes, changes and goes there does so in the library.
//!
//! A thread hears from the system what happens ([`disk`]), waits until each file has come to rest ([`settling`]), and hands it
//! to the desk. Where the system may not tell everything (a network's disk, too many folders, a flood), the folder is looked
//! through now and then. Of several processes with one library, one watches ([`lease`]); when it ends, another goes on.
//!
//! **Invariant:** nothing is written or moved in a watched folder; what could not be told of is looked for; what waits is
//! bounded.

mod disk;
mod lease;
mod network;
mod settling;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    time::{Duration, Instant},
};

use athenaeum_tenancy::Scope;
use tokio_util::sync::CancellationToken;

use super::{Librarian, activity::Folder, activity::Watched, desk::Desk};
use crate::documents::{Change, rules};
use disk::{Disk, Told, Unwatched};
use lease::Lease;
use settling::{Look, Settling, Sign};

/// Which folders to watch, and how.
#[derive(Debug, Clone)]
pub struct Watching {
    /// The folders, absolute. They need not be there yet.
    pub folders: Vec<PathBuf>,
    /// How often a folder is looked through of which the system may not tell everything.
    pub look_every: Duration,
    /// Files that may wait to come to rest; when more do, their folders are looked through instead.
    pub waiting_max: usize,
}

impl Default for Watching {
    fn default() -> Self {
        Self { folders: Vec::new(), look_every: Duration::from_secs(60), waiting_max: 10_000 }
    }
}

impl Librarian {
    /// Keeps the library as folders and the drop folder are, from now until it is shut down: what changed before is found first.
    /// Opens nothing where there is nothing; `library_file` is looked for.
    ///
    /// What is watched, and how, is in the [`Activity`](super::Activity). Where another process does it already, this one waits
    /// for its end.
    pub fn keep_up(&self, scope: &Scope, library_file: &Path, watching: Watching) {
        let (tell, told) = sync_channel(EVENTS_AHEAD);
        let mut folders = vec![self.drop_folder(scope)];
        for folder in watching.folders {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        let wake = tell.clone();
        let stopping = self.0.stopping.child_token();
        let no_longer = stopping.clone().drop_guard();
        let watch = Watch {
            desk: self.desk(scope),
            librarian: self.clone(),
            stopping,
            lease: None,
            lease_file: self.0.drop_folder.with_file_name("watching.lock"),
            library_file: library_file.to_owned(),
            disk: Disk::new(tell),
            told,
            settling: Settling::new(watching.waiting_max),
            look_every: watching.look_every,
            folders: folders.into_iter().map(Place::new).collect(),
            checked_at: None,
        };
        // A thread of its own, as it waits for most of its life; it ends with the task, however that ends.
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        let begun = std::thread::Builder::new().name("watching".to_owned()).spawn(move || {
            let _runtime = runtime.enter();
            let _ended = ended;
            watch.run();
        });
        if let Err(error) = begun {
            tracing::error!(%error, "folders cannot be watched");
            return;
        }
        let stopping = self.0.stopping.clone();
        self.spawn(async move {
            let _no_longer = no_longer;
            stopping.cancelled().await;
            // Wakes the thread; where the queue is full, it is awake.
            let _ = wake.try_send(Told::Noted(PathBuf::new()));
            let _ = end.await;
        });
    }
}

struct Watch {
    librarian: Librarian,
    desk: Arc<Desk>,
    stopping: CancellationToken,
    lease: Option<Lease>,
    lease_file: PathBuf,
    library_file: PathBuf,
    disk: Disk,
    told: Receiver<Told>,
    settling: Settling,
    look_every: Duration,
    folders: Vec<Place>,
    checked_at: Option<Instant>,
}

/// A folder that is watched.
struct Place {
    path: PathBuf,
    /// What the disk calls it, while it is there: another folder of the same name is another folder.
    id: Option<Id>,
    watched: Watched,
    /// When to look through all of it.
    look_at: Option<Instant>,
    looked_at: Option<Instant>,
}

impl Watch {
    fn run(mut self) {
        while !self.stopping.is_cancelled() {
            if self.lease.is_none() {
                self.begin();
            }
            if self.lease.is_some() {
                self.check_folders();
                self.hand_over();
            }
            let next = self.settling.next().map(|due| due.saturating_duration_since(Instant::now()));
            let next = next.unwrap_or(CHECK_EVERY).min(CHECK_EVERY);
            match self.told.recv_timeout(next) {
                Ok(told) => {
                    self.hear(told);
                    // All that was said by now: names before and after a renaming come one after the other.
                    while let Ok(told) = self.told.try_recv() {
                        self.hear(told);
                    }
                    if self.disk.has_lost() {
                        self.lose_count("more happens in the folders than can be told of");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(next),
            }
        }
    }

    fn begin(&mut self) {
        self.lease = Lease::take(&self.lease_file);
        if self.lease.is_some() {
            self.check_folders();
            let is_nothing_there = self.folders.iter().all(|place| place.id.is_none());
            if is_nothing_there && self.library_file.exists() {
                self.desk.fill();
            }
        } else {
            self.folders.iter_mut().for_each(|place| place.watched = Watched::ByAnother);
            self.tell();
        }
    }

    /// Sees which folders are there, and looks through those where it is time to.
    fn check_folders(&mut self) {
        let now = Instant::now();
        let is_due = self.checked_at.is_none_or(|checked| now >= checked + CHECK_EVERY)
            || self.folders.iter().any(|place| place.look_at.is_some_and(|at| at <= now));
        if !is_due {
            return;
        }
        self.checked_at = Some(now);
        for index in 0..self.folders.len() {
            let place = &mut self.folders[index];
            let id = id(&place.path);
            if id != place.id {
                place.id = id;
                place.look_at = id.map(|_| now);
                if id.is_none() {
                    place.watched = Watched::Missing;
                }
            }
            let is_time = place.look_at.is_some_and(|at| at <= now);
            // What is read takes as long as it takes: the next look waits for it.
            let is_first = place.looked_at.is_none();
            if is_time && (is_first || !self.desk.is_reading()) {
                self.look_through(index);
            }
        }
        self.tell();
    }

    /// Watches all of a folder, and has all of it looked through: in this order nothing falls between.
    fn look_through(&mut self, index: usize) {
        let passed_over = &self.librarian.0.options.passed_over;
        let place = &mut self.folders[index];
        let begun = Instant::now();
        let watched = self.disk.watch(&place.path, &place.path, passed_over, None);
        let why = match watched {
            Ok(()) => network::lies_on(&place.path).map(|what| {
                format!("it lies on {what}, which others may change without this machine being told")
            }),
            Err(Unwatched::Missing) => None,
            Err(Unwatched::TooMany) => Some(
                "this system watches no more folders for one person (on Linux fs.inotify.max_user_watches says how many)"
                    .to_owned(),
            ),
            Err(Unwatched::Other(why)) => Some(why),
        };
        place.looked_at = Some(begun);
        place.look_at = why.is_some().then(|| Instant::now() + self.look_every);
        let watched = why.map_or(Watched::Always, |why| Watched::NowAndThen { every: self.look_every, why });
        if watched != place.watched
            && let Watched::NowAndThen { why, .. } = &watched
        {
            tracing::warn!(
                folder = %place.path.display(), why, seconds = self.look_every.as_secs(),
                "a folder is looked through now and then"
            );
        }
        place.watched = watched;
        self.desk.hand_in(vec![place.path.clone()], false);
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Closed(path) => self.sign(path, Sign::Whole),
            Told::Written(path) => self.sign(path, Sign::Written),
            Told::Noted(path) => self.sign(path, Sign::Noted),
            Told::There(path) if is_folder(&path) => self.go_through(&path, &Sign::There, None),
            Told::There(path) => self.sign(path, Sign::There),
            Told::MovedHere(path) | Told::Went(path) if is_folder(&path) => {
                self.go_through(&path, &Sign::Whole, None);
            }
            Told::MovedHere(path) | Told::Went(path) => self.sign(path, Sign::Whole),
            Told::Renamed(from, to) if is_folder(&to) => self.go_through(&to, &Sign::Whole, Some(&from)),
            Told::Renamed(from, to) => {
                // Together with the new name, so that what it was is not gone before it is found again.
                self.sign(from.clone(), Sign::Renamed(PathBuf::new()));
                self.sign(to, Sign::Renamed(from));
            }
        }
    }

    /// Watches a folder that came, and takes the files that are in it already. `before` is what it was called.
    fn go_through(&mut self, start: &Path, sign: &Sign, before: Option<&Path>) {
        let Some(place) = self.place_of(start) else { return };
        let folder = place.path.clone();
        let passed_over = self.librarian.0.options.passed_over.clone();
        let mut found = Vec::new();
        let room = self.settling.room();
        let mut take = |path: &Path| {
            found.push(path.to_owned());
            found.len() <= room
        };
        let watched = self.disk.watch(&folder, start, &passed_over, Some(&mut take));
        for path in found {
            let sign = match before.zip(path.strip_prefix(start).ok()) {
                Some((before, below)) => Sign::Renamed(before.join(below)),
                None => sign.clone(),
            };
            self.sign(path, sign);
        }
        if let Some(before) = before {
            self.sign(before.to_owned(), Sign::Renamed(PathBuf::new()));
        }
        if watched.is_err() {
            self.look_soon(&folder);
        }
    }

    fn sign(&mut self, path: PathBuf, sign: Sign) {
        let Some(place) = self.place_of(&path) else { return };
        let folder = place.path.clone();
        if path == folder {
            self.checked_at = None;
            return;
        }
        if rules::is_rule(&path) {
            self.look_soon(&folder);
        }
        if !rules::is_unfinished(&path) && !self.settling.sign(path, sign, Instant::now()) {
            self.lose_count("more files change than can be waited for");
        }
    }

    /// Has a folder looked through in a moment.
    fn look_soon(&mut self, folder: &Path) {
        if let Some(place) = self.folders.iter_mut().find(|place| place.path == folder) {
            let soon = Instant::now() + SOON;
            place.look_at = Some(place.look_at.map_or(soon, |at| at.min(soon)));
        }
    }

    /// Gives up what is known of changes: all folders are looked through instead, though not all the time.
    fn lose_count(&mut self, why: &str) {
        tracing::info!(why, "all watched folders are looked through");
        self.settling.clear();
        let now = Instant::now();
        for place in &mut self.folders {
            let earliest = place.looked_at.map_or(now, |looked| looked + LOST_EVERY).max(now + SOON);
            place.look_at = Some(place.look_at.map_or(earliest, |at| at.min(earliest)));
        }
    }

    /// Hands what rests to the desk.
    fn hand_over(&mut self) {
        let resting = self.settling.take(Instant::now(), look);
        let mut changes = Vec::with_capacity(resting.len());
        for (path, before) in resting {
            if let Some(place) = self.place_of(&path) {
                let before = before.filter(|before| !before.as_os_str().is_empty());
                changes.push(Change { folder: place.path.clone(), path, before });
            }
        }
        let count = changes.len();
        if count > 0 && !self.desk.follow(changes) {
            self.lose_count("more files change than are read");
        }
    }

    /// Returns the innermost folder that a path lies in, unless it lies in what is passed over there.
    fn place_of(&self, path: &Path) -> Option<&Place> {
        let holds = |place: &&Place| path.starts_with(&place.path);
        let place = self.folders.iter().filter(holds).max_by_key(|place| place.path.as_os_str().len())?;
        let passed_over = self.librarian.0.options.passed_over.iter();
        let passes = |over: &PathBuf| path.starts_with(over) && !place.path.starts_with(over);
        (!passed_over.into_iter().any(passes)).then_some(place)
    }

    fn tell(&self) {
        let told = |place: &Place| Folder { path: place.path.clone(), watched: place.watched.clone() };
        self.desk.tell_folders(self.folders.iter().map(told).collect());
    }
}

impl Place {
    fn new(path: PathBuf) -> Self {
        Self { path, id: None, watched: Watched::Missing, look_at: None, looked_at: None }
    }
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

fn look(path: &Path) -> Option<Look> {
    let metadata = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((metadata.len(), metadata.modified().ok()))
}

/// Device and number, where there are such.
type Id = (u64, u64);

fn id(folder: &Path) -> Option<Id> {
    let metadata = folder.metadata().ok().filter(std::fs::Metadata::is_dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Some((0, 0))
    }
}

/// How often folders are looked for that are not there, and whether the other process that watches has ended.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// Ignore files and floods seldom come alone.
const SOON: Duration = Duration::from_millis(500);

/// Between two looks through everything that a flood made necessary.
const LOST_EVERY: Duration = Duration::from_secs(10);

/// What the system may tell while nobody listens: some seconds of a busy one.
const EVENTS_AHEAD: usize = 16_384;
