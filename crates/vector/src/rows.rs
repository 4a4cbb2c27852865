//! Rows as they come from the database, column by column.

use athenaeum_core::{
    Timestamp,
    vector::{Span, Tag},
};
use rustc_hash::FxHashMap;

use crate::Error;

/// Rows in the order of their sequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) dimensions: usize,
    pub(crate) sequences: Vec<u64>,
    pub(crate) keys: Vec<[u8; 16]>,
    pub(crate) scales: Vec<f32>,
    /// One behind the other.
    pub(crate) values: Vec<u8>,
    pub(crate) times: Vec<Times>,
    /// Which of the tag sets each has.
    pub(crate) tags: Vec<u32>,
    pub(crate) tag_sets: TagSets,
}

/// When a row was so and when it is there, in microseconds. What has no bound has the type's first or last number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) valid_from: i64,
    pub(crate) valid_until: i64,
    pub(crate) learnt: i64,
    pub(crate) expires: i64,
}

impl Times {
    pub(crate) fn new(valid: Span, learnt: Timestamp, expires: Option<Timestamp>) -> Self {
        Self {
            valid_from: valid.from.map_or(i64::MIN, Timestamp::as_micros),
            valid_until: valid.until.map_or(i64::MAX, Timestamp::as_micros),
            learnt: learnt.as_micros(),
            expires: expires.map_or(i64::MAX, Timestamp::as_micros),
        }
    }
}

impl Times {
    /// Tells whether it was so at a moment within.
    pub(crate) fn meets(&self, span: &Span) -> bool {
        let (from, until) = bounds(span);
        self.valid_from < until && from < self.valid_until
    }

    pub(crate) fn was_learnt_in(&self, span: &Span) -> bool {
        let (from, until) = bounds(span);
        from <= self.learnt && self.learnt < until
    }
}

fn bounds(span: &Span) -> (i64, i64) {
    (span.from.map_or(i64::MIN, Timestamp::as_micros), span.until.map_or(i64::MAX, Timestamp::as_micros))
}

/// Sets of tags, each once: many rows have the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct TagSets {
    pub(crate) sets: Vec<Vec<Tag>>,
    by_text: FxHashMap<String, u32>,
}

impl Rows {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds those rows of another one that are wanted.
    pub(crate) fn append(&mut self, other: &Self, mut wanted: impl FnMut(u64) -> bool) {
        let sets: Vec<u32> = other.tag_sets.sets.iter().map(|set| self.tag_sets.number_of(set)).collect();
        for index in (0..other.len()).filter(|index| wanted(other.sequences[*index])) {
            self.sequences.push(other.sequences[index]);
            self.keys.push(other.keys[index]);
            self.scales.push(other.scales[index]);
            self.values.extend(other.row(index));
            self.times.push(other.times[index]);
            self.tags.push(sets[other.tags[index] as usize]);
        }
    }

    pub(crate) fn first_expiry(&self) -> i64 {
        self.times.iter().map(|times| times.expires).min().unwrap_or(i64::MAX)
    }

    pub(crate) fn row(&self, index: usize) -> &[u8] {
        &self.values[index * self.dimensions..][..self.dimensions]
    }
}

impl TagSets {
    /// Returns the number of the set that is written so.
    pub(crate) fn number(&mut self, text: &str) -> Result<u32, Error> {
        if let Some(number) = self.by_text.get(text) {
            return Ok(*number);
        }
        let number = self.sets.len() as u32;
        self.sets.push(read_tags(text)?);
        self.by_text.insert(text.to_owned(), number);
        Ok(number)
    }

    fn number_of(&mut self, set: &[Tag]) -> u32 {
        let text = write_tags(set);
        let next = self.sets.len() as u32;
        let number = *self.by_text.entry(text).or_insert(next);
        if number == next {
            self.sets.push(set.to_vec());
        }
        number
    }
}

/// Writes tags as a row has them: a JSON array of pairs, sorted and each once; nothing where there are none.
pub(crate) fn write_tags(tags: &[Tag]) -> String {
    if tags.is_empty() {
        return String::new();
    }
    let mut pairs: Vec<[&str; 2]> = tags.iter().map(|tag| [tag.name.as_str(), tag.value.as_str()]).collect();
    pairs.sort_unstable();
    pairs.dedup();
    serde_json::to_string(&pairs).unwrap_or_default()
}

/// Reads what [`write_tags`] writes.
pub(crate) fn read_tags(text: &str) -> Result<Vec<Tag>, Error> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let pairs: Vec<(String, String)> = serde_json::from_str(text)
        .map_err(|_| Error::Damaged { what: "a row of vectors.db (its tags)".into() })?;
    Ok(pairs.into_iter().map(|(name, value)| Tag { name, value }).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tags_read_back(pairs in proptest::collection::btree_set(("\\PC{0,9}", "\\PC{0,9}"), 0..6), any_text in "\\PC{0,30}") {
            let tags: Vec<Tag> = pairs.into_iter().map(|(name, value)| Tag { name, value }).collect();
            let reversed: Vec<Tag> = tags.iter().rev().cloned().collect();
            prop_assert_eq!(read_tags(&write_tags(&reversed)).unwrap(), tags);
            let _ = read_tags(&any_text);
        }
    }
}
