//! Which documents hold a term, how often, and at which positions.
//!
//! ```text
//! postings of a term    table: 16 bytes for each full block of 128 documents
//!                         last_doc u32 | docs_end u32 | positions_end u32 | bound u16 | doc_bits u8 | tf_bits u8
//!                       blocks: doc gaps − 1 packed to doc_bits, then tf − 1 packed to tf_bits
//!                       rest: fewer than 128 documents, each  (gap − 1) << 1 | (tf = 1)  varint, then tf varint
//!                         where tf > 1
//! positions of a term   for each document, its positions as gaps (the first from 0), varints
//! ```
//!
//! `docs_end` counts from the end of the table, `positions_end` from the term's first position. `bound` tells
//! the best score that a document of the block can have: see [`super::score`].

use super::{
    codec::{BLOCK, Bytes, pack, packed_len, put_varint, unpack, width},
    dictionary::Entry,
    error::{Error, Result},
    pages::PageWriter,
    score::Norm,
};

/// Bytes of a block's entry in the table.
pub(super) const TABLE_ENTRY: usize = 16;

/// Writes the postings of one term after another.
#[derive(Default)]
pub(super) struct PostingsWriter {
    table: Vec<u8>,
    blocks: Vec<u8>,
    rest: Vec<u8>,
    docs: Vec<u32>,
    tfs: Vec<u32>,
    /// The last document of the last full block, plus one.
    next_doc: u32,
    df: u32,
    positions_len: u64,
    postings_at: u64,
    positions_at: u64,
}

impl PostingsWriter {
    /// Room in the open block: [`PostingsWriter::push`] takes at most so many documents.
    pub(super) fn room(&self) -> usize {
        BLOCK - self.docs.len()
    }

    /// Adds documents, ascending, with their frequencies (at least 1), and the bytes of their positions.
    pub(super) fn push(
        &mut self,
        docs: &[u32],
        tfs: &[u32],
        positions: &[u8],
        out: &mut PageWriter,
        lengths: &[u16],
        norm: Norm,
    ) -> Result<()> {
        out.write(positions)?;
        self.positions_len += positions.len() as u64;
        self.docs.extend_from_slice(docs);
        self.tfs.extend_from_slice(tfs);
        self.df = self.df.checked_add(docs.len() as u32).ok_or(Error::Full { what: "too many documents" })?;
        if self.docs.len() >= BLOCK { self.end_block(lengths, norm) } else { Ok(()) }
    }

    fn end_block(&mut self, lengths: &[u16], norm: Norm) -> Result<()> {
        let (mut gaps, mut tfs) = ([0; BLOCK], [0; BLOCK]);
        let mut next = self.next_doc;
        let mut ratio_min = f32::INFINITY;
        for (i, (&doc, &tf)) in self.docs.iter().zip(&self.tfs).take(BLOCK).enumerate() {
            gaps[i] = doc.wrapping_sub(next);
            tfs[i] = tf.wrapping_sub(1);
            next = doc.wrapping_add(1);
            ratio_min = ratio_min.min(norm.of(lengths.get(doc as usize).copied().unwrap_or(0)) / tf as f32);
        }
        let (doc_bits, tf_bits) = (width(&gaps), width(&tfs));
        pack(&gaps, doc_bits, &mut self.blocks);
        pack(&tfs, tf_bits, &mut self.blocks);
        let full = |_| Error::Full { what: "more than 4 GiB of postings for one term" };
        let docs_end = u32::try_from(self.blocks.len()).map_err(full)?;
        let positions_end = u32::try_from(self.positions_len).map_err(full)?;
        self.table.extend_from_slice(&next.wrapping_sub(1).to_le_bytes());
        self.table.extend_from_slice(&docs_end.to_le_bytes());
        self.table.extend_from_slice(&positions_end.to_le_bytes());
        self.table.extend_from_slice(&Norm::bound(ratio_min).to_le_bytes());
        self.table.extend_from_slice(&[doc_bits, tf_bits]);
        self.next_doc = next;
        self.docs.clear();
        self.tfs.clear();
        Ok(())
    }

    /// Ends the term; `None` if it has no documents.
    pub(super) fn finish(&mut self, out: &mut PageWriter) -> Result<Option<Entry>> {
        if self.df == 0 {
            return Ok(None);
        }
        let mut next = self.next_doc;
        for (&doc, &tf) in self.docs.iter().zip(&self.tfs) {
            put_varint(&mut self.rest, u64::from(doc.wrapping_sub(next)) << 1 | u64::from(tf == 1));
            if tf != 1 {
                put_varint(&mut self.rest, u64::from(tf));
            }
            next = doc.wrapping_add(1);
        }
        let mut postings_len = 0;
        for part in [&mut self.table, &mut self.blocks, &mut self.rest] {
            out.write(part)?;
            postings_len += part.len() as u64;
            part.clear();
        }
        self.docs.clear();
        self.tfs.clear();
        let entry = Entry {
            df: std::mem::take(&mut self.df),
            postings: self.postings_at,
            postings_len,
            positions: self.positions_at,
            positions_len: std::mem::take(&mut self.positions_len),
        };
        self.next_doc = 0;
        self.postings_at += entry.postings_len;
        self.positions_at += entry.positions_len;
        Ok(Some(entry))
    }
}

/// A full block, as its entry in the table tells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BlockMeta {
    pub(super) last_doc: u32,
    pub(super) docs_end: u32,
    pub(super) positions_end: u32,
    pub(super) bound: u16,
    pub(super) doc_bits: u8,
    pub(super) tf_bits: u8,
}

impl BlockMeta {
    /// Reads entry `block` of a table.
    #[inline]
    pub(super) fn read(table: &[u8], block: usize) -> Option<Self> {
        let bytes: &[u8; TABLE_ENTRY] = table.get(block * TABLE_ENTRY..)?.first_chunk()?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(Self {
            last_doc: word(0),
            docs_end: word(4),
            positions_end: word(8),
            bound: u16::from_le_bytes([bytes[12], bytes[13]]),
            doc_bits: bytes[14],
            tf_bits: bytes[15],
        })
    }

    /// Bytes of the packed block.
    #[inline]
    pub(super) fn len(&self) -> usize {
        packed_len(self.doc_bits) + packed_len(self.tf_bits)
    }
}

/// Unpacks the documents of a full block; `next` is the document behind the block before.
#[inline]
pub(super) fn unpack_docs(bytes: &[u8], meta: &BlockMeta, next: u32, docs: &mut [u32; BLOCK]) -> Option<()> {
    unpack(bytes, meta.doc_bits, docs)?;
    let mut next = next;
    for doc in docs {
        next = next.wrapping_add(*doc);
        *doc = next;
        next = next.wrapping_add(1);
    }
    Some(())
}

/// Unpacks the frequencies of a full block.
#[inline]
pub(super) fn unpack_tfs(bytes: &[u8], meta: &BlockMeta, tfs: &mut [u32; BLOCK]) -> Option<()> {
    unpack(bytes.get(packed_len(meta.doc_bits)..)?, meta.tf_bits, tfs)?;
    for tf in tfs {
        *tf = tf.wrapping_add(1);
    }
    Some(())
}

/// Reads the last, short block of `count` documents.
pub(super) fn read_rest(
    bytes: &[u8],
    next: u32,
    count: usize,
    docs: &mut [u32; BLOCK],
    tfs: &mut [u32; BLOCK],
) -> Option<()> {
    let mut bytes = Bytes(bytes);
    let mut next = next;
    for (doc, tf) in docs.iter_mut().zip(tfs.iter_mut()).take(count) {
        let word = bytes.varint()?;
        *doc = next.wrapping_add((word >> 1) as u32);
        *tf = if word & 1 == 1 { 1 } else { bytes.varint32()? };
        next = doc.wrapping_add(1);
    }
    Some(())
}

/// Hands out all documents of a term, ascending, with their frequencies, a block at a time; `bytes` are its whole
/// postings. `None` where they are not what [`PostingsWriter`] made.
pub(super) fn each_block(bytes: &[u8], df: u32, mut each: impl FnMut(&[u32], &[u32])) -> Option<()> {
    let full = df as usize / BLOCK;
    let (table, blocks) = bytes.split_at_checked(full * TABLE_ENTRY)?;
    let (mut docs, mut tfs) = ([0; BLOCK], [0; BLOCK]);
    let (mut at, mut next) = (0_usize, 0_u32);
    for block in 0..full {
        let meta = BlockMeta::read(table, block)?;
        let packed = blocks.get(at..at.checked_add(meta.len())?)?;
        unpack_docs(packed, &meta, next, &mut docs)?;
        unpack_tfs(packed, &meta, &mut tfs)?;
        each(&docs, &tfs);
        next = docs.last()?.wrapping_add(1);
        at += meta.len();
    }
    let count = df as usize % BLOCK;
    read_rest(blocks.get(at..)?, next, count, &mut docs, &mut tfs)?;
    each(docs.get(..count)?, tfs.get(..count)?);
    Some(())
}
