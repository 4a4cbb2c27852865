//! Products of matrices of bytes: one instruction multiplies eight neighbours of two rows of weights by those of two input rows,
//! and adds the products to four sums.
//!
//! Rows are put together in pairs for it, each pair in the places of its two rows: where the first row had a chunk, the pair has
//! the lanes 0 to 7 of both, and where the second had it, the lanes 8 to 15. Lane after lane there are eight neighbours of the first
//! row and the same eight of the second, then the next eight of both; scales, minimums and sums stand in pairs alike. An
//! interleaved chunk:
//!
//! ```text
//! values  lane 0: a0…a7 b0…b7, a8…a15 b8…b15, …   lane 1: …   (16 bytes for each eight neighbours)
//! scales  a of lane 0, b of lane 0, a of lane 1, …
//! ```
//!
//! A group of 32 numbers of two rows by two inputs takes four of these instructions, where dot products take eight.

use std::arch::{aarch64::*, asm};

use super::super::{Inputs, Weights, ahead::NextTile};
use crate::vector::LANES;

/// Puts the chunks of two rows of weights together, in their places.
#[target_feature(enable = "neon")]
pub(in crate::matrix::integers) fn pair_weights<const STEPS: usize>(
    first: &mut [Weights<STEPS>],
    second: &mut [Weights<STEPS>],
) {
    for (first, second) in first.iter_mut().zip(second) {
        pair_bytes(first.values.as_flattened_mut(), second.values.as_flattened_mut());
        pair_numbers(&mut first.scales, &mut second.scales);
        pair_numbers(&mut first.mins, &mut second.mins);
    }
}

/// Puts the chunks of two input rows together, in their places.
#[target_feature(enable = "neon")]
pub(in crate::matrix::integers) fn pair_inputs<const STEPS: usize>(
    first: &mut [Inputs<STEPS>],
    second: &mut [Inputs<STEPS>],
) {
    for (first, second) in first.iter_mut().zip(second) {
        pair_bytes(first.values.as_flattened_mut(), second.values.as_flattened_mut());
        pair_numbers(&mut first.scales, &mut second.scales);
        pair_numbers(&mut first.scaled_sums, &mut second.scaled_sums);
    }
}

/// Bytes of one width, whether they have a sign or not.
trait Byte: Copy {}

impl Byte for i8 {}
impl Byte for u8 {}

#[target_feature(enable = "neon")]
fn pair_bytes<T: Byte>(first: &mut [T], second: &mut [T]) {
    const LEN_MAX: usize = 512;
    let steps = first.len() / 64;
    assert!(first.len() == second.len() && first.len() == 64 * steps && steps.is_multiple_of(2));
    assert!(first.len() <= LEN_MAX);
    let mut old = [[0_u8; LEN_MAX]; 2];
    // SAFETY: as many bytes as there are on both sides; a `Byte` is one.
    unsafe {
        std::ptr::copy_nonoverlapping(first.as_ptr().cast::<u8>(), old[0].as_mut_ptr(), first.len());
        std::ptr::copy_nonoverlapping(second.as_ptr().cast::<u8>(), old[1].as_mut_ptr(), second.len());
    }
    for (half, out) in [first, second].into_iter().enumerate() {
        for quarter in 0..2 {
            for eight in 0..steps / 2 {
                let from = 128 * eight + 16 * (2 * half + quarter);
                // Eight neighbours of lanes 0 and 1, and of 2 and 3.
                let [a, b] = [&old[0], &old[1]].map(|old| {
                    // SAFETY: a quarter of step `2 * eight` and of the one behind it, which there is.
                    let (even, odd) = unsafe {
                        let at = old.as_ptr().add(from).cast::<u32>();
                        (vld1q_u32(at), vld1q_u32(at.add(16)))
                    };
                    [vzip1q_u32(even, odd), vzip2q_u32(even, odd)].map(|two| vreinterpretq_u64_u32(two))
                });
                for (two, (a, b)) in a.into_iter().zip(b).enumerate() {
                    let at = 16 * ((4 * quarter + 2 * two) * (steps / 2) + eight);
                    // SAFETY: lanes up to 7, of `steps / 2` times 16 bytes each, are 64 for each step.
                    unsafe {
                        let out = out.as_mut_ptr().cast::<u64>().byte_add(at);
                        vst1q_u64(out, vzip1q_u64(a, b));
                        vst1q_u64(out.byte_add(8 * steps), vzip2q_u64(a, b));
                    }
                }
            }
        }
    }
}

fn pair_numbers(first: &mut [f32; LANES], second: &mut [f32; LANES]) {
    let (a, b) = (*first, *second);
    for lane in 0..LANES {
        let out = if lane < 8 { &mut *first } else { &mut *second };
        (out[2 * (lane % 8)], out[2 * (lane % 8) + 1]) = (a[lane], b[lane]);
    }
}

/// As [`plain::tile`](super::super::plain::tile), of rows in pairs, an even number of each: four rows of weights meet four input
/// rows at once. Also hands out what those give that were added to have pairs.
#[target_feature(enable = "neon,i8mm")]
pub(in crate::matrix::integers) fn tile<const STEPS: usize>(
    mins: bool,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    (chunks, next): (usize, &[u8]),
    mut write: impl FnMut(usize, usize, f32),
) {
    assert!(weights.len().is_multiple_of(2 * chunks) && inputs.len().is_multiple_of(2 * chunks));
    let times = inputs.len().div_ceil(4 * chunks) * weights.len().div_ceil(4 * chunks);
    let mut next = NextTile::new(next, times);
    for (x, inputs) in inputs.chunks(4 * chunks).enumerate() {
        for (w, weights) in weights.chunks(4 * chunks).enumerate() {
            next.ask();
            let mut write = |row: usize, index: usize, value: f32| write(4 * w + row, 4 * x + index, value);
            match (weights.len() / chunks, inputs.len() / chunks) {
                (4, 4) => products::<STEPS, 2, 2>(mins, weights, inputs, chunks, &mut write),
                (4, _) => products::<STEPS, 2, 1>(mins, weights, inputs, chunks, &mut write),
                (_, 4) => products::<STEPS, 1, 2>(mins, weights, inputs, chunks, &mut write),
                _ => products::<STEPS, 1, 1>(mins, weights, inputs, chunks, &mut write),
            }
        }
    }
}

/// `R` pairs of rows of weights by `N` pairs of input rows, one lane after the other, so that its sums stay in registers: of each
/// pair of pairs four, whole and scaled.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn products<const STEPS: usize, const R: usize, const N: usize>(
    mins: bool,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    chunks: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == 2 * R * chunks && inputs.len() == 2 * N * chunks);
    let mut lanes = [[[vdupq_n_f32(0.0); LANES]; N]; R];
    for lane in 0..LANES {
        // Which of a pair's places has the lane.
        let half = lane / 8;
        let (mut rows, mut columns) = ([weights; R], [inputs; N]);
        for (index, row) in rows.iter_mut().enumerate() {
            *row = &weights[(2 * index + half) * chunks..][..chunks];
        }
        for (index, column) in columns.iter_mut().enumerate() {
            *column = &inputs[(2 * index + half) * chunks..][..chunks];
        }
        let mut scaled = [[vdupq_n_f32(0.0); N]; R];
        for chunk in 0..chunks {
            add(mins, &rows, &columns, (chunk, lane % 8), &mut scaled);
        }
        for (lanes, scaled) in lanes.as_flattened_mut().iter_mut().zip(scaled.as_flattened()) {
            lanes[lane] = *scaled;
        }
    }
    for (row, lanes) in lanes.iter().enumerate() {
        for (index, lanes) in lanes.iter().enumerate() {
            let mut values = [0.0; 4];
            // SAFETY: four numbers.
            unsafe { vst1q_f32(values.as_mut_ptr(), sums(lanes)) };
            for (at, value) in values.into_iter().enumerate() {
                write(2 * row + at / 2, 2 * index + at % 2, value);
            }
        }
    }
}

/// Adds the products of one lane (of the eight in the chunks of `rows` and `columns`) to its sums.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn add<const STEPS: usize, const R: usize, const N: usize>(
    mins: bool,
    rows: &[&[Weights<STEPS>]; R],
    columns: &[&[Inputs<STEPS>]; N],
    (chunk, lane): (usize, usize),
    scaled: &mut [[float32x4_t; N]; R],
) {
    debug_assert!(lane < 8);
    let mut sums = [[vdupq_n_s32(0); N]; R];
    for eight in 0..STEPS / 2 {
        let at = 16 * (lane * (STEPS / 2) + eight);
        let mut xs = [vdupq_n_s8(0); N];
        for (x, column) in xs.iter_mut().zip(columns) {
            // SAFETY: eight lanes of `STEPS / 2` times 16 bytes.
            *x = unsafe { vld1q_s8(column[chunk].values.as_ptr().cast::<i8>().add(at)) };
        }
        for (sums, row) in sums.iter_mut().zip(rows) {
            // SAFETY: as above.
            let values = unsafe { vld1q_s8(row[chunk].values.as_ptr().cast::<i8>().add(at)) };
            for (sum, x) in sums.iter_mut().zip(xs) {
                *sum = smmla(*sum, values, x);
            }
        }
    }
    for ((scaled, sums), row) in scaled.iter_mut().zip(sums).zip(rows) {
        let (scales, least) = (twice_each(&row[chunk].scales, lane), twice_each(&row[chunk].mins, lane));
        for ((scaled, sums), column) in scaled.iter_mut().zip(sums).zip(columns) {
            let scale = vmulq_f32(scales, both_twice(&column[chunk].scales, lane));
            *scaled = vfmaq_f32(*scaled, vcvtq_f32_s32(sums), scale);
            if mins {
                *scaled = vfmaq_f32(*scaled, least, both_twice(&column[chunk].scaled_sums, lane));
            }
        }
    }
}

/// A lane's numbers of two rows: a a b b.
#[inline]
#[target_feature(enable = "neon")]
fn twice_each(pairs: &[f32; LANES], lane: usize) -> float32x4_t {
    let both = both_twice(pairs, lane);
    vzip1q_f32(both, both)
}

/// A lane's numbers of two rows: a b a b.
#[inline]
#[target_feature(enable = "neon")]
fn both_twice(pairs: &[f32; LANES], lane: usize) -> float32x4_t {
    debug_assert!(lane < 8);
    // SAFETY: eight pairs, as large as a number of 64 bits.
    unsafe { vreinterpretq_f32_u64(vld1q_dup_u64(pairs.as_ptr().add(2 * lane).cast())) }
}

/// Adds up lanes in the order of [`halved`](crate::vector::halved), four results beside each other.
#[inline]
#[target_feature(enable = "neon")]
fn sums(lanes: &[float32x4_t; LANES]) -> float32x4_t {
    let mut lanes = *lanes;
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = vaddq_f32(lanes[lane], lanes[lane + half]);
        }
    }
    lanes[0]
}

/// Adds to four sums the products of two rows of eight bytes and two rows of eight bytes: of the first and the first, the first and
/// the second, the second and the first, the second and the second. What the library calls `vmmlaq_s32` is not stable in Rust
/// 1.95 (issue 117223).
#[inline]
#[target_feature(enable = "neon,i8mm")]
pub(crate) fn smmla(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: arithmetic on registers, of an extension that the function is compiled for.
    unsafe {
        asm!(
            "smmla {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
