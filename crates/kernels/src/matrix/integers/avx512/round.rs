//! Input rows rounded to 8 bits, sixteen groups of 32 numbers at once.

use std::arch::x86_64::*;

use super::transposed_runs;
use crate::{
    block::{Rounding, Shape},
    matrix::integers::Inputs,
};

/// As [`round::row`](crate::matrix::integers::round::row), for groups that have a scale each and stand in the order of the
/// row; returns whether it did. (What 256 numbers share is as fast in plain Rust.)
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(in crate::matrix::integers) fn row<const STEPS: usize>(
    input: &[f32],
    shape: Shape,
    out: &mut [Inputs<STEPS>],
) -> bool {
    if STEPS != 8 || shape.rounding == Rounding::Q8_K || (0..16).any(|group| shape.place(group) != (0, group))
    {
        return false;
    }
    let (chunks, rest) = input.as_chunks::<512>();
    for (input, out) in chunks.iter().zip(&mut *out) {
        chunk(input, shape, out);
    }
    if let Some(out) = out.get_mut(chunks.len()) {
        let mut padded = [0.0; 512];
        padded[..rest.len()].copy_from_slice(rest);
        chunk(&padded, shape, out);
    }
    true
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn chunk<const STEPS: usize>(input: &[f32; 512], shape: Shape, out: &mut Inputs<STEPS>) {
    // Magnitudes are compared as whole numbers, of which a NaN is the largest.
    let mut largest = [_mm512_setzero_si512(); 16];
    for (largest, group) in largest.iter_mut().zip(input.as_chunks::<32>().0) {
        // SAFETY: twice sixteen numbers.
        let (first, second) = unsafe {
            (_mm512_loadu_si512(group.as_ptr().cast()), _mm512_loadu_si512(group.as_ptr().add(16).cast()))
        };
        let magnitude = _mm512_set1_epi32(i32::MAX);
        *largest = _mm512_max_epu32(_mm512_and_si512(first, magnitude), _mm512_and_si512(second, magnitude));
    }
    let most = _mm512_castsi512_ps(largest_of_each(largest));
    // Groups of nothing but zeros get zeros instead of quotients.
    let some = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(most, _mm512_setzero_ps());
    let inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(127.0), most);
    let mut inverses = [0.0_f32; 16];
    // SAFETY: sixteen numbers.
    unsafe { _mm512_storeu_ps(inverses.as_mut_ptr(), inverse) };

    let mut values = [0_i8; 512];
    for ((numbers, values), inverse) in
        input.as_chunks::<32>().0.iter().zip(values.as_chunks_mut::<32>().0).zip(inverses)
    {
        let inverse = _mm512_set1_ps(inverse);
        for half in 0..2 {
            // SAFETY: the first or the second sixteen of 32 numbers and of 32 bytes.
            unsafe {
                let numbers = _mm512_loadu_ps(numbers.as_ptr().add(16 * half));
                let whole = _mm512_cvtps_epi32(_mm512_mul_ps(numbers, inverse));
                _mm_storeu_si128(values.as_mut_ptr().add(16 * half).cast(), _mm512_cvtepi32_epi8(whole));
            }
        }
    }
    let mut sums = _mm512_setzero_si512();
    for (part, out) in out.values.as_chunks_mut::<4>().0.iter_mut().take(2).enumerate() {
        // SAFETY: sixteen runs of 16 bytes, 32 bytes apart, from 0 or 16 on, lie within 512.
        let fours = unsafe { transposed_runs(values.as_ptr().cast::<u8>().add(16 * part), 32) };
        for (out, four) in out.iter_mut().zip(fours) {
            sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), four);
            // SAFETY: 64 bytes on a multiple of 64.
            unsafe { _mm512_store_si512(out.as_mut_ptr().cast(), four) };
        }
    }

    let scale = _mm512_div_ps(most, _mm512_set1_ps(127.0));
    let total = _mm512_cvtepi32_ps(sums);
    let scaled_sums = match shape.rounding {
        Rounding::Q8_1 => half(_mm512_mul_ps(scale, total)),
        _ => _mm512_mul_ps(half(scale), total),
    };
    let first = _mm512_mullo_epi32(sums, _mm512_set1_epi32(-shape.offset));
    // SAFETY: sixteen of each on a multiple of 64 bytes.
    unsafe {
        _mm512_store_si512(out.first.as_mut_ptr().cast(), first);
        _mm512_store_ps(out.scales.as_mut_ptr(), half(scale));
        _mm512_store_ps(out.scaled_sums.as_mut_ptr(), scaled_sums);
    }
}

/// The largest word of each vector, in the order of the vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn largest_of_each(vectors: [__m512i; 16]) -> __m512i {
    // Each step puts halves of two vectors beside each other, so that half as many vectors hold half as many of each.
    let mut eight = [_mm512_setzero_si512(); 8];
    for (index, eight) in eight.iter_mut().enumerate() {
        let (a, b) = (vectors[index], vectors[index + 8]);
        *eight = _mm512_max_epu32(
            _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b),
            _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b),
        );
    }
    let mut four = [_mm512_setzero_si512(); 4];
    for (index, four) in four.iter_mut().enumerate() {
        let (a, b) = (eight[index], eight[index + 4]);
        *four = _mm512_max_epu32(
            _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b),
        );
    }
    let [a, b, c, d] = four;
    let ab = _mm512_max_epu32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_max_epu32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let all = _mm512_max_epu32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    // The quarters are now those of vectors 0, 8, 4 and 12 on.
    _mm512_shuffle_i32x4::<0b11_01_10_00>(all, all)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn half(numbers: __m512) -> __m512 {
    _mm512_cvtph_ps(_mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(numbers))
}
