//! Vectors of eight `f32`, two for the sixteen lanes.

use std::arch::x86_64::*;

use crate::vector::sum;

/// Two rows of weights meet two input rows at once.
#[target_feature(enable = "avx2,fma")]
pub(super) fn products(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    mut write: impl FnMut(usize, usize, f32),
) {
    for (x, inputs) in inputs.chunks(2 * cols).enumerate() {
        for (w, weights) in weights.chunks(2 * cols).enumerate() {
            let mut write = |row: usize, index: usize, value: f32| write(2 * w + row, 2 * x + index, value);
            match (weights.len() / cols, inputs.len() / cols) {
                (2, 2) => dots::<2, 2>(weights, inputs, cols, &mut write),
                (2, _) => dots::<2, 1>(weights, inputs, cols, &mut write),
                (_, 2) => dots::<1, 2>(weights, inputs, cols, &mut write),
                _ => dots::<1, 1>(weights, inputs, cols, &mut write),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn dots<const R: usize, const N: usize>(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * cols && inputs.len() == N * cols);
    let mut lanes = [[[_mm256_setzero_ps(); N]; R]; 2];
    let whole = cols / 16 * 16;
    for at in (0..whole).step_by(16) {
        for (half, lanes) in lanes.iter_mut().enumerate() {
            let at = at + 8 * half;
            // SAFETY: eight numbers from `at` on are in each row.
            unsafe {
                let mut x = [_mm256_setzero_ps(); N];
                for (index, x) in x.iter_mut().enumerate() {
                    *x = _mm256_loadu_ps(inputs.as_ptr().add(index * cols + at));
                }
                for (row, lanes) in lanes.iter_mut().enumerate() {
                    let weight = _mm256_loadu_ps(weights.as_ptr().add(row * cols + at));
                    for (lane, x) in lanes.iter_mut().zip(x) {
                        *lane = _mm256_fmadd_ps(weight, x, *lane);
                    }
                }
            }
        }
    }
    let [low, high] = lanes;
    for (row, (low, high)) in low.into_iter().zip(high).enumerate() {
        for (index, (low, high)) in low.into_iter().zip(high).enumerate() {
            let mut lanes = [0.0_f32; 16];
            // SAFETY: sixteen numbers.
            unsafe {
                _mm256_storeu_ps(lanes.as_mut_ptr(), low);
                _mm256_storeu_ps(lanes.as_mut_ptr().add(8), high);
            }
            if whole < cols {
                let weights = &weights[row * cols + whole..(row + 1) * cols];
                let inputs = &inputs[index * cols + whole..(index + 1) * cols];
                for (index, lane) in lanes.iter_mut().enumerate() {
                    let (weight, x) = (weights.get(index).unwrap_or(&0.0), inputs.get(index).unwrap_or(&0.0));
                    *lane = weight.mul_add(*x, *lane);
                }
            }
            write(row, index, sum(&lanes));
        }
    }
}
