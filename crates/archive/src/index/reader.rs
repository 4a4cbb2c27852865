use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{
    candidates::Candidates,
    error::Result,
    facets::{self, FacetCounts},
    filter::Filter,
    manifest::Manifest,
    plan,
    query::Query,
    search::{self, TopDocs},
    segment::Field,
    snapshot::Snapshot,
};
use crate::Sort;

/// An index open for reading. Cheap to clone; clones share what was read.
///
/// Looks at the state of the index that was current when it was opened or last refreshed. Searches that run keep
/// theirs to the end.
#[derive(Debug, Clone)]
pub struct Index(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    snapshot: RwLock<Arc<Snapshot>>,
    used: Mutex<Instant>,
}

/// What an index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Messages, removed ones that were not merged away yet included.
    pub messages: u64,
    /// Titles, likewise.
    pub titles: u64,
    /// Documents removed but not merged away yet.
    pub removed: u64,
    /// Tokens of all messages.
    pub tokens: u64,
    /// Terms, counted once a segment.
    pub terms: u64,
    /// Segments.
    pub segments: u64,
    /// Size of the files in bytes.
    pub bytes: u64,
}

impl Index {
    /// Opens the index in `dir`. Where there is none yet, it is empty and a later [`Index::refresh`] finds what
    /// a writer has made. Takes a fraction of a millisecond.
    ///
    /// # Errors
    /// [`Error::Damaged`](super::Error::Damaged) and [`Error::Version`](super::Error::Version) when it must be
    /// built anew.
    pub fn open(dir: &Path) -> Result<Self> {
        let snapshot = Snapshot::open(dir, &Snapshot::default())?;
        let snapshot = RwLock::new(Arc::new(snapshot));
        Ok(Self(Arc::new(Inner { dir: dir.to_owned(), snapshot, used: Mutex::new(Instant::now()) })))
    }

    /// Looks whether a writer published something and opens it. Costs a few microseconds when not.
    /// Returns whether something changed.
    pub fn refresh(&self) -> Result<bool> {
        let old = self.snapshot();
        let on_disk = Manifest::generation_on_disk(&self.0.dir);
        if on_disk == Some(old.manifest.generation) || (on_disk.is_none() && old.manifest.generation == 0) {
            return Ok(false);
        }
        let fresh = Arc::new(Snapshot::open(&self.0.dir, &old)?);
        *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }

    /// Returns what the writer noted when it published this state; 0 for an empty index.
    pub fn watermark(&self) -> i64 {
        self.snapshot().manifest.watermark
    }

    /// Finds the best (or newest) documents, `limit` of them behind the first `offset`. Pages reach 10,000 deep.
    pub fn search(
        &self,
        query: &Query,
        filter: &Filter,
        sort: Sort,
        limit: usize,
        offset: usize,
    ) -> Result<TopDocs> {
        search::search(&self.used(), query, filter, sort, limit, offset)
    }

    /// Counts the messages that match by provider, model, role and month.
    pub fn facets(&self, query: &Query, filter: &Filter) -> Result<FacetCounts> {
        facets::facets(&self.used(), query, filter)
    }

    /// Returns the most frequent terms of messages that begin with `prefix` (folded), with the number of
    /// documents that hold them, most frequent first.
    pub fn terms_with_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<(String, u64)>> {
        plan::expand(&self.used(), Field::Body, prefix, limit)
    }

    /// Finds the best `limit` messages, to be ordered anew.
    pub fn candidates(&self, query: &Query, filter: &Filter, limit: usize) -> Result<Candidates> {
        Candidates::find(self.used(), query, filter, limit)
    }

    /// Returns what the index holds.
    pub fn stats(&self) -> IndexStats {
        let mut stats = IndexStats::default();
        for part in &self.snapshot().parts {
            let meta = &part.segment.meta;
            stats.messages += u64::from(meta.counts[Field::Body as usize]);
            stats.titles += u64::from(meta.counts[Field::Title as usize]);
            stats.removed += part.removed.as_ref().map_or(0, |removed| u64::from(removed.count));
            stats.tokens += meta.tokens[Field::Body as usize];
            stats.terms += meta.terms;
            stats.segments += 1;
            stats.bytes += part.segment.file.len() + part.segment.positions.len();
        }
        stats
    }

    /// Lets go of the columns held in memory (some 15 bytes a message) if nothing was searched for `idle`.
    /// The next search reads what it needs again. Returns whether it did.
    pub fn release_idle(&self, idle: Duration) -> bool {
        let used = *self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.elapsed() < idle {
            return false;
        }
        for part in &self.snapshot().parts {
            part.segment.release();
        }
        true
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn used(&self) -> Arc<Snapshot> {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.snapshot()
    }
}
