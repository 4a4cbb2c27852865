//! What a collection looked like at one moment: segments, which of their rows are still there, and the newest rows.

use std::{io::Cursor, sync::Arc};

use athenaeum_core::vector::{Metric, Near, Query};
use athenaeum_kernels::Bytes;

use crate::{
    bits::Bits,
    graph::{Graph, Hnsw},
    pack::Probe,
    rows::Rows,
    search::{self, Best},
    segment::{self, Head, Segment},
    store::{Changes, Mark, State},
    train,
};

/// Immutable; searches that run keep theirs while a newer one takes its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) mark: Mark,
    /// In the order of their rows' sequence numbers.
    parts: Vec<Part>,
    /// The rows of the last part, where it is in memory and more may join it.
    open: Arc<Rows>,
}

#[derive(Debug, Clone)]
struct Part {
    segment: Arc<Segment>,
    /// The rows that are still there; `None` where all are.
    alive: Option<Arc<Bits>>,
}

impl Snapshot {
    /// Begins with segments from files, which follow each other without a gap.
    pub(crate) fn of_segments(generation: u64, segments: Vec<Segment>) -> Self {
        let row = segments.last().map_or(0, |segment| segment.head.through);
        // Removals are read again from where the segment that knows least of them left off.
        let removal = segments.iter().map(|segment| segment.head.removals).min().unwrap_or(0);
        let parts =
            segments.into_iter().map(|segment| Part { segment: Arc::new(segment), alive: None }).collect();
        Self { mark: Mark { generation, row, removal }, parts, open: Arc::default() }
    }

    /// Returns what it looks like after some changes, which were read from this one's mark on.
    pub(crate) fn after(&self, changes: &Changes, metric: Metric) -> Self {
        let mut next = self.clone();
        next.mark = changes.state.mark;
        let mut new = Rows::new(changes.rows.dimensions);
        if changes.rows.len() > 0 {
            if !self.open.keys.is_empty() && self.open.len() + changes.rows.len() <= OPEN_MAX {
                let last = next.parts.pop();
                let alive = last.as_ref().and_then(|part| part.alive.as_ref());
                new.append(&self.open, |sequence| {
                    alive.zip(last.as_ref()).is_none_or(|(alive, part)| {
                        part.segment.row_of(sequence).is_some_and(|row| alive.contains(row))
                    })
                });
            }
            new.append(&changes.rows, |_| true);
            let after = next.parts.last().map_or(0, |part| part.segment.head.through);
            if let Some(segment) = in_memory(&new, metric, &changes.state, after) {
                next.parts.push(Part { segment: Arc::new(segment), alive: None });
            }
            next.open = Arc::new(if new.len() < OPEN_MAX { new } else { Rows::default() });
        }
        for sequence in &changes.removed {
            next.remove(*sequence);
        }
        next
    }

    fn remove(&mut self, sequence: u64) {
        let index = self.parts.partition_point(|part| part.segment.head.through < sequence);
        let Some(part) = self.parts.get_mut(index) else { return };
        if let Some(row) = part.segment.row_of(sequence) {
            let rows = part.segment.rows();
            let alive = part.alive.get_or_insert_with(|| Arc::new(Bits::all(rows)));
            Arc::make_mut(alive).remove(row);
        }
    }

    /// Finds the nearest as of `now`, in microseconds.
    pub(crate) fn search(&self, metric: Metric, query: &Query, now: i64) -> Vec<Near> {
        let probe = Probe::new(metric, &query.vector);
        let rows = self.parts.iter().map(|part| part.segment.rows()).sum();
        let mut best = Best::new(query.limit.min(rows));
        for part in &self.parts {
            let allowed = search::allowed(&part.segment, part.alive.as_deref(), &query.filter, now);
            search::search(&part.segment, allowed.as_ref(), &probe, query.effort, &mut best);
        }
        best.finish(&probe)
    }

    /// Rows that no file has yet.
    pub(crate) fn newest(&self) -> usize {
        self.parts.iter().filter(|part| !part.segment.is_mapped()).map(|part| part.segment.rows()).sum()
    }

    /// Tells whether a segment is large enough for a graph and has none that is as wanted.
    pub(crate) fn lacks_a_graph(&self, hnsw: &Hnsw) -> bool {
        self.parts.iter().any(|part| part.segment.lacks_graph(hnsw))
    }

    /// Of each segment that is a file: the head, and how many of its rows are still there.
    pub(crate) fn files(&self) -> Vec<(Head, usize)> {
        let files = self.parts.iter().filter(|part| part.segment.is_mapped());
        files
            .map(|part| {
                let alive = part.alive.as_ref().map_or(part.segment.rows(), |alive| alive.count());
                (part.segment.head, alive)
            })
            .collect()
    }

    /// Memory and mapped files that it holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.segment.bytes()).sum::<u64>() + self.open.values.len() as u64
    }

    /// Tells whether all its segments that are files hold what was written, and whether their graphs do; reads them whole.
    pub(crate) fn are_sound(&self) -> (bool, bool) {
        let files = || self.parts.iter().map(|part| &part.segment).filter(|segment| segment.is_mapped());
        let graphs = files().filter_map(|segment| segment.graph()).all(Graph::is_sound);
        (files().all(|segment| segment.is_sound()), graphs)
    }
}

/// Rows in memory that more may join: few enough to be written anew with each batch.
const OPEN_MAX: usize = 1_024;

fn in_memory(rows: &Rows, metric: Metric, state: &State, after: u64) -> Option<Segment> {
    let partitions = train::partitions(rows, metric, 1, 1);
    let head = Head {
        collection: state.uid,
        generation: state.mark.generation,
        after,
        through: state.mark.row,
        removals: state.mark.removal,
        ..Head::of(metric, rows, &partitions)
    };
    let mut image = Cursor::new(Vec::new());
    segment::write(&mut image, &head, rows, &partitions).ok()?;
    Segment::open(&Bytes::from(image.into_inner())).ok()
}
