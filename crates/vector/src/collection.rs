use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use athenaeum_core::{
    Timestamp,
    vector::{Entry, Key, Near, Query, Spec, Stats, VectorStorage},
};
use athenaeum_tenancy::Scope;
use tracing::Instrument;

use crate::{
    Error, Hnsw,
    folder::{Folder, Lock},
    graph::Graph,
    rows::Rows,
    segment::{Head, ROWS_MAX},
    snapshot::Snapshot,
    store::{Changes, Database, Stamp, State},
    train,
};

/// One tenant's vectors of one model. Cheap to clone; clones share everything.
///
/// A search runs on the thread that polls it and takes a fraction of a millisecond up to some hundred thousand vectors.
/// Where vectors were written since the last one, by whichever process, it reads them first.
#[derive(Debug, Clone)]
pub struct Collection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Arc<Database>,
    id: i64,
    spec: Spec,
    folder: Folder,
    seen: Mutex<Seen>,
    /// Held by the one that reads what is new.
    reading: tokio::sync::Mutex<()>,
    /// A segment is being made in the background.
    folding: AtomicBool,
    /// A graph is.
    linking: AtomicBool,
}

/// The last look at the database.
#[derive(Debug, Clone)]
struct Seen {
    snapshot: Arc<Snapshot>,
    stamp: Stamp,
    /// The database's files had not been changed for a while: a change after that shows in their times.
    settled: bool,
    /// Segments were looked for.
    loaded: bool,
}

impl Collection {
    pub(crate) fn new(database: Arc<Database>, scope: &Scope, spec: Spec, state: &State) -> Self {
        let hnsw = database.settings.hnsw.map(Hnsw::bounded);
        let folder = Folder::new(database.dir.join(scope.tenant().as_str()).join(state.id.to_string()), hnsw);
        let seen = Seen { snapshot: Arc::default(), stamp: Stamp::default(), settled: false, loaded: false };
        Self(Arc::new(Inner {
            database,
            id: state.id,
            spec,
            folder,
            seen: Mutex::new(seen),
            reading: tokio::sync::Mutex::default(),
            folding: AtomicBool::new(false),
            linking: AtomicBool::new(false),
        }))
    }

    /// Returns what the collection was opened with.
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    /// Returns vectors by key, in the same order, as they are kept: rounded to a byte a dimension, of any length for
    /// [`Metric::Cosine`](athenaeum_core::vector::Metric::Cosine). `None` for those that are not there.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn vectors(&self, keys: &[Key]) -> Result<Vec<Option<Vec<f32>>>, Error> {
        self.0.database.vectors(self.0.id, keys).await
    }

    /// Puts rows that no segment has into some where there are at least `least`: for programs that write many and do not search, so
    /// that those that search and end have less to read. Leaves it to another process that is at it.
    ///
    /// No more rows are held at a time than 8,192, or an eighth of all. So there are more segments than
    /// [`persist`](VectorStorage::persist) would leave: [`Collection::join`] puts them together.
    ///
    /// # Errors
    /// Those of the disk; the rows are kept all the same.
    pub async fn gather(&self, least: usize) -> Result<(), Error> {
        let inner = &*self.0;
        let mut before = usize::MAX;
        while let Some(lock) = inner.folder.lock()? {
            let state = inner.database.state(inner.id).await?;
            let loaded = inner.load(&state);
            let (newest, news) = inner.database.news(inner.id, loaded.mark, inner.spec.dimensions).await?;
            // No fewer than before: somebody writes faster, or segments cannot be listed.
            let is_over = newest < least.max(1) || newest >= std::mem::replace(&mut before, newest);
            if news.state.mark.generation != state.mark.generation || is_over {
                break;
            }
            let files = loaded.after(&news, inner.spec.metric).files();
            drop(loaded);
            let most = usize::try_from(news.state.vectors / 8).unwrap_or(usize::MAX).max(HELD_AT_LEAST);
            let kept = kept_within(&files, newest, most);
            let after = kept.checked_sub(1).map_or(0, |last| files[last].0.through);
            let rows = self.rows_after(after, most).await?;
            let now = inner.database.state(inner.id).await?;
            let Some(row) = rows.sequences.last().copied() else { break };
            if now.mark.generation != state.mark.generation {
                break;
            }
            // What was removed since `news` is not among the rows, and is looked for there once more, in vain.
            let changes = Changes { state: news.state, rows, removed: Vec::new() };
            self.put(lock, changes, after..row, kept..files.len()).await?;
        }
        Ok(())
    }

    /// Puts segments together, `least` or more at a time, that lie side by side and of which none is much greater than those behind
    /// it together: each segment is searched with the patience of a whole. For programs that gather; leaves it to another
    /// process that is at it.
    ///
    /// No more rows are held at a time than [`Settings::joined_max`](crate::Settings::joined_max), or an eighth of all. When it
    /// returns with a `least` of 2, any two neighbours have more rows than that together, or one has four times as many as
    /// the other or more. With 0 it does nothing. Dropping the future
    /// leaves the segments as they were, or put together.
    ///
    /// # Errors
    /// Those of the disk; the segments stay as they are.
    pub async fn join(&self, least: usize) -> Result<(), Error> {
        let inner = &*self.0;
        let joined_max = inner.database.settings.joined_max;
        if joined_max == 0 {
            return Ok(());
        }
        let mut before = usize::MAX;
        while let Some(lock) = inner.folder.lock()? {
            let state = inner.database.state(inner.id).await?;
            let loaded = inner.load(&state);
            let (_, news) = inner.database.news(inner.id, loaded.mark, inner.spec.dimensions).await?;
            if news.state.mark.generation != state.mark.generation {
                break;
            }
            let files = loaded.after(&news, inner.spec.metric).files();
            drop(loaded);
            let most = usize::try_from(news.state.vectors / 8).unwrap_or(usize::MAX).max(joined_max);
            // Where there are no fewer than before, they cannot be listed.
            let alike = alike(&files, least, most).filter(|_| files.len() < before);
            let Some(run) = alike else { break };
            before = files.len();
            let (after, through) = (files[run.start].0.after, files[run.end - 1].0.through);
            let rows =
                inner.database.page(inner.id, after..through, usize::MAX >> 1, inner.spec.dimensions).await?;
            let now = inner.database.state(inner.id).await?;
            if now.mark.generation != state.mark.generation || rows.len() == 0 {
                break;
            }
            // What was removed since `news` is not among the rows, and is looked for there once more, in vain.
            let changes = Changes { state: news.state, rows, removed: Vec::new() };
            self.put(lock, changes, after..through, run).await?;
        }
        Ok(())
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn id(&self) -> i64 {
        self.0.id
    }

    /// Returns the collection as it is now.
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let inner = &*self.0;
        let stamp = inner.database.stamp();
        if let Some(snapshot) = inner.current(stamp) {
            return Ok(snapshot);
        }
        let _reading = inner.reading.lock().await;
        let stamp = inner.database.stamp();
        if let Some(snapshot) = inner.current(stamp) {
            return Ok(snapshot);
        }
        let settled = stamp.is_settled();
        let seen = inner.seen().clone();
        let state = inner.database.state(inner.id).await?;
        let mut snapshot = seen.snapshot;
        let lost =
            state.mark.generation != snapshot.mark.generation || state.forgotten > snapshot.mark.removal;
        if !seen.loaded || lost {
            snapshot = inner.load(&state);
            self.check_in_background(Arc::clone(&snapshot));
        }
        if state.mark != snapshot.mark {
            let changes = inner.changes(snapshot.mark).await?;
            if changes.state.mark.generation != snapshot.mark.generation
                || changes.state.forgotten > snapshot.mark.removal
            {
                // It was cleared, or its segments changed, between the two looks.
                snapshot = Arc::new(Snapshot::of_segments(changes.state.mark.generation, Vec::new()));
                let changes = inner.changes(snapshot.mark).await?;
                snapshot = Arc::new(snapshot.after(&changes, inner.spec.metric));
            } else {
                snapshot = Arc::new(snapshot.after(&changes, inner.spec.metric));
            }
        }
        *inner.seen() = Seen { snapshot: Arc::clone(&snapshot), stamp, settled, loaded: true };
        if inner.database.settings.background
            && snapshot.newest() >= inner.database.settings.newest_max.max(1)
        {
            self.fold_in_background();
        } else if inner.database.settings.background
            && inner.hnsw().is_some_and(|hnsw| snapshot.lacks_a_graph(&hnsw))
        {
            self.link_in_background();
        }
        Ok(snapshot)
    }

    /// Compares files with their hashes, which takes too long to wait for. Those that are damaged are made anew.
    fn check_in_background(&self, snapshot: Arc<Snapshot>) {
        if snapshot.bytes() == 0 {
            return;
        }
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let (segments, graphs) = snapshot.are_sound();
            if segments && graphs {
                return;
            }
            let what = if segments { "a graph" } else { "a segment" };
            tracing::warn!(collection = inner.spec.name, "{what} of vectors is damaged, and made anew");
            // Whoever reads now would say afterwards that what it read is as it should be.
            let _reading = inner.reading.blocking_lock();
            let done = if segments { inner.folder.discard_graphs() } else { inner.folder.discard() };
            if let Err(error) = done {
                tracing::warn!(%error, "{what} cannot be removed");
            }
            let mut seen = inner.seen();
            (seen.loaded, seen.settled) = (false, false);
        });
    }

    fn fold_in_background(&self) {
        if self.0.folding.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        let work = async move {
            // Whoever makes this one may be another process, which then serves for both.
            let done = match this.fold(false).await {
                Ok(true) => this.snapshot().await.map(drop),
                other => other.map(drop),
            };
            this.0.folding.store(false, Ordering::Release);
            if let Err(error) = done {
                tracing::warn!(%error, collection = this.0.spec.name, "no segment of vectors could be made");
            }
        };
        tokio::spawn(work.in_current_span());
    }

    fn link_in_background(&self) {
        if self.0.linking.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        let work = async move {
            let done = this.link(false).await;
            this.0.linking.store(false, Ordering::Release);
            if let Err(error) = done {
                tracing::warn!(%error, collection = this.0.spec.name, "no graph of vectors could be made");
            }
        };
        tokio::spawn(work.in_current_span());
    }

    /// Makes the graphs that segments are to have and lack. `wait`s for another process or task that does the same, or leaves it
    /// to that. Dropping the future ends it soon.
    async fn link(&self, wait: bool) -> Result<(), Error> {
        let inner = &*self.0;
        let Some(hnsw) = inner.hnsw() else { return Ok(()) };
        let Some(lock) = locked(wait, || inner.folder.lock_graphs()).await? else { return Ok(()) };
        let lock = Arc::new(lock);
        let mut made = Vec::new();
        loop {
            let state = inner.database.state(inner.id).await?;
            let mut listed = inner.folder.segments(&state, inner.spec.dimensions).into_iter();
            let lacking = listed.find(|(name, segment)| segment.lacks_graph(&hnsw) && !made.contains(name));
            let Some((name, segment)) = lacking else { return Ok(()) };
            let given_up = GivenUp::default();
            let (this, lock, stop) = (self.clone(), Arc::clone(&lock), Arc::clone(&given_up.0));
            let (segment_name, threads) = (name.clone(), inner.database.settings.threads);
            let work = move || match Graph::of(&segment, &hnsw, threads, &stop) {
                Some(made) => this.0.folder.add_graph(&lock, &segment_name, &made),
                None => Ok(()),
            };
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
            made.push(name);
            inner.look_anew().await;
        }
    }

    /// Puts rows that no segment has into one, together with segments that are small beside it. `wait`s for another
    /// process or task that does the same, or leaves it to that: then it is false. Rows are held once.
    async fn fold(&self, wait: bool) -> Result<bool, Error> {
        let inner = &*self.0;
        let Some(lock) = locked(wait, || inner.folder.lock()).await? else { return Ok(false) };
        let state = inner.database.state(inner.id).await?;
        // As of now: another process may have made segments since.
        let loaded = inner.load(&state);
        let (newest, news) = inner.database.news(inner.id, loaded.mark, inner.spec.dimensions).await?;
        if news.state.mark.generation != state.mark.generation {
            return Ok(false);
        }
        let files = loaded.after(&news, inner.spec.metric).files();
        drop(loaded);
        let kept = kept(&files, newest);
        if kept == files.len() && newest == 0 {
            inner.forget(&news.state, &files).await?;
            return Ok(true);
        }
        let after = kept.checked_sub(1).map_or(0, |last| files[last].0.through);
        let mark = crate::store::Mark { row: after, ..news.state.mark };
        let changes = inner.changes(mark).await?;
        if changes.state.mark.generation != state.mark.generation {
            return Ok(false);
        }
        let span = after..changes.state.mark.row;
        self.put(lock, changes, span, kept..files.len()).await?;
        Ok(true)
    }

    /// Makes a segment of rows that were read, all of those after the span's start and up to its end, and lists it in the place of
    /// some.
    async fn put(
        &self,
        lock: Lock,
        changes: Changes,
        span: Range<u64>,
        of: Range<usize>,
    ) -> Result<(), Error> {
        let inner = &*self.0;
        let this = self.clone();
        let state = changes.state;
        let made = tokio::task::spawn_blocking(move || this.0.make(&lock, &changes, span, of)).await;
        made.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        inner.look_anew().await;
        inner.forget(&state, &inner.load(&state).files()).await
    }

    /// Reads some rows in the order of their sequence numbers, from after one on.
    pub(crate) async fn rows_after(&self, after: u64, count: usize) -> Result<Rows, Error> {
        self.0.database.page(self.0.id, after..u64::MAX >> 1, count, self.0.spec.dimensions).await
    }

    fn check(&self, vector: &[f32]) -> Result<(), Error> {
        let wanted = self.0.spec.dimensions;
        if vector.len() != wanted {
            let name = &self.0.spec.name;
            return Err(Error::invalid(format!(
                "the vectors of '{name}' have {wanted} dimensions, not {}; was it made by another model?",
                vector.len()
            )));
        }
        if !vector.iter().all(|value| value.is_finite()) {
            return Err(Error::invalid("a vector holds something that is no number, or infinite"));
        }
        Ok(())
    }
}

impl VectorStorage for Collection {
    type Error = Error;

    async fn store(&self, entries: &[Entry]) -> Result<(), Error> {
        entries.iter().try_for_each(|entry| self.check(&entry.vector))?;
        if entries.is_empty() {
            return Ok(());
        }
        self.0.database.store(self.0.id, entries, Timestamp::now()).await
    }

    async fn search(&self, query: &Query) -> Result<Vec<Near>, Error> {
        self.check(&query.vector)?;
        let snapshot = self.snapshot().await?;
        let now = query.now.unwrap_or_else(Timestamp::now);
        Ok(snapshot.search(self.0.spec.metric, query, now.as_micros()))
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64, Error> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.0.database.delete(self.0.id, keys).await
    }

    async fn contains(&self, keys: &[Key]) -> Result<Vec<bool>, Error> {
        self.0.database.contains(self.0.id, keys).await
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let state = self.0.database.state(self.0.id).await?;
        let derived = self.snapshot().await?.bytes();
        let dimensions = self.0.spec.dimensions;
        // Beside the vector a row has its key, twice, and some numbers.
        let row_bytes = dimensions as u64 + 96;
        Ok(Stats { vectors: state.vectors, dimensions, bytes: derived + state.vectors * row_bytes })
    }

    async fn clear(&self) -> Result<(), Error> {
        self.0.database.clear(self.0.id).await?;
        // Where somebody makes segments, the next ones take the place of these.
        if let Some(lock) = self.0.folder.lock()? {
            self.0.folder.list(&lock, &[])?;
        }
        Ok(())
    }

    async fn expire(&self, now: Timestamp) -> Result<u64, Error> {
        self.0.database.expire(self.0.id, now).await
    }

    async fn persist(&self) -> Result<(), Error> {
        self.fold(true).await?;
        self.link(true).await?;
        self.snapshot().await.map(drop)
    }
}

impl Inner {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, stamp: Stamp) -> Option<Arc<Snapshot>> {
        let seen = self.seen();
        (seen.loaded && seen.settled && seen.stamp == stamp).then(|| Arc::clone(&seen.snapshot))
    }

    /// Which segments are to have a graph.
    fn hnsw(&self) -> Option<Hnsw> {
        self.database.settings.hnsw.map(Hnsw::bounded)
    }

    /// Has the next look take the segments from the folder.
    async fn look_anew(&self) {
        let _reading = self.reading.lock().await;
        let mut seen = self.seen();
        (seen.loaded, seen.settled) = (false, false);
    }

    async fn changes(&self, mark: crate::store::Mark) -> Result<Changes, Error> {
        self.database.changes(self.id, mark, self.spec.dimensions).await
    }

    /// Opens the segments that are in the folder.
    fn load(&self, state: &State) -> Arc<Snapshot> {
        let segments = self.folder.segments(state, self.spec.dimensions);
        let segments = segments.into_iter().map(|(_, segment)| segment).collect();
        Arc::new(Snapshot::of_segments(state.mark.generation, segments))
    }

    /// Makes a segment of the rows of a span, and lists it in the place of some.
    fn make(&self, lock: &Lock, changes: &Changes, span: Range<u64>, of: Range<usize>) -> Result<(), Error> {
        let (rows, state) = (&changes.rows, &changes.state);
        let listed = self.folder.segments(state, self.spec.dimensions);
        let mut names: Vec<String> = listed.into_iter().map(|(name, _)| name).collect();
        if names.len() < of.end {
            return Ok(());
        }
        let behind = names.split_off(of.end);
        names.truncate(of.start);
        if rows.len() > ROWS_MAX {
            return Err(Error::invalid(format!("a collection has more than {ROWS_MAX} vectors")));
        }
        if rows.len() > 0 {
            let count = train::count(rows.len());
            let partitions = train::partitions(rows, self.spec.metric, count, self.database.settings.threads);
            let head = Head {
                collection: state.uid,
                generation: state.mark.generation,
                after: span.start,
                through: span.end,
                removals: state.mark.removal,
                ..Head::of(self.spec.metric, rows, &partitions)
            };
            names.push(self.folder.add(lock, &head, rows, &partitions)?);
        }
        names.extend(behind);
        self.folder.list(lock, &names)
    }

    /// Forgets removals that every segment knows.
    async fn forget(&self, state: &State, files: &[(Head, usize)]) -> Result<(), Error> {
        let known = files.iter().map(|(head, _)| head.removals).min().unwrap_or(state.forgotten);
        if known > state.forgotten {
            self.database.forget_removals(self.id, state.mark.generation, known).await?;
        }
        Ok(())
    }
}

/// Takes a lock; `wait`s where somebody else holds it, or returns `None`.
async fn locked(wait: bool, lock: impl Fn() -> Result<Option<Lock>, Error>) -> Result<Option<Lock>, Error> {
    loop {
        match lock()? {
            None if wait => tokio::time::sleep(Duration::from_millis(20)).await,
            taken => return Ok(taken),
        }
    }
}

/// Tells work on another thread that nobody waits for it any more.
#[derive(Default)]
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many of the segments stay when so many new rows are put into one. Those go along that are not much greater than
/// what comes together so, so that a row is written anew only a few times; and those of which a quarter is gone.
fn kept(files: &[(Head, usize)], newest: usize) -> usize {
    let mut together = newest;
    let mut kept = files.len();
    while let Some((_, alive)) = kept.checked_sub(1).and_then(|last| files.get(last)) {
        if *alive >= 4 * together {
            break;
        }
        together += alive;
        kept -= 1;
    }
    files[..kept].iter().position(|(head, alive)| 4 * alive < 3 * head.rows).unwrap_or(kept)
}

/// The same where so many rows may be held at most: of small segments those that fit beside the new rows go along.
fn kept_within(files: &[(Head, usize)], newest: usize, most: usize) -> usize {
    let mut together = newest;
    let mut kept = files.len();
    while let Some((_, alive)) = kept.checked_sub(1).and_then(|last| files.get(last)) {
        if *alive >= 4 * together || together + alive > most {
            break;
        }
        together += alive;
        kept -= 1;
    }
    kept
}

/// Finds segments that lie side by side and are to be put together: `least` or more, with no more rows together than `most`, of
/// which none has four times as many as those behind it, so that a row is written anew only a few times.
fn alike(files: &[(Head, usize)], least: usize, most: usize) -> Option<Range<usize>> {
    let run_to = |end: usize| {
        let mut start = end - 1;
        let mut together = files[start].1;
        while let Some((_, alive)) = start.checked_sub(1).and_then(|before| files.get(before)) {
            if *alive >= 4 * together || together + alive > most {
                break;
            }
            together += alive;
            start -= 1;
        }
        start..end
    };
    (1..=files.len()).rev().map(run_to).find(|run| run.len() >= least.max(2))
}

/// Rows that any machine can hold while others are embedded: some 5 MB, with what they are filtered by, and half as much again
/// while a segment is made of them.
const HELD_AT_LEAST: usize = 8_192;
