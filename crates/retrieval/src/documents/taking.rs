//! Adding, under way: what is come upon is compared with the ledger, read, and written while more is read.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use athenaeum_archive::library::{File, FileState, Kept, Library, NewDocument, NewFile, Outcome};
use athenaeum_core::{ChunkId, Problem};
use athenaeum_ingest::document::Format;
use athenaeum_tenancy::Scope;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Error, LISTED, Options, Progress, Report,
    read::{self, Came},
    under,
    walk::{Seen, Walk},
};

pub(super) struct Taking<'t, P> {
    pub(super) library: &'t Library,
    pub(super) scope: &'t Scope,
    pub(super) options: &'t Options,
    pub(super) cancel: &'t CancellationToken,
    told: P,
    told_at: Option<Instant>,
    begun: Instant,
    pub(super) report: Report,
    /// To be read by one task.
    group: Vec<Seen>,
    group_bytes: u64,
    reading: JoinSet<Vec<(Seen, Came)>>,
    /// Bytes of the files being read.
    reading_bytes: u64,
    batch: Vec<(NewFile, NewDocument)>,
    batch_bytes: usize,
    noted: Vec<(NewFile, FileState, String)>,
    /// The batch that is being written: one at most.
    keeping: JoinSet<Result<Written, athenaeum_archive::Error>>,
    kept_at: Instant,
}

pub(super) type Done = Result<(), athenaeum_archive::Error>;

/// What became of documents, and the chunks that went with files without one.
type Written = (Vec<Kept>, Vec<ChunkId>);

impl<'t, P: FnMut(&Progress) + Send> Taking<'t, P> {
    pub(super) fn begin(
        library: &'t Library,
        scope: &'t Scope,
        options: &'t Options,
        progress: P,
        cancel: &'t CancellationToken,
    ) -> Self {
        Self {
            library,
            scope,
            options,
            cancel,
            told: progress,
            told_at: None,
            begun: Instant::now(),
            report: Report::default(),
            group: Vec::new(),
            group_bytes: 0,
            reading: JoinSet::new(),
            reading_bytes: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            noted: Vec::new(),
            keeping: JoinSet::new(),
            kept_at: Instant::now(),
        }
    }

    pub(super) fn end(mut self, ended: Done) -> Result<Report, Error> {
        self.report.duration = self.begun.elapsed();
        self.tell(true);
        let (report, cancelled) = (self.report, self.cancel.is_cancelled());
        match ended {
            Err(source) => Err(Error::Library { report: Box::new(report), source }),
            Ok(()) if cancelled => Err(Error::Cancelled(Box::new(report))),
            Ok(()) => Ok(report),
        }
    }

    pub(super) async fn take_all(&mut self, roots: &[PathBuf]) -> Done {
        let mut walk = Walk::start(roots, &self.options.passed_over, self.cancel);
        // What a name comes to in 128 bits is a sixth of what a name takes.
        let mut there = HashSet::new();
        while !self.cancel.is_cancelled() {
            let found = walk.next(TAKEN_AT_ONCE).await;
            if found.is_empty() {
                break;
            }
            let mut seen = Vec::with_capacity(found.len());
            for found in found {
                match found {
                    Ok(found) => {
                        if found.under_root.is_some() {
                            there.insert(xxh3_128(found.file.path.as_bytes()));
                        }
                        seen.push(found);
                    }
                    Err(problem) => self.report.problem(problem),
                }
            }
            self.take(seen).await?;
        }
        self.finish_reading().await?;
        if self.cancel.is_cancelled() {
            return Ok(());
        }
        // After everything new is kept: a file that was moved is there again, with the same document.
        for root in roots.iter().filter(|root| root.is_dir()) {
            self.note_gone(root, &there).await?;
        }
        self.keep_all().await
    }

    pub(super) async fn finish_reading(&mut self) -> Done {
        while !self.reading.is_empty() {
            self.take_one_reading().await?;
        }
        self.keep_all().await
    }

    /// Has those files read that are not as the ledger knows them.
    pub(super) async fn take(&mut self, seen: Vec<Seen>) -> Done {
        let paths: Vec<&str> = seen.iter().map(|seen| seen.file.path.as_str()).collect();
        let mut known = self.library.files(self.scope, &paths).await?;
        for seen in seen {
            if self.cancel.is_cancelled() {
                break;
            }
            self.report.files += 1;
            self.report.bytes += seen.file.bytes;
            if self.is_settled(&seen, known.remove(&seen.file.path)) {
                self.report.unchanged += 1;
                continue;
            }
            let is_quick = is_quick(&seen);
            if !is_quick || self.group_bytes + seen.file.bytes > GROUP_BYTES {
                self.read_group().await?;
            }
            self.group_bytes += seen.file.bytes;
            self.group.push(seen);
            if !is_quick || self.group.len() >= GROUP_FILES {
                self.read_group().await?;
            }
        }
        self.read_group().await?;
        self.tell(false);
        Ok(())
    }

    fn is_settled(&self, seen: &Seen, known: Option<File>) -> bool {
        let Some(known) = known.filter(|known| known.found == seen.file) else { return false };
        let again = self.options.again || seen.under_root.is_none() && known.state != FileState::Kept;
        !again && matches!(known.state, FileState::Kept | FileState::Failed | FileState::Skipped)
    }

    /// Has the files of the group read by a task, as soon as there is room for it.
    async fn read_group(&mut self) -> Done {
        if self.group.is_empty() {
            return Ok(());
        }
        while self.reading.len() >= self.options.readers
            || (self.reading_bytes + self.group_bytes > READING_BYTES && !self.reading.is_empty())
        {
            self.take_one_reading().await?;
        }
        self.reading_bytes += std::mem::take(&mut self.group_bytes);
        let (group, options) = (std::mem::take(&mut self.group), self.options.clone());
        self.reading.spawn_blocking(move || {
            let come = |seen| {
                let came = read::come(&seen, &options);
                (seen, came)
            };
            group.into_iter().map(come).collect()
        });
        Ok(())
    }

    async fn take_one_reading(&mut self) -> Done {
        let read = loop {
            let read = tokio::time::timeout(LINGER, self.reading.join_next()).await;
            while let Some(kept) = self.keeping.try_join_next() {
                self.kept(kept)?;
            }
            match read {
                Ok(read) => break read,
                // One that takes long does not keep the others from being found.
                Err(_) => {
                    if self.keeping.is_empty() {
                        self.keep().await?;
                    }
                    self.tell(false);
                }
            }
        };
        match read {
            Some(Ok(read)) => {
                for (seen, came) in read {
                    self.reading_bytes = self.reading_bytes.saturating_sub(seen.file.bytes);
                    self.came(seen.file, came);
                }
            }
            // A reader that panics is caught inside of it; what else ends a task is the end of the program.
            Some(Err(error)) => tracing::error!(%error, "a reader ended"),
            None => {}
        }
        let full = self.batch.len() >= BATCH_DOCUMENTS || self.batch_bytes >= BATCH_BYTES;
        if full || self.noted.len() >= BATCH_DOCUMENTS || self.kept_at.elapsed() >= KEPT_EVERY {
            self.keep().await?;
        }
        self.tell(false);
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

    /// Writes what came, and waits until it is there.
    pub(super) async fn keep_all(&mut self) -> Done {
        self.keep().await?;
        self.wait_until_kept().await
    }

    /// Has what came written while more is read. Waits for what was being written before.
    async fn keep(&mut self) -> Done {
        self.wait_until_kept().await?;
        self.kept_at = Instant::now();
        if self.batch.is_empty() && self.noted.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        let (batch, noted) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.noted));
        let (library, scope) = (self.library.clone(), self.scope.clone());
        let work = async move {
            let (mut kept, mut removed) = Written::default();
            if !batch.is_empty() {
                kept = library.keep(&scope, batch).await?;
            }
            if !noted.is_empty() {
                removed = library.note(&scope, noted).await?;
            }
            Ok((kept, removed))
        };
        self.keeping.spawn(work.in_current_span());
        Ok(())
    }

    async fn wait_until_kept(&mut self) -> Done {
        while let Some(kept) = self.keeping.join_next().await {
            self.kept(kept)?;
        }
        Ok(())
    }

    fn kept(
        &mut self,
        ended: Result<Result<Written, athenaeum_archive::Error>, tokio::task::JoinError>,
    ) -> Done {
        let (kept, removed) = match ended {
            Ok(written) => written?,
            // Only a panic ends it otherwise, and it is not to look as if all were kept.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Ok(()),
            },
        };
        for kept in kept {
            match kept.outcome {
                Outcome::Added => self.report.added += 1,
                Outcome::Updated => self.report.updated += 1,
                Outcome::Same => self.report.same += 1,
            }
            self.report.chunks_added += u64::from(kept.added);
            self.removed(kept.removed);
        }
        self.removed(removed);
        self.tell(true);
        Ok(())
    }

    pub(super) fn removed(&mut self, chunks: Vec<ChunkId>) {
        self.report.chunks_removed.extend(chunks);
    }

    /// Notes files of the ledger that the folder no longer has.
    async fn note_gone(&mut self, root: &Path, there: &HashSet<u128>) -> Done {
        let Some(under) = under(root) else { return Ok(()) };
        let mut after = None;
        loop {
            let page = self.library.list(self.scope, &under, None, after.as_ref(), LISTED).await?;
            for file in page.items {
                let is_gone = file.state != FileState::Gone
                    && !there.contains(&xxh3_128(file.found.path.as_bytes()))
                    && !Path::new(&file.found.path).exists();
                if is_gone {
                    self.gone(file.found);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    pub(super) fn gone(&mut self, file: NewFile) {
        self.report.gone += 1;
        self.noted.push((file, FileState::Gone, GONE.to_owned()));
    }

    pub(super) fn tell(&mut self, always: bool) {
        if always || self.told_at.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told_at = Some(Instant::now());
            (self.told)(&self.report.progress(self.begun.elapsed()));
        }
    }
}

/// Tells whether a file is read in less time than it takes to hand it to a task: a short one whose name says that it is text.
fn is_quick(seen: &Seen) -> bool {
    seen.file.bytes <= QUICK_BYTES && Format::by_name(&seen.file.path).is_some()
}

/// Why a file is gone.
const GONE: &str = "it is no longer there; what only it held has left the library";

/// Files that are looked up together.
pub(super) const TAKEN_AT_ONCE: usize = 256;

/// A file of this length is read in about a millisecond.
const QUICK_BYTES: u64 = 64 << 10;

/// Quick files that one task reads: some milliseconds of work.
const GROUP_FILES: usize = 32;

/// Their bytes.
const GROUP_BYTES: u64 = 256 << 10;

/// Files in one transaction: writing takes some 100 ms then.
pub(super) const BATCH_DOCUMENTS: usize = 512;

/// Text in one transaction.
const BATCH_BYTES: usize = 8 << 20;

/// Bytes of files that are read at the same time; a larger one is read alone.
const READING_BYTES: u64 = 64 << 20;

/// How long what was read may wait for others.
const KEPT_EVERY: Duration = Duration::from_millis(500);

/// How long nothing may come before what came is written.
const LINGER: Duration = Duration::from_millis(30);

const TOLD_EVERY: Duration = Duration::from_millis(100);
