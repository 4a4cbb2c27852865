use std::time::{Duration, Instant};

use athenaeum_inference::engine::End;
use serde::Serialize;
use utoipa::ToSchema;

use super::Said;

/// How long an answer took, in llama.cpp's words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = llamacpp::Timings)]
pub(crate) struct Timings {
    /// Tokens of the prompt that were in the cache.
    pub(crate) cache_n: usize,
    /// Tokens of the prompt that were computed.
    pub(crate) prompt_n: usize,
    /// Milliseconds from the request to the first token.
    pub(crate) prompt_ms: f64,
    prompt_per_token_ms: f64,
    prompt_per_second: f64,
    /// Tokens that were written.
    pub(crate) predicted_n: usize,
    /// Milliseconds from the first token to the last.
    pub(crate) predicted_ms: f64,
    /// Of each but the first, which comes with the end of the prompt.
    predicted_per_token_ms: f64,
    predicted_per_second: f64,
}

impl Timings {
    /// Of an answer that has ended.
    pub(crate) fn of(end: &End) -> Self {
        let first = end.first_token.unwrap_or(end.whole);
        let computed = end.prompt_tokens.saturating_sub(end.cached_tokens);
        let writing = end.whole.saturating_sub(first);
        Self::new(end.cached_tokens, (computed, first), (end.generated_tokens, writing))
    }

    /// Of one that is being given: tokens in the cache, and for prompt and answer how many were computed, and how long that
    /// took.
    pub(crate) fn new(
        cached: usize,
        (prompt_n, prompt): (usize, Duration),
        (predicted_n, predicted): (usize, Duration),
    ) -> Self {
        let (prompt_ms, predicted_ms) = (ms(prompt), ms(predicted));
        let steps = predicted_n.saturating_sub(1);
        Self {
            cache_n: cached,
            prompt_n,
            prompt_ms,
            prompt_per_token_ms: each(prompt_ms, prompt_n),
            prompt_per_second: per_second(prompt_n, prompt_ms),
            predicted_n,
            predicted_ms,
            predicted_per_token_ms: each(predicted_ms, steps),
            predicted_per_second: per_second(steps, predicted_ms),
        }
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
fn each(ms: f64, tokens: usize) -> f64 {
    if tokens == 0 { 0.0 } else { ms / tokens as f64 }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
fn per_second(tokens: usize, ms: f64) -> f64 {
    if ms > 0.0 { 1e3 / ms * tokens as f64 } else { 0.0 }
}

/// Follows an answer as it is given, so that its timings can be told at any moment.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    begun: Instant,
    prompt_tokens: usize,
    cached: usize,
    read: usize,
    /// When reading began, since the request came.
    waited: Option<Duration>,
    reading: Duration,
    first: Option<Instant>,
    written: usize,
    end: Option<Timings>,
}

/// How far a prompt is read, in llama.cpp's words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = llamacpp::PromptProgress)]
pub(crate) struct Progress {
    /// Tokens of the prompt.
    total: usize,
    /// Those that were in the cache.
    cache: usize,
    /// Those that need not be computed any more.
    processed: usize,
    /// Since reading began.
    time_ms: u64,
}

impl Pace {
    /// Of an answer to a prompt of so many tokens.
    pub(crate) fn new(prompt_tokens: usize) -> Self {
        Self {
            begun: Instant::now(),
            prompt_tokens,
            cached: 0,
            read: 0,
            waited: None,
            reading: Duration::ZERO,
            first: None,
            written: 0,
            end: None,
        }
    }

    /// Takes note of what is said.
    pub(crate) fn hear(&mut self, said: &Said) {
        match said {
            Said::Progress { read, cached, time } => {
                (self.read, self.cached) = (*read, *cached);
                self.reading = time.saturating_sub(*self.waited.get_or_insert(*time));
            }
            Said::Begun { cached_tokens, .. } => {
                (self.read, self.cached) = (self.prompt_tokens, *cached_tokens);
                self.reading = self.reading.max(self.begun.elapsed());
            }
            Said::Token { .. } => {
                self.written += 1;
                self.first.get_or_insert_with(Instant::now);
            }
            Said::Ended(ended) => self.end = Some(Timings::of(&ended.end)),
        }
    }

    /// Returns how far the prompt is read.
    pub(crate) fn progress(&self) -> Progress {
        let time_ms = u64::try_from(self.reading.as_millis()).unwrap_or(u64::MAX);
        Progress { total: self.prompt_tokens, cache: self.cached, processed: self.read, time_ms }
    }

    /// Returns how many tokens were written.
    pub(crate) fn written(&self) -> usize {
        self.end.map_or(self.written, |end| end.predicted_n)
    }

    /// Returns the timings up to now.
    pub(crate) fn timings(&self) -> Timings {
        self.end.unwrap_or_else(|| {
            let prompt = (self.read.saturating_sub(self.cached), self.reading);
            let writing = self.first.map_or(Duration::ZERO, |first| first.elapsed());
            Timings::new(self.cached, prompt, (self.written, writing))
        })
    }
}
