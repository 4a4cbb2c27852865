use std::time::Instant;

use super::sequence::Sequence;

/// Requests that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Sequence>,
}

impl Queue {
    pub(super) fn push(&mut self, sequence: Sequence) {
        self.waiting.push(sequence);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes out whoever is next: the highest priority; among those the owner with the fewest that run; among those
    /// the one that came first. Leaves those alone that had better wait for one that runs, because they begin alike
    /// and the other's beginning is about to be known.
    pub(super) fn next(&mut self, running: &[Sequence]) -> Option<Sequence> {
        let running_of = |owner| running.iter().filter(|sequence| sequence.owner() == owner).count();
        let ready =
            self.waiting.iter().enumerate().filter(|(_, one)| !running.iter().any(|other| one.awaits(other)));
        let best =
            ready.min_by_key(|(_, one)| (-i64::from(one.priority()), running_of(one.owner()), one.arrived()));
        let index = best.map(|(index, _)| index)?;
        Some(self.waiting.remove(index))
    }

    /// Takes out those that nobody waits for any more, or whose time is over.
    pub(super) fn take_ended(&mut self, now: Instant) -> Vec<Sequence> {
        self.waiting.extract_if(.., |sequence| sequence.is_abandoned() || sequence.is_late(now)).collect()
    }
}
