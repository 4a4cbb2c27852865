//! BM25 exactly as SQLite's FTS5 computes it, in fixed point.
//!
//! For a term with document frequency `n` among `N` documents, occurring `tf` times in a document of `len` tokens:
//!
//! ```text
//! idf   = ln((N − n + 0.5) / (n + 0.5)),  1e-6 where that is not positive
//! score = idf · tf · (k1 + 1) / (tf + k1 · (1 − b + b · len / mean_len)),    k1 = 1.2, b = 0.75
//! ```
//!
//! (`fts5Bm25Function` in SQLite's `ext/fts5/fts5_aux.c`; it returns the negated sum.) A document's score is the
//! sum over the query's terms. Each term's part is rounded to a multiple of 2⁻⁴⁸ and kept as an integer, so
//! that sums do not depend on the order of addition and equal documents tie exactly.

/// A score in units of 2⁻⁴⁸.
pub(super) type Fixed = u64;

const K1: f64 = 1.2;
const B: f64 = 0.75;
const ONE: f64 = (1_u64 << 48) as f64;

/// What a term weighs that most documents hold.
pub(super) const IDF_LEAST: f64 = 1e-6;

/// The largest value of a stored bound: the score of a document of length 0 and endless frequency.
const BOUND_MAX: f32 = u16::MAX as f32;

/// Turns a score into a plain number.
pub(super) fn plain(score: Fixed) -> f64 {
    score as f64 / ONE
}

/// Returns how much a term tells that `n` of `total` documents hold.
pub(super) fn idf(total: u64, n: u64) -> f64 {
    let (total, n) = (total as f64, n as f64);
    let idf = ((total - n + 0.5) / (n + 0.5)).ln();
    // Also catches the NaN of n > N, which only stale statistics could bring.
    if idf > 0.0 { idf } else { IDF_LEAST }
}

/// The part of the formula that depends on the document's length: k1 · (1 − b + b · len / mean).
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    base: f32,
    slope: f32,
}

impl Norm {
    /// `mean` is the mean length in tokens.
    pub(super) fn new(mean: f64) -> Self {
        Self { base: (K1 * (1.0 - B)) as f32, slope: (K1 * B / mean.max(1.0)) as f32 }
    }

    #[inline]
    pub(super) fn of(self, len: u16) -> f32 {
        self.base + self.slope * f32::from(len)
    }

    /// Packs the least `norm / tf` of a block into 16 bits, rounded so that the bound never falls short:
    /// tf / (tf + norm) = 1 / (1 + norm / tf).
    pub(super) fn bound(ratio_min: f32) -> u16 {
        let bound = BOUND_MAX / (1.0 + ratio_min.max(0.0));
        // f32 errs by less than one in 2^22 here; one unit of the 65,535 is far above that.
        (bound.ceil() + 1.0).min(BOUND_MAX) as u16
    }
}

/// Scores one term of a query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// idf · (k1 + 1) · 2⁴⁸
    factor: f64,
    base: f64,
    slope: f64,
    bound_step: f64,
}

impl Weight {
    /// `mean` is the mean length of all documents now, `bound_mean` the one that the segment's bounds were made
    /// with. A score grows at most as much as the mean: (tf + c + a/m) / (tf + c + a/m') ≤ m' / m for m' ≥ m.
    pub(super) fn new(idf: f64, mean: f64, bound_mean: f64) -> Self {
        let mean = mean.max(1.0);
        let factor = idf * (K1 + 1.0) * ONE;
        let drift = (mean / bound_mean.max(1.0)).max(1.0);
        let bound_step = factor * drift * (1.0 + 1e-9) / f64::from(u16::MAX);
        Self { factor, base: K1 * (1.0 - B), slope: K1 * B / mean, bound_step }
    }

    /// Scores `tf` occurrences in a document of `len` tokens.
    #[inline]
    pub(super) fn score(&self, tf: u32, len: u16) -> Fixed {
        let tf = f64::from(tf);
        (self.factor * tf / (tf + (self.base + self.slope * f64::from(len)))) as Fixed
    }

    /// Returns what no document of a block with this stored bound exceeds.
    #[inline]
    pub(super) fn bound(&self, stored: u16) -> Fixed {
        ((self.bound_step * f64::from(stored)) as Fixed).saturating_add(1).min(self.most())
    }

    /// Returns what no document at all exceeds.
    #[inline]
    pub(super) fn most(&self) -> Fixed {
        (self.factor as Fixed).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The bound of a block holds for whatever mean length the index has later.
        #[test]
        fn bounds_hold(
            docs in prop::collection::vec((1_u32..50, 0_u16..3000), 1..20),
            then in 1.0..2000.0_f64, now in 1.0..2000.0_f64, total in 1_u64..1_000_000, n in 1_u64..1000,
        ) {
            let norm = Norm::new(then);
            let ratio = docs.iter().map(|&(tf, len)| norm.of(len) / tf as f32).fold(f32::INFINITY, f32::min);
            let weight = Weight::new(idf(total.max(n), n), now, then);
            let bound = weight.bound(Norm::bound(ratio));
            for (tf, len) in docs {
                prop_assert!(weight.score(tf, len) <= bound);
            }
        }
    }

    #[test]
    fn frequent_terms_keep_a_little_weight() {
        assert_eq!(idf(10, 9), 1e-6);
        assert_eq!(idf(10, 20), 1e-6);
        assert!((idf(1000, 1) - 6.5013).abs() < 1e-3);
    }
}
