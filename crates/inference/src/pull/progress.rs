use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Report, plan::Wanted};
use crate::model::Sha256;

/// How far a pull is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// The file that is being fetched; empty before the first.
    pub file: String,
    /// Its checksum; `None` where no server says it.
    pub file_sha256: Option<Sha256>,
    /// Bytes of it that are there.
    pub file_bytes: u64,
    /// Bytes that it will have; `None` where no server says it.
    pub file_bytes_total: Option<u64>,
    /// Bytes that are there, of all files.
    pub bytes: u64,
    /// Bytes that there will be; `None` where no server says it.
    pub bytes_total: Option<u64>,
    /// Bytes that came each second, over the last seconds; `None` at first.
    pub bytes_per_second: Option<f64>,
}

/// What is being done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The server is asked which files there are.
    Asking,
    /// What had come before is read again, for the checksum.
    Reading,
    /// Bytes come.
    Fetching,
    /// Something failed, and will be tried again.
    Waiting {
        /// How long.
        wait: Duration,
        /// What failed.
        reason: String,
    },
    /// All is there, and is opened as a model.
    Opening,
}

/// Counts, and tells it now and then.
pub(super) struct Tracker {
    report: Report,
    state: Mutex<State>,
}

struct State {
    progress: Progress,
    /// Bytes of the files that are whole.
    whole: u64,
    fetched: u64,
    resumed: u64,
    told: Option<Instant>,
    /// Moments and what had been fetched then, the oldest first.
    samples: VecDeque<(Instant, u64)>,
}

// === impl Tracker ===

impl Tracker {
    pub(super) fn new(report: Report) -> Self {
        let progress = Progress {
            phase: Phase::Asking,
            file: String::new(),
            file_sha256: None,
            file_bytes: 0,
            file_bytes_total: None,
            bytes: 0,
            bytes_total: None,
            bytes_per_second: None,
        };
        let state =
            State { progress, whole: 0, fetched: 0, resumed: 0, told: None, samples: VecDeque::new() };
        let tracker = Self { report, state: Mutex::new(state) };
        tracker.tell(&mut tracker.state(), true);
        tracker
    }

    /// Says how many bytes all files have.
    pub(super) fn expect(&self, bytes_total: Option<u64>) {
        self.state().progress.bytes_total = bytes_total;
    }

    /// Counts a file that had come before.
    pub(super) fn skip(&self, bytes: u64) {
        let mut state = self.state();
        state.whole += bytes;
        state.resumed += bytes;
        state.progress.bytes = state.whole;
    }

    pub(super) fn phase(&self, phase: Phase) {
        let mut state = self.state();
        if state.progress.phase != phase {
            state.progress.phase = phase;
            self.tell(&mut state, true);
        }
    }

    /// Begins with a file.
    pub(super) fn file(&self, wanted: &Wanted) {
        let mut state = self.state();
        state.progress.file = wanted.path.to_string();
        state.progress.file_sha256 = wanted.sha256;
        (state.progress.file_bytes, state.progress.file_bytes_total) = (0, wanted.bytes);
        state.progress.bytes = state.whole;
    }

    /// Counts bytes of the file that had come before.
    pub(super) fn read(&self, bytes: u64) {
        let mut state = self.state();
        state.resumed += bytes;
        state.progress.bytes += bytes;
        state.progress.file_bytes += bytes;
        self.tell(&mut state, false);
    }

    /// Counts bytes of the file that came now.
    pub(super) fn came(&self, bytes: u64) {
        let mut state = self.state();
        state.fetched += bytes;
        state.progress.bytes += bytes;
        state.progress.file_bytes += bytes;
        self.tell(&mut state, false);
    }

    /// Begins with the file once more.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        let lost = state.progress.bytes - state.whole;
        state.resumed = state.resumed.saturating_sub(lost);
        state.progress.bytes = state.whole;
        state.progress.file_bytes = 0;
    }

    /// The file is whole.
    pub(super) fn whole(&self, bytes: u64) {
        let mut state = self.state();
        state.whole += bytes;
        state.progress.bytes = state.whole;
        (state.progress.file_bytes, state.progress.file_bytes_total) = (bytes, Some(bytes));
        self.tell(&mut state, true);
    }

    /// Returns the bytes that came now and those that had come before.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.fetched, state.resumed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers are right or slightly old, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &mut State, at_once: bool) {
        let now = Instant::now();
        if !at_once && state.told.is_some_and(|told| now.duration_since(told) < TELL_EVERY) {
            return;
        }
        state.told = Some(now);
        state.samples.push_back((now, state.fetched));
        while state.samples.front().is_some_and(|(then, _)| now.duration_since(*then) > RATE_OVER) {
            state.samples.pop_front();
        }
        state.progress.bytes_per_second = state.samples.front().and_then(|(then, fetched)| {
            let seconds = now.duration_since(*then).as_secs_f64();
            (seconds > 0.2).then(|| (state.fetched - fetched) as f64 / seconds)
        });
        (self.report)(&state.progress);
    }
}

const TELL_EVERY: Duration = Duration::from_millis(100);
const RATE_OVER: Duration = Duration::from_secs(5);
