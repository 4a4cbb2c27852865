use std::{
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::{Duration, Instant},
};

use athenaeum_kernels::Pool;
use tokio::sync::oneshot;

use super::{Counts, Error};
use crate::{
    embedder::{self, backbone::TOKENS_AT_ONCE},
    processor::Processor,
};

/// What a model makes of texts, each on its own.
pub trait Work: Send + Sync + 'static {
    /// A text, ready to be computed.
    type Item: Send;
    /// What it becomes.
    type Made: Send;

    /// Returns how many tokens it has.
    fn tokens(item: &Self::Item) -> usize;

    /// Returns how many tokens it takes room for, of those that one batch may have.
    fn room(&self, item: &Self::Item) -> usize;

    /// Computes some together; what each becomes does not depend on the others.
    fn compute(&self, items: &[&Self::Item], pool: &Pool) -> Vec<Self::Made>;
}

/// A request: some texts that are answered together.
pub(super) struct Job<M: Work> {
    /// Until the thread that computes has made `items` of it.
    prepare: Option<Prepare<M>>,
    items: Vec<M::Item>,
    /// As many of the first items as are computed.
    made: Vec<M::Made>,
    reply: Option<oneshot::Sender<Answer<M>>>,
    owner: u64,
    deadline: Option<Instant>,
    arrived: Instant,
    /// Until it is answered.
    counted: Option<Counted>,
}

pub(super) type Prepare<M> = Box<dyn FnOnce(&M) -> Result<Vec<<M as Work>::Item>, embedder::Error> + Send>;
pub(super) type Answer<M> = Result<Vec<<M as Work>::Made>, Error>;

/// Takes a request out of the count when it is over.
pub(super) struct Counted(pub(super) Arc<Counts>);

/// How long texts are turned into tokens while some are ready already.
const PATIENCE: Duration = Duration::from_millis(5);

/// The thread that computes.
pub(super) struct Jobs<M: Work> {
    model: Arc<M>,
    processor: Processor,
    counts: Arc<Counts>,
    /// In the order in which they came.
    jobs: Vec<Job<M>>,
    pace: Pace,
}

/// How fast batches are computed, and whether others wait for their end.
#[derive(Debug, Default)]
struct Pace {
    /// Of the last batch, by the room that tokens take; 0 before the first.
    tokens_per_second: f64,
    /// Turns that had been asked for when it was.
    asked: u64,
}

/// How long a batch keeps others from computing, about. One text can take longer.
const TURN: Duration = Duration::from_millis(100);
/// However slow the model is.
const TOKENS_MIN: usize = 32;

impl<M: Work> Jobs<M> {
    pub(super) fn new(model: Arc<M>, processor: Processor, counts: Arc<Counts>) -> Self {
        let pace = Pace { tokens_per_second: 0.0, asked: processor.asked() };
        Self { model, processor, counts, jobs: Vec::new(), pace }
    }

    /// Works until nobody can ask any more and everything is answered.
    pub(super) fn run(mut self, inbox: &Receiver<Job<M>>) {
        loop {
            if self.jobs.is_empty() {
                let Ok(job) = inbox.recv() else { return };
                self.jobs.push(job);
            }
            self.jobs.extend(inbox.try_iter());
            let now = Instant::now();
            self.jobs.retain_mut(|job| job.is_wanted(now));
            self.prepare();
            if self.jobs.iter().any(|job| job.made.len() < job.items.len()) {
                self.batch();
            }
        }
    }

    /// Turns texts into tokens until some are ready to be computed and [`PATIENCE`] is over: those who ask for much do not
    /// keep the others from being computed.
    fn prepare(&mut self) {
        let started = Instant::now();
        let mut ready = false;
        let model = &*self.model;
        self.jobs.retain_mut(|job| {
            let later = ready && started.elapsed() > PATIENCE;
            if !later && !job.prepare(model) {
                return false;
            }
            ready |= job.made.len() < job.items.len();
            // Whoever asked for nothing has it.
            job.prepare.is_some() || !job.answer()
        });
    }

    /// Computes one batch.
    fn batch(&mut self) {
        let asked = self.processor.asked();
        let room = self.pace.room(asked);
        let chosen = choose(&*self.model, &self.jobs, room);
        let mut items = Vec::new();
        for (job, count) in self.jobs.iter().zip(&chosen) {
            items.extend(job.items.iter().skip(job.made.len()).take(*count));
        }
        let (texts, tokens) = (items.len(), items.iter().map(|item| M::tokens(item)).sum::<usize>());
        let taken: usize = items.iter().map(|item| self.model.room(item)).sum();
        // A fault in one batch must not silence the model for everyone who comes later.
        let (made, took) = self.processor.turn(|pool| {
            let started = Instant::now();
            let compute = || self.model.compute(&items, pool);
            (catch_unwind(AssertUnwindSafe(compute)).unwrap_or_default(), started.elapsed())
        });
        drop(items);
        // One is this batch's own.
        self.pace = Pace { tokens_per_second: taken as f64 / took.as_secs_f64().max(1e-6), asked: asked + 1 };
        self.counts.batches.fetch_add(1, Ordering::Relaxed);
        self.counts.texts.fetch_add(texts as u64, Ordering::Relaxed);
        self.counts.tokens.fetch_add(tokens as u64, Ordering::Relaxed);
        let whole = made.len() == texts;
        if !whole {
            tracing::error!("a batch of {texts} texts could not be computed");
        }
        let mut made = made.into_iter();
        let mut chosen = chosen.into_iter();
        self.jobs.retain_mut(|job| {
            let count = chosen.next().unwrap_or(0);
            if !whole && count > 0 {
                job.end(Err(Error::Failed));
                return false;
            }
            job.made.extend(made.by_ref().take(count));
            !job.answer()
        });
    }
}

/// Decides how many texts of each request are in the next batch: one of each owner in turn, and of an owner one of each
/// request in turn, until it is full.
fn choose<M: Work>(model: &M, jobs: &[Job<M>], room: usize) -> Vec<usize> {
    let mut chosen = vec![0; jobs.len()];
    let mut of_owner: HashMap<u64, usize> = HashMap::new();
    let mut left = room;
    let mut empty = true;
    loop {
        let next = |index: usize| jobs[index].items.get(jobs[index].made.len() + chosen[index]);
        let ready = (0..jobs.len()).filter_map(|index| Some((index, model.room(next(index)?))));
        // A text that does not fit into an empty batch is one alone.
        let fitting = ready.filter(|(_, tokens)| empty || *tokens <= left);
        let owned = |index: usize| of_owner.get(&jobs[index].owner).copied().unwrap_or(0);
        let Some((index, tokens)) = fitting.min_by_key(|(index, _)| (owned(*index), chosen[*index], *index))
        else {
            return chosen;
        };
        *of_owner.entry(jobs[index].owner).or_default() += 1;
        chosen[index] += 1;
        left = left.saturating_sub(tokens);
        empty = false;
    }
}

impl Pace {
    /// Returns how many tokens the next batch has room for: what memory was set aside for, or what takes about [`TURN`]
    /// where others have asked for a turn meanwhile.
    fn room(&self, asked: u64) -> usize {
        if asked == self.asked || self.tokens_per_second <= 0.0 {
            return TOKENS_AT_ONCE;
        }
        ((self.tokens_per_second * TURN.as_secs_f64()) as usize).clamp(TOKENS_MIN, TOKENS_AT_ONCE)
    }
}

impl<M: Work> Job<M> {
    pub(super) fn new(
        prepare: Prepare<M>,
        reply: oneshot::Sender<Answer<M>>,
        owner: u64,
        deadline: Option<Instant>,
        counted: Counted,
    ) -> Self {
        let (prepare, reply, counted) = (Some(prepare), Some(reply), Some(counted));
        let (items, made) = (Vec::new(), Vec::new());
        Self { prepare, items, made, reply, owner, deadline, arrived: Instant::now(), counted }
    }

    /// Whether somebody still waits for it; tells whoever waits too long.
    fn is_wanted(&mut self, now: Instant) -> bool {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.end(Err(Error::Deadline));
        }
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Turns texts into what the model takes, once. `false`: they cannot be taken, and whoever asked knows.
    fn prepare(&mut self, model: &M) -> bool {
        let Some(prepare) = self.prepare.take() else { return true };
        match catch_unwind(AssertUnwindSafe(|| prepare(model))) {
            Ok(Ok(items)) => self.items = items,
            Ok(Err(error)) => self.end(Err(error.into())),
            Err(_) => self.end(Err(Error::Failed)),
        }
        self.reply.is_some()
    }

    /// Answers if all is computed, and says whether that is so.
    fn answer(&mut self) -> bool {
        // One that is still to be turned into tokens has no items yet.
        let whole = self.prepare.is_none() && self.made.len() == self.items.len();
        if whole {
            let made = std::mem::take(&mut self.made);
            self.end(Ok(made));
        }
        whole
    }

    fn end(&mut self, answer: Answer<M>) {
        if let Some(reply) = self.reply.take() {
            // Whoever is answered may ask again at once.
            if let Some(counted) = self.counted.take() {
                counted.note(self.arrived.elapsed().as_millis());
            }
            // Whoever asked may have gone.
            let _ = reply.send(answer);
        }
    }
}

impl Counted {
    fn note(&self, ms: u128) {
        let before = self.0.request_ms.load(Ordering::Relaxed);
        let now = u64::try_from(ms).unwrap_or(u64::MAX);
        let average = if before == 0 { now } else { (before.saturating_mul(7).saturating_add(now)) / 8 };
        self.0.request_ms.store(average, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M: Work> fmt::Debug for Job<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("items", &self.items.len())
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
