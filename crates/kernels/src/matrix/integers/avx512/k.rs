//! Formats of 256 numbers a block.

use std::arch::x86_64::*;

use super::{Packed, Parts, halves, transposed};
use crate::float::f16_to_f32;

/// Two blocks of 144 bytes: 16 of scales, then 32 for each two groups.
pub(super) struct Q4;

impl Packed<8> for Q4 {
    const BYTES: usize = 2 * 144;
    const MINS: bool = true;
    const OFFSET: i32 = 0;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise.
        unsafe {
            let values = transposed_halves(split_halves(packed.add(16), packed.add(144 + 16)));
            let (scales, mins) = scales_and_mins(packed, packed.add(144));
            Parts { values, scales, mins }
        }
    }
}

/// Two blocks of 176 bytes: as [`Q4`], with 32 bytes of fifth bits between.
pub(super) struct Q5;

impl Packed<8> for Q5 {
    const BYTES: usize = 2 * 176;
    const MINS: bool = true;
    const OFFSET: i32 = 0;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; fifth bits are 32 bytes at 16.
        unsafe {
            let mut values = split_halves(packed.add(48), packed.add(176 + 48));
            // A quarter of a vector is group 2 k, or 2 k + 1; its bit stands at the group's index in each byte.
            let even = _mm512_set_epi64(EACH[6], EACH[6], EACH[4], EACH[4], EACH[2], EACH[2], 0, 0);
            let odd = _mm512_add_epi64(even, _mm512_set1_epi64(EACH[1]));
            for (part, values) in values.iter_mut().enumerate() {
                let bits = packed.add(176 * (part / 2 % 2) + 16 + 16 * (part / 4));
                let bits = _mm512_broadcast_i32x4(_mm_loadu_si128(bits.cast()));
                let places = if part % 2 == 0 { even } else { odd };
                let fifth = _mm512_and_si512(_mm512_srlv_epi16(bits, places), _mm512_set1_epi8(1));
                *values = _mm512_or_si512(*values, _mm512_slli_epi16::<4>(fifth));
            }
            let values = transposed_halves(values);
            let (scales, mins) = scales_and_mins(packed, packed.add(176));
            Parts { values, scales, mins }
        }
    }
}

/// A block of 210 bytes: 128 of lower halves, 64 of upper quarters, 16 scales, the scale of all.
pub(super) struct Q6;

impl Packed<4> for Q6 {
    const BYTES: usize = 210;
    const MINS: bool = false;
    const OFFSET: i32 = 32;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<4> {
        // SAFETY: the caller's promise; 208 + 2 bytes.
        unsafe {
            let mut values = [_mm512_setzero_si512(); 4];
            for (half, values) in values.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                let lower = halves(_mm512_loadu_si512(packed.add(64 * half).cast()));
                let upper = _mm512_broadcast_i64x4(_mm256_loadu_si256(packed.add(128 + 32 * half).cast()));
                for (index, (value, lower)) in values.iter_mut().zip([lower.0, lower.1]).enumerate() {
                    // Half of the vector takes the lower one of two quarters, half the upper one.
                    let (low, high) = (EACH[4 * index], EACH[4 * index + 2]);
                    let places = _mm512_set_epi64(high, high, high, high, low, low, low, low);
                    let quarter = _mm512_and_si512(_mm512_srlv_epi16(upper, places), _mm512_set1_epi8(3));
                    *value = _mm512_or_si512(lower, _mm512_slli_epi16::<4>(quarter));
                }
            }
            // Group 4 i + k goes to lane 4 k + i.
            let order = _mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
            let scales = _mm_shuffle_epi8(_mm_loadu_si128(packed.add(192).cast()), order);
            let scale = f16_to_f32(packed.add(208).cast::<u16>().read_unaligned());
            let scales =
                _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales)));
            Parts { values: transposed(values), scales, mins: _mm512_setzero_ps() }
        }
    }
}

/// How far a vector's words are shifted, in each word of 64 bits.
const EACH: [i64; 8] = {
    let mut each = [0; 8];
    let mut index = 0;
    while index < 8 {
        each[index] = index as i64 * 0x0001_0001_0001_0001;
        index += 1;
    }
    each
};

/// Halves of two blocks, where 32 bytes hold two groups, the low halves the even one. For each half of the groups: even
/// and odd groups of the first block, then of the second.
///
/// # Safety
/// 128 bytes can be read from each of the two.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn split_halves(first: *const u8, second: *const u8) -> [__m512i; 8] {
    let mut values = [_mm512_setzero_si512(); 8];
    for (block, packed) in [first, second].into_iter().enumerate() {
        // SAFETY: the caller's promise.
        let (front, back) =
            unsafe { (_mm512_loadu_si512(packed.cast()), _mm512_loadu_si512(packed.add(64).cast())) };
        // Quarters 0 and 2 of each are first halves of groups, 1 and 3 second ones.
        let first = halves(_mm512_shuffle_i32x4::<0b10_00_10_00>(front, back));
        let second = halves(_mm512_shuffle_i32x4::<0b11_01_11_01>(front, back));
        (values[2 * block], values[2 * block + 1]) = first;
        (values[4 + 2 * block], values[4 + 2 * block + 1]) = second;
    }
    values
}

/// Group 8 b + 2 k + i goes to lane 4 k + 2 b + i.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed_halves([a, b, c, d, e, f, g, h]: [__m512i; 8]) -> [__m512i; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (transposed([a, b, c, d]), transposed([e, f, g, h]));
    [a, b, c, d, e, f, g, h]
}

/// Scales and (negative) minimums of two blocks, each of which begins with scale and minimum of all and twelve bytes of six
/// bits each.
///
/// # Safety
/// 16 bytes can be read from each of the two.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
unsafe fn scales_and_mins(first: *const u8, second: *const u8) -> (__m512, __m512) {
    // SAFETY: the caller's promise.
    let ((scales_0, mins_0), (scales_1, mins_1)) =
        unsafe { (six_bits(first.add(4)), six_bits(second.add(4))) };
    // Group 8 b + 2 k + i goes to lane 4 k + 2 b + i.
    let order = _mm_set_epi8(15, 14, 7, 6, 13, 12, 5, 4, 11, 10, 3, 2, 9, 8, 1, 0);
    let scales = _mm_shuffle_epi8(_mm_set_epi64x(scales_1.cast_signed(), scales_0.cast_signed()), order);
    let mins = _mm_shuffle_epi8(_mm_set_epi64x(mins_1.cast_signed(), mins_0.cast_signed()), order);
    let (scales, mins) = (_mm512_cvtepu8_epi32(scales), _mm512_cvtepu8_epi32(mins));
    // SAFETY: the caller's promise.
    let (first, second) =
        unsafe { (first.cast::<i32>().read_unaligned(), second.cast::<i32>().read_unaligned()) };
    // Scale and minimum of the first block, then of the second.
    let all = _mm512_broadcast_f32x4(_mm_cvtph_ps(_mm_set_epi32(0, 0, second, first)));
    let scales = _mm512_mul_ps(_mm512_permute_ps::<0b10_10_00_00>(all), _mm512_cvtepi32_ps(scales));
    let mins = _mm512_mul_ps(_mm512_permute_ps::<0b11_11_01_01>(all), _mm512_cvtepi32_ps(mins));
    (scales, _mm512_xor_ps(mins, _mm512_set1_ps(-0.0)))
}

/// Eight scales and eight minimums, a byte each, of twelve bytes of six bits each; `block::k` has the layout.
///
/// # Safety
/// 12 bytes can be read.
#[inline(always)]
unsafe fn six_bits(packed: *const u8) -> (u64, u64) {
    // SAFETY: the caller's promise.
    let (low, both) =
        unsafe { (packed.cast::<u64>().read_unaligned(), packed.add(8).cast::<u32>().read_unaligned()) };
    let (scales, mins) = (low as u32, (low >> 32) as u32);
    let upper = |both: u32, low: u32| u64::from(both & 0x0f0f_0f0f | low >> 2 & 0x3030_3030) << 32;
    (
        u64::from(scales & 0x3f3f_3f3f) | upper(both, scales),
        u64::from(mins & 0x3f3f_3f3f) | upper(both >> 4, mins),
    )
}
