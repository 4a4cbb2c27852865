//! The indexes of a loop, dealt to threads so that each works through neighbours.
//!
//! What a loop reads usually lies in the order of its indexes, and memory is read fastest in order: the processor asks for
//! what follows before it is needed. So each thread begins with a span of its own, and who is done first takes the upper
//! half of what another has left. Two cores of unequal speed end together, whatever else they have to do.

use std::sync::atomic::{AtomicU64, Ordering};

/// One span for each thread.
pub(super) struct Spans(Box<[Span]>);

/// What is left of a thread's span: the first index in the lower half, the end in the upper one. In a cache line (and its
/// neighbour, which processors fetch along) of its own.
#[derive(Default)]
#[repr(align(128))]
struct Span(AtomicU64);

impl Spans {
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads.max(1)).map(|_| Span::default()).collect())
    }

    /// Deals out the indexes below `count`. Nobody may be taking any meanwhile.
    pub(super) fn deal(&self, count: u32) {
        let threads = self.0.len() as u64;
        let bound = |thread: u64| (u64::from(count) * thread / threads) as u32;
        for (thread, span) in (0_u64..).zip(&self.0) {
            span.0.store(pack(bound(thread), bound(thread + 1)), Ordering::Relaxed);
        }
    }

    /// Takes the next index for a thread; `None` where all are taken.
    pub(super) fn next(&self, thread: usize) -> Option<u32> {
        if let Some(index) = self.0[thread].take_first() {
            return Some(index);
        }
        loop {
            let fullest = self.0.iter().max_by_key(|span| span.left())?;
            if fullest.left() == 0 {
                return None;
            }
            let Some((first, end)) = fullest.take_upper_half() else { continue };
            // Own spans that are empty are changed by nobody else. No index is in a span twice, so whoever still holds an
            // old value of this one cannot mistake the new one for it.
            self.0[thread].0.store(pack(first + 1, end), Ordering::Relaxed);
            return Some(first);
        }
    }
}

impl Span {
    fn left(&self) -> u32 {
        let (first, end) = unpack(self.0.load(Ordering::Relaxed));
        end - first
    }

    fn take_first(&self) -> Option<u32> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |span| {
            let (first, end) = unpack(span);
            (first < end).then(|| pack(first + 1, end))
        });
        taken.ok().map(|span| unpack(span).0)
    }

    /// Takes half of what is left, rounded up.
    fn take_upper_half(&self) -> Option<(u32, u32)> {
        let middle = |first: u32, end: u32| first + (end - first) / 2;
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |span| {
            let (first, end) = unpack(span);
            (first < end).then(|| pack(first, middle(first, end)))
        });
        taken.ok().map(unpack).map(|(first, end)| (middle(first, end), end))
    }
}

fn pack(first: u32, end: u32) -> u64 {
    u64::from(end) << 32 | u64::from(first)
}

fn unpack(span: u64) -> (u32, u32) {
    (span as u32, (span >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    };

    use super::Spans;

    #[test]
    fn a_thread_alone_takes_everything_and_its_own_in_order() {
        for (threads, count) in [(1, 0), (1, 5), (3, 2), (3, 100), (7, 50)] {
            let spans = Spans::new(threads);
            spans.deal(count);
            let taken: Vec<u32> = std::iter::from_fn(|| spans.next(0)).collect();
            let own = count / threads as u32;
            assert_eq!(taken[..own as usize], (0..own).collect::<Vec<_>>());
            let mut all = taken;
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>(), "{threads} threads, {count}");
        }
    }

    #[test]
    fn every_index_is_taken_once() {
        const COUNT: u32 = 50_000;
        let (spans, begin) = (Spans::new(4), Barrier::new(4));
        let times: Vec<AtomicU32> = (0..COUNT).map(|_| AtomicU32::new(0)).collect();
        for _ in 0..10 {
            times.iter().for_each(|times| times.store(0, Ordering::Relaxed));
            spans.deal(COUNT);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (spans, begin, times) = (&spans, &begin, &times);
                    scope.spawn(move || {
                        begin.wait();
                        while let Some(index) = spans.next(thread) {
                            times[index as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert!(times.iter().all(|times| times.load(Ordering::Relaxed) == 1));
        }
    }
}
