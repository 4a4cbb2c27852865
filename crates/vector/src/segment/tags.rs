//! Which rows have which tag.
//!
//! The section holds how many tags there are, then for each the lengths of its name and its value and how many rows it has,
//! then for each its name, its value and its rows, all numbers in 32 bits.

use std::{collections::BTreeMap, ops::Range};

use athenaeum_core::vector::{Condition, Tag};
use rustc_hash::FxHashMap;

use crate::bits::Bits;

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

/// Writes the section for rows that have these sets of tags.
pub(super) fn write(sets: &[Vec<Tag>], rows: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut by_tag: BTreeMap<&Tag, Vec<u32>> = BTreeMap::new();
    let mut numbered: Vec<Vec<u32>> = vec![Vec::new(); sets.len()];
    for (row, set) in rows.enumerate() {
        if let Some(rows) = numbered.get_mut(set as usize) {
            rows.push(row as u32);
        }
    }
    for (set, rows) in sets.iter().zip(&numbered) {
        set.iter().for_each(|tag| by_tag.entry(tag).or_default().extend(rows));
    }
    let mut section = (by_tag.len() as u32).to_le_bytes().to_vec();
    for (tag, rows) in &by_tag {
        for number in [tag.name.len(), tag.value.len(), rows.len()] {
            section.extend((number as u32).to_le_bytes());
        }
    }
    for (tag, mut rows) in by_tag {
        section.extend(tag.name.as_bytes());
        section.extend(tag.value.as_bytes());
        rows.sort_unstable();
        rows.iter().for_each(|row| section.extend(row.to_le_bytes()));
    }
    section
}
