//! When a script has to end, and why.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// Tells a script that it is over. Cheap to clone; clones share everything.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    is_over: AtomicBool,
    why: Mutex<Option<Why>>,
    begun: Instant,
    time: Duration,
    cancel: CancellationToken,
}

/// Why a script is over before its last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its time was over.
    Time,
    /// Whoever ran it stopped it.
    Stopped,
    /// It ended itself, with this code.
    Exit(u8),
}

impl Watch {
    pub(crate) fn new(time: Duration, cancel: CancellationToken) -> Self {
        let begun = Instant::now();
        Self(Arc::new(Inner { is_over: AtomicBool::new(false), why: Mutex::default(), begun, time, cancel }))
    }

    /// Looks at the clock, and whether somebody stops it; returns why it is over.
    pub(crate) fn look(&self) -> Option<Why> {
        if !self.0.is_over.load(Ordering::Acquire) {
            if self.0.cancel.is_cancelled() {
                self.end(Why::Stopped);
            } else if self.0.begun.elapsed() >= self.0.time {
                self.end(Why::Time);
            }
        }
        self.why()
    }

    /// Returns why it is over, as far as anybody looked.
    pub(crate) fn why(&self) -> Option<Why> {
        if !self.0.is_over.load(Ordering::Acquire) {
            return None;
        }
        *self.0.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it; the first reason stays.
    pub(crate) fn end(&self, why: Why) {
        self.0.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.0.is_over.store(true, Ordering::Release);
    }

    /// Returns when its time is over or somebody stops it.
    pub(crate) async fn over(&self) -> Why {
        let left = self.0.time.saturating_sub(self.0.begun.elapsed());
        tokio::select! {
            () = self.0.cancel.cancelled() => self.end(Why::Stopped),
            () = tokio::time::sleep(left) => self.end(Why::Time),
        }
        self.why().unwrap_or(Why::Time)
    }

    /// Returns what work of a global's is stopped by.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.0.cancel
    }
}
