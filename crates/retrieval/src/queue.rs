//! Between a parser that pushes and blocks, and an archive that awaits.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// Makes a queue whose items weigh at most `weight_max` together; a heavier one passes alone.
///
/// The taker gets all that is there at once, and the pusher, once the queue was full, waits until it is half empty: so
/// neither wakes the other for each item, which costs more than a small conversation does.
pub(crate) fn queue<T>(weight_max: usize) -> (Pusher<T>, Taker<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { items: VecDeque::new(), weight: 0, is_over: false }),
        weight_max,
        room: Condvar::new(),
        news: Notify::new(),
    });
    (Pusher(Arc::clone(&shared)), Taker { shared, taken: VecDeque::new(), owed: 0 })
}

/// The end that blocks.
pub(crate) struct Pusher<T>(Arc<Shared<T>>);

/// The end that awaits.
pub(crate) struct Taker<T> {
    shared: Arc<Shared<T>>,
    taken: VecDeque<(T, usize)>,
    /// Weight of what has left and is not yet given back.
    owed: usize,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    weight_max: usize,
    room: Condvar,
    news: Notify,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    /// Of the items and of those taken that are still being dealt with.
    weight: usize,
    /// One of the ends is gone.
    is_over: bool,
}

impl<T> Pusher<T> {
    /// Waits for room and pushes. Returns false where the taker is gone, or as soon as `is_cancelled` says so.
    pub(crate) fn push(&self, item: T, weight: usize, is_cancelled: impl Fn() -> bool) -> bool {
        let shared = &*self.0;
        let mut state = shared.lock();
        if state.weight > 0 && state.weight + weight > shared.weight_max {
            while !state.is_over && !is_cancelled() && state.weight > shared.weight_max / 2 {
                let waited = shared.room.wait_timeout(state, LOOK_UP_EVERY);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        if state.is_over || is_cancelled() {
            return false;
        }
        state.weight += weight;
        state.items.push_back((item, weight));
        let is_first = state.items.len() == 1;
        drop(state);
        if is_first {
            shared.news.notify_one();
        }
        true
    }
}

impl<T> Taker<T> {
    /// Waits for the next item; `None` after the last one. Nothing is lost where the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<T> {
        loop {
            if let Some((item, weight)) = self.taken.pop_front() {
                self.owed += weight;
                if self.taken.is_empty() || self.owed >= self.shared.weight_max / 16 {
                    self.give_back();
                }
                return Some(item);
            }
            let news = self.shared.news.notified();
            {
                let mut state = self.shared.lock();
                if !state.items.is_empty() {
                    std::mem::swap(&mut state.items, &mut self.taken);
                    continue;
                }
                if state.is_over {
                    return None;
                }
            }
            news.await;
        }
    }

    fn give_back(&mut self) {
        let mut state = self.shared.lock();
        let before = state.weight;
        state.weight -= std::mem::take(&mut self.owed);
        let half = self.shared.weight_max / 2;
        let is_half_empty = before > half && state.weight <= half;
        drop(state);
        if is_half_empty {
            self.shared.room.notify_one();
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.lock().is_over = true;
        self.room.notify_one();
        self.news.notify_one();
    }
}

impl<T> Drop for Pusher<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        self.shared.end();
    }
}

/// How long a pusher that waits may miss that it was cancelled.
const LOOK_UP_EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::queue;

    #[tokio::test]
    async fn items_come_in_order_and_the_end_is_told() {
        let (pusher, mut taker) = queue(100);
        let pushing = thread::spawn(move || (0..10_000_usize).all(|n| pusher.push(n, n % 70, || false)));
        for n in 0..10_000 {
            assert_eq!(taker.next().await, Some(n));
        }
        assert_eq!(taker.next().await, None);
        assert!(pushing.join().unwrap());
    }

    #[tokio::test]
    async fn a_pusher_waits_for_room_and_ends_with_the_taker() {
        let (pusher, mut taker) = queue(100);
        assert!(pusher.push("heavy", 500, || false), "alone, it passes");
        let waiting = thread::spawn(move || pusher.push("light", 1, || false));
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished(), "it waits");
        assert_eq!(taker.next().await, Some("heavy"));
        assert_eq!(taker.next().await, Some("light"));
        assert!(waiting.join().unwrap());

        let (pusher, taker) = queue(100);
        assert!(pusher.push((), 100, || false));
        let waiting = thread::spawn(move || pusher.push((), 100, || false));
        drop(taker);
        assert!(!waiting.join().unwrap());
    }

    #[tokio::test]
    async fn a_waiting_pusher_learns_that_it_was_cancelled() {
        let (pusher, _taker) = queue(100);
        assert!(pusher.push((), 100, || false));
        assert!(!pusher.push((), 100, || true));
    }
}
