//! The pages of one segment: terms in order, each with the rows that hold it.

use super::varint;

/// A segment, ready to be stored under whatever number FTS5 has free.
#[derive(Debug)]
pub(crate) struct Segment {
    pages: Vec<u8>,
    /// Where each page ends in `pages`.
    ends: Vec<usize>,
    /// For each page with a term: what separates it from the page before, and its number.
    first_terms: Vec<(Vec<u8>, u32)>,
}

impl Segment {
    /// Returns the pages, the first of which has number 1.
    pub(crate) fn pages(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.pages[start..end])
    }

    /// Returns the last page's number; 0 where there is no page.
    pub(crate) fn last_page(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Returns what `messages_fts_idx` holds of the segment: the least bytes that tell a page's first term from
    /// the last one before it, and the page's number.
    pub(crate) fn first_terms(&self) -> &[(Vec<u8>, u32)] {
        &self.first_terms
    }
}

/// Writes a segment.
///
/// FTS5's indexes of very long lists are left out: they are optional, and lists of one transaction are short.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    segment: Segment,
    /// The page being filled: two numbers of 16 bits, then terms and rows.
    page: Vec<u8>,
    /// How far each term of the page stands from the one before.
    footer: Vec<u8>,
    last_offset: usize,
    /// The term that waits for its first row, and the last one written.
    next_term: Vec<u8>,
    is_waiting: bool,
    last_term: Vec<u8>,
    last_row: i64,
    /// The page has a row, or a term, so that its next row is told by the distance from the last.
    has_row: bool,
}

impl Default for SegmentWriter {
    fn default() -> Self {
        Self {
            segment: Segment { pages: Vec::new(), ends: Vec::new(), first_terms: vec![(Vec::new(), 1)] },
            page: HEADER.to_vec(),
            footer: Vec::new(),
            last_offset: 0,
            next_term: Vec::new(),
            is_waiting: false,
            last_term: Vec::new(),
            last_row: 0,
            has_row: false,
        }
    }
}

impl SegmentWriter {
    /// Begins the next term. Terms ascend, as bytes; one without rows leaves no trace.
    #[inline]
    pub(crate) fn term(&mut self, term: &[u8]) {
        self.next_term.clear();
        self.next_term.push(MAIN_INDEX);
        self.next_term.extend_from_slice(term);
        self.is_waiting = true;
    }

    /// Adds a row to the term. Rows ascend.
    #[inline]
    pub(crate) fn row(&mut self, row: i64) {
        if self.is_waiting {
            self.write_term();
        }
        if self.has_row {
            varint::put(&mut self.page, row.wrapping_sub(self.last_row) as u64);
        } else {
            let at = self.page.len() as u16;
            self.page[..2].copy_from_slice(&at.to_be_bytes());
            varint::put(&mut self.page, row as u64);
            self.has_row = true;
        }
        self.last_row = row;
        if self.page.len() + self.footer.len() >= PAGE_BYTES {
            self.end_page();
        }
    }

    /// Ends the last page.
    pub(crate) fn finish(mut self) -> Segment {
        if self.page.len() > HEADER.len() {
            self.end_page();
        }
        self.segment
    }

    fn write_term(&mut self) {
        self.is_waiting = false;
        let term = std::mem::take(&mut self.next_term);
        let room = term.len() + 2;
        if self.page.len() + self.footer.len() + room >= PAGE_BYTES && self.page.len() > HEADER.len() {
            self.end_page();
        }
        let common = self.last_term.iter().zip(&term).take_while(|(a, b)| a == b).count();
        let is_first = self.footer.is_empty();
        varint::put(&mut self.footer, (self.page.len() - self.last_offset) as u64);
        self.last_offset = self.page.len();
        let kept = if is_first {
            let number = self.segment.last_page() + 1;
            if number > 1 {
                self.segment.first_terms.push((term[..(common + 1).min(term.len())].to_vec(), number));
            }
            0
        } else {
            varint::put(&mut self.page, common as u64);
            common
        };
        varint::put(&mut self.page, (term.len() - kept) as u64);
        self.page.extend_from_slice(&term[kept..]);
        self.next_term = std::mem::replace(&mut self.last_term, term);
        // The first row after a term is told in full, which is its distance from 0.
        self.last_row = 0;
        self.has_row = true;
    }

    fn end_page(&mut self) {
        let footer_at = self.page.len() as u16;
        self.page[2..4].copy_from_slice(&footer_at.to_be_bytes());
        self.segment.pages.extend_from_slice(&self.page);
        self.segment.pages.extend_from_slice(&self.footer);
        self.segment.ends.push(self.segment.pages.len());
        self.page.clear();
        self.page.extend_from_slice(&HEADER);
        self.footer.clear();
        self.last_offset = 0;
        self.has_row = false;
    }
}

/// Of a page: where its first row stands if that comes before its first term, and where its footer begins.
const HEADER: [u8; 4] = [0; 4];

/// Before each term; other bytes would name the indexes of prefixes, which our table does without.
const MAIN_INDEX: u8 = b'0';

/// FTS5's own size of pages (`FTS5_DEFAULT_PAGE_SIZE`).
const PAGE_BYTES: usize = 4050;
