//! Making the vectors that are missing.

use std::time::{Duration, Instant};

use athenaeum_archive::library::{Chunk, Library};
use athenaeum_core::{
    TextKind, Timestamp,
    vector::{Entry, Key, Span, Tag, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use tokio_util::sync::CancellationToken;

use super::{Meaning, MeaningError};

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Filling {
    /// Vectors made.
    pub made: u64,
    /// Chunks looked at, those with a vector included.
    pub seen: u64,
    /// Chunks there were in all when it began.
    pub total: u64,
    /// Since it began.
    pub elapsed: Duration,
}

impl Filling {
    /// Estimates the time left; `None` before the first second and where nothing had to be made.
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.seen) as f64;
        let known = self.made > 0 && self.elapsed.as_secs() > 0;
        known.then(|| Duration::from_secs_f64(self.elapsed.as_secs_f64() / self.made as f64 * left))
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// Vectors made.
    pub made: u64,
    /// Texts whose end the model did not see, because they are too long for it.
    pub cut: u64,
    /// It was told to stop before the end.
    pub stopped: bool,
}

impl Meaning {
    /// Makes a vector of every chunk that has none, the newest first.
    ///
    /// # Cancellation
    /// After `cancel` the batch at hand is kept and no other begun. Dropping the future gives up that batch.
    ///
    /// # Errors
    /// What model, vectors and library say; what was made until then stays.
    pub async fn fill(
        &self,
        scope: &Scope,
        library: &Library,
        mut progress: impl FnMut(&Filling) + Send,
        cancel: &CancellationToken,
    ) -> Result<Filled, MeaningError> {
        let collection = self.chunks(scope).await?;
        let begun = Instant::now();
        let mut filling = Filling { total: library.chunk_count(scope).await?, ..Filling::default() };
        let mut filled = Filled::default();
        let mut before = None;
        loop {
            let page = library.chunks_before(scope, before.as_ref(), PAGE).await?;
            let keys: Vec<Key> = page.items.iter().map(key).collect();
            let there = collection.contains(&keys).await?;
            filling.seen += there.iter().filter(|there| **there).count() as u64;
            let missing: Vec<&Chunk> =
                page.items.iter().zip(there).filter(|(_, there)| !there).map(|(chunk, _)| chunk).collect();
            for batch in missing.chunks(BATCH) {
                if cancel.is_cancelled() {
                    return Ok(Filled { stopped: true, ..filled });
                }
                let texts: Vec<String> = batch.iter().map(|chunk| chunk.searched()).collect();
                let made = self.embedder.embed(&texts, TextKind::Passage).await?;
                filled.cut += made.iter().filter(|made| made.cut_tokens > 0).count() as u64;
                let entries: Vec<Entry> =
                    batch.iter().zip(made).map(|(chunk, made)| entry(chunk, made.vector)).collect();
                collection.store(&entries).await?;
                filled.made += entries.len() as u64;
                filling = Filling {
                    made: filled.made,
                    seen: filling.seen + entries.len() as u64,
                    elapsed: begun.elapsed(),
                    ..filling
                };
                progress(&filling);
            }
            before = page.next;
            if before.is_none() {
                return Ok(filled);
            }
        }
    }
}

fn key(chunk: &Chunk) -> Key {
    Key(*chunk.id.as_bytes())
}

fn entry(chunk: &Chunk, vector: Vec<f32>) -> Entry {
    let document = &chunk.document;
    let tags = vec![Tag::new("format", &document.format), Tag::new("document", document.id.to_string())];
    // As the search by word takes the time: when the file was written, else when it came.
    let at: Timestamp = document.modified_at.unwrap_or(document.added_at);
    Entry { tags, valid: Span::at(at), ..Entry::new(key(chunk), vector) }
}

/// Chunks read at once.
const PAGE: usize = 512;

/// Texts embedded at once: enough that long and short ones go together, few enough to stop soon.
const BATCH: usize = 64;
