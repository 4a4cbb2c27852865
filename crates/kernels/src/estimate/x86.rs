use std::arch::x86_64::*;

use super::{A, B, C, Estimates, Path, some};
use crate::hamming::{differ, x86::add_up};

pub(super) fn avx512() -> Option<Path> {
    crate::hamming::x86::avx512().map(|_| Path { name: "avx512", above: above_avx512 })
}

pub(super) fn popcnt() -> Option<Path> {
    crate::hamming::x86::popcnt().map(|_| Path { name: "popcnt", above: above_popcnt })
}

#[target_feature(enable = "avx2,popcnt")]
fn above_popcnt(estimates: &Estimates<'_>, floor: f32, found: &mut Vec<(f32, u32)>) {
    some(estimates, floor, found, differ);
}

/// Eight rows at once, at the end those that are left.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")]
fn above_avx512(estimates: &Estimates<'_>, floor: f32, found: &mut Vec<(f32, u32)>) {
    let rows = estimates.factors.len();
    assert!(estimates.codes.len() == estimates.code.len() * rows);
    for first in (0..rows / 8 * 8).step_by(8) {
        // SAFETY: eight rows from there on.
        unsafe { above_of::<8>(estimates, first, 8, floor, found) };
    }
    if !rows.is_multiple_of(8) {
        // SAFETY: so many rows are left.
        unsafe { above_of::<0>(estimates, rows / 8 * 8, rows % 8, floor, found) };
    }
}

/// Takes eight rows; where `ALL` is not 8, the first `rows` of them.
///
/// # Safety
/// There are as many from the first one on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")]
unsafe fn above_of<const ALL: usize>(
    estimates: &Estimates<'_>,
    first: usize,
    rows: usize,
    floor: f32,
    found: &mut Vec<(f32, u32)>,
) {
    let Estimates { code, codes, factors, length, base } = *estimates;
    let bytes = code.len();
    let rows = if ALL == 8 { 8 } else { rows };
    let mut counts = [_mm512_setzero_si512(); 8];
    // SAFETY: so many codes lie there; the mask lets no byte be read behind the query, nor behind the last code.
    unsafe {
        let codes = codes.as_ptr().add(first * bytes);
        let mut at = 0;
        while at < bytes {
            let mask = !0_u64 >> (64 - (bytes - at).min(64));
            let query = _mm512_maskz_loadu_epi8(mask, code.as_ptr().add(at).cast());
            for (row, count) in counts.iter_mut().enumerate().take(rows) {
                let code = _mm512_maskz_loadu_epi8(mask, codes.add(row * bytes + at).cast());
                *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(_mm512_xor_si512(query, code)));
            }
            at += 64;
        }
    }
    let all = |value: f32| _mm256_set1_ps(value);
    let counts = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(add_up(&counts)));
    // SAFETY: as many pairs of numbers as the mask lets be read.
    let pairs = unsafe {
        let pairs = factors.as_ptr().add(first).cast();
        _mm512_maskz_loadu_ps(!0 >> (16 - 2 * rows), pairs)
    };
    let (evens, odds) = (
        _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 12, 10, 8, 6, 4, 2, 0),
        _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 15, 13, 11, 9, 7, 5, 3, 1),
    );
    let spread = _mm512_castps512_ps256(_mm512_permutexvar_ps(evens, pairs));
    let tilt = _mm512_castps512_ps256(_mm512_permutexvar_ps(odds, pairs));
    let u = _mm256_sub_ps(all(1.0), _mm256_mul_ps(counts, all(estimates.per_bit())));
    let square = _mm256_mul_ps(u, u);
    let inner = _mm256_add_ps(all(B), _mm256_mul_ps(square, all(C)));
    let cosine = _mm256_mul_ps(u, _mm256_add_ps(all(A), _mm256_mul_ps(square, inner)));
    let product = _mm256_mul_ps(_mm256_mul_ps(spread, all(length)), cosine);
    let ranks = _mm256_add_ps(product, _mm256_add_ps(tilt, all(base)));
    let mut above = _mm256_cmp_ps_mask::<_CMP_GT_OQ>(ranks, all(floor)) & (!0 >> (8 - rows));
    if above != 0 {
        let mut values = [0.0; 8];
        // SAFETY: room for eight.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), ranks) };
        while above != 0 {
            let row = above.trailing_zeros() as usize;
            found.push((values[row], (first + row) as u32));
            above &= above - 1;
        }
    }
}
