#[cfg(target_arch = "x86_64")]
mod avx512;

use std::ops::Range;

use crate::{
    activation::{exp, exp_of_differences, largest},
    isa::{Isa, for_each_isa},
    matrix::floats,
    norm::total,
};

/// Multiplies queries by keys, both rows of `size` numbers: `out[query][key]`, each the sum of products that
/// [`dot`](crate::dot) gives.
///
/// # Panics
/// Where one of the three is not of whole rows, or `out` has another size.
pub fn attention_scores(queries: &[f32], keys: &[f32], size: usize, out: &mut [f32]) {
    let (count, seen) = (queries.len() / size, keys.len() / size);
    assert!(queries.len() == count * size && keys.len() == seen * size, "rows of {size} numbers");
    assert!(out.len() == count * seen, "{count} × {seen} scores");
    floats::products(Isa::best(), keys, queries, size, |key, query, value| out[query * seen + key] = value);
}

/// What is kept of soft-maxes that are kept up part by part (Milakov and Gimelshein, "Online normalizer calculation for
/// softmax", 2018), a number of each for every row.
#[derive(Debug, Clone, Default)]
pub struct Softmaxes {
    largest: Vec<f32>,
    sums: Vec<f32>,
    shrinks: Vec<f32>,
}

impl Softmaxes {
    /// None.
    pub const EMPTY: Self = Self { largest: Vec::new(), sums: Vec::new(), shrinks: Vec::new() };

    /// Begins so many anew.
    pub fn begin(&mut self, rows: usize) {
        self.largest.clear();
        self.largest.resize(rows, f32::NEG_INFINITY);
        self.sums.clear();
        self.sums.resize(rows, 0.0);
        self.shrinks.resize(rows, 1.0);
    }

    /// Turns the next scores of some rows, each of `scores.len() / rows.len()` numbers, into e to the power of what they,
    /// times `scale`, are more than the largest of the row so far. Scores that are all −∞ become 0.
    ///
    /// What was added up with powers of earlier scores has to be multiplied by [`Softmaxes::shrinks`] now.
    ///
    /// # Panics
    /// Where there are no such rows, or they are not all as long.
    pub fn add(&mut self, rows: Range<usize>, scores: &mut [f32], scale: f32) {
        assert!(scores.len().is_multiple_of(rows.len().max(1)), "rows of one length");
        let len = scores.len() / rows.len().max(1);
        let (largest, sums) = (&mut self.largest[rows.clone()], &mut self.sums[rows.clone()]);
        add(Isa::best(), scores, len, scale, largest, sums, &mut self.shrinks[rows]);
    }

    /// What sums of earlier powers are multiplied by since the last scores; 1 where they were not larger.
    pub fn shrinks(&self, rows: Range<usize>) -> &[f32] {
        &self.shrinks[rows]
    }

    /// The sum of all powers of each row.
    pub fn sums(&self) -> &[f32] {
        &self.sums
    }
}

fn add(
    isa: Isa,
    scores: &mut [f32],
    len: usize,
    scale: f32,
    largest: &mut [f32],
    sums: &mut [f32],
    shrinks: &mut [f32],
) {
    let done = match isa {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if len == avx512::LEN => unsafe { avx512::add(scores, scale, largest, sums, shrinks) },
        _ => 0,
    };
    for row in done..largest.len() {
        let (most, more) = exp_below_largest(&mut scores[row * len..][..len], scale, largest[row]);
        let shrink = if most == largest[row] { 1.0 } else { exp(largest[row] - most) };
        (largest[row], sums[row], shrinks[row]) = (most, sums[row] * shrink + more, shrink);
    }
}

for_each_isa! {
    /// Turns scores into e to the power of what they, times `scale`, are more than the largest of them and of `before`.
    /// Returns that largest, and the sum of the powers.
    fn exp_below_largest(scores: &mut [f32], scale: f32, before: f32) -> (f32, f32) {
        for score in &mut *scores {
            *score *= scale;
        }
        let here = largest(scores);
        let most = if here > before { here } else { before };
        if most == f32::NEG_INFINITY {
            scores.iter_mut().for_each(|score| *score = if score.is_nan() { f32::NAN } else { 0.0 });
        } else {
            exp_of_differences(scores, most);
        }
        (most, total(scores, |score| score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, dot};

    #[test]
    fn scores_are_those_of_one_query_and_one_key() {
        let number = |index: usize| ((index * 37 + 11) % 101) as f32 / 50.0 - 1.0;
        for (count, seen, size) in
            [(1, 1, 1), (3, 5, 64), (8, 32, 64), (7, 32, 100), (2, 31, 128), (5, 9, 47), (4, 9, 47)]
        {
            let queries: Vec<f32> = (0..count * size).map(number).collect();
            let keys: Vec<f32> = (0..seen * size).map(|index| number(index * 3 + 1)).collect();
            let mut out = vec![0.0; count * seen];
            attention_scores(&queries, &keys, size, &mut out);
            for (query, scores) in queries.chunks_exact(size).zip(out.chunks_exact(seen)) {
                for (key, score) in keys.chunks_exact(size).zip(scores) {
                    let bytes: Vec<u8> = key.iter().flat_map(|number| number.to_le_bytes()).collect();
                    let expected = dot(Format::F32, &bytes, query);
                    assert_eq!(score.to_bits(), expected.to_bits(), "{count} × {seen} × {size}");
                }
            }
        }
    }

    #[test]
    fn a_softmax_in_parts_is_that_of_all() {
        let scores: Vec<f32> = (0..70).map(|index| (index as f32 * 0.7).sin() * 9.0).collect();
        let mut whole: Vec<f32> = scores.iter().map(|score| score * 0.5).collect();
        crate::softmax(&mut whole);
        let (mut parts, mut softmax) = (Vec::new(), Softmaxes::default());
        softmax.begin(1);
        for part in scores.chunks(32) {
            let mut part = part.to_vec();
            softmax.add(0..1, &mut part, 0.5);
            parts.iter_mut().for_each(|score| *score *= softmax.shrinks(0..1)[0]);
            parts.extend(part);
        }
        for (part, whole) in parts.iter().zip(&whole) {
            assert!((part / softmax.sums()[0] - whole).abs() < 1e-6, "{part} {whole}");
        }
    }

    #[test]
    fn nothing_seen_adds_nothing() {
        let mut softmax = Softmaxes::default();
        softmax.begin(2);
        let mut nothing = [f32::NEG_INFINITY; 4];
        softmax.add(0..2, &mut nothing, 1.0);
        assert_eq!((nothing, softmax.sums()), ([0.0; 4], &[0.0; 2][..]));
        softmax.add(1..2, &mut [1.0], 2.0);
        assert_eq!((softmax.sums(), softmax.shrinks(1..2)), (&[0.0, 1.0][..], &[0.0][..]));
    }

    #[test]
    fn rows_beside_each_other_get_the_bits_of_each_alone() {
        let number = |index: usize| ((index * 193 + 57) % 1013) as f32 / 60.0 - 8.0;
        for (rows, len) in [(1, 32), (8, 32), (19, 32), (16, 31), (9, 64)] {
            for odd in [None, Some(f32::NEG_INFINITY), Some(f32::INFINITY), Some(f32::NAN)] {
                let mut results = Vec::new();
                for isa in Isa::all() {
                    let mut scores: Vec<f32> = (0..rows * len).map(number).collect();
                    if let Some(odd) = odd {
                        scores[..len].fill(odd);
                        scores[rows * len - 1] = odd;
                    }
                    let mut before: Vec<f32> =
                        (0..rows).map(|row| [f32::NEG_INFINITY, 3.0, 99.0][row % 3]).collect();
                    let (mut sums, mut shrinks) = (vec![0.7; rows], vec![0.0; rows]);
                    add(isa, &mut scores, len, 0.3, &mut before, &mut sums, &mut shrinks);
                    let all = [scores, before, sums, shrinks].concat();
                    let bits = |x: &f32| if x.is_nan() { u32::MAX } else { x.to_bits() };
                    results.push(all.iter().map(bits).collect::<Vec<u32>>());
                }
                assert!(results.windows(2).all(|two| two[0] == two[1]), "{rows} × {len}, {odd:?}");
            }
        }
    }
}
