//! A graph over the rows of a large segment, beside its partitions: a *hierarchical navigable small world* (Yu. A. Malkov and
//! D. A. Yashunin, arXiv 1603.09320). A search walks from row to neighbour as long as it comes nearer.
//!
//! It is made of a segment that is already searched, read from its mapped bytes, and lies in a file of its own
//! (`docs/formats/vectors.md`): where that is missing, damaged or another segment's, partitions answer.

mod build;
mod image;
mod walk;

use std::{
    io::{self, Write},
    sync::atomic::AtomicBool,
};

use crate::{pack::Probe, segment::Segment};
use walk::{View, Walk};

pub(crate) use image::Graph;

/// Which segments get a graph, and how good a one. Names and usual values are those of the paper and of hnswlib.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hnsw {
    /// Rows from which on a segment gets one; smaller ones are searched by their partitions alone.
    pub rows_min: usize,
    /// Neighbours that a new row is given; a row has no more than this, in the lowest layer twice as many. 2 to 128.
    pub m: usize,
    /// Rows among which a new row's neighbours are chosen: more make a better graph and take longer. `m` to 4,096.
    pub ef_construction: usize,
    /// Rows that a search keeps on its way with [`Quick`](athenaeum_core::vector::Effort::Quick), up to 100,000 rows; in larger
    /// segments as many times more as the fourth root of their size is. With
    /// [`Thorough`](athenaeum_core::vector::Effort::Thorough) four times as many. 1 to 4,096.
    pub ef_search: usize,
}

impl Hnsw {
    /// Made sooner and found sooner; less is found.
    pub const FAST: Self = Self { m: 12, ef_construction: 100, ..Self::BALANCED };
    /// What is usual.
    pub const BALANCED: Self = Self { rows_min: 50_000, m: 16, ef_construction: 200, ef_search: 50 };
    /// More is found; made and found later.
    pub const ACCURATE: Self = Self { m: 32, ef_construction: 400, ef_search: 200, ..Self::BALANCED };

    /// The nearest values that are allowed.
    pub(crate) fn bounded(self) -> Self {
        let m = self.m.clamp(2, image::M_MAX);
        let ef_construction = self.ef_construction.clamp(m, EF_MAX);
        Self { m, ef_construction, ef_search: self.ef_search.clamp(1, EF_MAX), ..self }
    }
}

const EF_MAX: usize = 4_096;

/// A graph that was made, and is not written yet.
pub(crate) struct Made<'a> {
    segment: &'a Segment,
    hnsw: &'a Hnsw,
    layers: Vec<build::Grown>,
}

impl Made<'_> {
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        image::write(out, self.segment, self.hnsw, &self.layers)
    }
}

impl Graph {
    /// Makes one of a segment's rows. The same rows give the same graph, whatever the number of threads. `None` where it is to
    /// `stop`.
    pub(crate) fn of<'a>(
        segment: &'a Segment,
        hnsw: &'a Hnsw,
        threads: usize,
        stop: &AtomicBool,
    ) -> Option<Made<'a>> {
        let layers = build::layers(segment, hnsw, threads.max(1), stop)?;
        Some(Made { segment, hnsw, layers })
    }

    /// Lists about `ef` rows near a query, the nearest first as far as bytes tell.
    pub(crate) fn near(&self, segment: &Segment, probe: &Probe, ef: usize) -> Vec<u32> {
        let view = View { packed: &probe.packed, scale: probe.scale };
        let mut walk = Walk::default();
        let start = walk.descend(segment, self.upper(), &view);
        walk.nearest(segment, &self.lowest(), &view, start, ef);
        walk.nodes().collect()
    }
}

#[cfg(test)]
mod tests;
