use std::arch::x86_64::*;

use super::{A, B, C, Estimates, Path, some};
use crate::hamming::x86::add_up;

pub(super) fn avx512() -> Option<Path> {
    crate::hamming::x86::avx512().map(|_| Path { name: "avx512", above: above_avx512 })
}

pub(super) fn popcnt() -> Option<Path> {
    crate::hamming::x86::popcnt().map(|_| Path { name: "popcnt", above: above_popcnt })
}

#[target_feature(enable = "avx2,popcnt")]
fn above_popcnt(estimates: &Estimates<'_>, floor: f32, found: &mut Vec<(f32, u32)>) {
    some(estimates, 0, floor, found);
}

/// Eight rows at once.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt")]
fn above_avx512(estimates: &Estimates<'_>, floor: f32, found: &mut Vec<(f32, u32)>) {
    let Estimates { code, codes, factors, length, base } = *estimates;
    let bytes = code.len();
    let (eights, rest) = factors.as_chunks::<8>();
    assert!(codes.len() == bytes * factors.len());
    let all = |value: f32| _mm256_set1_ps(value);
    let (per_bit, length, base, floors) = (all(estimates.per_bit()), all(length), all(base), all(floor));
    let (evens, odds) = (
        _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 12, 10, 8, 6, 4, 2, 0),
        _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 15, 13, 11, 9, 7, 5, 3, 1),
    );
    for (group, factors) in eights.iter().enumerate() {
        let mut counts = [_mm512_setzero_si512(); 8];
        // SAFETY: eight codes lie there; the mask lets no byte be read behind the query, nor behind the last code.
        unsafe {
            let codes = codes.as_ptr().add(8 * group * bytes);
            let mut at = 0;
            while at < bytes {
                let mask = !0_u64 >> (64 - (bytes - at).min(64));
                let query = _mm512_maskz_loadu_epi8(mask, code.as_ptr().add(at).cast());
                for (row, count) in counts.iter_mut().enumerate() {
                    let code = _mm512_maskz_loadu_epi8(mask, codes.add(row * bytes + at).cast());
                    *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(_mm512_xor_si512(query, code)));
                }
                at += 64;
            }
        }
        let counts = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(add_up(&counts)));
        // SAFETY: eight pairs of numbers.
        let pairs = unsafe { _mm512_loadu_ps(factors.as_ptr().cast()) };
        let spread = _mm512_castps512_ps256(_mm512_permutexvar_ps(evens, pairs));
        let tilt = _mm512_castps512_ps256(_mm512_permutexvar_ps(odds, pairs));
        let u = _mm256_sub_ps(all(1.0), _mm256_mul_ps(counts, per_bit));
        let square = _mm256_mul_ps(u, u);
        let inner = _mm256_add_ps(all(B), _mm256_mul_ps(square, all(C)));
        let cosine = _mm256_mul_ps(u, _mm256_add_ps(all(A), _mm256_mul_ps(square, inner)));
        let product = _mm256_mul_ps(_mm256_mul_ps(spread, length), cosine);
        let ranks = _mm256_add_ps(product, _mm256_add_ps(tilt, base));
        let mut above = _mm256_cmp_ps_mask::<_CMP_GT_OQ>(ranks, floors);
        if above != 0 {
            let mut values = [0.0; 8];
            // SAFETY: room for eight.
            unsafe { _mm256_storeu_ps(values.as_mut_ptr(), ranks) };
            while above != 0 {
                let row = above.trailing_zeros() as usize;
                found.push((values[row], (8 * group + row) as u32));
                above &= above - 1;
            }
        }
    }
    some(estimates, factors.len() - rest.len(), floor, found);
}
