//! Walks the documents of one term in one segment.

use super::{
    codec::{BLOCK, Bytes, skip_varints},
    dictionary::Entry,
    error::{Error, Result},
    pages::PageFile,
    postings::{BlockMeta, TABLE_ENTRY, read_rest, unpack_docs, unpack_tfs},
    segment::Segment,
};

/// Where a cursor stands that has no documents left.
pub(super) const END: u32 = u32::MAX;

/// Lists of at most so many bytes are read whole.
const WHOLE: u64 = 8 * 1024;
/// Bytes read at once, after a jump and at most.
const AHEAD: std::ops::RangeInclusive<usize> = 1024..=64 * 1024;

/// A term's documents in ascending order.
///
/// A read that fails ends the cursor and is kept in [`Cursor::fault`], so that the inner loops need no `Result`.
pub(super) struct Cursor<'s> {
    segment: &'s Segment,
    entry: Entry,
    table: Vec<u8>,
    full: usize,
    window: Window,
    doc: u32,
    docs: [u32; BLOCK],
    tfs: [u32; BLOCK],
    tfs_known: bool,
    /// Index in the block and documents in it.
    at: usize,
    len: usize,
    block: usize,
    /// The block that [`Cursor::bound_at`] looked at last.
    shallow: usize,
    places: Places,
    pub(super) fault: Option<Error>,
}

/// How far the positions of a block have been read.
#[derive(Default)]
struct Places {
    bytes: Vec<u8>,
    block: Option<usize>,
    /// Index of the next document, and where its positions begin.
    next: usize,
    at: usize,
}

impl<'s> Cursor<'s> {
    /// Opens the list and stands on its first document.
    pub(super) fn open(segment: &'s Segment, entry: Entry) -> Result<Self> {
        let full = entry.df as usize / BLOCK;
        let table_len = full * TABLE_ENTRY;
        if table_len as u64 > entry.postings_len {
            return Err(segment.file.damaged("postings"));
        }
        let at = segment.meta.parts[0].start.saturating_add(entry.postings);
        let entry = Entry { postings: at, ..entry };
        let (mut table, mut window) = (Vec::new(), Window::default());
        if entry.postings_len <= WHOLE {
            window.fill(&segment.file, at, entry.postings_len as usize)?;
            table.extend_from_slice(&window.bytes[..table_len]);
        } else {
            segment.file.read(at, table_len, &mut table)?;
        }
        let mut cursor = Self {
            segment,
            entry,
            table,
            full,
            window,
            doc: END,
            docs: [0; BLOCK],
            tfs: [0; BLOCK],
            tfs_known: false,
            at: 0,
            len: 0,
            block: 0,
            shallow: 0,
            places: Places::default(),
            fault: None,
        };
        cursor.open_block(0);
        Ok(cursor)
    }

    /// The document that the cursor stands on, [`END`] behind the last.
    #[inline]
    pub(super) fn doc(&self) -> u32 {
        self.doc
    }

    /// Documents in the whole list.
    pub(super) fn df(&self) -> u32 {
        self.entry.df
    }

    /// Moves to the next document.
    #[inline]
    pub(super) fn advance(&mut self) -> u32 {
        self.at += 1;
        if self.at < self.len {
            self.doc = self.docs[self.at & (BLOCK - 1)];
        } else if self.doc != END {
            self.open_block(self.block + 1);
        }
        self.doc
    }

    /// Moves to the first document at or behind `target`; never back.
    #[inline]
    pub(super) fn seek(&mut self, target: u32) -> u32 {
        if target <= self.doc {
            return self.doc;
        }
        if self.block >= self.full || target <= self.last_doc(self.block) {
            self.seek_in_block(target);
            return self.doc;
        }
        let block = self.find_block(self.block + 1, target);
        self.open_block(block);
        if self.doc < target {
            self.seek_in_block(target);
        }
        self.doc
    }

    /// Moves to the first document at or behind `target`, back if need be.
    pub(super) fn restart(&mut self, target: u32) -> u32 {
        self.shallow = 0;
        let block = self.find_block(0, target);
        self.open_block(block);
        self.seek(target)
    }

    #[inline]
    fn seek_in_block(&mut self, target: u32) {
        let rest = &self.docs[self.at.min(self.len)..self.len];
        let passed = match rest {
            [_, next, ..] if *next >= target => 1,
            _ => rest.partition_point(|&doc| doc < target),
        };
        self.at += passed;
        if self.at < self.len {
            self.doc = self.docs[self.at];
        } else {
            self.open_block(self.block + 1);
        }
    }

    #[inline]
    fn last_doc(&self, block: usize) -> u32 {
        let at = block * TABLE_ENTRY;
        self.table
            .get(at..at + 4)
            .map_or(END, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Returns the first block from `from` on that may hold `target` or something behind it; `full` is the rest.
    #[inline]
    fn find_block(&self, from: usize, target: u32) -> usize {
        if from >= self.full || self.last_doc(from) >= target {
            return from.min(self.full);
        }
        // Gallop, then halve: the target is mostly near.
        let mut step = 1;
        let mut low = from + 1;
        while low + step < self.full && self.last_doc(low + step) < target {
            low += step + 1;
            step *= 2;
        }
        let mut high = (low + step).min(self.full);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.last_doc(middle) < target {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Returns the stored bound of the block in which `target`, or the next document behind it, stands, and the
    /// last document for which it holds. Decodes nothing. Targets must not descend.
    #[inline]
    pub(super) fn bound_at(&mut self, target: u32) -> (u16, u32) {
        if self.shallow < self.full && self.last_doc(self.shallow) < target {
            self.shallow = self.find_block(self.shallow + 1, target);
        }
        match BlockMeta::read(&self.table, self.shallow) {
            Some(meta) => (meta.bound, meta.last_doc),
            None if self.has_rest() => (u16::MAX, END - 1),
            None => (0, END - 1),
        }
    }

    /// Returns the greatest stored bound of the blocks that reach into `from..=to`.
    pub(super) fn bound_between(&mut self, from: u32, to: u32) -> u16 {
        let (mut bound, mut last) = self.bound_at(from);
        let mut block = self.shallow;
        while last < to {
            block += 1;
            let Some(meta) = BlockMeta::read(&self.table, block) else {
                return if self.has_rest() { u16::MAX } else { bound };
            };
            bound = bound.max(meta.bound);
            last = meta.last_doc;
        }
        bound
    }

    fn has_rest(&self) -> bool {
        !(self.entry.df as usize).is_multiple_of(BLOCK)
    }

    fn open_block(&mut self, block: usize) {
        self.block = block;
        self.at = 0;
        if let Err(fault) = self.read_block(block) {
            self.fault.get_or_insert(fault);
            self.len = 0;
        }
        self.doc = if self.len == 0 { END } else { self.docs[0] };
    }

    fn read_block(&mut self, block: usize) -> Result<()> {
        let damaged = || self.segment.file.damaged("postings");
        let next = if block == 0 { 0 } else { self.last_doc(block - 1).wrapping_add(1) };
        let blocks_at = self.entry.postings + self.table.len() as u64;
        let end = self.entry.postings + self.entry.postings_len;
        self.len = 0;
        if let Some(meta) = BlockMeta::read(&self.table, block) {
            let start = u64::from(meta.docs_end).checked_sub(meta.len() as u64).ok_or_else(damaged)?;
            let bytes = self.window.get(&self.segment.file, blocks_at + start, meta.len(), end)?;
            unpack_docs(bytes, &meta, next, &mut self.docs).ok_or_else(damaged)?;
            self.tfs_known = false;
            self.len = BLOCK;
        } else if block == self.full && self.has_rest() {
            let start = match block.checked_sub(1) {
                Some(last) => {
                    blocks_at + u64::from(BlockMeta::read(&self.table, last).ok_or_else(damaged)?.docs_end)
                }
                None => blocks_at,
            };
            let len = end.checked_sub(start).ok_or_else(damaged)?;
            let bytes = self.window.get(&self.segment.file, start, len as usize, end)?;
            let count = self.entry.df as usize % BLOCK;
            read_rest(bytes, next, count, &mut self.docs, &mut self.tfs).ok_or_else(damaged)?;
            self.tfs_known = true;
            self.len = count;
        }
        Ok(())
    }

    /// How often the term occurs in the document.
    #[inline]
    pub(super) fn tf(&mut self) -> u32 {
        if !self.tfs_known {
            self.read_tfs();
        }
        self.tfs[self.at & (BLOCK - 1)]
    }

    fn read_tfs(&mut self) {
        self.tfs_known = true;
        let known = BlockMeta::read(&self.table, self.block).and_then(|meta| {
            let start = u64::from(meta.docs_end).checked_sub(meta.len() as u64)?;
            let at = self.entry.postings + self.table.len() as u64 + start;
            let end = self.entry.postings + self.entry.postings_len;
            // The block was read just now, so it is still in the window.
            let bytes = self.window.get(&self.segment.file, at, meta.len(), end).ok()?;
            unpack_tfs(bytes, &meta, &mut self.tfs)
        });
        if known.is_none() {
            self.tfs = [1; BLOCK];
            self.fault.get_or_insert_with(|| self.segment.file.damaged("postings"));
        }
    }

    /// Hands out the documents and frequencies of the open block that stand before `end`, from the current one
    /// on, and moves behind them.
    #[inline]
    pub(super) fn take_block(&mut self, end: u32, mut each: impl FnMut(&[u32], &[u32])) {
        if !self.tfs_known {
            self.read_tfs();
        }
        let rest = &self.docs[self.at..self.len];
        let count = if rest.last().is_some_and(|&last| last < end) {
            rest.len()
        } else {
            rest.partition_point(|&doc| doc < end)
        };
        each(&rest[..count], &self.tfs[self.at..self.at + count]);
        self.at += count;
        if self.at < self.len {
            self.doc = self.docs[self.at];
        } else {
            self.open_block(self.block + 1);
        }
    }

    /// Replaces `out` with the positions of the term in the document, ascending.
    pub(super) fn positions(&mut self, out: &mut Vec<u32>) {
        out.clear();
        let tf = self.tf();
        if let Err(fault) = self.read_positions(tf, out) {
            self.fault.get_or_insert(fault);
            out.clear();
        }
    }

    fn read_positions(&mut self, tf: u32, out: &mut Vec<u32>) -> Result<()> {
        if self.places.block != Some(self.block) {
            self.load_positions()?;
        }
        let places = &mut self.places;
        let damaged = || self.segment.positions.damaged("positions");
        if self.at < places.next {
            (places.next, places.at) = (0, 0);
        }
        let skipped = self.tfs[places.next..self.at].iter().map(|&tf| u64::from(tf)).sum();
        let bytes = places.bytes.get(places.at..).ok_or_else(damaged)?;
        places.at += skip_varints(bytes, skipped).ok_or_else(damaged)?;
        places.next = self.at;
        let mut bytes = Bytes(&places.bytes[places.at..]);
        let mut position = 0_u32;
        for _ in 0..tf {
            position = position.wrapping_add(bytes.varint32().ok_or_else(damaged)?);
            out.push(position);
        }
        places.at = places.bytes.len() - bytes.0.len();
        places.next += 1;
        Ok(())
    }

    fn load_positions(&mut self) -> Result<()> {
        let end_of = |block| BlockMeta::read(&self.table, block).map(|meta| u64::from(meta.positions_end));
        let start = self.block.checked_sub(1).and_then(end_of).unwrap_or(0);
        let end = end_of(self.block).unwrap_or(self.entry.positions_len);
        let file = &self.segment.positions;
        let len = end.checked_sub(start).ok_or_else(|| file.damaged("positions"))?;
        let at = self.entry.positions.saturating_add(start);
        self.places.block = None;
        file.read(at, len as usize, &mut self.places.bytes)?;
        self.places =
            Places { bytes: std::mem::take(&mut self.places.bytes), block: Some(self.block), next: 0, at: 0 };
        Ok(())
    }
}

/// A stretch of a file, kept while it is of use.
#[derive(Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    start: u64,
    ahead: usize,
}

impl Window {
    /// Returns `len` bytes at `at`. Reads ahead, but not beyond `end`, while requests follow each other.
    #[inline]
    pub(super) fn get(&mut self, file: &PageFile, at: u64, len: usize, end: u64) -> Result<&[u8]> {
        let inside = at.checked_sub(self.start).filter(|from| from + len as u64 <= self.bytes.len() as u64);
        let from = match inside {
            Some(from) => from as usize,
            None => {
                self.move_to(file, at, len, end)?;
                0
            }
        };
        self.bytes.get(from..from + len).ok_or_else(|| file.damaged("bounds"))
    }

    fn move_to(&mut self, file: &PageFile, at: u64, len: usize, end: u64) -> Result<()> {
        let behind = self.start + self.bytes.len() as u64;
        let follows = at >= self.start && at <= behind + *AHEAD.start() as u64;
        self.ahead = if follows { self.ahead * 2 } else { 0 }.clamp(*AHEAD.start(), *AHEAD.end());
        let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.fill(file, at, self.ahead.min(most).max(len))
    }

    fn fill(&mut self, file: &PageFile, at: u64, len: usize) -> Result<()> {
        self.start = at;
        file.read(at, len, &mut self.bytes)
    }
}
