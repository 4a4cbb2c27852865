//! The two records that tell FTS5 what there is: the list of segments, and how many rows and words they hold.

use super::varint;

/// Which segments make up the index, by level: those of a level are merged into one of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    /// Counts changes of the table's configuration.
    cookie: [u8; 4],
    /// Pages written so far, for FTS5's own merging.
    written: u64,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Level {
    /// How many of the oldest segments are being merged.
    merging: u64,
    /// Number, first page and last page of each, oldest first.
    segments: Vec<[u64; 3]>,
}

impl Structure {
    /// Row of the record in `messages_fts_data`.
    pub(crate) const ROW: i64 = 10;

    /// Reads the record; `None` where it is damaged or of another kind than tables like ours have.
    pub(crate) fn read(record: &[u8]) -> Option<Self> {
        let (&cookie, mut rest) = record.split_first_chunk::<4>()?;
        if rest.starts_with(&OTHER_KIND) {
            return None;
        }
        let levels = varint::take(&mut rest)?;
        let total = varint::take(&mut rest)?;
        let written = varint::take(&mut rest)?;
        if levels > LEVELS_MAX || total > SEGMENTS_MAX {
            return None;
        }
        let mut structure = Self { cookie, written, levels: Vec::new() };
        for _ in 0..levels {
            let merging = varint::take(&mut rest)?;
            let count = varint::take(&mut rest)?;
            let mut level = Level { merging, segments: Vec::new() };
            for _ in 0..count {
                let mut part = || varint::take(&mut rest);
                level.segments.push([part()?, part()?, part()?]);
            }
            structure.levels.push(level);
        }
        (structure.count() as u64 == total).then_some(structure)
    }

    /// Writes the record.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let mut record = self.cookie.to_vec();
        for number in [self.levels.len() as u64, self.count() as u64, self.written] {
            varint::put(&mut record, number);
        }
        for level in &self.levels {
            varint::put(&mut record, level.merging);
            varint::put(&mut record, level.segments.len() as u64);
            level.segments.iter().flatten().for_each(|&number| varint::put(&mut record, number));
        }
        record
    }

    /// Adds a segment of `pages` pages as the newest, and returns its number; `None` where FTS5 can hold no more.
    pub(crate) fn add(&mut self, pages: u32) -> Option<i64> {
        let mut used: Vec<u64> =
            self.levels.iter().flat_map(|level| &level.segments).map(|segment| segment[0]).collect();
        used.sort_unstable();
        let free = (1..).zip(used).find(|(number, used)| number != used).map(|(number, _)| number);
        let number = free.unwrap_or(self.count() as u64 + 1);
        if number > SEGMENTS_MAX {
            return None;
        }
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        self.levels[0].segments.push([number, 1, u64::from(pages)]);
        Some(number as i64)
    }

    /// Returns how many segments wait on the lowest level to be merged.
    pub(crate) fn unmerged(&self) -> usize {
        self.levels.first().map_or(0, |level| level.segments.len())
    }

    /// Returns the row of a page in `messages_fts_data`.
    pub(crate) fn page_row(segment: i64, page: u32) -> i64 {
        segment << PAGE_BITS | i64::from(page)
    }

    fn count(&self) -> usize {
        self.levels.iter().map(|level| level.segments.len()).sum()
    }
}

/// Rows and words, which ranking divides by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Averages {
    rows: u64,
    /// By column.
    tokens: Vec<u64>,
}

impl Averages {
    /// Row of the record in `messages_fts_data`.
    pub(crate) const ROW: i64 = 1;

    /// Reads the record of a table of `columns` columns, empty before its first row; `None` where it is damaged.
    pub(crate) fn read(mut record: &[u8], columns: usize) -> Option<Self> {
        if record.is_empty() {
            return Some(Self { rows: 0, tokens: vec![0; columns] });
        }
        let rows = varint::take(&mut record)?;
        let tokens = (0..columns).map(|_| varint::take(&mut record)).collect::<Option<_>>()?;
        Some(Self { rows, tokens })
    }

    /// Counts rows in whose first column there are `tokens` words, and none in the others.
    pub(crate) fn add(&mut self, rows: u64, tokens: u64) {
        self.rows += rows;
        if let Some(first) = self.tokens.first_mut() {
            *first += tokens;
        }
    }

    /// Writes the record.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let mut record = Vec::new();
        varint::put(&mut record, self.rows);
        self.tokens.iter().for_each(|&tokens| varint::put(&mut record, tokens));
        record
    }
}

/// Returns what `messages_fts_docsize` keeps of a row whose first column has `tokens` words, and the others none.
pub(crate) fn length_record(tokens: u32, columns: usize) -> Vec<u8> {
    let mut record = Vec::with_capacity(8);
    varint::put(&mut record, u64::from(tokens));
    record.resize(record.len() + columns.saturating_sub(1), 0);
    record
}

/// Begins the record of tables that keep no text and forget rows all the same (`contentless_delete`).
const OTHER_KIND: [u8; 4] = [0xff, 0, 0, 1];

/// `FTS5_MAX_SEGMENT` and `FTS5_MAX_LEVEL`.
const SEGMENTS_MAX: u64 = 2000;
const LEVELS_MAX: u64 = 64;

/// Bits below a segment's number in a page's row: page (31), height (5) and kind (1) of the page.
const PAGE_BITS: u32 = 37;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Averages, Structure};

    #[test]
    fn a_segment_takes_the_least_free_number() {
        // Two levels, three segments: 1 and 4 on the lower, 2 above.
        let record = [0, 0, 0, 7, 2, 3, 90, 0, 2, 1, 1, 9, 4, 1, 8, 0, 1, 2, 1, 70];
        let mut structure = Structure::read(&record).unwrap();
        assert_eq!(structure.to_record(), record);
        assert_eq!(structure.add(5), Some(3));
        assert_eq!(structure.add(6), Some(5));
        assert_eq!(structure.unmerged(), 4);
        let record = structure.to_record();
        assert_eq!(Structure::read(&record), Some(structure));
        assert_eq!(&record[..7], [0, 0, 0, 7, 2, 5, 90]);
    }

    #[test]
    fn a_new_table_gets_its_first_level() {
        let mut structure = Structure::read(&[0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(structure.add(1), Some(1));
        assert_eq!(structure.to_record(), [0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1]);
        let mut averages = Averages::read(&[], 3).unwrap();
        averages.add(2, 300);
        assert_eq!(averages.to_record(), [2, 0x82, 0x2c, 0, 0]);
    }

    #[test]
    fn a_full_index_takes_no_more() {
        let mut structure = Structure::read(&[0, 0, 0, 0, 0, 0, 0]).unwrap();
        (1..=2000).for_each(|number| assert_eq!(structure.add(1), Some(number)));
        assert_eq!(structure.add(1), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(record in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(structure) = Structure::read(&record) {
                prop_assert_eq!(Structure::read(&structure.to_record()), Some(structure));
            }
            let _ = Averages::read(&record, 3);
        }
    }
}
