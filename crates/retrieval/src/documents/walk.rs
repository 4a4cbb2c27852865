//! What lies in folders, on a thread of its own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use athenaeum_archive::library::NewFile;
use athenaeum_core::{Problem, Severity, Timestamp};
use ignore::WalkBuilder;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::rules::is_unfinished;

/// A file of this name says, as a `.gitignore` does, what of its folder is not to be read.
pub const IGNORE_FILE: &str = ".athenaeumignore";

/// A file that was come upon.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) path: PathBuf,
    pub(super) file: NewFile,
    /// The folder in which it was found; `None` where it was named itself.
    pub(super) under_root: Option<PathBuf>,
}

/// Comes upon files as fast as they are taken.
pub(super) struct Walk(mpsc::Receiver<Result<Seen, Problem>>);

impl Walk {
    /// Folders of `passed_over` are not entered, unless they are named themselves.
    pub(super) fn start(roots: &[PathBuf], passed_over: &[PathBuf], cancel: &CancellationToken) -> Self {
        let (found, taken) = mpsc::channel(AHEAD);
        let (roots, cancel) = (roots.to_vec(), cancel.clone());
        let passed_over: Arc<[PathBuf]> = passed_over.into();
        tokio::task::spawn_blocking(move || {
            for root in roots {
                let mut tell = |seen| !cancel.is_cancelled() && found.blocking_send(seen).is_ok();
                let going_on = match root.is_dir() {
                    true => folder(&root, &passed_over, &mut tell),
                    false => tell(seen(&root, None)),
                };
                if !going_on {
                    return;
                }
            }
        });
        Self(taken)
    }

    /// Returns those that come next, at most `limit`; nothing at the end.
    pub(super) async fn next(&mut self, limit: usize) -> Vec<Result<Seen, Problem>> {
        let mut found = Vec::new();
        self.0.recv_many(&mut found, limit).await;
        found
    }
}

fn folder(
    root: &Path,
    passed_over: &Arc<[PathBuf]>,
    tell: &mut impl FnMut(Result<Seen, Problem>) -> bool,
) -> bool {
    let mut walk = WalkBuilder::new(root);
    walk.follow_links(false).require_git(false).git_global(false).git_exclude(false);
    walk.parents(false).add_custom_ignore_filename(IGNORE_FILE);
    walk.sort_by_file_name(std::ffi::OsStr::cmp);
    let passed_over = Arc::clone(passed_over);
    walk.filter_entry(move |entry| {
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let passes =
            is_file && is_unfinished(entry.path()) || passed_over.iter().any(|path| path == entry.path());
        entry.depth() == 0 || !passes
    });
    for entry in walk.build() {
        let going_on = match entry {
            // What is neither a file nor a folder (links, sockets, devices) holds nothing to read.
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                tell(seen(entry.path(), Some(root)))
            }
            Ok(_) => true,
            Err(error) => tell(Err(problem(root, &error.to_string()))),
        };
        if !going_on {
            return false;
        }
    }
    true
}

pub(super) fn seen(path: &Path, under_root: Option<&Path>) -> Result<Seen, Problem> {
    let metadata =
        path.metadata().map_err(|error| problem(path, &format!("it cannot be looked at: {error}")))?;
    let Some(name) = path.to_str() else {
        return Err(problem(path, "its name is not Unicode; rename it and add it again"));
    };
    let modified_at = metadata.modified().ok().map(timestamp);
    let file = NewFile { path: name.to_owned(), bytes: metadata.len(), modified_at };
    Ok(Seen { path: path.to_owned(), file, under_root: under_root.map(Path::to_owned) })
}

/// Times before 1970 and after 292278 are the nearest that can be told.
pub(super) fn timestamp(time: std::time::SystemTime) -> Timestamp {
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(match time.duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    })
}

fn problem(path: &Path, reason: &str) -> Problem {
    let file = path.display().to_string();
    Problem { severity: Severity::Broken, file, record: String::new(), reason: reason.to_owned() }
}

/// Files that may wait to be taken.
const AHEAD: usize = 1024;
