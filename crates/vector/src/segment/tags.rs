//! Which rows have which tag.
//!
//! The section holds how many tags there are, then for each the lengths of its name and its value and how many rows it has,
//! then for each its name, its value and its rows, all numbers in 32 bits.

use std::ops::Range;

use athenaeum_core::vector::Condition;
use rustc_hash::FxHashMap;

use crate::{bits::Bits, rows::TagSets};

/// Where in the section what lies.
#[derive(Debug, Default)]
pub(super) struct TagIndex {
    by_name: FxHashMap<String, FxHashMap<String, Range<usize>>>,
}

impl TagIndex {
    /// Reads as much as makes sense.
    pub(super) fn read(section: &[u8]) -> Self {
        let mut index = Self::default();
        let number = |at: usize| {
            let bytes = section.get(at..at.checked_add(4)?)?;
            Some(u32::from_le_bytes(*bytes.first_chunk()?) as usize)
        };
        let Some(count) = number(0) else { return index };
        let mut at = 4 + count.min(section.len() / 12) * 12;
        for tag in 0..count {
            let lengths = (number(4 + 12 * tag), number(8 + 12 * tag), number(12 + 12 * tag));
            let (Some(name_bytes), Some(value_bytes), Some(rows)) = lengths else { break };
            let text =
                |range: Range<usize>| section.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok());
            let (name, value) =
                (text(at..at + name_bytes), text(at + name_bytes..at + name_bytes + value_bytes));
            let (Some(name), Some(value)) = (name, value) else { break };
            at += name_bytes + value_bytes;
            let rows = at..at + 4 * rows;
            at = rows.end;
            index.by_name.entry(name.to_owned()).or_default().insert(value.to_owned(), rows);
        }
        index
    }

    /// Lists rows with a tag that the condition speaks of.
    pub(super) fn rows(&self, section: &[u8], condition: &Condition, rows: usize) -> Bits {
        let mut found = Bits::none(rows);
        let Some(values) = self.by_name.get(&condition.name) else { return found };
        let mut add = |range: &Range<usize>| {
            let listed = section.get(range.clone()).unwrap_or(&[]);
            listed.as_chunks::<4>().0.iter().for_each(|row| found.insert(u32::from_le_bytes(*row) as usize));
        };
        if condition.values.is_empty() {
            values.values().for_each(&mut add);
        }
        condition.values.iter().filter_map(|value| values.get(value)).for_each(add);
        found
    }
}

/// Writes the section for rows that have these of the sets of tags.
pub(super) fn write(sets: &TagSets, rows: &[u32]) -> Vec<u8> {
    let by_set = BySet::new(sets.len(), rows);
    let escaped = sets.escaped();
    // Flat and borrowed: where each row has tags of its own, whatever is made for each takes as much as the vectors.
    let mut tagged: Vec<(&str, &str, u32)> = Vec::new();
    sets.each_borrowed(|name, value, set| tagged.push((name, value, set)));
    for (set, tags) in &escaped {
        tagged.extend(tags.iter().map(|tag| (&*tag.name, &*tag.value, *set)));
    }
    tagged.retain(|(.., set)| !by_set.rows(*set).is_empty());
    tagged.sort_unstable();
    let one_tag = |a: &(&str, &str, u32), b: &(&str, &str, u32)| (a.0, a.1) == (b.0, b.1);
    let mut section = vec![0; 4];
    let mut count = 0_u32;
    for sets in tagged.chunk_by(one_tag) {
        let rows: usize = sets.iter().map(|(.., set)| by_set.rows(*set).len()).sum();
        for number in [sets[0].0.len(), sets[0].1.len(), rows] {
            section.extend((number as u32).to_le_bytes());
        }
        count += 1;
    }
    section[..4].copy_from_slice(&count.to_le_bytes());
    let mut rows = Vec::new();
    for sets in tagged.chunk_by(one_tag) {
        section.extend(sets[0].0.as_bytes());
        section.extend(sets[0].1.as_bytes());
        rows.clear();
        sets.iter().for_each(|(.., set)| rows.extend_from_slice(by_set.rows(*set)));
        rows.sort_unstable();
        rows.iter().for_each(|row| section.extend(row.to_le_bytes()));
    }
    section
}

/// Rows in the order of their sets.
struct BySet {
    rows: Vec<u32>,
    /// The first place after each set's.
    ends: Vec<u32>,
}

impl BySet {
    fn new(sets: usize, set_of_row: &[u32]) -> Self {
        let mut ends = vec![0; sets];
        set_of_row.iter().for_each(|set| ends[*set as usize] += 1);
        let mut next = Vec::with_capacity(sets);
        let mut sum = 0;
        for end in &mut ends {
            next.push(sum);
            sum += *end;
            *end = sum;
        }
        let mut rows = vec![0; set_of_row.len()];
        for (row, set) in set_of_row.iter().enumerate() {
            let place = &mut next[*set as usize];
            rows[*place as usize] = row as u32;
            *place += 1;
        }
        Self { rows, ends }
    }

    fn rows(&self, set: u32) -> &[u32] {
        let set = set as usize;
        let start = set.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start as usize..self.ends[set] as usize]
    }
}

#[cfg(test)]
mod tests {
    use athenaeum_core::vector::Tag;

    use super::*;
    use crate::rows::write_tags;

    #[test]
    fn rows_are_found_by_what_they_are_written_with() {
        let mut sets = TagSets::default();
        let mut number = |tags: &[Tag]| sets.number(&write_tags(tags)).unwrap();
        let (plain, quoted) = (Tag::new("format", "md"), Tag::new("title", "a \"quoted\"\nname"));
        let both = number(&[plain.clone(), quoted.clone()]);
        let rows = [both, number(&[]), number(&[plain]), number(&[quoted]), both];
        // Nobody has it.
        number(&[Tag::new("format", "pdf")]);
        let section = write(&sets, &rows);
        let index = TagIndex::read(&section);
        let found = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let condition = Condition { name: name.into(), values, negated: false };
            index.rows(&section, &condition, rows.len()).rows()
        };
        assert_eq!(found("format", &["md"]), [0, 2, 4]);
        assert_eq!(found("title", &["a \"quoted\"\nname"]), [0, 3, 4]);
        assert_eq!(found("title", &["another"]), [0_u32; 0]);
        assert_eq!(found("format", &["md", "pdf"]), found("format", &[]));
        assert_eq!(section[..4], 2_u32.to_le_bytes());
    }
}
