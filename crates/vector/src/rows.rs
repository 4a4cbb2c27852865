//! Rows as they come from the database, column by column.

use athenaeum_core::{
    Timestamp,
    vector::{Span, Tag},
};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

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

/// Sets of tags as they are written, as a rule each once: many rows have the same, or each has its own. Tags that are read take
/// four times as much memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct TagSets {
    /// One behind the other.
    texts: String,
    ends: Vec<usize>,
    /// The last set of each hash. Of two sets of one hash, one may be there twice.
    by_hash: FxHashMap<u64, u32>,
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
        let sets: Vec<u32> = (0..other.tag_sets.len() as u32)
            .map(|number| self.tag_sets.number_of(&other.tag_sets, number))
            .collect();
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
        let hash = xxh3_64(text.as_bytes());
        if let Some(number) = self.by_hash.get(&hash).filter(|number| self.text(**number) == text) {
            return Ok(*number);
        }
        read_tags(text)?;
        Ok(self.add(hash, text))
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns a set's tags.
    pub(crate) fn tags(&self, number: u32) -> Vec<Tag> {
        read_tags(self.text(number)).unwrap_or_default()
    }

    /// Calls `with` for each tag of each set that stands in it as it is.
    pub(crate) fn each_borrowed<'a>(&'a self, mut with: impl FnMut(&'a str, &'a str, u32)) {
        for number in 0..self.len() as u32 {
            let pairs: Vec<(&str, &str)> = serde_json::from_str(self.text(number)).unwrap_or_default();
            pairs.into_iter().for_each(|(name, value)| with(name, value, number));
        }
    }

    /// Lists the other sets: of such as have quotes or line breaks in them.
    pub(crate) fn escaped(&self) -> Vec<(u32, Vec<Tag>)> {
        let is_escaped = |number: &u32| self.text(*number).contains('\\');
        (0..self.len() as u32).filter(is_escaped).map(|number| (number, self.tags(number))).collect()
    }

    fn text(&self, number: u32) -> &str {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start..self.ends[number]]
    }

    /// Returns the number of a set of others.
    fn number_of(&mut self, other: &Self, number: u32) -> u32 {
        let text = other.text(number);
        let hash = xxh3_64(text.as_bytes());
        let known = self.by_hash.get(&hash).copied().filter(|number| self.text(*number) == text);
        known.unwrap_or_else(|| self.add(hash, text))
    }

    fn add(&mut self, hash: u64, text: &str) -> u32 {
        let number = self.ends.len() as u32;
        self.texts.push_str(text);
        self.ends.push(self.texts.len());
        self.by_hash.insert(hash, number);
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

        #[test]
        fn sets_are_kept_once_and_read_back(values in proptest::collection::vec("[a-c]{0,2}", 0..40)) {
            let set = |value: &str| if value.is_empty() { vec![] } else { vec![Tag::new("name", value)] };
            let (mut sets, mut joined) = (TagSets::default(), TagSets::default());
            let numbers: Vec<u32> =
                values.iter().map(|value| sets.number(&write_tags(&set(value))).unwrap()).collect();
            let distinct: std::collections::BTreeSet<&String> = values.iter().collect();
            prop_assert_eq!(sets.len(), distinct.len());
            for (value, number) in values.iter().zip(numbers) {
                prop_assert_eq!(sets.tags(number), set(value));
                let number = joined.number_of(&sets, number);
                prop_assert_eq!(joined.tags(number), set(value));
            }
            prop_assert_eq!(joined.len(), sets.len());
            prop_assert!(sets.number("no tags").is_err());
        }
    }
}
