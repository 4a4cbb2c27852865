//! From node to neighbour, as long as it comes nearer.

use athenaeum_kernels::{products_i8_at, soon};

use crate::segment::Segment;

/// A whole number as it lies in the file.
pub(super) type Number = [u8; 4];

/// In a list of neighbours: there are no more.
pub(super) const NONE: Number = [0xff; 4];

/// One layer, in memory or mapped. Its numbers may be anything.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) nodes: usize,
    /// The row of each node; `None` where they are the same.
    pub(super) rows: Option<&'a [Number]>,
    /// The node of the layer below that has the same row; empty in the lowest layer.
    pub(super) below: &'a [Number],
    /// `width` a node: its neighbours, then [`NONE`].
    pub(super) links: &'a [Number],
    pub(super) width: usize,
}

impl<'a> Layer<'a> {
    pub(super) fn links_of(&self, node: u32) -> &'a [Number] {
        let start = node as usize * self.width;
        self.links.get(start..start + self.width).unwrap_or(&[])
    }

    pub(super) fn row(&self, node: u32) -> u32 {
        self.rows
            .map_or(node, |rows| rows.get(node as usize).map_or(u32::MAX, |row| u32::from_le_bytes(*row)))
    }

    fn below(&self, node: u32) -> u32 {
        self.below.get(node as usize).map_or(0, |node| u32::from_le_bytes(*node))
    }
}

/// Where rows are looked at from: a query, or another row.
pub(super) struct View<'a> {
    pub(super) packed: &'a [i8],
    /// What its numbers are multiplied by.
    pub(super) scale: f32,
}

impl View<'_> {
    /// How near a row is whose product with the view's bytes is known; greater is nearer.
    pub(super) fn rank(&self, segment: &Segment, row: u32, product: i32) -> f32 {
        let (factor, bias) = segment.factor_and_bias(row as usize);
        product as f32 * self.scale * factor + bias
    }
}

/// A node on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) rank: f32,
    pub(super) node: u32,
    /// Its neighbours were looked at.
    passed: bool,
}

/// One walk; what it needs is used again for the next.
#[derive(Default)]
pub(super) struct Walk {
    /// The nearest so far, the nearest first.
    beam: Vec<Step>,
    /// A bit for each node that was met, and which those are.
    met: Vec<u64>,
    marked: Vec<u32>,
    rows: Vec<u32>,
    products: Vec<i32>,
}

impl Walk {
    /// Goes down through layers, of which the topmost comes first; returns the node below the last of them to start at.
    pub(super) fn descend<'a>(
        &mut self,
        segment: &Segment,
        layers: impl Iterator<Item = Layer<'a>>,
        view: &View<'_>,
    ) -> u32 {
        let mut start = 0;
        for layer in layers {
            self.nearest(segment, &layer, view, start, 1);
            start = self.nodes().next().map_or(0, |node| layer.below(node));
        }
        start
    }

    /// Walks on one layer, keeping the `ef` nearest that it meets.
    pub(super) fn nearest(
        &mut self,
        segment: &Segment,
        layer: &Layer<'_>,
        view: &View<'_>,
        start: u32,
        ef: usize,
    ) {
        self.begin(layer.nodes);
        self.meet(segment, layer, view, ef, &[start.to_le_bytes()]);
        let mut next = 0;
        while let Some(step) = self.beam.get_mut(next) {
            if std::mem::replace(&mut step.passed, true) {
                next += 1;
                continue;
            }
            let links = layer.links_of(step.node);
            let foremost = self.meet(segment, layer, view, ef, links);
            next = foremost.min(next + 1);
            if let Some(step) = self.beam.get(next) {
                soon(layer.links_of(step.node).as_flattened());
            }
        }
    }

    /// What the last walk found, the nearest first.
    pub(super) fn steps(&self) -> &[Step] {
        &self.beam
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = u32> {
        self.beam.iter().map(|step| step.node)
    }

    fn begin(&mut self, nodes: usize) {
        self.beam.clear();
        for node in self.marked.drain(..) {
            self.met[node as usize / 64] = 0;
        }
        if self.met.len() < nodes.div_ceil(64) {
            self.met = vec![0; nodes.div_ceil(64)];
        }
    }

    /// Looks at those nodes that were not met before; returns the foremost place that one of them got.
    fn meet(
        &mut self,
        segment: &Segment,
        layer: &Layer<'_>,
        view: &View<'_>,
        ef: usize,
        links: &[Number],
    ) -> usize {
        let first = self.marked.len();
        self.rows.clear();
        for link in links.iter().take_while(|link| **link != NONE) {
            let node = u32::from_le_bytes(*link);
            let row = layer.row(node);
            if node as usize >= layer.nodes || row as usize >= segment.rows() {
                continue;
            }
            let (word, bit) = (&mut self.met[node as usize / 64], 1 << (node % 64));
            if *word & bit == 0 {
                *word |= bit;
                self.marked.push(node);
                self.rows.push(row);
                segment.factor_soon(row as usize);
            }
        }
        self.products.resize(self.rows.len(), 0);
        products_i8_at(view.packed, segment.values(), &self.rows, &mut self.products);
        let mut foremost = usize::MAX;
        for (place, (row, product)) in self.rows.iter().zip(&self.products).enumerate() {
            let rank = view.rank(segment, *row, *product);
            let is_full = self.beam.len() >= ef;
            // What is no number (of a damaged file) is nowhere.
            if rank.is_nan() || (is_full && self.beam.last().is_none_or(|last| last.rank >= rank)) {
                continue;
            }
            if is_full {
                self.beam.pop();
            }
            let at = self.beam.partition_point(|step| step.rank >= rank);
            self.beam.insert(at, Step { rank, node: self.marked[first + place], passed: false });
            foremost = foremost.min(at);
        }
        foremost
    }
}
