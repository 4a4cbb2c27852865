//! The terms of a prefix in one segment, added up as if they were one term.
//!
//! A prefix stands for all terms that begin with it. It is scored as FTS5 scores one: it occurs in a document as
//! often as they do together, and its document frequency is the number of documents that hold any of them. The
//! terms of a prefix stand side by side in the dictionary and so do their postings, so a few large reads and one
//! pass over them fill an array with a frequency a document.

use super::{
    codec::BLOCK, cursor::END, dictionary::Entry, error::Result, postings::each_posting, score::Norm,
    segment::Segment,
};

/// Documents that share a bound.
const STRETCH: usize = 2 * BLOCK;

/// Postings that stand side by side are read together up to so many bytes.
const READ_MAX: u64 = 256 * 1024;

/// How often the terms occur together, document by document.
#[derive(Debug)]
pub(super) struct Union {
    /// By document; 0 where none occurs. Saturates.
    tfs: Vec<u16>,
    /// The bound of each [`STRETCH`], as [`Norm::bound`] makes it; 0 where no document matches.
    bounds: Vec<u16>,
    /// Documents that hold any of the terms.
    pub(super) df: u32,
}

impl Union {
    /// Adds up the postings of the entries. `lengths` and `norm` are those that scores are computed with.
    ///
    /// # Errors
    /// [`Error::Damaged`](super::Error::Damaged) where postings are not what was written.
    pub(super) fn read(segment: &Segment, entries: &[Entry], lengths: &[u16], norm: Norm) -> Result<Self> {
        let damaged = || segment.file.damaged("postings");
        let mut tfs = vec![0_u16; segment.meta.docs as usize];
        let mut bytes = Vec::new();
        let mut strays = false;
        for group in entries.chunk_by(|a, b| a.postings.checked_add(a.postings_len) == Some(b.postings)) {
            let mut group = group;
            while let Some(first) = group.first() {
                let start = first.postings;
                let end = |entry: &Entry| entry.postings.saturating_add(entry.postings_len);
                let count = group.partition_point(|entry| end(entry) - start <= READ_MAX).max(1);
                let (now, later) = group.split_at(count);
                let len = now.last().map_or(0, end) - start;
                let at = segment.meta.parts[0].start.saturating_add(start);
                segment.file.read(at, usize::try_from(len).map_err(|_| damaged())?, &mut bytes)?;
                for entry in now {
                    let own = (entry.postings - start) as usize;
                    let own = bytes.get(own..own + entry.postings_len as usize).ok_or_else(damaged)?;
                    each_posting(own, entry.df, |doc, tf| match tfs.get_mut(doc as usize) {
                        Some(sum) => *sum = sum.saturating_add(tf.min(u32::from(u16::MAX)) as u16),
                        None => strays = true,
                    })
                    .ok_or_else(damaged)?;
                }
                group = later;
            }
        }
        if strays || lengths.len() != tfs.len() {
            return Err(damaged());
        }
        let df = tfs.iter().map(|&tf| u32::from(tf > 0)).sum();
        let bounds = tfs.chunks(STRETCH).zip(lengths.chunks(STRETCH)).map(|(tfs, lengths)| {
            let least = ratio_min(tfs, lengths, norm);
            if least.is_finite() { Norm::bound(least) } else { 0 }
        });
        Ok(Self { bounds: bounds.collect(), df, tfs })
    }

    /// Returns the first document at or behind `target` that holds a term; [`END`] behind the last.
    #[inline]
    pub(super) fn seek(&self, target: u32) -> u32 {
        let mut at = target as usize;
        while let Some(rest) = self.tfs.get(at..).filter(|rest| !rest.is_empty()) {
            // Where nothing matches for long, whole stretches are passed over.
            let len = rest.len().min(STRETCH - at % STRETCH);
            if self.bounds[at / STRETCH] > 0
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
    pub(super) fn tf(&self, doc: u32) -> u32 {
        self.tfs.get(doc as usize).copied().map_or(0, u32::from)
    }

    /// Returns the bound of the stretch that `target` stands in, and its last document.
    #[inline]
    pub(super) fn bound_at(&self, target: u32) -> (u16, u32) {
        let stretch = target as usize / STRETCH;
        match self.bounds.get(stretch) {
            Some(&bound) => (bound, ((stretch + 1) * STRETCH - 1) as u32),
            None => (0, END - 1),
        }
    }
}

/// Returns the least `norm / tf`; infinite where no term occurs.
fn ratio_min(tfs: &[u16], lengths: &[u16], norm: Norm) -> f32 {
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
    least.into_iter().chain(rest).fold(f32::INFINITY, f32::min)
}
