//! Making the vectors that are missing.

use std::time::{Duration, Instant};

use athenaeum_archive::library::{Chunk, Library};
use athenaeum_core::{
    TextKind, Timestamp,
    vector::{Entry, Key, Span, Tag, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Turn};
use tokio_util::sync::CancellationToken;

use super::{Kind, Meaning, MeaningError, marks::Marks};
use crate::with_causes;

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Filling {
    /// Vectors made.
    pub made: u64,
    /// Chunks, or messages, that are done, those of earlier runs included.
    pub seen: u64,
    /// Of them, those of this run.
    pub worked: u64,
    /// Chunks, or messages, there were in all when it began.
    pub total: u64,
    /// Since it began.
    pub elapsed: Duration,
    /// Another program is at the same, and this one waits for it.
    pub waiting: bool,
}

impl Filling {
    /// Estimates the time left; `None` before the first second and where nothing had to be made.
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.seen) as f64;
        let known = self.worked > 0 && self.elapsed.as_secs() > 0;
        known.then(|| Duration::from_secs_f64(self.elapsed.as_secs_f64() / self.worked as f64 * left))
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
    /// Makes a vector of every chunk that has none, the newest first. Waits while another program does the same for this
    /// tenant. Chunks that an earlier run went through to the end are not looked at again.
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
        let Some(turn) = self.turn(scope, &mut progress, cancel).await? else {
            return Ok(Filled { stopped: true, ..Filled::default() });
        };
        let collection = self.own(scope, Kind::Chunks).await?;
        let begun = Instant::now();
        // Before the chunks are gone through: what comes meanwhile is behind it.
        let newest = library.mark(scope).await?;
        let marks = Marks::of(&collection, scope, library).await?;
        let (after, newer) = marks.last(scope, library).await?.unzip();
        let total = library.chunk_count(scope).await?;
        let seen = newer.map_or(0, |newer: u64| total.saturating_sub(newer));
        let mut filling = Filling { seen, total, ..Filling::default() };
        let mut filled = Filled::default();
        let mut before = None;
        let mut said = Said::default();
        let mut gathering = Gathering::default();
        loop {
            let page = library.chunks_before(scope, before.as_ref(), after.as_ref(), PAGE).await?;
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
                gathering.after(&collection, entries.len()).await;
                filled.made += entries.len() as u64;
                filling = Filling {
                    made: filled.made,
                    worked: filled.made,
                    seen: filling.seen + entries.len() as u64,
                    elapsed: begun.elapsed(),
                    ..filling
                };
                said.say(&turn, &filling);
                progress(&filling);
            }
            before = page.next;
            if before.is_none() {
                if let Some(newest) = newest {
                    marks.enter(&collection, newest).await?;
                }
                Gathering::at_the_end(&collection).await;
                self.clear_formers(scope, Kind::Chunks).await?;
                return Ok(filled);
            }
        }
    }

    /// Waits for the turn to make this tenant's vectors; `None` when it was told to stop before.
    pub(super) async fn turn(
        &self,
        scope: &Scope,
        progress: &mut (impl FnMut(&Filling) + Send),
        cancel: &CancellationToken,
    ) -> Result<Option<Turn>, MeaningError> {
        loop {
            if let Some(turn) = self.vectors.turn(scope)? {
                return Ok(Some(turn));
            }
            progress(&Filling { waiting: true, ..Filling::default() });
            tokio::select! {
                () = cancel.cancelled() => return Ok(None),
                () = tokio::time::sleep(AGAIN) => {}
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

/// When word was left last of the time that is left.
#[derive(Default)]
pub(super) struct Said(Option<Instant>);

impl Said {
    /// Leaves word, from time to time.
    pub(super) fn say(&mut self, turn: &Turn, filling: &Filling) {
        if self.0.is_none_or(|last| last.elapsed() > SAID_EVERY) {
            self.0 = Some(Instant::now());
            turn.say(&filling.remaining().map_or_else(String::new, |left| left.as_secs().to_string()));
        }
    }
}

/// Puts vectors that were made into segments, so that a program that searches once and ends need not read each of them. What
/// fails is told to the log: the vectors are kept all the same, and are found.
#[derive(Default)]
pub(super) struct Gathering {
    made: usize,
}

impl Gathering {
    /// Takes note of vectors that were made.
    pub(super) async fn after(&mut self, collection: &Collection, made: usize) {
        self.made += made;
        if self.made >= GATHERED_AT_ONCE {
            self.made = 0;
            gather(collection, GATHERED_AT_ONCE).await;
        }
    }

    /// After a run that came to its end: also for what runs before left.
    pub(super) async fn at_the_end(collection: &Collection) {
        gather(collection, GATHERED_AT_LEAST).await;
    }
}

async fn gather(collection: &Collection, least: usize) {
    if let Err(error) = collection.gather(least).await {
        tracing::warn!(error = with_causes(&error), "no segment of vectors could be made");
    }
}

/// While more are made: a search reads so many in some hundredths of a second, and each segment writes some of those before anew.
const GATHERED_AT_ONCE: usize = 8_192;

/// Fewer are read in less time than it takes to open a segment of them.
const GATHERED_AT_LEAST: usize = 1_024;

const SAID_EVERY: Duration = Duration::from_secs(2);

/// Another program may be at it for hours, or done in a moment.
const AGAIN: Duration = Duration::from_millis(300);

/// Chunks read at once.
const PAGE: usize = 512;

/// Texts embedded at once: enough that long and short ones go together, few enough to stop soon.
const BATCH: usize = 64;
