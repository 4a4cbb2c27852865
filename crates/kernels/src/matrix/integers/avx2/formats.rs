//! The formats that most files are in.

#![expect(non_camel_case_types, reason = "as in `Format`")]

use std::arch::x86_64::*;

use super::{Packed, put, transposed, transposed_runs, two_runs};
use crate::{float::f16_to_f32, matrix::integers::Weights, vector::LANES};

pub(super) struct Q4_0;

impl Packed<8> for Q4_0 {
    const BYTES: usize = 16 * 18;
    const MINS: bool = false;
    const OFFSET: i32 = 8;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn take_apart(packed: *const u8, out: &mut Weights<8>) {
        for half in 0..2 {
            // SAFETY: the caller's promise; the last run ends with the last block.
            let [a, b, c, d] = unsafe { transposed_runs(packed.add(8 * 18 * half + 2), 18) };
            put(out, half, 0, [low(a), low(b), low(c), low(d)]);
            put(out, half, 4, [high(a), high(b), high(c), high(d)]);
        }
        // SAFETY: the caller's promise.
        unsafe { scales(packed, 18, &mut out.scales) };
    }
}

pub(super) struct Q8_0;

impl Packed<8> for Q8_0 {
    const BYTES: usize = 16 * 34;
    const MINS: bool = false;
    const OFFSET: i32 = 128;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn take_apart(packed: *const u8, out: &mut Weights<8>) {
        for half in 0..2 {
            for part in 0..2 {
                // SAFETY: the caller's promise; the last run ends with the last block.
                let mut fours = unsafe { transposed_runs(packed.add(8 * 34 * half + 2 + 16 * part), 34) };
                for four in &mut fours {
                    *four = _mm256_xor_si256(*four, _mm256_set1_epi8(-128));
                }
                put(out, half, 4 * part, fours);
            }
        }
        // SAFETY: the caller's promise.
        unsafe { scales(packed, 34, &mut out.scales) };
    }
}

/// Two blocks of 144 bytes: 16 of scales, then 32 for each two groups.
pub(super) struct Q4_K;

impl Packed<8> for Q4_K {
    const BYTES: usize = 2 * 144;
    const MINS: bool = true;
    const OFFSET: i32 = 0;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn take_apart(packed: *const u8, out: &mut Weights<8>) {
        for half in 0..2 {
            for part in 0..2 {
                // SAFETY: the caller's promise; four times 32 bytes at 16.
                let (first, second) = unsafe {
                    let at = packed.add(16 + 64 * half + 16 * part);
                    (two_runs(at, at.add(32)), two_runs(at.add(144), at.add(144 + 32)))
                };
                let fours = transposed([low(first), high(first), low(second), high(second)]);
                put(out, half, 4 * part, fours);
            }
        }
        // SAFETY: the caller's promise.
        unsafe { scales_and_mins([packed, packed.add(144)], out) };
    }
}

/// Two blocks of 176 bytes: as [`Q4_K`], with 32 bytes of fifth bits between.
pub(super) struct Q5_K;

impl Packed<8> for Q5_K {
    const BYTES: usize = 2 * 176;
    const MINS: bool = true;
    const OFFSET: i32 = 0;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn take_apart(packed: *const u8, out: &mut Weights<8>) {
        for half in 0..2 {
            for part in 0..2 {
                let mut values = [_mm256_setzero_si256(); 4];
                for block in 0..2 {
                    // SAFETY: the caller's promise; 32 bytes at 16, and four times 32 at 48.
                    let (bits, halves) = unsafe {
                        let block = packed.add(176 * block);
                        let at = block.add(48 + 64 * half + 16 * part);
                        let bits = block.add(16 + 16 * part);
                        (two_runs(bits, bits), two_runs(at, at.add(32)))
                    };
                    // Half of the vector is groups 4 h and 4 h + 1, half 4 h + 2 and 4 h + 3; so are the bits' places.
                    let even =
                        _mm256_set_m128i(_mm_set1_epi8(4 << (4 * half)), _mm_set1_epi8(1 << (4 * half)));
                    let odd = _mm256_add_epi8(even, even);
                    values[2 * block] = _mm256_or_si256(low(halves), fifth(bits, even));
                    values[2 * block + 1] = _mm256_or_si256(high(halves), fifth(bits, odd));
                }
                put(out, half, 4 * part, transposed(values));
            }
        }
        // SAFETY: the caller's promise.
        unsafe { scales_and_mins([packed, packed.add(176)], out) };
    }
}

/// A block of 210 bytes: 128 of lower halves, 64 of upper quarters, 16 scales, the scale of all.
pub(super) struct Q6_K;

impl Packed<4> for Q6_K {
    const BYTES: usize = 210;
    const MINS: bool = false;
    const OFFSET: i32 = 32;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn take_apart(packed: *const u8, out: &mut Weights<4>) {
        // Group 4 i + k goes to lane 4 k + i; vector i holds k = 2 h and 2 h + 1.
        for half in 0..2 {
            let mut values = [_mm256_setzero_si256(); 4];
            for (index, pair) in values.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                // SAFETY: the caller's promise; 128 bytes, then 64.
                let (lower, upper) = unsafe {
                    (
                        _mm256_loadu_si256(packed.add(64 * index + 32 * half).cast()),
                        _mm256_loadu_si256(packed.add(128 + 32 * index).cast()),
                    )
                };
                let upper = if half == 0 { upper } else { _mm256_srli_epi16::<2>(upper) };
                let (first, second) = (_mm256_slli_epi16::<4>(upper), upper);
                let place = _mm256_set1_epi8(0x30);
                pair[0] = _mm256_or_si256(low(lower), _mm256_and_si256(first, place));
                pair[1] = _mm256_or_si256(high(lower), _mm256_and_si256(second, place));
            }
            put(out, half, 0, transposed(values));
        }
        // SAFETY: the caller's promise; 192 + 16 + 2 bytes.
        let (small, scale) = unsafe {
            let scale = f16_to_f32(packed.add(208).cast::<u16>().read_unaligned());
            (_mm_loadu_si128(packed.add(192).cast()), _mm256_set1_ps(scale))
        };
        let order = _mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
        let small = _mm_shuffle_epi8(small, order);
        for (small, out) in
            [small, _mm_srli_si128::<8>(small)].into_iter().zip(out.scales.as_chunks_mut::<8>().0)
        {
            let product = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(small)));
            // SAFETY: eight numbers.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), product) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn low(bytes: __m256i) -> __m256i {
    _mm256_and_si256(bytes, _mm256_set1_epi8(15))
}

#[inline]
#[target_feature(enable = "avx2")]
fn high(bytes: __m256i) -> __m256i {
    _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15))
}

/// 16 in every byte that has one of the bits of `place`.
#[inline]
#[target_feature(enable = "avx2")]
fn fifth(bits: __m256i, place: __m256i) -> __m256i {
    let set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, place), place);
    _mm256_and_si256(set, _mm256_set1_epi8(16))
}

/// The halves at the beginnings of sixteen blocks.
///
/// # Safety
/// 15 times `stride` plus 2 bytes can be read.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn scales(packed: *const u8, stride: usize, out: &mut [f32; LANES]) {
    let mut halves = [0_i16; LANES];
    for (index, half) in halves.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *half = unsafe { packed.add(index * stride).cast::<i16>().read_unaligned() };
    }
    for (halves, out) in halves.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<8>().0) {
        // SAFETY: eight halves, eight numbers.
        let halves = unsafe { _mm_loadu_si128(halves.as_ptr().cast()) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(halves)) };
    }
}

/// Scales and (negative) minimums of two blocks, each of which begins with scale and minimum of all and twelve bytes of six
/// bits each; `block::k` has the layout.
///
/// # Safety
/// 16 bytes can be read from each of the two.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn scales_and_mins(blocks: [*const u8; 2], out: &mut Weights<8>) {
    let (mut small_scales, mut small_mins) = ([0; 2], [0; 2]);
    let mut all = [0; 2];
    for (block, packed) in blocks.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        let (low, both) = unsafe {
            all[block] = packed.cast::<i32>().read_unaligned();
            (packed.add(4).cast::<u64>().read_unaligned(), packed.add(12).cast::<u32>().read_unaligned())
        };
        let (scales, mins) = (low as u32, (low >> 32) as u32);
        let upper = |both: u32, low: u32| u64::from(both & 0x0f0f_0f0f | low >> 2 & 0x3030_3030) << 32;
        small_scales[block] = (u64::from(scales & 0x3f3f_3f3f) | upper(both, scales)).cast_signed();
        small_mins[block] = (u64::from(mins & 0x3f3f_3f3f) | upper(both >> 4, mins)).cast_signed();
    }
    // Group 8 b + 2 k + i goes to lane 4 k + 2 b + i.
    let order = _mm_set_epi8(15, 14, 7, 6, 13, 12, 5, 4, 11, 10, 3, 2, 9, 8, 1, 0);
    // Scale and minimum of the first block, then of the second.
    let all = _mm_cvtph_ps(_mm_set_epi32(0, 0, all[1], all[0]));
    let all = _mm256_set_m128(all, all);
    let scales = _mm256_permute_ps::<0b10_10_00_00>(all);
    let mins = _mm256_xor_ps(_mm256_permute_ps::<0b11_11_01_01>(all), _mm256_set1_ps(-0.0));
    for (all, small, out) in [(scales, small_scales, &mut out.scales), (mins, small_mins, &mut out.mins)] {
        let small = _mm_shuffle_epi8(_mm_set_epi64x(small[1], small[0]), order);
        for (small, out) in [small, _mm_srli_si128::<8>(small)].into_iter().zip(out.as_chunks_mut::<8>().0) {
            let product = _mm256_mul_ps(all, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(small)));
            // SAFETY: eight numbers.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), product) };
        }
    }
}
