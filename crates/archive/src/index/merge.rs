//! Many small segments become one larger: terms and documents in order, removed documents left out.

use std::path::Path;

use super::{
    codec::{BLOCK, skip_varints},
    cursor::Window,
    dictionary::{Entry, Walk},
    error::Result,
    postings::{BlockMeta, TABLE_ENTRY, read_rest, unpack_docs, unpack_tfs},
    segment::{Field, Meta, Segment, SegmentWriter},
    shapes::ShapesBuilder,
    writer::Part,
};

/// Segments beyond this size are only rewritten to drop removed documents.
const DOCUMENTS_MAX: u32 = 8 << 20;

/// Chooses the segments to merge, given each one's live and total documents: those of the lowest size class that has
/// `tier` or more, or else one in which many documents were removed.
pub(super) fn choose(sizes: &[(u32, u32)], tier: usize) -> Vec<usize> {
    // Classes are powers of eight, and everything below 8,192 documents is one class.
    let class = |live: u32| live.max(1).ilog2().saturating_sub(10) / 3;
    for wanted in 0..=class(u32::MAX) {
        let alike: Vec<usize> = (0..sizes.len()).filter(|&i| class(sizes[i].0) == wanted).collect();
        let total: u64 = alike.iter().map(|&i| u64::from(sizes[i].0)).sum();
        if alike.len() >= tier && total <= u64::from(DOCUMENTS_MAX) {
            return alike;
        }
    }
    let worn = |&i: &usize| sizes[i].0 < sizes[i].1 - sizes[i].1 / 4;
    (0..sizes.len()).find(worn).into_iter().collect()
}

/// Chooses the smallest segments, so many that `kept` remain once they are one; none where there are no more.
pub(super) fn smallest(sizes: &[(u32, u32)], kept: usize) -> Vec<usize> {
    if sizes.len() <= kept {
        return Vec::new();
    }
    let mut by_size: Vec<usize> = (0..sizes.len()).collect();
    by_size.sort_by_key(|&i| sizes[i].0);
    let mut chosen = by_size[..sizes.len() + 1 - kept].to_vec();
    let mut total = 0;
    chosen.retain(|&i| {
        total += u64::from(sizes[i].0);
        total <= u64::from(DOCUMENTS_MAX)
    });
    if chosen.len() < 2 { Vec::new() } else { chosen }
}

/// Writes segment `number` from the sources; returns its documents. With none, the files are of no use.
pub(super) fn merge(dir: &Path, number: u64, sources: &[Part], bound_means: [f64; 2]) -> Result<u32> {
    let mut lengths = Vec::new();
    let mut shapes = ShapesBuilder::default();
    let mut inputs = Vec::new();
    let (mut counts, mut tokens) = ([0; 2], [0; 2]);
    for part in sources {
        let input = Input::open(part, &mut lengths, &mut shapes, &mut counts, &mut tokens)?;
        inputs.push(input);
    }
    let documents = lengths.len() as u32;
    let shapes = shapes.finish();
    let shape_count = shapes.shapes.len() as i64;
    let meta = Meta { counts, tokens, bound_means, shapes, ..Meta::default() };
    let mut writer = SegmentWriter::create(dir, number, lengths, meta)?;
    merge_terms(&mut inputs, &mut writer)?;
    writer.end_terms()?;

    let range = |layout: fn(&Meta) -> (i64, i64)| {
        let ranges = inputs.iter().map(|input| layout(&input.segment.meta)).filter(|(min, max)| min <= max);
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, -1))
    };
    writer.ids(
        range(|meta| (meta.ids.min, meta.ids.max)),
        values(&inputs, |input| {
            let column = input.segment.ids()?;
            Ok(Box::new(move |doc| column.get(doc)))
        })?,
    )?;
    writer.conversations(
        range(|meta| (meta.conversations.min, meta.conversations.max)),
        values(&inputs, |input| {
            let column = input.segment.conversations()?;
            Ok(Box::new(move |doc| column.get(doc)))
        })?,
    )?;
    writer.times(
        range(|meta| (meta.times.min, meta.times.max)),
        values(&inputs, |input| {
            let column = input.segment.times()?;
            Ok(Box::new(move |doc| column.get(doc)))
        })?,
    )?;
    writer.shapes(
        (0, shape_count - 1),
        values(&inputs, |input| {
            let column = input.segment.shape_of()?;
            let shapes = input.shapes.clone();
            Ok(Box::new(move |doc| {
                let shape = usize::try_from(column.get(doc)?).ok()?;
                shapes.get(shape).map(|&shape| i64::from(shape))
            }))
        })?,
    )?;
    writer.finish()?;
    for input in &inputs {
        input.segment.release();
    }
    Ok(documents)
}

type Get = Box<dyn Fn(u32) -> Option<i64>>;

/// Returns a column's values over all inputs, removed documents left out.
fn values<'a>(
    inputs: &'a [Input<'a>],
    get: impl Fn(&Input<'a>) -> Result<Get>,
) -> Result<impl Iterator<Item = Option<i64>>> {
    let mut columns = Vec::new();
    for input in inputs {
        columns.push((input, get(input)?));
    }
    Ok(columns.into_iter().flat_map(|(input, get)| {
        let kept = (0..input.segment.meta.docs).filter(|&doc| input.target(doc).is_some());
        kept.map(get)
    }))
}

/// A segment on its way into another.
struct Input<'a> {
    segment: &'a Segment,
    walk: Walk<'a>,
    more: bool,
    base: u32,
    /// Where each document goes, if some were removed; `u32::MAX` for those.
    map: Option<Vec<u32>>,
    /// Numbers of this segment's shapes in the new one.
    shapes: Vec<u32>,
    postings: Window,
    positions: Window,
}

impl<'a> Input<'a> {
    fn open(
        part: &'a Part,
        lengths: &mut Vec<u16>,
        shapes: &mut ShapesBuilder,
        counts: &mut [u32; 2],
        tokens: &mut [u64; 2],
    ) -> Result<Self> {
        let segment = &*part.segment;
        let base = lengths.len() as u32;
        let table = &segment.meta.shapes;
        let own = segment.lengths()?;
        let mut map = None;
        if let Some(removed) = part.removed.as_ref().filter(|removed| removed.count > 0) {
            let ids = segment.ids()?;
            let mut targets = Vec::with_capacity(own.len());
            for (doc, &length) in (0..).zip(own.iter()) {
                if removed.has(doc) {
                    targets.push(u32::MAX);
                    continue;
                }
                targets.push(lengths.len() as u32);
                lengths.push(length);
                let field = usize::from(ids.get(doc).is_none());
                counts[field] += 1;
                // Saturated lengths make this a little less than the truth.
                tokens[field] += u64::from(length);
            }
            map = Some(targets);
        } else {
            lengths.extend_from_slice(&own);
            for field in [0, 1] {
                counts[field] += segment.meta.counts[field];
                tokens[field] += segment.meta.tokens[field];
            }
        }
        let shapes = table.shapes.iter().map(|&shape| shapes.adopt(table, shape)).collect();
        let mut walk = segment.dictionary.walk(&segment.file);
        let more = walk.step()?;
        let (postings, positions) = Default::default();
        Ok(Self { segment, walk, more, base, map, shapes, postings, positions })
    }

    #[inline]
    fn target(&self, doc: u32) -> Option<u32> {
        match &self.map {
            None => Some(self.base + doc),
            Some(map) => map.get(doc as usize).copied().filter(|&doc| doc != u32::MAX),
        }
    }

    /// Adds the postings of the term that the walk stands on.
    fn copy(&mut self, field: Field, writer: &mut SegmentWriter, scratch: &mut Scratch) -> Result<()> {
        let file = &self.segment.file;
        let damaged = || file.damaged("postings");
        let entry = Entry {
            postings: self.segment.meta.parts[0].start + self.walk.entry().postings,
            ..*self.walk.entry()
        };
        let full = entry.df as usize / BLOCK;
        let end = entry.postings.checked_add(entry.postings_len).ok_or_else(damaged)?;
        // Terms follow each other in both files, so reading ahead beyond this one pays.
        let places = &self.segment.positions;
        let (stop, places_stop) = (self.segment.meta.parts[0].end, places.len());
        let table = self.postings.get(file, entry.postings, full * TABLE_ENTRY, stop)?;
        scratch.table.clear();
        scratch.table.extend_from_slice(table);
        let mut at = entry.postings + scratch.table.len() as u64;
        let mut next = 0;
        let mut positions_start = 0;
        for block in 0..=full {
            let (count, positions_end);
            if let Some(meta) = BlockMeta::read(&scratch.table, block) {
                let bytes = self.postings.get(file, at, meta.len(), stop)?;
                unpack_docs(bytes, &meta, next, &mut scratch.docs).ok_or_else(damaged)?;
                unpack_tfs(bytes, &meta, &mut scratch.tfs).ok_or_else(damaged)?;
                at += meta.len() as u64;
                next = meta.last_doc.wrapping_add(1);
                (count, positions_end) = (BLOCK, u64::from(meta.positions_end));
            } else {
                count = entry.df as usize % BLOCK;
                let len = end.checked_sub(at).ok_or_else(damaged)?;
                let bytes = self.postings.get(file, at, len as usize, stop)?;
                read_rest(bytes, next, count, &mut scratch.docs, &mut scratch.tfs).ok_or_else(damaged)?;
                positions_end = entry.positions_len;
            }
            let len = positions_end.checked_sub(positions_start).ok_or_else(damaged)?;
            let from = entry.positions.saturating_add(positions_start);
            let positions = self.positions.get(places, from, len as usize, places_stop)?;
            positions_start = positions_end;
            let block = Docs { docs: &mut scratch.docs[..count], tfs: &scratch.tfs[..count], positions };
            let copied = match &self.map {
                None => block.append(self.base, field, writer)?,
                Some(map) => block.append_mapped(map, field, writer)?,
            };
            copied.ok_or_else(|| places.damaged("positions"))?;
        }
        Ok(())
    }
}

struct Scratch {
    table: Vec<u8>,
    docs: [u32; BLOCK],
    tfs: [u32; BLOCK],
}

/// Documents of one block with their positions.
struct Docs<'a> {
    docs: &'a mut [u32],
    tfs: &'a [u32],
    positions: &'a [u8],
}

impl Docs<'_> {
    /// Appends all, moved by `base`. `None` if the positions end too early.
    fn append(self, base: u32, field: Field, writer: &mut SegmentWriter) -> Result<Option<()>> {
        for doc in self.docs.iter_mut() {
            *doc = doc.wrapping_add(base);
        }
        let (mut docs, mut tfs, mut positions) = (&*self.docs, self.tfs, self.positions);
        while !docs.is_empty() {
            let count = writer.postings.room().min(docs.len());
            let bytes = if count == docs.len() {
                positions.len()
            } else {
                let tokens = tfs[..count].iter().map(|&tf| u64::from(tf)).sum();
                let Some(bytes) = skip_varints(positions, tokens) else { return Ok(None) };
                bytes
            };
            writer.push(field, &docs[..count], &tfs[..count], &positions[..bytes])?;
            (docs, tfs, positions) = (&docs[count..], &tfs[count..], &positions[bytes..]);
        }
        Ok(Some(()))
    }

    /// Appends those that were not removed, where `map` sends them.
    fn append_mapped(self, map: &[u32], field: Field, writer: &mut SegmentWriter) -> Result<Option<()>> {
        let mut positions = self.positions;
        for (&doc, &tf) in self.docs.iter().zip(self.tfs) {
            let Some(bytes) = skip_varints(positions, u64::from(tf)) else { return Ok(None) };
            let (own, others) = positions.split_at(bytes);
            positions = others;
            match map.get(doc as usize) {
                Some(&target) if target != u32::MAX => writer.push(field, &[target], &[tf], own)?,
                _ => {}
            }
        }
        Ok(Some(()))
    }
}

fn merge_terms(inputs: &mut [Input<'_>], writer: &mut SegmentWriter) -> Result<()> {
    let mut scratch = Scratch { table: Vec::new(), docs: [0; BLOCK], tfs: [0; BLOCK] };
    let mut term = Vec::new();
    while let Some(least) = inputs.iter().filter(|input| input.more).map(|input| input.walk.term()).min() {
        term.clear();
        term.extend_from_slice(least);
        let field = if term.first() == Some(&(Field::Body as u8)) { Field::Body } else { Field::Title };
        for input in inputs.iter_mut().filter(|input| input.more) {
            if input.walk.term() == term {
                input.copy(field, writer, &mut scratch)?;
                input.more = input.walk.step()?;
            }
        }
        writer.end_term(&term)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_segments_are_merged_before_large_ones() {
        let even = |live: u32| (live, live);
        let check = |sizes: &[(u32, u32)], expected: &[usize]| assert_eq!(choose(sizes, 3), expected);
        check(&[], &[]);
        check(&[even(10), even(5000)], &[]);
        check(&[even(10), even(5000), even(1)], &[0, 1, 2]);
        check(&[even(500_000), even(10), even(5000), even(1)], &[1, 2, 3]);
        check(&[even(50_000), even(60_000), even(1)], &[]);
        check(&[even(50_000), even(60_000), even(1), even(9_000)], &[0, 1, 3]);
        check(&[even(50_000), (50_000, 80_000)], &[1]);
        check(&[even(8_000_000), even(8_000_000), even(8_000_000)], &[]);
    }

    #[test]
    fn the_smallest_make_room() {
        let even = |live: u32| (live, live);
        let check =
            |sizes: &[(u32, u32)], kept, expected: &[usize]| assert_eq!(smallest(sizes, kept), expected);
        check(&[even(5), even(1), even(9)], 3, &[]);
        check(&[even(5), even(1), even(9)], 2, &[1, 0]);
        check(&[even(5), even(1), even(9), even(3)], 2, &[1, 3, 0]);
        check(&[even(8_000_000), even(8_000_000), even(8_000_000)], 2, &[]);
    }
}
