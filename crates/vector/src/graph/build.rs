//! Layer by layer from the topmost, rows joining batch by batch.
//!
//! The rows of a batch look for their neighbours among those that joined before, each by itself; then each row that got new
//! neighbours chooses among them, by itself, too (M. D. Manohar et al., "ParlayANN", arXiv 2305.04359, build so). So threads
//! share nothing that changes, and their number changes nothing.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use athenaeum_kernels::products_i8_at;

use super::{
    Hnsw,
    walk::{Layer, NONE, Number, View, Walk},
};
use crate::segment::Segment;

/// A layer as it is made.
pub(super) struct Grown {
    /// The rows of its nodes, in their order; `None` in the lowest layer, which has them all.
    pub(super) rows: Option<Vec<Number>>,
    pub(super) below: Vec<Number>,
    pub(super) links: Vec<Number>,
    pub(super) width: usize,
    pub(super) nodes: usize,
}

impl Grown {
    /// Its numbers, in the order in which they are written.
    pub(super) fn sections(&self) -> [&[Number]; 3] {
        [self.rows.as_deref().unwrap_or(&[]), &self.below, &self.links]
    }

    pub(super) fn layer(&self) -> Layer<'_> {
        Layer {
            nodes: self.nodes,
            rows: self.rows.as_deref(),
            below: &self.below,
            links: &self.links,
            width: self.width,
        }
    }
}

/// Makes all layers, the lowest first; `None` where it is to `stop`.
pub(super) fn layers(
    segment: &Segment,
    hnsw: &Hnsw,
    threads: usize,
    stop: &AtomicBool,
) -> Option<Vec<Grown>> {
    // Rows of each layer above the lowest, in their order.
    let mut members: Vec<Vec<u32>> = Vec::new();
    for row in 0..segment.rows() as u32 {
        for level in 0..level(row, hnsw.m) {
            if members.len() == level {
                members.push(Vec::new());
            }
            members[level].push(row);
        }
    }
    let mut made: Vec<Grown> = Vec::new();
    for place in (0..members.len()).rev() {
        let below = place.checked_sub(1).map(|below| members[below].as_slice());
        let node_below = |row: &u32| {
            let node = below.map_or(*row, |rows| rows.partition_point(|other| other < row) as u32);
            node.to_le_bytes()
        };
        let below = members[place].iter().map(node_below).collect();
        let rows = members[place].iter().map(|row| row.to_le_bytes()).collect();
        let grown = Growing::new(segment, hnsw, &made, Some(rows), threads).grow(stop)?;
        made.push(Grown { below, ..grown });
    }
    let lowest = Growing::new(segment, hnsw, &made, None, threads).grow(stop)?;
    made.push(lowest);
    made.reverse();
    Some(made)
}

/// In how many layers above the lowest a row is: one of `m` is in the first, one of `m` of those in the second, and so on.
fn level(row: u32, m: usize) -> usize {
    let chance = (mixed(row) >> 11) as f64 / (1_u64 << 53) as f64;
    let level = -(1.0 - chance).ln() / (m as f64).ln();
    (level as usize).min(LEVELS_MAX)
}

/// More would have no rows: with an `m` of 2, the greatest segment has 30.
pub(super) const LEVELS_MAX: usize = 31;

/// A number that looks like chance (the finalizer of `SplitMix64`, Steele, Lea and Flood, 2014).
fn mixed(row: u32) -> u64 {
    let mut x = (u64::from(row) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Of those that joined, so many join at once: few enough that hardly a neighbour is among them.
const BATCH_PART: usize = 32;
const BATCH_MAX: usize = 4_096;
/// Fewer are not worth another thread.
const SHARED_MIN: usize = 64;

struct Growing<'a> {
    segment: &'a Segment,
    hnsw: &'a Hnsw,
    /// The topmost first.
    above: &'a [Grown],
    grown: Grown,
    /// Nodes in the order in which they join: first those that are in the layer above, too.
    order: Vec<u32>,
    /// How many those are. They begin at the first that joined; the others where the layer above leads to.
    leaders: usize,
    threads: Vec<Thread>,
}

/// What one thread needs, used again from batch to batch.
#[derive(Default)]
struct Thread {
    walk: Walk,
    bytes: Vec<i8>,
    candidates: Vec<(f32, u32)>,
    chosen: Chosen,
}

impl<'a> Growing<'a> {
    fn new(
        segment: &'a Segment,
        hnsw: &'a Hnsw,
        above: &'a [Grown],
        rows: Option<Vec<Number>>,
        threads: usize,
    ) -> Self {
        let nodes = rows.as_ref().map_or(segment.rows(), Vec::len);
        let width = if rows.is_some() { hnsw.m } else { 2 * hnsw.m };
        let grown = Grown { below: Vec::new(), links: vec![NONE; nodes * width], width, nodes, rows };
        let layer = grown.layer();
        let is_above = |row: u32| {
            let number = |row: &Number| u32::from_le_bytes(*row);
            let rows = above.last().and_then(|above| above.rows.as_ref());
            rows.is_some_and(|rows| rows.binary_search_by_key(&row, number).is_ok())
        };
        let mut order: Vec<(bool, u64, u32)> = (0..nodes as u32)
            .map(|node| (!is_above(layer.row(node)), mixed(layer.row(node)).rotate_left(32), node))
            .collect();
        order.sort_unstable();
        let leaders = order.partition_point(|(is_not_above, ..)| !is_not_above);
        let order = order.into_iter().map(|(.., node)| node).collect();
        let threads = (0..threads).map(|_| Thread::default()).collect();
        Self { segment, hnsw, above, grown, order, leaders, threads }
    }

    fn grow(mut self, stop: &AtomicBool) -> Option<Grown> {
        let mut joined = 1;
        while joined < self.order.len() {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let batch = joined..(joined + (joined / BATCH_PART).clamp(1, BATCH_MAX)).min(self.order.len());
            joined = batch.end;
            self.join(batch);
        }
        Some(self.grown)
    }

    /// Has some of the order join.
    fn join(&mut self, batch: Range<usize>) {
        let mut threads = std::mem::take(&mut self.threads);
        let found: Vec<Vec<u32>> = {
            let places: Vec<usize> = batch.clone().collect();
            let count = if places.len() < SHARED_MIN { 1 } else { threads.len() };
            let shares = places.chunks(places.len().div_ceil(count)).zip(&mut threads);
            let this = &*self;
            shared(shares.map(|(share, thread)| {
                move || share.iter().map(|place| this.neighbours(*place, thread)).collect::<Vec<_>>()
            }))
        };
        let width = self.grown.width;
        let mut pairs = Vec::new();
        for (node, neighbours) in self.order[batch].iter().zip(&found) {
            let links = &mut self.grown.links[*node as usize * width..][..width];
            for (link, neighbour) in links.iter_mut().zip(neighbours) {
                *link = neighbour.to_le_bytes();
                pairs.push((*neighbour, *node));
            }
        }
        pairs.sort_unstable();
        self.answer(&pairs, &mut threads);
        self.threads = threads;
    }

    /// Finds the neighbours of the node at a place of the order.
    fn neighbours(&self, place: usize, thread: &mut Thread) -> Vec<u32> {
        let layer = self.grown.layer();
        let node = self.order[place];
        let row = layer.row(node);
        read(self.segment, row, &mut thread.bytes);
        let (scale, _) = self.segment.factor_and_bias(row as usize);
        let view = View { packed: &thread.bytes, scale };
        let start = if place < self.leaders || self.above.is_empty() {
            self.order[0]
        } else {
            thread.walk.descend(self.segment, self.above.iter().map(Grown::layer), &view)
        };
        thread.walk.nearest(self.segment, &layer, &view, start, self.hnsw.ef_construction);
        thread.candidates.clear();
        thread.candidates.extend(thread.walk.steps().iter().map(|step| (step.rank, step.node)));
        thread.chosen.choose(self.segment, &layer, row, &thread.candidates, self.hnsw.m);
        thread.chosen.nodes.clone()
    }

    /// Has nodes take those that chose them for their neighbours, too, or the better of all.
    fn answer(&mut self, pairs: &[(u32, u32)], threads: &mut [Thread]) {
        let Grown { rows, links, width, nodes, .. } = &mut self.grown;
        let (segment, width, nodes) = (self.segment, *width, *nodes);
        let layer = Layer { nodes, rows: rows.as_deref(), below: &[], links: &[], width };
        let count = if pairs.len() < SHARED_MIN { 1 } else { threads.len() };
        let mut shares = Vec::with_capacity(count);
        let (mut rest, mut links, mut first) = (pairs, links.as_mut_slice(), 0);
        for (place, thread) in threads.iter_mut().take(count).enumerate() {
            let wanted = rest.len() / (count - place);
            let end = match rest.get(wanted) {
                Some((node, _)) if place + 1 < count => rest.partition_point(|(other, _)| other < node),
                _ => rest.len(),
            };
            let (share, others) = rest.split_at(end);
            let nodes = others.first().map_or(nodes, |(node, _)| *node as usize) - first;
            let (own, behind) = std::mem::take(&mut links).split_at_mut(nodes * width);
            shares.push((share, own, first, thread));
            (rest, links, first) = (others, behind, first + nodes);
        }
        shared(shares.into_iter().map(|(share, links, first, thread)| {
            let layer = &layer;
            move || {
                for new in share.chunk_by(|a, b| a.0 == b.0) {
                    let node = new[0].0;
                    let links = &mut links[(node as usize - first) * width..][..width];
                    thread.take(segment, layer, node, new, links);
                }
                Vec::<()>::new()
            }
        }));
    }
}

impl Thread {
    /// Adds new neighbours of a node to its links; where they are too many, those are chosen that lead furthest.
    fn take(
        &mut self,
        segment: &Segment,
        layer: &Layer<'_>,
        node: u32,
        new: &[(u32, u32)],
        links: &mut [Number],
    ) {
        let held = links.iter().position(|link| *link == NONE).unwrap_or(links.len());
        if held + new.len() <= links.len() {
            links[held..].iter_mut().zip(new).for_each(|(link, (_, node))| *link = node.to_le_bytes());
            return;
        }
        let row = layer.row(node);
        read(segment, row, &mut self.bytes);
        let view = View { packed: &self.bytes, scale: segment.factor_and_bias(row as usize).0 };
        let all = links[..held].iter().map(|link| u32::from_le_bytes(*link));
        let all: Vec<u32> = all.chain(new.iter().map(|(_, node)| *node)).collect();
        let rows: Vec<u32> = all.iter().map(|node| layer.row(*node)).collect();
        let mut products = vec![0; rows.len()];
        products_i8_at(view.packed, segment.values(), &rows, &mut products);
        self.candidates.clear();
        let ranked = rows.iter().zip(&products).map(|(row, product)| view.rank(segment, *row, *product));
        self.candidates.extend(ranked.zip(all));
        self.candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.chosen.choose(segment, layer, row, &self.candidates, links.len());
        let chosen = self.chosen.nodes.iter().map(|node| node.to_le_bytes());
        links.iter_mut().zip(chosen.chain(std::iter::repeat(NONE))).for_each(|(link, node)| *link = node);
    }
}

/// Neighbours that are chosen.
#[derive(Default)]
struct Chosen {
    nodes: Vec<u32>,
    rows: Vec<u32>,
    bytes: Vec<i8>,
    products: Vec<i32>,
}

impl Chosen {
    /// Chooses at most so many of some candidates, the nearest of which come first: one that is nearer to a chosen one than to
    /// the row itself is reached over that one, and left out (algorithm 4 of the paper).
    fn choose(
        &mut self,
        segment: &Segment,
        layer: &Layer<'_>,
        row: u32,
        candidates: &[(f32, u32)],
        most: usize,
    ) {
        self.nodes.clear();
        self.rows.clear();
        let bias_of_row = segment.factor_and_bias(row as usize).1;
        for (rank, node) in candidates {
            if self.nodes.len() == most {
                break;
            }
            let candidate = layer.row(*node);
            if candidate == row {
                continue;
            }
            let (scale, bias) = segment.factor_and_bias(candidate as usize);
            read(segment, candidate, &mut self.bytes);
            let view = View { packed: &self.bytes, scale };
            self.products.resize(self.rows.len(), 0);
            products_i8_at(view.packed, segment.values(), &self.rows, &mut self.products);
            // The row as the candidate sees it.
            let rank = rank - bias + bias_of_row;
            let mut chosen = self.rows.iter().zip(&self.products);
            if chosen.all(|(row, product)| view.rank(segment, *row, *product) <= rank) {
                self.nodes.push(*node);
                self.rows.push(candidate);
            }
        }
    }
}

fn read(segment: &Segment, row: u32, bytes: &mut Vec<i8>) {
    bytes.clear();
    bytes.extend(segment.row_values(row as usize).iter().map(|byte| *byte as i8));
}

/// Does some things, each on a thread, the first on this one; returns what they gave, in their order.
fn shared<R: Send>(mut shares: impl Iterator<Item = impl FnOnce() -> Vec<R> + Send>) -> Vec<R> {
    let Some(first) = shares.next() else { return Vec::new() };
    std::thread::scope(|scope| {
        let others: Vec<_> = shares.map(|share| scope.spawn(share)).collect();
        let mut all = first();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    })
}
