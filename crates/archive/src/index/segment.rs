//! A segment: some documents, indexed once and never changed.
//!
//! Two paged files. `NNNNNNNN.seg` holds postings, dictionary, columns and meta, `NNNNNNNN.pos` the positions.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    codec::{Bytes, put_varint},
    columns::{Column, Layout, Lazy},
    dictionary::{Dictionary, Entry},
    error::Result,
    pages::PageFile,
    shapes::Shapes,
};

pub(super) use writer::SegmentWriter;

mod writer;

const KIND_SEGMENT: u32 = 1;
const KIND_POSITIONS: u32 = 2;

/// Documents in a zone: the unit in which the range of times is known.
pub(super) const ZONE: u32 = 1024;

/// Which of the two texts a term stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Messages.
    Body = 0,
    /// Titles.
    Title = 1,
}

/// What is known of a segment without reading further.
#[derive(Debug, Clone, Default)]
pub(super) struct Meta {
    pub(super) docs: u32,
    /// Messages and titles among the documents.
    pub(super) counts: [u32; 2],
    /// Tokens of messages and of titles.
    pub(super) tokens: [u64; 2],
    /// Mean lengths that the bounds were made with.
    pub(super) bound_means: [f64; 2],
    pub(super) terms: u64,
    /// Ranges of the parts: postings, dictionary blocks, its index, its top.
    pub(super) parts: [Range<u64>; 4],
    pub(super) lengths: Layout,
    pub(super) ids: Layout,
    pub(super) conversations: Layout,
    pub(super) times: Layout,
    pub(super) shape_of: Layout,
    /// Offset of the zones.
    pub(super) zones: u64,
    pub(super) shapes: Shapes,
}

/// Least and greatest time of a zone. `i64::MIN` as the least: some document has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zone {
    pub(super) min: i64,
    pub(super) max: i64,
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) meta: Meta,
    pub(super) file: PageFile,
    pub(super) positions: PageFile,
    pub(super) dictionary: Dictionary,
    lengths: Lazy<Vec<u16>>,
    ids: Lazy<Column>,
    conversations: Lazy<Column>,
    times: Lazy<Column>,
    shape_of: Lazy<Column>,
    zones: Lazy<Vec<Zone>>,
}

impl Segment {
    pub(super) fn open(dir: &Path, number: u64) -> Result<Self> {
        let (file, meta) = PageFile::open(&path(dir, number, "seg"), KIND_SEGMENT)?;
        let (positions, _) = PageFile::open(&path(dir, number, "pos"), KIND_POSITIONS)?;
        let meta = Meta::decode(&meta, file.len()).ok_or_else(|| file.damaged("meta"))?;
        let [_, blocks, index, top] = meta.parts.clone();
        let dictionary = Dictionary::open(&file, [blocks, index, top])?;
        Ok(Self {
            number,
            meta,
            file,
            positions,
            dictionary,
            lengths: Lazy::default(),
            ids: Lazy::default(),
            conversations: Lazy::default(),
            times: Lazy::default(),
            shape_of: Lazy::default(),
            zones: Lazy::default(),
        })
    }

    /// Finds a term; its offsets are those in the files.
    pub(super) fn find(&self, field: Field, term: &str) -> Result<Option<Entry>> {
        self.dictionary.find(&self.file, &key(field, term))
    }

    /// Lengths in tokens, saturating.
    pub(super) fn lengths(&self) -> Result<Arc<Vec<u16>>> {
        self.lengths.get(|| {
            let width = usize::from(self.meta.lengths.width);
            let mut bytes = Vec::new();
            self.file.read(self.meta.lengths.at, self.meta.docs as usize * width, &mut bytes)?;
            if width != 2 {
                return Err(self.file.damaged("lengths"));
            }
            Ok(bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect())
        })
    }

    /// Rows of messages; of a title, nothing.
    pub(super) fn ids(&self) -> Result<Arc<Column>> {
        self.ids.get(|| Column::load(&self.file, &self.meta.ids, self.meta.docs))
    }

    pub(super) fn conversations(&self) -> Result<Arc<Column>> {
        self.conversations.get(|| Column::load(&self.file, &self.meta.conversations, self.meta.docs))
    }

    pub(super) fn times(&self) -> Result<Arc<Column>> {
        self.times.get(|| Column::load(&self.file, &self.meta.times, self.meta.docs))
    }

    pub(super) fn shape_of(&self) -> Result<Arc<Column>> {
        self.shape_of.get(|| Column::load(&self.file, &self.meta.shape_of, self.meta.docs))
    }

    /// Times by [`ZONE`] documents.
    pub(super) fn zones(&self) -> Result<Arc<Vec<Zone>>> {
        self.zones.get(|| {
            let count = self.meta.docs.div_ceil(ZONE) as usize;
            let mut bytes = Vec::new();
            self.file.read(self.meta.zones, count * 16, &mut bytes)?;
            let word = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
            Ok(bytes.chunks_exact(16).map(|z| Zone { min: word(&z[..8]), max: word(&z[8..]) }).collect())
        })
    }

    /// Lets go of what was read lazily.
    pub(super) fn release(&self) {
        self.lengths.release();
        self.zones.release();
        for column in [&self.ids, &self.conversations, &self.times, &self.shape_of] {
            column.release();
        }
    }
}

/// The bytes that a term is sorted by: bodies before titles.
pub(super) fn key(field: Field, term: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(term.len() + 1);
    key.push(field as u8);
    key.extend_from_slice(term.as_bytes());
    key
}

/// Name of a file of a segment.
pub(super) fn path(dir: &Path, number: u64, extension: &str) -> PathBuf {
    dir.join(format!("{number:08}.{extension}"))
}

impl Meta {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [self.docs, self.counts[0], self.counts[1]] {
            put_varint(&mut out, u64::from(number));
        }
        for number in [self.tokens[0], self.tokens[1], self.terms, self.zones] {
            put_varint(&mut out, number);
        }
        for mean in self.bound_means {
            out.extend_from_slice(&mean.to_bits().to_le_bytes());
        }
        for part in &self.parts {
            put_varint(&mut out, part.start);
            put_varint(&mut out, part.end);
        }
        for layout in [&self.lengths, &self.ids, &self.conversations, &self.times, &self.shape_of] {
            put_varint(&mut out, layout.at);
            out.push(layout.width);
            out.extend_from_slice(&layout.min.to_le_bytes());
            out.extend_from_slice(&layout.max.to_le_bytes());
        }
        self.shapes.encode(&mut out);
        out
    }

    fn decode(bytes: &[u8], payload: u64) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let mut meta = Self {
            docs: bytes.varint32()?,
            counts: [bytes.varint32()?, bytes.varint32()?],
            tokens: [bytes.varint()?, bytes.varint()?],
            terms: bytes.varint()?,
            zones: bytes.varint()?,
            bound_means: [f64::from_bits(bytes.u64()?), f64::from_bits(bytes.u64()?)],
            ..Self::default()
        };
        for part in &mut meta.parts {
            *part = bytes.varint()?..bytes.varint()?;
            if part.start > part.end || part.end > payload {
                return None;
            }
        }
        let mut layout = || {
            let (at, &[width]) = (bytes.varint()?, bytes.take(1)?) else { return None };
            let (min, max) = (bytes.u64()? as i64, bytes.u64()? as i64);
            (width <= 8).then_some(Layout { at, width, min, max })
        };
        meta.lengths = layout()?;
        meta.ids = layout()?;
        meta.conversations = layout()?;
        meta.times = layout()?;
        meta.shape_of = layout()?;
        meta.shapes = Shapes::decode(&mut bytes)?;
        Some(meta)
    }
}
