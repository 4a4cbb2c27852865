//! Vectors of four `f32`, four for the sixteen lanes.

use std::arch::aarch64::*;

use crate::vector::sum_neon as sum;

/// Two rows of weights meet three input rows at once: 24 of the 32 registers add up.
#[target_feature(enable = "neon")]
pub(super) fn products(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    mut write: impl FnMut(usize, usize, f32),
) {
    for (x, inputs) in inputs.chunks(3 * cols).enumerate() {
        for (w, weights) in weights.chunks(2 * cols).enumerate() {
            let mut write = |row: usize, index: usize, value: f32| write(2 * w + row, 3 * x + index, value);
            match (weights.len() / cols, inputs.len() / cols) {
                (2, 3) => dots::<2, 3>(weights, inputs, cols, &mut write),
                (2, 2) => dots::<2, 2>(weights, inputs, cols, &mut write),
                (2, _) => dots::<2, 1>(weights, inputs, cols, &mut write),
                (_, 3) => dots::<1, 3>(weights, inputs, cols, &mut write),
                (_, 2) => dots::<1, 2>(weights, inputs, cols, &mut write),
                _ => dots::<1, 1>(weights, inputs, cols, &mut write),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn dots<const R: usize, const N: usize>(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * cols && inputs.len() == N * cols);
    let mut lanes = [[[vdupq_n_f32(0.0); 4]; N]; R];
    let whole = cols / 16 * 16;
    for at in (0..whole).step_by(16) {
        // SAFETY: sixteen numbers from `at` on are in each row.
        unsafe { add(&mut lanes, weights.as_ptr().add(at), inputs.as_ptr().add(at), cols) };
    }
    if whole < cols {
        // What the last sixteen lack counts as zeros.
        let (mut last_weights, mut last_inputs) = ([[0.0; 16]; R], [[0.0; 16]; N]);
        for (row, last) in weights.chunks_exact(cols).zip(&mut last_weights) {
            last[..cols - whole].copy_from_slice(&row[whole..]);
        }
        for (row, last) in inputs.chunks_exact(cols).zip(&mut last_inputs) {
            last[..cols - whole].copy_from_slice(&row[whole..]);
        }
        // SAFETY: sixteen numbers in each.
        unsafe { add(&mut lanes, last_weights.as_ptr().cast(), last_inputs.as_ptr().cast(), 16) };
    }
    for (row, lanes) in lanes.into_iter().enumerate() {
        for (index, lanes) in lanes.into_iter().enumerate() {
            write(row, index, sum(lanes));
        }
    }
}

/// Adds the products of sixteen numbers of each row, which lie `stride` numbers apart.
///
/// # Safety
/// As many rows of weights and of inputs lie there as there are lanes for, with sixteen numbers each.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn add<const R: usize, const N: usize>(
    lanes: &mut [[[float32x4_t; 4]; N]; R],
    weights: *const f32,
    inputs: *const f32,
    stride: usize,
) {
    for four in 0..4 {
        let mut xs = [vdupq_n_f32(0.0); N];
        for (index, x) in xs.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *x = unsafe { vld1q_f32(inputs.add(index * stride + 4 * four)) };
        }
        for (row, lanes) in lanes.iter_mut().enumerate() {
            // SAFETY: as above.
            let weight = unsafe { vld1q_f32(weights.add(row * stride + 4 * four)) };
            for (lanes, x) in lanes.iter_mut().zip(xs) {
                lanes[four] = vfmaq_f32(lanes[four], weight, x);
            }
        }
    }
}
