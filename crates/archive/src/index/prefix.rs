//! The terms of a prefix in one segment, added up as if they were one term.
//!
//! A prefix stands for all terms that begin with it. It is scored as FTS5 scores one: it occurs in a document as
//! often as they do together, and its document frequency is the number of documents that hold any of them. The
//! terms of a prefix stand side by side in the dictionary and so do their postings, so a few large reads and one
//! pass over them fill an array with a frequency a document.

use super::{
    codec::BLOCK, cursor::END, dictionary::Entry, error::Result, postings::each_block, score::Norm,
    segment::Segment,
};

/// Documents that share a bound: of all, or where few match, of those.
const STRETCH: usize = BLOCK;

/// Postings that stand side by side are read together up to so many bytes.
const READ_MAX: u64 = 256 * 1024;

/// One posting to so many documents, and it is worth having a place for each document.
const DENSE: u64 = 8;

/// How often the terms occur together, document by document.
#[derive(Debug)]
pub(super) struct Union {
    sums: Sums,
    /// The bound of each [`STRETCH`], as [`Norm::bound`] makes it; 0 where no document matches.
    bounds: Vec<u16>,
    /// Documents that hold any of the terms.
    pub(super) df: u32,
}

/// Sums of frequencies, at least 1 where a document matches. They saturate.
#[derive(Debug)]
enum Sums {
    /// By document; 0 where none of the terms occurs.
    Dense(Vec<u16>),
    /// Of the documents that match, ascending.
    Sparse { docs: Vec<u32>, tfs: Vec<u16> },
}

/// Where a reader of a union stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Among the documents that match, where these are listed.
    at: usize,
    /// [`END`] behind the last.
    pub(super) doc: u32,
}

impl Union {
    /// Returns whether so many postings are kept with a place for every document.
    pub(super) fn is_dense(postings: u64, docs: u32) -> bool {
        postings.saturating_mul(DENSE) >= u64::from(docs)
    }

    /// Adds up the postings of the entries, which are in the order of their postings. `lengths` and `norm` are
    /// those that scores are computed with.
    ///
    /// # Errors
    /// [`Error::Damaged`](super::Error::Damaged) where postings are not what was written.
    pub(super) fn read(segment: &Segment, entries: &[Entry], lengths: &[u16], norm: Norm) -> Result<Self> {
        let docs = segment.meta.docs;
        let postings = entries.iter().map(|entry| u64::from(entry.df)).sum();
        let mut strays = lengths.len() != docs as usize;
        let sums = if Self::is_dense(postings, docs) {
            let mut tfs = vec![0_u16; docs as usize];
            each(segment, entries, |docs, own| {
                for (&doc, &tf) in docs.iter().zip(own) {
                    match tfs.get_mut(doc as usize) {
                        Some(sum) => *sum = sum.saturating_add(saturated(tf)),
                        None => strays = true,
                    }
                }
            })?;
            Sums::Dense(tfs)
        } else {
            let mut found = Vec::with_capacity(postings as usize);
            each(segment, entries, |docs, tfs| {
                found.extend(docs.iter().zip(tfs).map(|(&doc, &tf)| (doc, saturated(tf))));
            })?;
            // Each term's documents ascend already, which this sort makes use of.
            found.sort_by_key(|(doc, _)| *doc);
            strays |= found.last().is_some_and(|(doc, _)| *doc >= docs);
            added_up(&found)
        };
        if strays {
            return Err(segment.file.damaged("postings"));
        }
        let (bounds, df) = match &sums {
            Sums::Dense(tfs) => {
                let stretches = tfs.chunks(STRETCH).zip(lengths.chunks(STRETCH));
                let bounds = stretches.map(|(tfs, lengths)| bound(tfs, lengths, norm)).collect();
                (bounds, tfs.iter().map(|&tf| u32::from(tf > 0)).sum())
            }
            Sums::Sparse { docs, tfs } => {
                let own: Vec<u16> =
                    docs.iter().map(|&doc| lengths.get(doc as usize).copied().unwrap_or(0)).collect();
                let stretches = tfs.chunks(STRETCH).zip(own.chunks(STRETCH));
                (stretches.map(|(tfs, lengths)| bound(tfs, lengths, norm)).collect(), docs.len() as u32)
            }
        };
        Ok(Self { sums, bounds, df })
    }

    /// Moves to the first document at or behind `target`, which is not before `place`.
    #[inline]
    pub(super) fn seek(&self, place: &mut Place, target: u32) {
        match &self.sums {
            Sums::Dense(tfs) => place.doc = self.next_in(tfs, target),
            Sums::Sparse { docs, .. } => {
                let rest = docs.get(place.at..).unwrap_or_default();
                place.at += match rest {
                    [first, ..] if *first >= target => 0,
                    [_, second, ..] if *second >= target => 1,
                    _ => rest.partition_point(|&doc| doc < target),
                };
                place.doc = docs.get(place.at).copied().unwrap_or(END);
            }
        }
    }

    #[inline]
    fn next_in(&self, tfs: &[u16], target: u32) -> u32 {
        let mut at = target as usize;
        while let Some(rest) = tfs.get(at..).filter(|rest| !rest.is_empty()) {
            // Where nothing matches for long, whole stretches are passed over.
            let len = rest.len().min(STRETCH - at % STRETCH);
            if self.bounds.get(at / STRETCH).is_some_and(|&bound| bound > 0)
                && let Some(next) = rest[..len].iter().position(|&tf| tf > 0)
            {
                return (at + next) as u32;
            }
            at += len;
        }
        END
    }

    /// How often the terms occur in the document.
    #[inline]
    pub(super) fn tf(&self, place: Place) -> u32 {
        let tf = match &self.sums {
            Sums::Dense(tfs) => tfs.get(place.doc as usize),
            Sums::Sparse { tfs, .. } => tfs.get(place.at),
        };
        tf.copied().map_or(0, u32::from)
    }

    /// Returns the bound that holds for `target`, and the last document that it holds for.
    #[inline]
    pub(super) fn bound_at(&self, target: u32) -> (u16, u32) {
        let (stretch, last) = match &self.sums {
            Sums::Dense(_) => {
                let stretch = target as usize / STRETCH;
                (stretch, ((stretch + 1) * STRETCH - 1) as u32)
            }
            Sums::Sparse { docs, .. } => {
                let stretch = docs.partition_point(|&doc| doc < target) / STRETCH;
                (stretch, docs.get((stretch + 1) * STRETCH - 1).copied().unwrap_or(END - 1))
            }
        };
        self.bounds.get(stretch).map_or((0, END - 1), |&bound| (bound, last))
    }
}

/// Calls `add` with documents and their frequencies, entry by entry.
fn each(segment: &Segment, entries: &[Entry], mut add: impl FnMut(&[u32], &[u32])) -> Result<()> {
    let damaged = || segment.file.damaged("postings");
    let end = |entry: &Entry| entry.postings.saturating_add(entry.postings_len);
    let mut bytes = Vec::new();
    for group in entries.chunk_by(|a, b| end(a) == b.postings) {
        let mut group = group;
        while let Some(start) = group.first().map(|first| first.postings) {
            let count = group.partition_point(|entry| end(entry) - start <= READ_MAX).max(1);
            let (now, later) = group.split_at(count);
            let len = now.last().map_or(0, |last| end(last) - start);
            let at = segment.meta.parts[0].start.saturating_add(start);
            segment.file.read(at, usize::try_from(len).map_err(|_| damaged())?, &mut bytes)?;
            for entry in now {
                let own = (entry.postings - start) as usize;
                let own = bytes.get(own..own + entry.postings_len as usize).ok_or_else(damaged)?;
                each_block(own, entry.df, &mut add).ok_or_else(damaged)?;
            }
            group = later;
        }
    }
    Ok(())
}

/// Joins what was found of the same document.
fn added_up(found: &[(u32, u16)]) -> Sums {
    let (mut docs, mut tfs): (Vec<u32>, Vec<u16>) = Default::default();
    for &(doc, tf) in found {
        match (docs.last(), tfs.last_mut()) {
            (Some(last), Some(sum)) if *last == doc => *sum = sum.saturating_add(tf),
            _ => {
                docs.push(doc);
                tfs.push(tf);
            }
        }
    }
    Sums::Sparse { docs, tfs }
}

#[inline]
fn saturated(tf: u32) -> u16 {
    tf.min(u32::from(u16::MAX)) as u16
}

/// Returns what no document of a stretch exceeds.
fn bound(tfs: &[u16], lengths: &[u16], norm: Norm) -> u16 {
    const LANES: usize = 8;
    // Lanes advance together, so that the compiler makes vector instructions of it.
    let mut least = [f32::INFINITY; LANES];
    let (tfs, rest) = tfs.as_chunks::<LANES>();
    let (lengths, rest_lengths) = lengths.as_chunks::<LANES>();
    for (tfs, lengths) in tfs.iter().zip(lengths) {
        for lane in 0..LANES {
            let ratio = norm.of(lengths[lane]) / f32::from(tfs[lane]);
            least[lane] = if ratio < least[lane] { ratio } else { least[lane] };
        }
    }
    let rest = rest.iter().zip(rest_lengths).map(|(&tf, &length)| norm.of(length) / f32::from(tf));
    let least = least.into_iter().chain(rest).fold(f32::INFINITY, f32::min);
    if least.is_finite() { Norm::bound(least) } else { 0 }
}
