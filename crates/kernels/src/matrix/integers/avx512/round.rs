//! Input rows rounded to 8 bits, sixteen groups at once.

use std::arch::x86_64::*;

use super::transposed_groups;
use crate::{
    block::{Rounding, Shape},
    matrix::integers::Inputs,
};

/// As [`round::row`](crate::matrix::integers::round::row), for whole chunks; returns how many numbers it rounded. Numbers
/// that share a scale must be whole groups: 32 for groups of 32, or 256.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(in crate::matrix::integers) fn chunks<const STEPS: usize>(
    input: &[f32],
    shape: Shape,
    out: &mut [Inputs<STEPS>],
) -> usize {
    let len = 64 * STEPS;
    match (shape.rounding, STEPS) {
        (Rounding::Q8_K, 4) => {}
        (_, 8) => {}
        _ => return 0,
    }
    for (input, out) in input.chunks_exact(len).zip(out.iter_mut()) {
        chunk(input, shape, out);
    }
    input.len() / len * len
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn chunk<const STEPS: usize>(input: &[f32], shape: Shape, out: &mut Inputs<STEPS>) {
    let group = 4 * STEPS;
    // The largest magnitude of each group's numbers, in the order of the row. Magnitudes are compared as whole numbers, of
    // which a NaN is the largest.
    let mut largest = [0_u32; 16];
    for (largest, numbers) in largest.iter_mut().zip(input.chunks_exact(group)) {
        let mut most = _mm512_setzero_si512();
        for sixteen in numbers.as_chunks::<16>().0 {
            // SAFETY: sixteen numbers.
            let bits = unsafe { _mm512_loadu_si512(sixteen.as_ptr().cast()) };
            most = _mm512_max_epu32(most, _mm512_and_si512(bits, _mm512_set1_epi32(i32::MAX)));
        }
        *largest = _mm512_reduce_max_epu32(most);
    }
    if shape.rounding == Rounding::Q8_K {
        for largest in largest.chunks_exact_mut(64 / STEPS) {
            let most = largest.iter().copied().max().unwrap_or_default();
            largest.fill(most);
        }
    }

    // SAFETY: sixteen words.
    let most = _mm512_castsi512_ps(unsafe { _mm512_loadu_si512(largest.as_ptr().cast()) });
    // Groups of nothing but zeros get zeros instead of quotients.
    let some = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(most, _mm512_setzero_ps());
    let inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(127.0), most);
    let scale = match shape.rounding {
        Rounding::Q8_K => _mm512_maskz_div_ps(some, _mm512_set1_ps(1.0), inverse),
        _ => _mm512_div_ps(most, _mm512_set1_ps(127.0)),
    };
    let mut inverses = [0.0_f32; 16];
    // SAFETY: sixteen numbers.
    unsafe { _mm512_storeu_ps(inverses.as_mut_ptr(), inverse) };

    let mut values = [0_i8; 512];
    for ((numbers, values), inverse) in
        input.chunks_exact(group).zip(values.chunks_exact_mut(group)).zip(inverses)
    {
        let inverse = _mm512_set1_ps(inverse);
        for (numbers, values) in numbers.as_chunks::<16>().0.iter().zip(values.as_chunks_mut::<16>().0) {
            // SAFETY: sixteen numbers, and sixteen bytes.
            unsafe {
                let whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(numbers.as_ptr()), inverse));
                _mm_storeu_si128(values.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(whole));
            }
        }
    }
    let mut sums = _mm512_setzero_si512();
    for (part, out) in out.values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // SAFETY: sixteen groups of 16 or 32 bytes, of which these are the first or the second 16, within 512.
        let fours =
            unsafe { transposed_groups(values.as_ptr().cast::<u8>().add(16 * part), group, shape.lanes) };
        for (out, four) in out.iter_mut().zip(fours) {
            sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), four);
            // SAFETY: 64 bytes on a multiple of 64.
            unsafe { _mm512_store_si512(out.as_mut_ptr().cast(), four) };
        }
    }

    // From the order of the row to that of the lanes.
    let mut groups = [0_i32; 16];
    for (group, lane) in shape.lanes.iter().enumerate() {
        groups[usize::from(lane & 15)] = group as i32;
    }
    // SAFETY: sixteen words.
    let scale = _mm512_permutexvar_ps(unsafe { _mm512_loadu_si512(groups.as_ptr().cast()) }, scale);
    let total = _mm512_cvtepi32_ps(sums);
    let (scales, scaled_sums) = match shape.rounding {
        Rounding::Q8_0 => (half(scale), _mm512_mul_ps(half(scale), total)),
        Rounding::Q8_1 => (half(scale), half(_mm512_mul_ps(scale, total))),
        Rounding::Q8_K => (scale, _mm512_mul_ps(scale, total)),
    };
    // SAFETY: sixteen of each on a multiple of 64 bytes.
    unsafe {
        _mm512_store_si512(out.sums.as_mut_ptr().cast(), sums);
        _mm512_store_ps(out.scales.as_mut_ptr(), scales);
        _mm512_store_ps(out.scaled_sums.as_mut_ptr(), scaled_sums);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn half(numbers: __m512) -> __m512 {
    _mm512_cvtph_ps(_mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(numbers))
}
