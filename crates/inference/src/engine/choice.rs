//! Choosing tokens; where a form may make that long, on a thread beside the one that computes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    constraint::{Breaker, Constraint},
    sampling::{self, LogProbs, Sampler},
};

/// What chooses the tokens of one sequence.
#[derive(Debug)]
pub(super) struct Chooser {
    pub(super) sampler: Sampler,
    pub(super) constraint: Option<Constraint>,
    /// Probabilities of each token, with so many of the likeliest beside it.
    pub(super) logprobs: Option<usize>,
    /// They are of what was drawn from.
    pub(super) as_drawn: bool,
    slow: bool,
}

/// A token that was chosen.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) token: u32,
    pub(super) logprobs: Option<LogProbs>,
}

/// The thread that chooses where it may take long: one token after the other, whosever it is. It is started when it is
/// first needed, and ends with the engine.
#[derive(Debug, Default)]
pub(super) struct Aside {
    jobs: Option<mpsc::Sender<Job>>,
}

/// A choice that is being made there. Dropping it ends the work on it.
#[derive(Debug)]
pub(super) struct Away {
    chosen: mpsc::Receiver<Chosen>,
    begun: Arc<OnceLock<Instant>>,
    breaker: Option<Breaker>,
}

/// What comes back from there.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) chooser: Box<Chooser>,
    pub(super) choice: Result<Choice, String>,
    pub(super) took: Duration,
}

struct Job {
    chooser: Box<Chooser>,
    raw: Vec<f32>,
    begun: Arc<OnceLock<Instant>>,
    back: mpsc::Sender<Chosen>,
}

/// A batch does not wait for a form that once took longer than this; most take a hundredth of it.
const SLOW: Duration = Duration::from_millis(5);

// === impl Chooser ===

impl Chooser {
    pub(super) fn new(
        sampler: Sampler,
        constraint: Option<Constraint>,
        logprobs: Option<usize>,
        as_drawn: bool,
    ) -> Self {
        let slow = constraint.as_ref().is_some_and(Constraint::may_take_long);
        Self { sampler, constraint, logprobs, as_drawn, slow }
    }

    /// Whether a batch should not wait for its choices.
    pub(super) fn is_slow(&self) -> bool {
        self.slow
    }

    /// Whether nothing but an end may come.
    pub(super) fn must_end(&self) -> bool {
        self.constraint.as_ref().is_some_and(Constraint::must_end)
    }

    /// Chooses a token from its logits.
    pub(super) fn choose(&mut self, raw: &[f32], scratch: &mut Vec<f32>) -> Result<Choice, String> {
        let begun = self.constraint.is_some().then(Instant::now);
        scratch.clear();
        scratch.extend_from_slice(raw);
        if let Some(constraint) = &mut self.constraint {
            constraint.apply(scratch).map_err(|error| error.to_string())?;
        }
        let chosen = self.draw(raw, scratch).map_err(|error| error.to_string())?;
        self.sampler.accept(chosen.token);
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(chosen.token).map_err(|error| error.to_string())?;
        }
        self.slow |= begun.is_some_and(|begun| begun.elapsed() > SLOW);
        Ok(chosen)
    }

    fn draw(&mut self, raw: &[f32], scratch: &mut [f32]) -> Result<Choice, sampling::Error> {
        // The draw itself is not touched by who wants to know what it was from.
        let drawn_from = match (self.as_drawn, self.logprobs) {
            (true, Some(top)) => Some((self.sampler.clone().distribution(&mut scratch.to_owned())?, top)),
            _ => None,
        };
        let token = self.sampler.sample(scratch)?;
        let logprobs = match drawn_from {
            Some((shares, top)) => Some(LogProbs::of_shares(&shares, token, top)),
            None => self.logprobs.map(|top| sampling::logprobs(raw, token, top)).transpose()?,
        };
        Ok(Choice { token, logprobs })
    }
}

// === impl Aside ===

impl Aside {
    /// Has a token chosen there.
    ///
    /// # Errors
    ///
    /// If the system gives no thread; the chooser comes back.
    pub(super) fn choose(&mut self, chooser: Box<Chooser>, raw: &[f32]) -> Result<Away, Box<Chooser>> {
        let Some(jobs) = self.jobs() else { return Err(chooser) };
        let (back, chosen) = mpsc::channel();
        let begun = Arc::new(OnceLock::new());
        let breaker = chooser.constraint.as_ref().and_then(Constraint::breaker);
        let job = Job { chooser, raw: raw.to_vec(), begun: Arc::clone(&begun), back };
        match jobs.send(job) {
            Ok(()) => Ok(Away { chosen, begun, breaker }),
            Err(mpsc::SendError(job)) => {
                self.jobs = None;
                Err(job.chooser)
            }
        }
    }

    fn jobs(&mut self) -> Option<&mpsc::Sender<Job>> {
        if self.jobs.is_none() {
            let (jobs, inbox) = mpsc::channel();
            let thread = thread::Builder::new().name("forms".to_owned());
            self.jobs = thread.spawn(move || work(&inbox)).is_ok().then_some(jobs);
        }
        self.jobs.as_ref()
    }
}

fn work(inbox: &mpsc::Receiver<Job>) {
    let mut scratch = Vec::new();
    while let Ok(Job { mut chooser, raw, begun, back }) = inbox.recv() {
        let at = *begun.get_or_init(Instant::now);
        let choice = catch_unwind(AssertUnwindSafe(|| chooser.choose(&raw, &mut scratch)));
        let choice = choice.unwrap_or_else(|_| Err("the next token could not be chosen".to_owned()));
        // Whoever asked may have gone.
        let _ = back.send(Chosen { chooser, choice, took: at.elapsed() });
    }
}

// === impl Away ===

impl Away {
    /// Waits until `until` for the choice. What takes longer than `most` is ended, and comes back as an error.
    ///
    /// # Errors
    ///
    /// If the thread is gone, and the chooser with it.
    pub(super) fn wait(&mut self, until: Instant, most: Duration) -> Result<Option<Chosen>, String> {
        let left = until.saturating_duration_since(Instant::now());
        let chosen = match left.is_zero() {
            true => self.chosen.try_recv().map_err(|error| error == mpsc::TryRecvError::Disconnected),
            false => {
                let chosen = self.chosen.recv_timeout(left);
                chosen.map_err(|error| error == mpsc::RecvTimeoutError::Disconnected)
            }
        };
        match chosen {
            Ok(chosen) => {
                self.breaker = None;
                Ok(Some(chosen))
            }
            Err(true) => Err("the thread that chooses tokens is gone".to_owned()),
            Err(false) => {
                if self.begun.get().is_some_and(|begun| begun.elapsed() > most)
                    && let Some(breaker) = &self.breaker
                {
                    breaker.end();
                }
                Ok(None)
            }
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(breaker) = &self.breaker {
            breaker.end();
        }
    }
}
