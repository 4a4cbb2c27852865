//! Vectors of sixteen `f32`.

use std::arch::x86_64::*;

use crate::vector::{eight_sums, four_sums, mask_avx512 as mask, sum_avx512 as sum};

/// Four rows of weights meet four input rows at once.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn products(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    mut write: impl FnMut(usize, usize, f32),
) {
    for (x, inputs) in inputs.chunks(4 * cols).enumerate() {
        for (w, weights) in weights.chunks(4 * cols).enumerate() {
            let mut write = |row: usize, index: usize, value: f32| write(4 * w + row, 4 * x + index, value);
            match (weights.len() / cols, inputs.len() / cols) {
                (4, 4) => dots::<4, 4>(weights, inputs, cols, &mut write),
                (4, 3) => dots::<4, 3>(weights, inputs, cols, &mut write),
                (4, 2) => dots::<4, 2>(weights, inputs, cols, &mut write),
                (4, _) => dots::<4, 1>(weights, inputs, cols, &mut write),
                (rows, count) => {
                    for (row, weights) in (0..rows).zip(weights.chunks_exact(cols)) {
                        for (index, inputs) in (0..count).zip(inputs.chunks_exact(cols)) {
                            dots::<1, 1>(weights, inputs, cols, &mut |_, _, value| write(row, index, value));
                        }
                    }
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn dots<const R: usize, const N: usize>(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * cols && inputs.len() == N * cols);
    let mut lanes = [[_mm512_setzero_ps(); N]; R];
    for at in (0..cols).step_by(16) {
        let mask = mask(cols - at);
        // SAFETY: no more than the numbers that are left of each row are looked at.
        unsafe {
            let mut x = [_mm512_setzero_ps(); N];
            for (index, x) in x.iter_mut().enumerate() {
                *x = _mm512_maskz_loadu_ps(mask, inputs.as_ptr().add(index * cols + at));
            }
            for (row, lanes) in lanes.iter_mut().enumerate() {
                let weight = _mm512_maskz_loadu_ps(mask, weights.as_ptr().add(row * cols + at));
                for (lane, x) in lanes.iter_mut().zip(x) {
                    *lane = _mm512_fmadd_ps(weight, x, *lane);
                }
            }
        }
    }
    let (eights, rest) = lanes.as_flattened().as_chunks::<8>();
    let (fours, ones) = rest.as_chunks::<4>();
    let mut place = 0;
    let mut next = |value| {
        write(place / N, place % N, value);
        place += 1;
    };
    for lanes in eights {
        eight_sums(lanes).into_iter().for_each(&mut next);
    }
    for lanes in fours {
        four_sums(lanes).into_iter().for_each(&mut next);
    }
    for lanes in ones {
        next(sum(*lanes));
    }
}
