//! What models have done for this server, added up.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use athenaeum_inference::engine::End;

use super::Timings;
use crate::clock;

/// Sums since the start.
#[derive(Debug)]
pub(crate) struct Counts {
    /// When it began, in seconds since 1970.
    pub(crate) began: u64,
    /// Tokens of prompts that were computed.
    pub(crate) prompt_tokens: AtomicU64,
    /// Tokens of prompts that were in the cache.
    pub(crate) cached_tokens: AtomicU64,
    prompt_us: AtomicU64,
    /// Tokens that were written.
    pub(crate) written_tokens: AtomicU64,
    /// The same without the first of each answer, which costs no step of its own.
    written_steps: AtomicU64,
    written_us: AtomicU64,
    /// Steps of all answers: one for the prompt, one for each token after the first.
    pub(crate) steps: AtomicU64,
    /// For each of these steps, how many answers were under way.
    under_way_at_steps: AtomicU64,
    /// Prompt and answer of the longest one.
    pub(crate) tokens_max: AtomicU64,
    under_way: AtomicU64,
    /// Those of them whose prompt is not read yet.
    unread: AtomicU64,
    told: Mutex<Told>,
}

/// The sums when rates were last told.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    prompt: (u64, u64),
    written: (u64, u64),
}

/// Answers that are under way, and count as such until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay {
    counts: Arc<Counts>,
    answers: usize,
    unread: usize,
}

impl Default for Counts {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            began: clock::seconds(),
            prompt_tokens: zero(),
            cached_tokens: zero(),
            prompt_us: zero(),
            written_tokens: zero(),
            written_steps: zero(),
            written_us: zero(),
            steps: zero(),
            under_way_at_steps: zero(),
            tokens_max: zero(),
            under_way: zero(),
            unread: zero(),
            told: Mutex::default(),
        }
    }
}

impl Counts {
    /// Adds an answer that has ended.
    pub(crate) fn ended(&self, end: &End) {
        let timings = Timings::of(end);
        self.prompt(timings.prompt_n, timings.prompt_ms);
        self.cached_tokens.fetch_add(timings.cache_n as u64, Relaxed);
        self.written_tokens.fetch_add(timings.predicted_n as u64, Relaxed);
        self.tokens_max.fetch_max((end.prompt_tokens + end.generated_tokens) as u64, Relaxed);
        let steps = timings.predicted_n.saturating_sub(1) as u64;
        self.written_steps.fetch_add(steps, Relaxed);
        self.written_us.fetch_add(us(timings.predicted_ms), Relaxed);
        self.step(steps);
    }

    /// Adds texts that were read and not answered: `ms` milliseconds for so many tokens.
    pub(crate) fn prompt(&self, tokens: usize, ms: f64) {
        self.prompt_tokens.fetch_add(tokens as u64, Relaxed);
        self.prompt_us.fetch_add(us(ms), Relaxed);
        self.step(1);
    }

    /// Returns answers that are under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.load(Relaxed)
    }

    /// Returns how many of them still wait for their prompt to be read.
    pub(crate) fn unread(&self) -> u64 {
        self.unread.load(Relaxed)
    }

    /// Returns how many answers were under way at a step, on average.
    pub(crate) fn under_way_at_steps(&self) -> f64 {
        ratio(self.under_way_at_steps.load(Relaxed), self.steps.load(Relaxed))
    }

    /// Returns the seconds that reading prompts and writing answers took.
    pub(crate) fn seconds(&self) -> (f64, f64) {
        (ratio(self.prompt_us.load(Relaxed), 1_000_000), ratio(self.written_us.load(Relaxed), 1_000_000))
    }

    /// Returns tokens a second of prompts and of answers since the last who asked, 0 where nothing was done.
    pub(crate) fn rates(&self) -> (f64, f64) {
        let now = Told {
            prompt: (self.prompt_tokens.load(Relaxed), self.prompt_us.load(Relaxed)),
            written: (self.written_steps.load(Relaxed), self.written_us.load(Relaxed)),
        };
        let then = std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), now);
        let rate = |now: (u64, u64), then: (u64, u64)| {
            1e6 * ratio(now.0.saturating_sub(then.0), now.1.saturating_sub(then.1))
        };
        (rate(now.prompt, then.prompt), rate(now.written, then.written))
    }

    fn step(&self, steps: u64) {
        self.steps.fetch_add(steps, Relaxed);
        self.under_way_at_steps.fetch_add(steps * self.under_way().max(1), Relaxed);
    }
}

impl UnderWay {
    /// None yet.
    pub(super) fn none(counts: Arc<Counts>) -> Self {
        Self { counts, answers: 0, unread: 0 }
    }

    /// One more.
    pub(super) fn begin(&mut self) {
        self.answers += 1;
        self.unread += 1;
        self.counts.under_way.fetch_add(1, Relaxed);
        self.counts.unread.fetch_add(1, Relaxed);
    }

    /// The prompt of one is read.
    pub(super) fn read(&mut self) {
        self.unread_at_most(self.unread.saturating_sub(1));
    }

    fn unread_at_most(&mut self, most: usize) {
        let less = self.unread.saturating_sub(most);
        self.unread -= less;
        self.counts.unread.fetch_sub(less as u64, Relaxed);
    }

    /// One less.
    pub(super) fn end(&mut self, end: &End) {
        self.counts.ended(end);
        if self.answers > 0 {
            self.answers -= 1;
            self.counts.under_way.fetch_sub(1, Relaxed);
        }
        self.unread_at_most(self.answers);
    }

    /// How many there are.
    pub(super) fn answers(&self) -> usize {
        self.answers
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.unread_at_most(0);
        self.counts.under_way.fetch_sub(self.answers as u64, Relaxed);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations are not negative, and short"
)]
fn us(ms: f64) -> u64 {
    (ms * 1e3) as u64
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
fn ratio(of: u64, by: u64) -> f64 {
    if by == 0 { 0.0 } else { of as f64 / by as f64 }
}
