//! The best messages of a query, to be ordered anew by other terms, each seen with what stands around it.
//!
//! What a question asks for is rarely said in one breath: the passage that answers stands among others that name its
//! subject. So a message counts in part by itself and in part as one text with its neighbours, those that stand next to it
//! in the index and belong to the same conversation (for chunks: to the same document). Both parts are
//!
//! ```text
//! idf = ln(1 + (N − n + 0.5) / (n + 0.5)),   weight · idf · tf · (k1 + 1) / (tf + k1 · (1 − b + b · len / mean))
//! ```
//!
//! with the mean length of all messages, and that of all the surroundings at hand.

use std::{ops::Range, sync::Arc};

use super::{
    cursor::Cursor, error::Result, filter::Filter, query::Query, search, segment::Field, snapshot::Snapshot,
    top::Found,
};
use crate::Total;

/// The best messages of a query, of one state of the index.
#[derive(Debug)]
pub struct Candidates {
    snapshot: Arc<Snapshot>,
    /// Best first.
    rows: Vec<i64>,
    conversations: Vec<i64>,
    places: Vec<Place>,
    parts: Vec<Near>,
    total: Total,
    approximate: bool,
}

/// Where a candidate stands.
#[derive(Debug)]
struct Place {
    part: usize,
    /// In [`Near::docs`] of its part.
    at: usize,
    /// It and its neighbours there.
    around: Range<usize>,
}

/// The candidates of a segment, and their neighbours.
#[derive(Debug, Default)]
struct Near {
    /// Ascending.
    docs: Vec<u32>,
    lengths: Vec<f64>,
}

impl Candidates {
    pub(super) fn find(
        snapshot: Arc<Snapshot>,
        query: &Query,
        filter: &Filter,
        limit: usize,
    ) -> Result<Self> {
        let (found, total, approximate) = search::messages(&snapshot, query, filter, limit)?;
        let mut near: Vec<Vec<u32>> = vec![Vec::new(); snapshot.parts.len()];
        let mut ranges = Vec::with_capacity(found.len());
        for found in &found {
            let docs = neighbours(&snapshot, found.part, found.doc, found.conversation)?;
            near[found.part].extend(docs.clone());
            ranges.push(docs);
        }
        let mut parts = Vec::with_capacity(near.len());
        for (part, mut docs) in near.into_iter().enumerate() {
            docs.sort_unstable();
            docs.dedup();
            let lengths = match docs.as_slice() {
                [] => Vec::new(),
                docs => {
                    let all = snapshot.parts[part].segment.lengths()?;
                    docs.iter().map(|&doc| all.get(doc as usize).copied().map_or(0.0, f64::from)).collect()
                }
            };
            parts.push(Near { docs, lengths });
        }
        let place = |(found, docs): (&Found, Range<u32>)| {
            let near: &Near = &parts[found.part];
            let index = |doc: u32| near.docs.partition_point(|&other| other < doc);
            Place { part: found.part, at: index(found.doc), around: index(docs.start)..index(docs.end) }
        };
        let places = found.iter().zip(ranges).map(place).collect();
        let rows = found.iter().map(|found| found.id).collect();
        let conversations = found.iter().map(|found| found.conversation).collect();
        Ok(Self { snapshot, rows, conversations, places, parts, total, approximate })
    }

    /// Rows of the messages, best first.
    pub fn rows(&self) -> &[i64] {
        &self.rows
    }

    /// Rows of their conversations, in the same order.
    pub fn conversations(&self) -> &[i64] {
        &self.conversations
    }

    /// How many messages match.
    pub fn total(&self) -> Total {
        self.total
    }

    /// Better ones may exist: the work was bounded.
    pub fn approximate(&self) -> bool {
        self.approximate
    }

    /// Returns the part of all messages in which a term stands, 0 to 1.
    ///
    /// # Errors
    /// Damage.
    pub fn share(&self, term: &str) -> Result<f64> {
        let documents = self.snapshot.statistics(Field::Body).0.max(1) as f64;
        Ok((frequency(&self.snapshot, term)? / documents).min(1.0))
    }

    /// Returns a score for each candidate, in the order of [`Candidates::rows`], by these terms and their weights; higher
    /// is better.
    ///
    /// # Errors
    /// Damage.
    pub fn score<'t>(&self, terms: impl IntoIterator<Item = (&'t str, f64)>) -> Result<Vec<f64>> {
        let (documents, mean) = self.snapshot.statistics(Field::Body);
        let around: Vec<f64> = self.places.iter().map(|place| self.length(place)).collect();
        let mean_around = around.iter().sum::<f64>() / around.len().max(1) as f64;
        let mut scores = vec![0.0; self.places.len()];
        for (term, weight) in terms {
            let holders = frequency(&self.snapshot, term)?.min(documents as f64);
            let weight = weight * (1.0 + (documents as f64 - holders + 0.5) / (holders + 0.5)).ln();
            for (part, near) in self.parts.iter().enumerate().filter(|(_, near)| !near.docs.is_empty()) {
                let Some(counts) = counts(&self.snapshot, part, term, &near.docs)? else { continue };
                for ((place, &length), score) in self.places.iter().zip(&around).zip(&mut scores) {
                    if place.part == part {
                        let all: f64 = counts[place.around.clone()].iter().sum();
                        let own = saturated(counts[place.at], near.lengths[place.at], mean);
                        *score += weight * (OWN * own + (1.0 - OWN) * saturated(all, length, mean_around));
                    }
                }
            }
        }
        Ok(scores)
    }

    /// Returns the tokens of a candidate and its neighbours.
    fn length(&self, place: &Place) -> f64 {
        self.parts[place.part].lengths[place.around.clone()].iter().sum()
    }
}

/// Returns the documents of a segment around one that belong to the same conversation and were not removed.
fn neighbours(snapshot: &Snapshot, part: usize, doc: u32, conversation: i64) -> Result<Range<u32>> {
    let part = &snapshot.parts[part];
    let (conversations, ids) = (part.segment.conversations()?, part.segment.ids()?);
    let belongs = |doc: &u32| {
        let removed = part.removed.as_ref().is_some_and(|removed| removed.has(*doc));
        !removed && conversations.get(*doc) == Some(conversation) && ids.get(*doc).is_some()
    };
    let before = (doc.saturating_sub(NEIGHBOURS)..doc).rev().take_while(belongs).count() as u32;
    let last = doc.saturating_add(NEIGHBOURS).min(part.segment.meta.docs.saturating_sub(1));
    let behind = (doc + 1..=last).take_while(belongs).count() as u32;
    Ok(doc - before..doc + behind + 1)
}

/// Returns in how many messages a term stands.
fn frequency(snapshot: &Snapshot, term: &str) -> Result<f64> {
    Ok(snapshot.document_frequency(Field::Body, term)? as f64)
}

/// Returns how often a term stands in each of these documents, ascending; `None` where it is in none of the segment.
fn counts(snapshot: &Snapshot, part: usize, term: &str, docs: &[u32]) -> Result<Option<Vec<f64>>> {
    let segment = &*snapshot.parts[part].segment;
    let Some(entry) = segment.find(Field::Body, term)? else { return Ok(None) };
    let mut cursor = Cursor::open(segment, entry)?;
    let count = |&doc: &u32| if cursor.seek(doc) == doc { f64::from(cursor.tf()) } else { 0.0 };
    let counts = docs.iter().map(count).collect();
    cursor.fault.map_or(Ok(Some(counts)), Err)
}

/// BM25's part of one term, without its idf.
fn saturated(tf: f64, length: f64, mean: f64) -> f64 {
    if tf > 0.0 { tf * (K1 + 1.0) / (tf + K1 * (1.0 - B + B * length / mean.max(1.0))) } else { 0.0 }
}

const K1: f64 = 1.0;
const B: f64 = 0.75;

/// How much a message counts by itself; the rest with its neighbours. `docs/benchmarks.md` has what it brings.
const OWN: f64 = 0.3;

/// Neighbours on each side.
const NEIGHBOURS: u32 = 2;
