//! Input rows rounded to 8 bits, sixteen groups at once.

use std::arch::x86_64::*;

use super::transposed_runs;
use crate::{
    block::{Rounding, Shape},
    matrix::integers::Inputs,
    vector::LANES,
};

/// As [`round::row`](crate::matrix::integers::round::row), where a group's numbers share one scale.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(in crate::matrix::integers) fn row<const STEPS: usize>(
    input: &[f32],
    shape: Shape,
    out: &mut [Inputs<STEPS>],
) {
    const { assert!(STEPS == 4 || STEPS == 8) };
    assert!(input.len().div_ceil(4 * STEPS * LANES) == out.len());
    for (input, out) in input.chunks(4 * STEPS * LANES).zip(out) {
        match input.len() == 4 * STEPS * LANES {
            true => chunk::<STEPS, true>(input, shape, out),
            false => chunk::<STEPS, false>(input, shape, out),
        }
    }
}

/// Rounds up to sixteen groups: all of them where it is `WHOLE`, which compilers make more of.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn chunk<const STEPS: usize, const WHOLE: bool>(input: &[f32], shape: Shape, out: &mut Inputs<STEPS>) {
    let input = if WHOLE { &input[..4 * STEPS * LANES] } else { input };
    let most = match shape.rounding {
        Rounding::Q8_K => most_of_256::<STEPS>(input),
        _ => most_of_32::<STEPS>(input),
    };
    // Groups of nothing but zeros get zeros instead of quotients.
    let some = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(most, _mm512_setzero_ps());
    let inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(127.0), most);
    let mut inverses = [0.0_f32; LANES];
    // SAFETY: sixteen numbers.
    unsafe { _mm512_storeu_ps(inverses.as_mut_ptr(), inverse) };

    // Every group goes where its lane is, from which the first four bytes of all lanes are taken, then the next.
    let mut values = [0_i8; 32 * LANES];
    // Lanes without a group have the last one's scale, which is 0 where there are such lanes.
    let mut groups = [LANES as i32 - 1; LANES];
    for (group, (numbers, inverse)) in input.chunks_exact(4 * STEPS).zip(inverses).enumerate() {
        let (_, lane) = shape.place(group);
        groups[lane] = group as i32;
        let inverse = _mm512_set1_ps(inverse);
        let values = &mut values[4 * STEPS * lane..][..4 * STEPS];
        for (numbers, values) in numbers.as_chunks::<16>().0.iter().zip(values.as_chunks_mut::<16>().0) {
            // SAFETY: sixteen numbers, and as many bytes.
            unsafe {
                let whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(numbers.as_ptr()), inverse));
                _mm_storeu_si128(values.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(whole));
            }
        }
    }
    let mut sums = _mm512_setzero_si512();
    for (part, out) in out.values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // SAFETY: sixteen runs of 16 bytes, one for each lane, from 0 or 16 on, lie within 512.
        let fours = unsafe { transposed_runs(values.as_ptr().cast::<u8>().add(16 * part), 4 * STEPS) };
        for (out, four) in out.iter_mut().zip(fours) {
            sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), four);
            // SAFETY: 64 bytes on a multiple of 64.
            unsafe { _mm512_store_si512(out.as_mut_ptr().cast(), four) };
        }
    }

    let total = _mm512_cvtepi32_ps(sums);
    let scale = match shape.rounding {
        Rounding::Q8_K => _mm512_maskz_div_ps(some, _mm512_set1_ps(1.0), inverse),
        _ => _mm512_div_ps(most, _mm512_set1_ps(127.0)),
    };
    // SAFETY: sixteen words.
    let groups = unsafe { _mm512_loadu_si512(groups.as_ptr().cast()) };
    let scale = _mm512_permutexvar_ps(groups, scale);
    let (scale, scaled_sums) = match shape.rounding {
        Rounding::Q8_0 => (half(scale), _mm512_mul_ps(half(scale), total)),
        Rounding::Q8_1 => (half(scale), half(_mm512_mul_ps(scale, total))),
        Rounding::Q8_K => (scale, _mm512_mul_ps(scale, total)),
    };
    let first = _mm512_mullo_epi32(sums, _mm512_set1_epi32(-shape.offset));
    // SAFETY: sixteen of each on a multiple of 64 bytes.
    unsafe {
        _mm512_store_si512(out.first.as_mut_ptr().cast(), first);
        _mm512_store_ps(out.scales.as_mut_ptr(), scale);
        _mm512_store_ps(out.scaled_sums.as_mut_ptr(), scaled_sums);
    }
}

/// The largest magnitude of the 32 numbers that each group is or is half of; 0 where there are none. Magnitudes are compared as
/// whole numbers, of which a NaN is the largest, here and below.
#[inline]
#[target_feature(enable = "avx512f")]
fn most_of_32<const STEPS: usize>(input: &[f32]) -> __m512 {
    let mut largest = [_mm512_setzero_si512(); LANES];
    for (largest, numbers) in largest.iter_mut().zip(input.as_chunks::<32>().0) {
        *largest = most_of(*largest, numbers);
    }
    let most = largest_of_each(largest);
    let twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    _mm512_castsi512_ps(if STEPS == 4 { _mm512_permutexvar_epi32(twice, most) } else { most })
}

/// The largest magnitude of the 256 numbers that each group is one of.
#[inline]
#[target_feature(enable = "avx512f")]
fn most_of_256<const STEPS: usize>(input: &[f32]) -> __m512 {
    let mut largest = [_mm512_setzero_si512(); 2];
    for (largest, numbers) in largest.iter_mut().zip(input.as_chunks::<256>().0) {
        let mut four = [*largest; 4];
        for (index, numbers) in numbers.as_chunks::<32>().0.iter().enumerate() {
            four[index % 4] = most_of(four[index % 4], numbers);
        }
        let [a, b, c, d] = four;
        let most = _mm512_max_epu32(_mm512_max_epu32(a, b), _mm512_max_epu32(c, d));
        *largest = _mm512_set1_epi32(_mm512_reduce_max_epu32(most) as i32);
    }
    let [first, second] = largest;
    let of_second = if STEPS == 8 { 0xff00 } else { 0 };
    _mm512_castsi512_ps(_mm512_mask_mov_epi32(first, of_second, second))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn most_of(largest: __m512i, numbers: &[f32; 32]) -> __m512i {
    // SAFETY: twice sixteen numbers.
    let (first, second) = unsafe {
        (_mm512_loadu_si512(numbers.as_ptr().cast()), _mm512_loadu_si512(numbers.as_ptr().add(16).cast()))
    };
    let magnitude = _mm512_set1_epi32(i32::MAX);
    let most = _mm512_max_epu32(_mm512_and_si512(first, magnitude), _mm512_and_si512(second, magnitude));
    _mm512_max_epu32(largest, most)
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
