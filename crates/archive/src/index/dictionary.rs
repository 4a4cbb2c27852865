//! The sorted terms of a segment and where their postings stand.
//!
//! ```text
//! block    64 terms, front-coded:  shared varint | rest varint | rest bytes | df | postings_len | positions_len
//!          behind                  postings_offset varint | positions_offset varint
//! index    one entry a block:      term_len varint | first term | block_len varint | df_max varint
//! top      one entry 64 blocks:    term_len varint | first term | block_offset varint | index_offset varint
//! ```
//!
//! The top is kept in memory (about 1 byte per 150 terms); a look-up reads one stretch of index and one block.

use std::ops::Range;

use super::{
    codec::{Bytes, put_varint},
    error::Result,
    pages::PageFile,
};

const TERMS_A_BLOCK: usize = 64;
const BLOCKS_A_STRETCH: usize = 64;

/// Longest term kept, in bytes; longer ones are cut, when written and when looked up.
pub(super) const TERM_BYTES_MAX: usize = 255;

/// Where a term's postings stand in a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Documents that hold the term.
    pub(super) df: u32,
    /// Offset in the postings, bytes.
    pub(super) postings: u64,
    /// Length of the postings, bytes.
    pub(super) postings_len: u64,
    /// Offset in the positions, bytes.
    pub(super) positions: u64,
    /// Length of the positions, bytes.
    pub(super) positions_len: u64,
}

/// Takes terms in ascending order and makes the three parts of the dictionary.
#[derive(Default)]
pub(super) struct DictionaryWriter {
    pub(super) blocks: Vec<u8>,
    pub(super) index: Vec<u8>,
    pub(super) top: Vec<u8>,
    pub(super) terms: u64,
    block_start: usize,
    block_df_max: u32,
    blocks_done: usize,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl DictionaryWriter {
    /// Adds a term; `entry` must continue where the last one ended.
    pub(super) fn add(&mut self, term: &[u8], entry: &Entry) {
        let in_block = self.terms as usize % TERMS_A_BLOCK;
        if in_block == 0 {
            self.end_block();
            self.first.clear();
            self.first.extend_from_slice(term);
            self.last.clear();
            put_varint(&mut self.blocks, entry.postings);
            put_varint(&mut self.blocks, entry.positions);
        }
        let shared = self.last.iter().zip(term).take_while(|(a, b)| a == b).count();
        put_varint(&mut self.blocks, shared as u64);
        put_varint(&mut self.blocks, (term.len() - shared) as u64);
        self.blocks.extend_from_slice(&term[shared..]);
        put_varint(&mut self.blocks, u64::from(entry.df));
        put_varint(&mut self.blocks, entry.postings_len);
        put_varint(&mut self.blocks, entry.positions_len);
        self.last.truncate(shared);
        self.last.extend_from_slice(&term[shared..]);
        self.block_df_max = self.block_df_max.max(entry.df);
        self.terms += 1;
    }

    /// Ends the last block. Call once, after the last term.
    pub(super) fn end_block(&mut self) {
        if self.blocks.len() == self.block_start {
            return;
        }
        if self.blocks_done.is_multiple_of(BLOCKS_A_STRETCH) {
            put_varint(&mut self.top, self.first.len() as u64);
            self.top.extend_from_slice(&self.first);
            put_varint(&mut self.top, self.block_start as u64);
            put_varint(&mut self.top, self.index.len() as u64);
        }
        put_varint(&mut self.index, self.first.len() as u64);
        self.index.extend_from_slice(&self.first);
        put_varint(&mut self.index, (self.blocks.len() - self.block_start) as u64);
        put_varint(&mut self.index, u64::from(self.block_df_max));
        self.block_start = self.blocks.len();
        self.block_df_max = 0;
        self.blocks_done += 1;
    }
}

/// The dictionary of an open segment.
#[derive(Debug)]
pub(super) struct Dictionary {
    blocks: Range<u64>,
    index: Range<u64>,
    stretches: Vec<Stretch>,
}

/// Sixty-four blocks.
#[derive(Debug)]
struct Stretch {
    first: Box<[u8]>,
    /// Offset of the first block among the blocks.
    block: u64,
    /// Offset of its entry in the index.
    index: u64,
}

/// One block, as the index tells of it.
struct BlockRef {
    first: Vec<u8>,
    at: u64,
    len: usize,
    df_max: u32,
}

impl Dictionary {
    /// Reads the top; the three ranges are those of the parts in the file.
    pub(super) fn open(file: &PageFile, parts: [Range<u64>; 3]) -> Result<Self> {
        let [blocks, index, top] = parts;
        let damaged = || file.damaged("dictionary");
        let mut bytes = Vec::new();
        file.read(top.start, (top.end - top.start) as usize, &mut bytes)?;
        let mut bytes = Bytes(&bytes);
        let mut stretches: Vec<Stretch> = Vec::new();
        while !bytes.0.is_empty() {
            let len = bytes.varint().ok_or_else(damaged)?;
            let first = usize::try_from(len).ok().and_then(|len| bytes.take(len)).ok_or_else(damaged)?.into();
            let block = bytes.varint().ok_or_else(damaged)?;
            let index = bytes.varint().ok_or_else(damaged)?;
            if stretches.last().is_some_and(|last| last.block > block || last.index > index) {
                return Err(damaged());
            }
            stretches.push(Stretch { first, block, index });
        }
        Ok(Self { blocks, index, stretches })
    }

    /// Finds a term.
    pub(super) fn find(&self, file: &PageFile, term: &[u8]) -> Result<Option<Entry>> {
        let term = &term[..term.len().min(TERM_BYTES_MAX)];
        let stretch = self.stretches.partition_point(|stretch| &*stretch.first <= term);
        let Some(stretch) = stretch.checked_sub(1) else { return Ok(None) };
        let blocks = self.stretch(file, stretch)?;
        let block = blocks.partition_point(|block| block.first.as_slice() <= term);
        let Some(block) = block.checked_sub(1).and_then(|block| blocks.get(block)) else { return Ok(None) };
        let mut found = None;
        self.each_in_block(file, block, &mut Vec::new(), &mut |candidate, entry| {
            if candidate == term {
                found = Some(*entry);
            }
            candidate < term
        })?;
        Ok(found)
    }

    /// Calls `each` with the terms from `from` on, ascending, until it returns `false`. Blocks whose most
    /// frequent term has fewer documents than `df_min()` are passed over.
    pub(super) fn scan(
        &self,
        file: &PageFile,
        from: &[u8],
        mut df_min: impl FnMut() -> u32,
        mut each: impl FnMut(&[u8], &Entry) -> bool,
    ) -> Result<()> {
        let first = self.stretches.partition_point(|stretch| &*stretch.first <= from).saturating_sub(1);
        let mut buffer = Vec::new();
        for stretch in first..self.stretches.len() {
            let blocks = self.stretch(file, stretch)?;
            let begin = blocks.partition_point(|block| block.first.as_slice() <= from).saturating_sub(1);
            for block in &blocks[begin..] {
                // A block that begins behind the range ends the scan even where its terms are too rare.
                let least = df_min();
                let mut more = true;
                if block.df_max >= least {
                    self.each_in_block(file, block, &mut buffer, &mut |term, entry| {
                        more = term < from || each(term, entry);
                        more
                    })?;
                } else if block.first.as_slice() >= from {
                    more = each(&block.first, &Entry::default());
                }
                if !more {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn stretch(&self, file: &PageFile, at: usize) -> Result<Vec<BlockRef>> {
        let damaged = || file.damaged("dictionary index");
        let Some(stretch) = self.stretches.get(at) else { return Ok(Vec::new()) };
        let start = self.index.start + stretch.index;
        let end = self.stretches.get(at + 1).map_or(self.index.end, |next| self.index.start + next.index);
        if start > end || end > self.index.end {
            return Err(damaged());
        }
        let mut bytes = Vec::new();
        file.read(start, (end - start) as usize, &mut bytes)?;
        let mut bytes = Bytes(&bytes);
        let mut blocks = Vec::with_capacity(BLOCKS_A_STRETCH);
        let mut block_at = stretch.block;
        while !bytes.0.is_empty() {
            let len = bytes.varint().ok_or_else(damaged)?;
            let first = usize::try_from(len).ok().and_then(|len| bytes.take(len)).ok_or_else(damaged)?;
            let len = bytes.varint32().ok_or_else(damaged)?;
            let df_max = bytes.varint32().ok_or_else(damaged)?;
            blocks.push(BlockRef { first: first.to_vec(), at: block_at, len: len as usize, df_max });
            block_at += u64::from(len);
        }
        Ok(blocks)
    }

    fn each_in_block(
        &self,
        file: &PageFile,
        block: &BlockRef,
        buffer: &mut Vec<u8>,
        each: &mut impl FnMut(&[u8], &Entry) -> bool,
    ) -> Result<()> {
        if self.blocks.start + block.at + block.len as u64 > self.blocks.end {
            return Err(file.damaged("dictionary block"));
        }
        file.read(self.blocks.start + block.at, block.len, buffer)?;
        let damaged = || file.damaged("dictionary block");
        let mut bytes = Bytes(buffer);
        let mut state = State::default();
        state.begin(&mut bytes).ok_or_else(damaged)?;
        while !bytes.0.is_empty() {
            state.step(&mut bytes).ok_or_else(damaged)?;
            if !each(&state.term, &state.entry) {
                break;
            }
        }
        Ok(())
    }

    /// Returns all terms in order, a block at a time.
    pub(super) fn walk<'a>(&'a self, file: &'a PageFile) -> Walk<'a> {
        Walk {
            dictionary: self,
            file,
            stretch: 0,
            blocks: Vec::new().into_iter(),
            bytes: Vec::new(),
            at: 0,
            state: State::default(),
        }
    }
}

/// Terms in order, for merging.
pub(super) struct Walk<'a> {
    dictionary: &'a Dictionary,
    file: &'a PageFile,
    stretch: usize,
    blocks: std::vec::IntoIter<BlockRef>,
    bytes: Vec<u8>,
    at: usize,
    state: State,
}

impl Walk<'_> {
    /// Moves to the next term; `false` at the end.
    pub(super) fn step(&mut self) -> Result<bool> {
        let damaged = || self.file.damaged("dictionary block");
        if self.at == self.bytes.len() {
            let block = loop {
                if let Some(block) = self.blocks.next() {
                    break block;
                }
                if self.stretch == self.dictionary.stretches.len() {
                    return Ok(false);
                }
                self.blocks = self.dictionary.stretch(self.file, self.stretch)?.into_iter();
                self.stretch += 1;
            };
            let start = self.dictionary.blocks.start + block.at;
            if start + block.len as u64 > self.dictionary.blocks.end {
                return Err(damaged());
            }
            self.file.read(start, block.len, &mut self.bytes)?;
            let mut bytes = Bytes(&self.bytes);
            self.state.begin(&mut bytes).ok_or_else(damaged)?;
            self.at = self.bytes.len() - bytes.0.len();
        }
        let mut bytes = Bytes(&self.bytes[self.at..]);
        self.state.step(&mut bytes).ok_or_else(damaged)?;
        self.at = self.bytes.len() - bytes.0.len();
        Ok(true)
    }

    /// The term that the last step came to.
    pub(super) fn term(&self) -> &[u8] {
        &self.state.term
    }

    /// Where its postings stand.
    pub(super) fn entry(&self) -> &Entry {
        &self.state.entry
    }
}

/// A place in a block.
#[derive(Default)]
struct State {
    term: Vec<u8>,
    entry: Entry,
}

impl State {
    /// Reads where the block's postings begin.
    fn begin(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.term.clear();
        self.entry = Entry { postings: bytes.varint()?, positions: bytes.varint()?, ..Entry::default() };
        Some(())
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let shared = usize::try_from(bytes.varint()?).ok()?;
        let rest = usize::try_from(bytes.varint()?).ok()?;
        if shared > self.term.len() {
            return None;
        }
        self.term.truncate(shared);
        self.term.extend_from_slice(bytes.take(rest)?);
        let entry = &mut self.entry;
        entry.postings = entry.postings.checked_add(entry.postings_len)?;
        entry.positions = entry.positions.checked_add(entry.positions_len)?;
        entry.df = bytes.varint32()?;
        entry.postings_len = bytes.varint()?;
        entry.positions_len = bytes.varint()?;
        Some(())
    }
}
