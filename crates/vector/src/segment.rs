//! A segment: rows in the order of their partitions, in one flat image, mapped or in memory (`docs/formats/vectors.md`).

mod image;
mod tags;
mod write;

use std::sync::OnceLock;

use athenaeum_core::vector::{Condition, Key, Metric};
use athenaeum_kernels::{Bytes, soon};

use crate::{
    bits::Bits,
    graph::{Graph, Hnsw},
    rows::Times,
};
use tags::TagIndex;

pub(crate) use image::{DIMENSIONS_MAX, Head, ROWS_MAX, Unreadable};
pub(crate) use write::write;

/// An image that was looked over: its sections are as long as they must be. Their contents may still be anything.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) head: Head,
    image: image::Image,
    tags: OnceLock<TagIndex>,
    partitions: Vec<Lot>,
    groups: Vec<Lot>,
    graph: Option<Graph>,
}

/// A partition with its rows, or a group with its partitions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lot {
    /// The first of them, and the first one after them.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// What the center's bytes are multiplied by.
    pub(crate) factor: f32,
    /// The square of the center's length.
    pub(crate) square: f32,
}

impl Segment {
    /// Looks an image over.
    pub(crate) fn open(bytes: &Bytes) -> Result<Self, Unreadable> {
        let (head, image) = image::open(bytes)?;
        let (partitions, groups) = (image.partitions(&head), image.groups(&head));
        Ok(Self { head, image, tags: OnceLock::new(), partitions, groups, graph: None })
    }

    /// Has it searched by a graph that was made of it.
    pub(crate) fn with_graph(self, graph: Graph) -> Self {
        Self { graph: Some(graph), ..self }
    }

    pub(crate) fn graph(&self) -> Option<&Graph> {
        self.graph.as_ref()
    }

    /// Tells whether it is to have a graph, and has none that was made so.
    pub(crate) fn lacks_graph(&self, hnsw: &Hnsw) -> bool {
        self.is_mapped()
            && self.rows() >= hnsw.rows_min
            && !self.graph().is_some_and(|graph| graph.is_as(hnsw))
    }

    /// A number that no other segment has.
    pub(crate) fn identity(&self) -> u64 {
        self.image.identity()
    }

    /// Compares the sections with their hashes; reads the whole image.
    pub(crate) fn is_sound(&self) -> bool {
        self.image.is_sound()
    }

    pub(crate) fn rows(&self) -> usize {
        self.head.rows
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.image.bytes() + self.graph.as_ref().map_or(0, Graph::bytes)
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.image.is_mapped()
    }

    pub(crate) fn metric(&self) -> Metric {
        self.head.metric
    }

    /// The bytes of the centers of some partitions.
    pub(crate) fn centers(&self, start: usize, end: usize) -> &[u8] {
        let dimensions = self.head.dimensions;
        self.image.centers.get(start * dimensions..end * dimensions).unwrap_or(&[])
    }

    /// The bytes of the centers of all groups.
    pub(crate) fn group_centers(&self) -> &[u8] {
        &self.image.group_centers
    }

    /// All partitions. Those of which the image tells nonsense have no rows.
    pub(crate) fn partitions(&self) -> &[Lot] {
        &self.partitions
    }

    /// All groups, none where partitions are few. Those of which the image tells nonsense have no partitions.
    pub(crate) fn groups(&self) -> &[Lot] {
        &self.groups
    }

    /// The codes of some rows, one bit a dimension.
    pub(crate) fn codes(&self, start: usize, end: usize) -> &[u8] {
        let bytes = self.head.code_bytes();
        self.image.codes.get(start * bytes..end * bytes).unwrap_or(&[])
    }

    /// For each of some rows: the length of what the center lacks, and what is added to an estimate.
    pub(crate) fn estimates(&self, start: usize, end: usize) -> &[[u8; 8]] {
        self.image.estimates.as_chunks().0.get(start..end).unwrap_or(&[])
    }

    /// The rows' vectors.
    pub(crate) fn values(&self) -> &[u8] {
        &self.image.values
    }

    pub(crate) fn row_values(&self, row: usize) -> &[u8] {
        let dimensions = self.head.dimensions;
        self.image.values.get(row * dimensions..(row + 1) * dimensions).unwrap_or(&[])
    }

    /// What a row's bytes are multiplied by, and what is added to the product.
    pub(crate) fn factor_and_bias(&self, row: usize) -> (f32, f32) {
        self.image.factors.as_chunks::<8>().0.get(row).map_or((0.0, 0.0), pair)
    }

    /// Asks memory for what [`Segment::factor_and_bias`] returns.
    pub(crate) fn factor_soon(&self, row: usize) {
        soon(self.image.factors.get(8 * row..8 * row + 8).unwrap_or(&[]));
    }

    /// Asks memory for what [`Segment::key`] returns.
    pub(crate) fn key_soon(&self, row: usize) {
        soon(self.image.keys.get(16 * row..16 * row + 16).unwrap_or(&[]));
    }

    pub(crate) fn key(&self, row: usize) -> Key {
        Key(self.image.keys.as_chunks::<16>().0.get(row).copied().unwrap_or_default())
    }

    /// Finds the row with a sequence number.
    pub(crate) fn row_of(&self, sequence: u64) -> Option<usize> {
        let (sequences, order) =
            (self.image.sequences.as_chunks::<8>().0, self.image.order.as_chunks::<4>().0);
        let row = |place: usize| order.get(place).map(|row| u32::from_le_bytes(*row) as usize);
        let at = |place: usize| row(place).and_then(|row| sequences.get(row)).map(|n| u64::from_le_bytes(*n));
        let (mut low, mut high) = (0, order.len());
        while low < high {
            let middle = low.midpoint(high);
            if at(middle)? < sequence { low = middle + 1 } else { high = middle }
        }
        (at(low)? == sequence).then(|| row(low)).flatten()
    }

    pub(crate) fn times(&self, row: usize) -> Option<Times> {
        let entry = self.image.times.as_chunks::<32>().0.get(row)?;
        let number = |at: usize| entry[at..].first_chunk::<8>().map_or(0, |bytes| i64::from_le_bytes(*bytes));
        Some(Times { valid_from: number(0), valid_until: number(8), learnt: number(16), expires: number(24) })
    }

    /// Lists rows with a tag that the condition speaks of, negated or not.
    pub(crate) fn tagged(&self, condition: &Condition) -> Bits {
        let tags = self.tags.get_or_init(|| TagIndex::read(&self.image.tags));
        tags.rows(&self.image.tags, condition, self.rows())
    }
}

fn pair(bytes: &[u8; 8]) -> (f32, f32) {
    let [a, b, c, d, e, f, g, h] = *bytes;
    (f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
