//! Documents into the library: folders and files are looked at, what changed is read, cut into chunks and kept.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_archive::{Settings, library::Library};
//! use athenaeum_retrieval::{CancellationToken, documents::{self, Options}};
//!
//! let library = Library::open("library".as_ref(), &Settings::default()).await?;
//! let scope = athenaeum_tenancy::local();
//! let told = |progress: &documents::Progress| println!("{} files", progress.done());
//! let paths = ["/home/me/notes".into()];
//! let report = documents::add(&library, &scope, &paths, &Options::default(), told, CancellationToken::new()).await?;
//! println!("{} new, {} failed", report.added, report.failed);
//! # Ok(()) }
//! ```
//!
//! [`add`] may be stopped at any time and run again: what was kept stays, and is not read again. It walks, reads on
//! all cores, and writes many documents in one transaction; between the three stand bounds of number and of bytes.
//!
//! **Invariant:** every file that was come upon stands in the ledger afterwards, with what became of it; one file that
//! cannot be read costs nothing but itself.

mod place;
mod read;
mod report;
mod walk;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use athenaeum_archive::library::{FileState, Library, NewDocument, NewFile, Outcome};
use athenaeum_core::{ChunkId, Problem};
use athenaeum_tenancy::Scope;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use read::{Options, read};
pub use report::{Progress, Report};
pub use walk::IGNORE_FILE;

use read::Came;
use walk::{Seen, Walk};

/// Why documents could not be taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that was named is not there.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// The library could not be read or written. What was kept until then stays.
    #[error("the library could not take in the documents")]
    Library {
        /// What was done until then.
        report: Box<Report>,
        /// Why.
        source: athenaeum_archive::Error,
    },
    /// Its person ended it. What was kept until then stays; adding again goes on.
    #[error("stopped; what was kept until then stays, and adding again goes on from there")]
    Cancelled(Box<Report>),
}

impl Error {
    /// Returns what was done before.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Missing(_) => None,
            Self::Library { report, .. } | Self::Cancelled(report) => Some(report),
        }
    }
}

/// Takes files, and folders with all that is in them, into the library.
///
/// Files that are as the ledger knows them are not read again; those of a folder that are no longer there leave the
/// library. What [`IGNORE_FILE`], `.gitignore` and `.ignore` name in a folder is passed over, and so is what begins
/// with a dot; links to other places are not followed. A file that is named itself is always read.
/// `progress` is called about ten times a second and once at the end.
///
/// # Cancellation
/// After `cancel`, what was read is kept and nothing more is read. Dropping the future gives up at most one batch.
///
/// # Errors
/// [`Error::Missing`] before anything was done; [`Error::Library`], [`Error::Cancelled`].
pub async fn add(
    library: &Library,
    scope: &Scope,
    paths: &[PathBuf],
    options: &Options,
    progress: impl FnMut(&Progress) + Send,
    cancel: CancellationToken,
) -> Result<Report, Error> {
    let mut roots = Vec::with_capacity(paths.len());
    for path in paths {
        let absolute = std::path::absolute(path).map_err(|_| Error::Missing(path.clone()))?;
        if absolute.symlink_metadata().is_err() {
            return Err(Error::Missing(path.clone()));
        }
        roots.push(absolute);
    }
    let mut taking = Taking {
        library,
        scope,
        options,
        told: progress,
        told_at: None,
        begun: Instant::now(),
        report: Report::default(),
        reading: JoinSet::new(),
        reading_bytes: 0,
        batch: Vec::new(),
        batch_bytes: 0,
        noted: Vec::new(),
        kept_at: Instant::now(),
    };
    let ended = taking.take_all(&roots, &cancel).await;
    taking.report.duration = taking.begun.elapsed();
    taking.tell(true);
    let report = taking.report;
    match ended {
        Err(source) => Err(Error::Library { report: Box::new(report), source }),
        Ok(()) if cancel.is_cancelled() => Err(Error::Cancelled(Box::new(report))),
        Ok(()) => Ok(report),
    }
}

struct Taking<'t, P> {
    library: &'t Library,
    scope: &'t Scope,
    options: &'t Options,
    told: P,
    told_at: Option<Instant>,
    begun: Instant,
    report: Report,
    reading: JoinSet<(Seen, Came)>,
    /// Bytes of the files being read.
    reading_bytes: u64,
    batch: Vec<(NewFile, NewDocument)>,
    batch_bytes: usize,
    noted: Vec<(NewFile, FileState, String)>,
    kept_at: Instant,
}

type Done = Result<(), athenaeum_archive::Error>;

impl<P: FnMut(&Progress) + Send> Taking<'_, P> {
    async fn take_all(&mut self, roots: &[PathBuf], cancel: &CancellationToken) -> Done {
        let mut walk = Walk::start(roots, cancel);
        let mut there = HashSet::new();
        while let Some(seen) = walk.next().await {
            match seen {
                Ok(seen) => {
                    if seen.under_root.is_some() {
                        there.insert(seen.file.path.clone());
                    }
                    self.take(seen).await?;
                }
                Err(problem) => self.report.problem(problem),
            }
            self.tell(false);
        }
        while !self.reading.is_empty() {
            self.take_one_reading().await?;
            self.tell(false);
        }
        self.keep().await?;
        if cancel.is_cancelled() {
            return Ok(());
        }
        // After everything new is kept: a file that was moved is there again, with the same document.
        for root in roots.iter().filter(|root| root.is_dir()) {
            self.note_gone(root, &there).await?;
        }
        self.keep().await
    }

    async fn take(&mut self, seen: Seen) -> Done {
        self.report.files += 1;
        self.report.bytes += seen.file.bytes;
        let known = self.library.file(self.scope, &seen.file.path).await?;
        if let Some(known) = known.filter(|known| known.found == seen.file) {
            let again = self.options.again || seen.under_root.is_none() && known.state != FileState::Kept;
            let settled = matches!(known.state, FileState::Kept | FileState::Failed | FileState::Skipped);
            if settled && !again {
                self.report.unchanged += 1;
                return Ok(());
            }
        }
        while self.reading.len() >= self.options.readers
            || (self.reading_bytes + seen.file.bytes > READING_BYTES && !self.reading.is_empty())
        {
            self.take_one_reading().await?;
        }
        self.reading_bytes += seen.file.bytes;
        let options = self.options.clone();
        self.reading.spawn_blocking(move || {
            let came = read::come(&seen, &options);
            (seen, came)
        });
        Ok(())
    }

    async fn take_one_reading(&mut self) -> Done {
        let read = match tokio::time::timeout(LINGER, self.reading.join_next()).await {
            Ok(read) => read,
            // One that takes long does not keep the others from being found.
            Err(_) => {
                self.keep().await?;
                self.reading.join_next().await
            }
        };
        match read {
            Some(Ok((seen, came))) => {
                self.reading_bytes = self.reading_bytes.saturating_sub(seen.file.bytes);
                self.came(seen.file, came);
            }
            // A reader that panics is caught inside of it; what else ends a task is the end of the program.
            Some(Err(error)) => tracing::error!(%error, "a reader ended"),
            None => {}
        }
        let full = self.batch.len() >= BATCH_DOCUMENTS || self.batch_bytes >= BATCH_BYTES;
        if full || self.noted.len() >= BATCH_DOCUMENTS || self.kept_at.elapsed() >= KEPT_EVERY {
            self.keep().await?;
        }
        Ok(())
    }

    fn came(&mut self, file: NewFile, came: Came) {
        match came {
            Came::Document(document, problems) => {
                for problem in problems {
                    self.report.problem(problem);
                }
                self.batch_bytes += document.text.len();
                self.batch.push((file, *document));
            }
            Came::Nothing(state, reason) => {
                if state == FileState::Failed {
                    self.report.failed += 1;
                    self.report.problem(Problem {
                        severity: athenaeum_core::Severity::Broken,
                        file: file.path.clone(),
                        record: String::new(),
                        reason: reason.clone(),
                    });
                } else {
                    self.report.skipped += 1;
                }
                self.noted.push((file, state, reason));
            }
        }
    }

    /// Writes what came.
    async fn keep(&mut self) -> Done {
        self.kept_at = Instant::now();
        if !self.batch.is_empty() {
            self.batch_bytes = 0;
            let kept = self.library.keep(self.scope, std::mem::take(&mut self.batch)).await?;
            for kept in kept {
                match kept.outcome {
                    Outcome::Added => self.report.added += 1,
                    Outcome::Updated => self.report.updated += 1,
                    Outcome::Same => self.report.same += 1,
                }
                self.report.chunks_added += u64::from(kept.added);
                self.removed(kept.removed);
            }
        }
        if !self.noted.is_empty() {
            let removed = self.library.note(self.scope, std::mem::take(&mut self.noted)).await?;
            self.removed(removed);
        }
        Ok(())
    }

    fn removed(&mut self, chunks: Vec<ChunkId>) {
        self.report.chunks_removed.extend(chunks);
    }

    /// Notes files of the ledger that the folder no longer has.
    async fn note_gone(&mut self, root: &Path, there: &HashSet<String>) -> Done {
        let Some(root) = root.to_str() else { return Ok(()) };
        let under = if root.ends_with('/') { root.to_owned() } else { format!("{root}/") };
        let mut after = None;
        loop {
            let page = self.library.list(self.scope, &under, None, after.as_ref(), LISTED).await?;
            for file in page.items {
                let is_gone = file.state != FileState::Gone
                    && !there.contains(&file.found.path)
                    && !Path::new(&file.found.path).exists();
                if is_gone {
                    self.report.gone += 1;
                    self.noted.push((file.found, FileState::Gone, String::new()));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn tell(&mut self, always: bool) {
        if always || self.told_at.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told_at = Some(Instant::now());
            (self.told)(&self.report.progress(self.begun.elapsed()));
        }
    }
}

/// Files in one transaction: writing takes some 50 ms then.
const BATCH_DOCUMENTS: usize = 256;

/// Text in one transaction.
const BATCH_BYTES: usize = 8 << 20;

/// Bytes of files that are read at the same time; a larger one is read alone.
const READING_BYTES: u64 = 64 << 20;

/// How long what was read may wait for others.
const KEPT_EVERY: Duration = Duration::from_millis(500);

/// How long nothing may come before what came is written.
const LINGER: Duration = Duration::from_millis(30);

const TOLD_EVERY: Duration = Duration::from_millis(100);

/// Files of the ledger in one look.
const LISTED: usize = 200;
