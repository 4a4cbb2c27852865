//! The best documents so far.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::score::Fixed;

/// A document found. Orders from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// What is asked for first: the score, or the time in an order-preserving form.
    pub(super) rank: u64,
    /// Microseconds; `i64::MIN` where unknown. Newer wins among equals.
    pub(super) time: i64,
    /// Row of the message, or `i64::MIN` for a title.
    pub(super) id: i64,
    /// Row of the conversation.
    pub(super) conversation: i64,
    /// Place in the snapshot.
    pub(super) part: usize,
    pub(super) doc: u32,
    /// The score, whatever the order.
    pub(super) score: Fixed,
}

/// Keeps the best `limit`.
#[derive(Debug)]
pub(super) struct Top {
    limit: usize,
    heap: BinaryHeap<Reverse<Found>>,
    /// Documents that matched and were looked at.
    pub(super) matched: u64,
    /// Whether some matches were passed over because they could not be among the best.
    pub(super) skipped: bool,
    /// Documents whose positions were looked at, and whether that was cut short.
    pub(super) examined: u64,
    pub(super) exhausted: bool,
}

impl Top {
    pub(super) fn new(limit: usize) -> Self {
        let heap = BinaryHeap::with_capacity(limit.min(1024) + 1);
        Self { limit, heap, matched: 0, skipped: false, examined: 0, exhausted: false }
    }

    /// Returns the rank that a document must reach to have a chance: those below it need not be added.
    #[inline]
    pub(super) fn floor(&self) -> u64 {
        if self.heap.len() < self.limit {
            0
        } else {
            self.heap.peek().map_or(u64::MAX, |Reverse(worst)| worst.rank)
        }
    }

    pub(super) fn add(&mut self, found: Found) {
        self.heap.push(Reverse(found));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Returns the best `count`, best first.
    pub(super) fn best(&self, count: usize) -> impl Iterator<Item = &Found> {
        let mut found: Vec<&Found> = self.heap.iter().map(|Reverse(found)| found).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.into_iter().take(count)
    }

    /// Returns the documents, best first.
    pub(super) fn into_sorted(self) -> Vec<Found> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect()
    }
}

/// Turns a time into a number that orders like it.
pub(super) fn time_rank(time: i64) -> u64 {
    (time as u64) ^ (1 << 63)
}

impl Found {
    /// Row of the message; `None` for a title.
    pub(super) fn message(&self) -> Option<i64> {
        (self.id != i64::MIN).then_some(self.id)
    }
}
