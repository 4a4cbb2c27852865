//! The part of SQLite's FTS5 index that an import writes by itself.
//!
//! Given a row, FTS5 splits the text, stems each word and looks it up in a table: as much work as the rest of an
//! import together. The search index has done the same work already, with the same words, and holds them sorted;
//! so what an import adds in a transaction goes to FTS5 as a finished [`Segment`], a list of pages, and one more
//! entry in its [`Structure`].
//!
//! The format is told at the head of `ext/fts5/fts5_index.c` in SQLite's source. It is FTS5's version 4, the only
//! one since 2015 for tables like ours; where the table says anything else, FTS5 is given the rows instead.
//! `docs/decisions/0014-segments-for-fts5.md` has the measurements and the risks.
//!
//! **Invariant:** after every transaction FTS5's own `integrity-check` finds the index equal to the rows.

mod segment;
mod structure;
mod varint;

pub(crate) use segment::{Segment, SegmentWriter};
pub(crate) use structure::{Averages, Structure, length_record};

/// Version of the format, as FTS5 keeps it in the table's configuration.
pub(crate) const VERSION: i64 = 4;

/// Messages that FTS5 has yet to learn of.
#[derive(Debug, Default)]
pub(crate) struct HandOver {
    /// Oldest first; no row is in two of them.
    pub(crate) segments: Vec<Segment>,
    /// Messages in the segments, those without a word among them: row, and number of words.
    pub(crate) lengths: Vec<(i64, u32)>,
    /// Rows of messages that FTS5 splits into other words than the search index does: it must read them itself.
    pub(crate) others: Vec<i64>,
}

impl HandOver {
    /// Adds what came later.
    pub(crate) fn append(&mut self, later: Self) {
        self.segments.extend(later.segments);
        self.lengths.extend(later.lengths);
        self.others.extend(later.others);
    }

    /// Returns how many messages these are.
    pub(crate) fn messages(&self) -> u64 {
        (self.lengths.len() + self.others.len()) as u64
    }
}
