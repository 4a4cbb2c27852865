//! Soft-maxes of four rows at once: each waits for its largest number and for its sum, and the others are computed meanwhile.

use std::arch::x86_64::*;

use super::exp;
use crate::vector::{LANES, mask_avx512 as mask, sum_avx512 as sum};

/// As [`super::softmax`] of rows of `len` numbers; returns how many it did. It stops before four of which one is all −∞.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub(super) fn softmax_rows(x: &mut [f32], len: usize) -> usize {
    let mut done = 0;
    for rows in x.chunks_exact_mut(4 * len) {
        let mut most = [0.0; 4];
        for (row, most) in rows.chunks_exact(len).zip(&mut most) {
            *most = largest(row);
        }
        if most.contains(&f32::NEG_INFINITY) {
            break;
        }
        let mut shares = [0.0; 4];
        for ((row, most), share) in rows.chunks_exact_mut(len).zip(most).zip(&mut shares) {
            *share = 1.0 / powers(row, most);
        }
        for (row, share) in rows.chunks_exact_mut(len).zip(shares) {
            for number in row {
                *number *= share;
            }
        }
        done += 4;
    }
    done
}

#[inline]
#[target_feature(enable = "avx512f")]
fn largest(row: &[f32]) -> f32 {
    let none = _mm512_set1_ps(f32::NEG_INFINITY);
    let mut most = none;
    for at in (0..row.len()).step_by(LANES) {
        // SAFETY: no more than the numbers that are left are looked at.
        let numbers = unsafe { _mm512_mask_loadu_ps(none, mask(row.len() - at), row.as_ptr().add(at)) };
        // Where one of two is no number, the second is taken: what is none does not count.
        most = _mm512_max_ps(numbers, most);
    }
    _mm512_reduce_max_ps(most)
}

/// Turns numbers into e to the power of what they are more than `most`, and returns the sum.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
fn powers(row: &mut [f32], most: f32) -> f32 {
    let mut lanes = _mm512_setzero_ps();
    for at in (0..row.len()).step_by(LANES) {
        let (mask, mut numbers) = (mask(row.len() - at), [0.0_f32; LANES]);
        // SAFETY: no more than the numbers that are left are looked at or written to; and sixteen of the array.
        unsafe {
            let place = row.as_mut_ptr().add(at);
            _mm512_storeu_ps(numbers.as_mut_ptr(), _mm512_maskz_loadu_ps(mask, place));
            for number in &mut numbers {
                *number = exp(*number - most);
            }
            let powers = _mm512_loadu_ps(numbers.as_ptr());
            _mm512_mask_storeu_ps(place, mask, powers);
            lanes = _mm512_mask_add_ps(lanes, mask, lanes, powers);
        }
    }
    sum(lanes)
}
