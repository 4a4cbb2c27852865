//! The threads that compute, and whose turn it is to use them.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use athenaeum_kernels::Pool;

/// Threads that several models compute with in turn, one batch of one model at a time. Cheap to clone.
///
/// Turns are taken in the order in which they were asked for, so no model waits for longer than a batch of each other one.
/// Two models beside each other would not be done sooner: either takes all threads, and what they read from memory would
/// drive each other's out of the caches.
#[derive(Debug, Clone)]
pub struct Processor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    turns: Mutex<Turns>,
    changed: Condvar,
}

/// Numbers as at a counter: whoever comes takes the next, and is served when it is called.
#[derive(Debug, Default)]
struct Turns {
    next: u64,
    called: u64,
}

impl Processor {
    /// Starts so many threads; whoever takes a turn is one of them.
    pub fn new(threads: NonZeroUsize) -> Self {
        let pool = Pool::new(threads.get());
        Self(Arc::new(Shared { pool, turns: Mutex::default(), changed: Condvar::new() }))
    }

    /// Waits for a turn and computes. Must not be called from within `work`, which would wait for itself.
    pub fn turn<T>(&self, work: impl FnOnce(&Pool) -> T) -> T {
        let mut turns = self.lock();
        let mine = turns.next;
        turns.next += 1;
        while turns.called != mine {
            turns = self.0.changed.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
        drop(turns);
        // Also where `work` panics.
        let _end = End(self);
        work(&self.0.pool)
    }

    /// Returns how many turns have been asked for so far; grows when others want to compute, too.
    pub fn asked(&self) -> u64 {
        self.lock().next
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct End<'a>(&'a Processor);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut turns = self.0.lock();
        turns.called += 1;
        if turns.called != turns.next {
            self.0.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use super::*;

    fn processor() -> Processor {
        Processor::new(NonZeroUsize::new(2).unwrap())
    }

    #[test]
    fn one_computes_at_a_time() {
        let (processor, inside) = (processor(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        processor.turn(|_| {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn nobody_is_passed_over() {
        let processor = processor();
        let (long, mut passed) = (AtomicUsize::new(0), Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                while long.load(Ordering::SeqCst) < 1000 {
                    processor.turn(|_| thread::sleep(Duration::from_millis(1)));
                    long.fetch_add(1, Ordering::SeqCst);
                }
            });
            while long.load(Ordering::SeqCst) < 10 {
                thread::yield_now();
            }
            for _ in 0..20 {
                let before = long.load(Ordering::SeqCst);
                passed.push(processor.turn(|_| long.load(Ordering::SeqCst) - before));
            }
            long.store(1000, Ordering::SeqCst);
        });
        // The one under way, and one more where it asked first; more only if this thread was put to sleep before asking.
        passed.sort_unstable();
        assert!(passed[10] <= 2, "so many went before: {passed:?}");
    }

    #[test]
    fn a_turn_ends_by_a_panic_too() {
        let processor = processor();
        let failing = processor.clone();
        assert!(thread::spawn(move || failing.turn(|_| panic!("no"))).join().is_err());
        assert_eq!(processor.turn(|_| 7), 7);
    }
}
