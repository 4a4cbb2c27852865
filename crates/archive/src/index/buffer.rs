//! Documents in memory, on their way to a segment.
//!
//! Tokens are kept as they come, four bytes each: the number of the term, with an extra word where a position
//! does not follow the last. When the buffer is full, terms are sorted and the tokens dealt out to them in a
//! few passes. Nothing is kept per posting, so the cost of a token is one look-up in the table of terms.

use std::{
    hash::Hasher,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use rustc_hash::FxHasher;

use super::{
    codec::put_varint,
    dictionary::TERM_BYTES_MAX,
    document::{Document, Kind},
    error::{Error, Result},
    segment::{Field, Meta, SegmentWriter},
    shapes::ShapesBuilder,
};
use crate::{
    fts5::{HandOver, SegmentWriter as Fts5Writer},
    text::{Terms, is_symbol},
};

/// Marks a word of the log that holds a position, not a term.
const POSITION: u32 = 1 << 31;

/// Tokens dealt out in one pass, 8 bytes each.
const PASS_TOKENS: usize = 2 << 20;

const BODY: u8 = Field::Body as u8;

/// Bytes before a term in the arena: number u32 | length u16 | field u8.
const HEADER: usize = 7;

/// Epochs handed out. Each life of a buffer, from empty to flushed, has its own in this process, so that numbers of
/// another life are never taken for its own.
static EPOCHS: AtomicU32 = AtomicU32::new(1);

/// Collects documents.
pub(super) struct Buffer {
    epoch: u32,
    /// Open addressing; each slot holds a hash and the place of a term in the arena plus one, zero when free.
    table: Vec<(u32, u32)>,
    arena: Vec<u8>,
    /// Place of each term in the arena.
    terms: Vec<u32>,
    log: Vec<u32>,
    rows: Vec<Row>,
    shapes: ShapesBuilder,
    counts: [u32; 2],
    tokens: [u64; 2],
    /// For each document its row in SQLite's text index, or 0 where it has none to be written here.
    fts5_rows: Vec<i64>,
    for_fts5: HandOver,
    scratch: Scratch,
}

/// Memory of the last flush, kept for the next: fresh pages cost the system more than filling them does us.
#[derive(Default)]
struct Scratch {
    counts: Vec<u32>,
    slots: Vec<u32>,
    dealt: Vec<u64>,
}

/// A document, as the columns need it.
struct Row {
    log_end: usize,
    id: Option<i64>,
    conversation: i64,
    time: Option<i64>,
    shape: u32,
    length: u16,
}

/// Takes the tokens of one document.
pub struct Tokens<'a> {
    buffer: &'a mut Buffer,
    field: Field,
    /// The position that follows the last one.
    next: u32,
    length: u32,
    symbols: u32,
    differs_from_fts5: bool,
}

impl Tokens<'_> {
    /// Adds a term, folded and stemmed as the analyser does it, at a position. Positions must not descend; a term
    /// at the position of the last one stands beside it (another form of the same word) and does not count
    /// towards the document's length.
    #[inline]
    pub fn push(&mut self, term: &str, position: u32) {
        let number = self.buffer.intern(self.field, term);
        self.log(number, position);
    }

    #[inline]
    fn log(&mut self, number: u32, position: u32) {
        let position = position.max(self.next.saturating_sub(1)).min(POSITION - 1);
        let beside = position.wrapping_add(1) == self.next;
        if position != self.next {
            self.buffer.log.push(POSITION | position);
        }
        self.length += u32::from(!beside);
        self.next = position + 1;
        self.buffer.log.push(number);
    }
}

/// What is remembered of a word of a message: epoch and number of its term. Titles have terms of their own and
/// are few.
impl Terms for Tokens<'_> {
    #[inline]
    fn take_known(&mut self, memo: u64, position: u32) -> bool {
        let known = (memo >> 32) as u32 == self.buffer.epoch && self.field == Field::Body;
        if known {
            self.log(memo as u32, position);
        }
        known
    }

    #[inline]
    fn take(&mut self, term: &str, position: u32) -> u64 {
        let number = self.buffer.intern(self.field, term);
        self.log(number, position);
        match self.field {
            Field::Body => u64::from(self.buffer.epoch) << 32 | u64::from(number),
            Field::Title => 0,
        }
    }

    fn take_symbol(&mut self, term: &str, position: u32) {
        self.push(term, position);
        self.symbols += 1;
    }

    fn differs_from_fts5(&mut self) {
        self.differs_from_fts5 = true;
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            epoch: EPOCHS.fetch_add(1, Ordering::Relaxed),
            table: Vec::new(),
            arena: Vec::new(),
            terms: Vec::new(),
            log: Vec::new(),
            rows: Vec::new(),
            shapes: ShapesBuilder::default(),
            counts: [0; 2],
            tokens: [0; 2],
            fts5_rows: Vec::new(),
            for_fts5: HandOver::default(),
            scratch: Scratch::default(),
        }
    }
}

impl Buffer {
    /// Adds a document; `text` pushes its tokens.
    pub(super) fn add(&mut self, document: &Document<'_>, text: impl FnOnce(&mut Tokens<'_>)) -> Result<()> {
        if self.rows.len() >= u32::MAX as usize - 1 {
            return Err(Error::Full { what: "too many documents" });
        }
        let field = match document.kind {
            Kind::Message => Field::Body,
            Kind::Title => Field::Title,
        };
        let mut tokens =
            Tokens { buffer: self, field, next: 0, length: 0, symbols: 0, differs_from_fts5: false };
        text(&mut tokens);
        let Tokens { length, symbols, differs_from_fts5, .. } = tokens;
        self.fts5_rows.push(if document.for_fts5 && !differs_from_fts5 { document.message_id } else { 0 });
        if document.for_fts5 && differs_from_fts5 {
            self.for_fts5.others.push(document.message_id);
        } else if document.for_fts5 {
            self.for_fts5.lengths.push((document.message_id, length - symbols));
        }
        self.counts[field as usize] += 1;
        self.tokens[field as usize] += u64::from(length);
        self.rows.push(Row {
            log_end: self.log.len(),
            id: (document.kind == Kind::Message).then_some(document.message_id),
            conversation: document.conversation,
            time: document.time,
            shape: self.shapes.of(document),
            length: length.try_into().unwrap_or(u16::MAX),
        });
        Ok(())
    }

    /// Returns whether a document is kept that `test` picks by message and conversation.
    pub(super) fn any(&self, test: impl Fn(Option<i64>, i64) -> bool) -> bool {
        self.rows.iter().any(|row| test(row.id, row.conversation))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes held now and needed to write the segment.
    pub(super) fn bytes(&self) -> usize {
        self.log.len() * 4
            + self.arena.len()
            + self.table.len() * 8
            + self.rows.len() * size_of::<Row>()
            + self.terms.len() * 24
            + self.log.len().min(PASS_TOKENS) * 8
    }

    /// Documents and tokens: of messages, of titles.
    pub(super) fn statistics(&self) -> [(u64, u64); 2] {
        [0, 1].map(|field| (u64::from(self.counts[field]), self.tokens[field]))
    }

    fn intern(&mut self, field: Field, term: &str) -> u32 {
        let term = &term.as_bytes()[..term.len().min(TERM_BYTES_MAX - 1)];
        let mut hasher = FxHasher::default();
        hasher.write(term);
        let hash = hasher.finish() as u32 ^ field as u32;
        if self.terms.len() * 2 >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let (slot_hash, place) = self.table[slot];
            if place == 0 {
                break;
            }
            if slot_hash == hash {
                let at = place as usize - 1;
                let header = &self.arena[at..];
                let len = usize::from(u16::from_le_bytes([header[4], header[5]]));
                if header[6] == field as u8 && &header[HEADER..HEADER + len] == term {
                    return u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
                }
            }
            slot = (slot + 1) & mask;
        }
        let place = self.arena.len() as u32;
        let number = self.terms.len() as u32;
        self.table[slot] = (hash, place + 1);
        self.terms.push(place);
        self.arena.extend_from_slice(&number.to_le_bytes());
        self.arena.extend_from_slice(&(term.len() as u16).to_le_bytes());
        self.arena.push(field as u8);
        self.arena.extend_from_slice(term);
        number
    }

    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(1 << 12);
        let old = std::mem::replace(&mut self.table, vec![(0, 0); len]);
        for (hash, place) in old.into_iter().filter(|(_, place)| *place != 0) {
            let mut slot = hash as usize & (len - 1);
            while self.table[slot].1 != 0 {
                slot = (slot + 1) & (len - 1);
            }
            self.table[slot] = (hash, place);
        }
    }

    /// What the term with this number is sorted by: field and bytes.
    fn term(&self, number: u32) -> &[u8] {
        let bytes = &self.arena[self.terms[number as usize] as usize..];
        let len = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
        &bytes[HEADER - 1..HEADER + len]
    }

    /// Writes everything as a segment and empties the buffer. `bound_means` are the mean lengths to expect. Returns
    /// what SQLite's text index is to learn.
    pub(super) fn flush(&mut self, dir: &Path, number: u64, bound_means: [f64; 2]) -> Result<HandOver> {
        let lengths = self.rows.iter().map(|row| row.length).collect();
        let shapes = std::mem::take(&mut self.shapes).finish();
        let shape_count = shapes.shapes.len() as i64;
        let meta = Meta { counts: self.counts, tokens: self.tokens, bound_means, shapes, ..Meta::default() };
        let mut writer = SegmentWriter::create(dir, number, lengths, meta)?;
        let mut for_fts5 = std::mem::take(&mut self.for_fts5);
        let mut fts5 = Fts5Writer::default();
        let mut scratch = std::mem::take(&mut self.scratch);
        self.write_terms(&mut writer, &mut fts5, &mut scratch)?;
        self.scratch = scratch;
        for_fts5.segments.push(fts5.finish());
        writer.end_terms()?;
        let rows = &self.rows;
        writer.ids(range(rows.iter().filter_map(|row| row.id)), rows.iter().map(|row| row.id))?;
        let conversations = rows.iter().map(|row| row.conversation);
        writer.conversations(range(conversations.clone()), conversations.map(Some))?;
        writer.times(range(rows.iter().filter_map(|row| row.time)), rows.iter().map(|row| row.time))?;
        writer.shapes((0, shape_count - 1), rows.iter().map(|row| Some(i64::from(row.shape))))?;
        writer.finish()?;
        self.clear();
        Ok(for_fts5)
    }

    /// Forgets all documents but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.epoch = EPOCHS.fetch_add(1, Ordering::Relaxed);
        self.table.fill((0, 0));
        self.arena.clear();
        self.terms.clear();
        self.log.clear();
        self.rows.clear();
        self.shapes = ShapesBuilder::default();
        self.counts = [0; 2];
        self.tokens = [0; 2];
        self.fts5_rows.clear();
        self.for_fts5 = HandOver::default();
    }

    fn write_terms(
        &self,
        writer: &mut SegmentWriter,
        fts5: &mut Fts5Writer,
        Scratch { counts, slots, dealt }: &mut Scratch,
    ) -> Result<()> {
        let sorted = self.sorted();
        counts.clear();
        counts.resize(self.terms.len(), 0);
        for &word in self.log.iter().filter(|&&word| word & POSITION == 0) {
            counts[word as usize] += 1;
        }
        // For each term, where its next token goes in this pass; `u32::MAX` if not in this pass.
        slots.clear();
        slots.resize(self.terms.len(), u32::MAX);
        let mut rest = sorted.as_slice();
        while !rest.is_empty() {
            let mut total = 0;
            let mut taken = 0;
            for &number in rest {
                let count = counts[number as usize] as usize;
                if taken > 0 && total + count > PASS_TOKENS {
                    break;
                }
                slots[number as usize] = total as u32;
                total += count;
                taken += 1;
            }
            let (now, later) = rest.split_at(taken);
            // Each place is dealt to.
            dealt.resize(total, 0);
            self.deal(slots, dealt);
            let mut left = dealt.as_slice();
            for &number in now {
                slots[number as usize] = u32::MAX;
                let (tokens, others) = left.split_at(counts[number as usize] as usize);
                left = others;
                write_term(writer, self.term(number), tokens)?;
                self.write_fts5_term(fts5, self.term(number), tokens);
            }
            rest = later;
        }
        Ok(())
    }

    fn write_fts5_term(&self, fts5: &mut Fts5Writer, key: &[u8], tokens: &[u64]) {
        let Some((&BODY, term)) = key.split_first() else { return };
        if !term.is_ascii() && std::str::from_utf8(term).is_ok_and(is_symbol) {
            return;
        }
        fts5.term(term);
        let mut last = 0;
        for doc in tokens.iter().map(|token| token >> 32) {
            let row = self.fts5_rows.get(doc as usize).copied().unwrap_or(0);
            if row > last {
                fts5.row(row);
                last = row;
            }
        }
    }

    /// Returns the numbers of all terms, sorted by field and bytes.
    fn sorted(&self) -> Vec<u32> {
        let mut keyed: Vec<(u64, u32)> = (0..self.terms.len() as u32)
            .map(|number| {
                let key = self.term(number);
                let mut first = [0; 8];
                let len = key.len().min(8);
                first[..len].copy_from_slice(&key[..len]);
                (u64::from_be_bytes(first), number)
            })
            .collect();
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.term(a.1).cmp(self.term(b.1))));
        keyed.into_iter().map(|(_, number)| number).collect()
    }

    /// Writes the document and position of each token of this pass to its term's next slot.
    fn deal(&self, slots: &mut [u32], dealt: &mut [u64]) {
        let mut start = 0;
        for (doc, row) in self.rows.iter().enumerate() {
            let doc = (doc as u64) << 32;
            let mut position = 0_u32;
            for &word in &self.log[start..row.log_end] {
                if word & POSITION != 0 {
                    position = word & !POSITION;
                    continue;
                }
                let slot = &mut slots[word as usize];
                if let Some(token) = dealt.get_mut(*slot as usize) {
                    *token = doc | u64::from(position);
                    *slot += 1;
                }
                position += 1;
            }
            start = row.log_end;
        }
    }
}

/// Least and greatest; the least above the greatest when there is none.
fn range(values: impl Iterator<Item = i64>) -> (i64, i64) {
    values.fold(
        (0, -1),
        |(min, max), value| if max < min { (value, value) } else { (min.min(value), max.max(value)) },
    )
}

fn write_term(writer: &mut SegmentWriter, key: &[u8], tokens: &[u64]) -> Result<()> {
    let field = if key.first() == Some(&(Field::Body as u8)) { Field::Body } else { Field::Title };
    let (mut docs, mut tfs, mut positions) = ([0; 128], [0; 128], Vec::with_capacity(256));
    let mut count = 0;
    let mut room = writer.postings.room();
    let mut tokens = tokens;
    while let Some(&first) = tokens.first() {
        let doc = (first >> 32) as u32;
        let mut last = 0;
        let mut tf = 0;
        for &token in tokens.iter().take_while(|&&token| (token >> 32) as u32 == doc) {
            let position = token as u32;
            put_varint(&mut positions, u64::from(position - last));
            last = position;
            tf += 1;
        }
        tokens = &tokens[tf..];
        docs[count] = doc;
        tfs[count] = tf as u32;
        count += 1;
        if count == room || tokens.is_empty() {
            writer.push(field, &docs[..count], &tfs[..count], &positions)?;
            (count, room) = (0, writer.postings.room());
            positions.clear();
        }
    }
    writer.end_term(key)
}
