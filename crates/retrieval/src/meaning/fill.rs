//! Making the vectors that are missing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_archive::library::{Chunk, Library};
use athenaeum_core::{
    Timestamp,
    vector::{Entry, Key, Span, Tag, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Turn};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    Kind, Meaning, MeaningError,
    making::{Making, Waiting, Written},
    marks::Marks,
};
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
    /// After `cancel` the batch at hand is kept and no other begun. Dropping the future gives up that batch, and the one before
    /// where that is being written.
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
        // Before the chunks are gone through: what comes meanwhile is behind it.
        let newest = library.mark(scope).await?;
        let marks = Marks::of(&collection, scope, library).await?;
        let (after, newer) = marks.last(scope, library).await?.unzip();
        let total = library.chunk_count(scope).await?;
        let seen = newer.map_or(0, |newer: u64| total.saturating_sub(newer));
        let mut telling = Telling::new(&turn, &mut progress, seen, total);
        let mut making = Making::new(Arc::clone(&self.embedder), collection.clone());
        let mut before = None;
        loop {
            let page = library.chunks_before(scope, before.as_ref(), after.as_ref(), PAGE).await?;
            let keys: Vec<Key> = page.items.iter().map(key).collect();
            let there = collection.contains(&keys).await?;
            telling.filling.seen += there.iter().filter(|there| **there).count() as u64;
            let missing: Vec<&Chunk> =
                page.items.iter().zip(there).filter(|(_, there)| !there).map(|(chunk, _)| chunk).collect();
            for batch in missing.chunks(BATCH) {
                if cancel.is_cancelled() {
                    telling.wrote_vectors(making.write().await?);
                    return Ok(Filled { stopped: true, ..telling.filled });
                }
                telling
                    .wrote_vectors(making.embed(batch.iter().map(|chunk| waiting(chunk)).collect()).await?);
            }
            before = page.next;
            if before.is_none() {
                telling.wrote_vectors(making.write().await?);
                if let Some(newest) = newest {
                    marks.enter(&collection, newest).await?;
                }
                making.gathering().at_the_end(&collection, cancel).await;
                self.clear_formers(scope, Kind::Chunks).await?;
                return Ok(telling.filled);
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

fn waiting(chunk: &Chunk) -> Waiting {
    let document = &chunk.document;
    let tags = vec![Tag::new("format", &document.format), Tag::new("document", document.id.to_string())];
    // As the search by word takes the time: when the file was written, else when it came.
    let at: Timestamp = document.modified_at.unwrap_or(document.added_at);
    let entry = Entry { tags, valid: Span::at(at), ..Entry::new(key(chunk), Vec::new()) };
    Waiting { text: chunk.searched(), entry }
}

/// Tells how far a run is, to who asked for it and to other programs.
pub(super) struct Telling<'r, P> {
    pub(super) filling: Filling,
    pub(super) filled: Filled,
    turn: &'r Turn,
    progress: &'r mut P,
    begun: Instant,
    /// When word was left last of the time that is left.
    said: Option<Instant>,
}

impl<'r, P: FnMut(&Filling) + Send> Telling<'r, P> {
    /// Begins with `seen` of `total` that are done.
    pub(super) fn new(turn: &'r Turn, progress: &'r mut P, seen: u64, total: u64) -> Self {
        let filling = Filling { seen, total, ..Filling::default() };
        Self { filling, filled: Filled::default(), turn, progress, begun: Instant::now(), said: None }
    }

    /// Takes note of what was written, where each vector is one of those that are counted.
    pub(super) fn wrote_vectors(&mut self, written: Written) {
        self.wrote(Written { weight: written.made, ..written });
    }

    /// Takes note of what was written.
    pub(super) fn wrote(&mut self, written: Written) {
        if written == Written::default() {
            return;
        }
        self.filled.made += written.made;
        self.filled.cut += written.cut;
        let Filling { seen, total, worked, .. } = self.filling;
        self.filling = Filling {
            made: self.filled.made,
            seen: (seen + written.weight).min(total),
            worked: worked + written.weight,
            elapsed: self.begun.elapsed(),
            total,
            waiting: false,
        };
        self.say();
        (self.progress)(&self.filling);
    }

    /// Leaves word, from time to time.
    fn say(&mut self) {
        if self.said.is_none_or(|last| last.elapsed() > SAID_EVERY) {
            self.said = Some(Instant::now());
            self.turn
                .say(&self.filling.remaining().map_or_else(String::new, |left| left.as_secs().to_string()));
        }
    }
}

/// Puts vectors that were made into segments, so that a program that searches once and ends need not read each of them, and
/// segments together. What fails is told to the log: the vectors are kept all the same, and are found.
#[derive(Default)]
pub(super) struct Gathering {
    made: usize,
    /// In the background: neither the model nor the next batch waits for it.
    task: Option<JoinHandle<()>>,
}

impl Gathering {
    /// Takes note of vectors that were made.
    pub(super) fn after(&mut self, collection: &Collection, made: usize) {
        self.made += made;
        let is_at_it = self.task.as_ref().is_some_and(|task| !task.is_finished());
        if self.made >= GATHERED_AT_ONCE && !is_at_it {
            self.made = 0;
            let collection = collection.clone();
            let task = async move { gather(&collection, GATHERED_AT_ONCE, JOINED_AT_ONCE).await };
            self.task = Some(tokio::spawn(task.in_current_span()));
        }
    }

    /// After a run that came to its end: also for what runs before left. Whoever stops now does not wait for it.
    pub(super) async fn at_the_end(mut self, collection: &Collection, cancel: &CancellationToken) {
        let gathering = async {
            if let Some(task) = &mut self.task {
                // A panic was told of already; what is left is gathered below.
                let _ = task.await;
            }
            gather(collection, GATHERED_AT_LEAST, JOINED_AT_THE_END).await;
        };
        tokio::select! {
            () = gathering => {}
            () = cancel.cancelled() => {}
        }
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn gather(collection: &Collection, least: usize, segments: usize) {
    let done = async {
        collection.gather(least).await?;
        collection.join(segments).await
    };
    if let Err(error) = done.await {
        tracing::warn!(error = with_causes(&error), "no segment of vectors could be made");
    }
}

/// While more are made: a search reads so many in some hundredths of a second, and each segment writes some of those before anew.
const GATHERED_AT_ONCE: usize = 8_192;

/// Fewer are read in less time than it takes to open a segment of them.
const GATHERED_AT_LEAST: usize = 1_024;

/// Segments that are put together while more vectors are made: so each is written anew once or twice.
const JOINED_AT_ONCE: usize = 3;

/// And when all are made.
const JOINED_AT_THE_END: usize = 2;

const SAID_EVERY: Duration = Duration::from_secs(2);

/// Another program may be at it for hours, or done in a moment.
const AGAIN: Duration = Duration::from_millis(300);

/// Chunks read at once.
const PAGE: usize = 512;

/// Texts embedded at once: enough that long and short ones go together, few enough to stop soon.
const BATCH: usize = 64;
