//! The bytes of a graph: a head, then layer by layer from the lowest.

use std::{
    io::{self, Write},
    mem::size_of,
};

use athenaeum_kernels::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{
    Hnsw,
    build::{Grown, LEVELS_MAX},
    walk::{Layer, Number},
};
use crate::segment::{Segment, Unreadable};

/// A graph in a file that was looked over: its sections are as long as they must be. Their contents may still be anything.
#[derive(Debug)]
pub(crate) struct Graph {
    bytes: Bytes,
    m: usize,
    ef_construction: usize,
    ef_search: usize,
    hash: u64,
    /// The lowest first.
    layers: Vec<Place>,
}

/// Where a layer lies: offsets of its sections.
#[derive(Debug, Clone, Copy)]
struct Place {
    nodes: usize,
    width: usize,
    /// Of the lowest layer there are none of these two.
    rows: Option<(usize, usize)>,
    links: usize,
}

const MAGIC: [u8; 8] = *b"ATHGRPH\x01";
const HEAD_BYTES: usize = 320;
const LAYERS_AT: usize = 48;
const SECTIONS_HASH_AT: usize = HEAD_BYTES - 16;
const HASH_AT: usize = HEAD_BYTES - 8;
pub(super) const M_MAX: usize = 128;

const _: () = assert!(LAYERS_AT + 8 * (LEVELS_MAX + 1) == SECTIONS_HASH_AT);

/// Writes layers that were made of a segment.
pub(super) fn write(
    out: &mut impl Write,
    segment: &Segment,
    hnsw: &Hnsw,
    layers: &[Grown],
) -> io::Result<()> {
    let sections = || layers.iter().flat_map(Grown::sections).map(<[Number]>::as_flattened);
    let mut hash = Xxh3::new();
    sections().for_each(|section| hash.update(section));
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&MAGIC);
    let [rows, count] = [segment.rows(), layers.len()].map(|number| number as u64);
    let numbers = [segment.identity(), rows, hnsw.m as u64, hnsw.ef_construction as u64, count];
    let numbers = numbers.into_iter().chain(layers.iter().map(|layer| layer.nodes as u64));
    for (place, number) in head[8..SECTIONS_HASH_AT].as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
    head[SECTIONS_HASH_AT..HASH_AT].copy_from_slice(&hash.digest().to_le_bytes());
    let own = xxh3_64(&head[..HASH_AT]);
    head[HASH_AT..].copy_from_slice(&own.to_le_bytes());
    out.write_all(&head)?;
    sections().try_for_each(|section| out.write_all(section))
}

impl Graph {
    /// Looks a segment's graph over, which is to be searched as [`Hnsw::ef_search`] says.
    pub(crate) fn open(bytes: &Bytes, segment: &Segment, ef_search: usize) -> Result<Self, Unreadable> {
        let head = bytes.first_chunk::<HEAD_BYTES>().ok_or(Unreadable::Foreign)?;
        let number = |at: usize| head[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if head[..8] != MAGIC || number(8) != segment.identity() {
            return Err(Unreadable::Foreign);
        }
        if number(HASH_AT) != xxh3_64(&head[..HASH_AT]) {
            return Err(Unreadable::Head);
        }
        let size = |at: usize, max: usize| {
            usize::try_from(number(at)).ok().filter(|size| *size <= max).ok_or(Unreadable::Head)
        };
        let (m, count) = (size(24, M_MAX)?, size(40, LEVELS_MAX + 1)?);
        let mut layers = Vec::with_capacity(count);
        let mut at = HEAD_BYTES;
        let mut section = |numbers: usize| {
            let start = at;
            at = numbers.checked_mul(size_of::<Number>()).and_then(|bytes| at.checked_add(bytes))?;
            Some(start)
        };
        for layer in 0..count {
            let nodes = size(LAYERS_AT + 8 * layer, segment.rows())?;
            let is_lowest = layer == 0;
            let (width, listed) = if is_lowest { (2 * m, 0) } else { (m, nodes) };
            let place = (|| {
                let (rows, below) = (section(listed)?, section(listed)?);
                let links = section(nodes.checked_mul(width)?)?;
                Some(Place { nodes, width, rows: (!is_lowest).then_some((rows, below)), links })
            })();
            layers.push(place.ok_or(Unreadable::Section)?);
        }
        if at != bytes.len() || layers.first().is_none_or(|lowest| lowest.nodes != segment.rows()) {
            return Err(Unreadable::Section);
        }
        let (ef_construction, hash) = (size(32, usize::MAX)?, number(SECTIONS_HASH_AT));
        Ok(Self { bytes: bytes.clone(), m, ef_construction, ef_search, hash, layers })
    }

    /// Tells whether it was made as is wanted now.
    pub(crate) fn is_as(&self, hnsw: &Hnsw) -> bool {
        (self.m, self.ef_construction) == (hnsw.m, hnsw.ef_construction)
    }

    /// Compares the sections with their hash; reads the whole file.
    pub(crate) fn is_sound(&self) -> bool {
        xxh3_64(&self.bytes[HEAD_BYTES..]) == self.hash
    }

    /// Rows that a [`Quick`](athenaeum_core::vector::Effort::Quick) search keeps on its way.
    pub(crate) fn ef_search(&self) -> usize {
        self.ef_search
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn lowest(&self) -> Layer<'_> {
        self.layer(&self.layers[0])
    }

    /// The layers above the lowest, the topmost first.
    pub(super) fn upper(&self) -> impl Iterator<Item = Layer<'_>> {
        self.layers[1..].iter().rev().map(|place| self.layer(place))
    }

    fn layer(&self, place: &Place) -> Layer<'_> {
        let numbers = |start: usize, count: usize| {
            let bytes = self.bytes.get(start..start + count * size_of::<Number>());
            bytes.map_or(&[][..], |bytes| bytes.as_chunks().0)
        };
        let Place { nodes, width, rows, links } = *place;
        Layer {
            nodes,
            rows: rows.map(|(rows, _)| numbers(rows, nodes)),
            below: rows.map_or(&[], |(_, below)| numbers(below, nodes)),
            links: numbers(links, nodes * width),
            width,
        }
    }
}
