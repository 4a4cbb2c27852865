//! Formats of 256 numbers a block.

use std::arch::x86_64::*;

use super::{
    Packed, Parts, halves,
    legacy::{NON_LINEAR, looked_up},
    transposed,
};
use crate::float::f16_to_f32;

/// Two blocks of 144 bytes: 16 of scales, then 32 for each two groups.
pub(super) struct Q4;

impl Packed<8> for Q4 {
    const BYTES: usize = 2 * 144;
    const MINS: bool = true;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise.
        unsafe {
            let values = halves_in_lanes(packed.add(16), packed.add(144 + 16));
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

/// A block of 84 bytes: 16 of scales and minimums, 64 of quarters, scale and minimum of all.
pub(super) struct Q2;

impl Packed<4> for Q2 {
    const BYTES: usize = 84;
    const MINS: bool = true;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<4> {
        // SAFETY: the caller's promise; 82 + 2 bytes.
        unsafe {
            let values = transposed(quarters(packed.add(16)));
            let both = _mm_shuffle_epi8(_mm_loadu_si128(packed.cast()), quarters_order());
            let low = _mm_set1_epi8(15);
            let scales = _mm512_cvtepu8_epi32(_mm_and_si128(both, low));
            let mins = _mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16::<4>(both), low));
            let scale = _mm512_set1_ps(f16_to_f32(packed.add(80).cast::<u16>().read_unaligned()));
            let min = _mm512_set1_ps(-f16_to_f32(packed.add(82).cast::<u16>().read_unaligned()));
            Parts {
                values,
                scales: _mm512_mul_ps(scale, _mm512_cvtepi32_ps(scales)),
                mins: _mm512_mul_ps(min, _mm512_cvtepi32_ps(mins)),
            }
        }
    }
}

/// A block of 110 bytes: 32 of third bits, 64 of quarters, 12 of scales, the scale of all.
pub(super) struct Q3;

impl Packed<4> for Q3 {
    const BYTES: usize = 110;
    const MINS: bool = false;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<4> {
        // SAFETY: the caller's promise; 108 + 2 bytes.
        unsafe {
            let mut values = quarters(packed.add(32));
            let third = _mm512_broadcast_i64x4(_mm256_loadu_si256(packed.cast()));
            for (index, values) in values.iter_mut().enumerate() {
                // Half of the vector takes one of the lower four bits, half one of the upper four.
                let (low, high) = (EACH[index], EACH[4 + index]);
                let places = _mm512_set_epi64(high, high, high, high, low, low, low, low);
                let bit = _mm512_and_si512(_mm512_srlv_epi16(third, places), _mm512_set1_epi8(1));
                *values = _mm512_or_si512(*values, _mm512_slli_epi16::<2>(bit));
            }
            // Sixteen scales of 6 bits: lower halves in eight bytes, upper quarters in four; `block::k` has the layout.
            let low = packed.add(96).cast::<u64>().read_unaligned();
            let high = packed.add(104).cast::<u32>().read_unaligned();
            let upper = _mm_set_epi32(
                (high >> 6 & 0x0303_0303).cast_signed(),
                (high >> 4 & 0x0303_0303).cast_signed(),
                (high >> 2 & 0x0303_0303).cast_signed(),
                (high & 0x0303_0303).cast_signed(),
            );
            let lower = _mm_set_epi64x((low >> 4).cast_signed(), low.cast_signed());
            let scales = _mm_or_si128(_mm_and_si128(lower, _mm_set1_epi8(15)), _mm_slli_epi16::<4>(upper));
            let scales = _mm_sub_epi8(_mm_shuffle_epi8(scales, quarters_order()), _mm_set1_epi8(32));
            let scale = f16_to_f32(packed.add(108).cast::<u16>().read_unaligned());
            let scales =
                _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales)));
            Parts { values: transposed(values), scales, mins: _mm512_setzero_ps() }
        }
    }
}

/// Two blocks of 136 bytes: 8 of scales, then 16 for each group.
#[expect(non_camel_case_types, reason = "as in `Format`")]
pub(super) struct IQ4_XS;

impl Packed<8> for IQ4_XS {
    const BYTES: usize = 2 * 136;
    const MINS: bool = false;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise.
        unsafe {
            let second = packed.add(136);
            // Group 4 i + k goes to lane 4 k + i.
            let [a, b, c, d] = transposed([
                _mm512_loadu_si512(packed.add(8).cast()),
                _mm512_loadu_si512(packed.add(72).cast()),
                _mm512_loadu_si512(second.add(8).cast()),
                _mm512_loadu_si512(second.add(72).cast()),
            ]);
            let (a, b, c, d) = (halves(a), halves(b), halves(c), halves(d));
            let values = looked_up([a.0, b.0, c.0, d.0, a.1, b.1, c.1, d.1], NON_LINEAR);
            let scales = _mm_set_epi64x(xs_scales(second).cast_signed(), xs_scales(packed).cast_signed());
            let order = _mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
            let scales = _mm_sub_epi8(_mm_shuffle_epi8(scales, order), _mm_set1_epi8(32));
            let scale = |block: *const u8| i32::from(block.cast::<i16>().read_unaligned());
            let all = _mm_cvtph_ps(_mm_set_epi32(0, 0, 0, scale(packed) & 0xffff | scale(second) << 16));
            let all = _mm512_permute_ps::<0b01_01_00_00>(_mm512_broadcast_f32x4(all));
            let scales = _mm512_mul_ps(all, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales)));
            Parts { values, scales, mins: _mm512_setzero_ps() }
        }
    }
}

/// Eight scales of 6 bits, a byte each: lower halves in four bytes at 4, upper quarters in two at 2.
///
/// # Safety
/// 8 bytes can be read.
#[inline(always)]
unsafe fn xs_scales(block: *const u8) -> u64 {
    // SAFETY: the caller's promise.
    let (high, low) =
        unsafe { (block.add(2).cast::<u16>().read_unaligned(), block.add(4).cast::<u32>().read_unaligned()) };
    let low = u64::from(low);
    let low = (low | low << 16) & 0x0000_ffff_0000_ffff;
    let low = (low | low << 8) & 0x00ff_00ff_00ff_00ff;
    let low = (low | low << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let high = u64::from(high);
    let high = (high | high << 24) & 0x0000_00ff_0000_00ff;
    let high = (high | high << 12) & 0x000f_000f_000f_000f;
    let high = (high | high << 6) & 0x0303_0303_0303_0303;
    low | high << 4
}

/// 64 bytes of quarters, where 32 bytes hold four times two groups: each quarter of the bytes in a vector of its own.
///
/// # Safety
/// 64 bytes can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn quarters(packed: *const u8) -> [__m512i; 4] {
    // SAFETY: the caller's promise.
    let mut bytes = unsafe { _mm512_loadu_si512(packed.cast()) };
    let mut values = [bytes; 4];
    for values in &mut values {
        *values = _mm512_and_si512(bytes, _mm512_set1_epi8(3));
        bytes = _mm512_srli_epi16::<2>(bytes);
    }
    values
}

/// Which group is in a lane once quarters are transposed: group 8 h + 2 j + e in lane 8 h + 4 e + j.
#[inline]
#[target_feature(enable = "sse2")]
fn quarters_order() -> __m128i {
    _mm_set_epi8(15, 13, 11, 9, 14, 12, 10, 8, 7, 5, 3, 1, 6, 4, 2, 0)
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

/// The bytes of a block's halves: of all groups the first 16 bytes, then the second.
///
/// # Safety
/// 128 bytes can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn group_halves(packed: *const u8) -> [__m512i; 2] {
    // SAFETY: the caller's promise.
    let (front, back) =
        unsafe { (_mm512_loadu_si512(packed.cast()), _mm512_loadu_si512(packed.add(64).cast())) };
    // Quarters 0 and 2 of each are first halves of groups, 1 and 3 second ones.
    [_mm512_shuffle_i32x4::<0b10_00_10_00>(front, back), _mm512_shuffle_i32x4::<0b11_01_11_01>(front, back)]
}

/// Halves of two blocks, as [`transposed_halves`] of [`split_halves`]: what is moved are both halves at once, and where a lane is to
/// have the upper one it is shifted afterwards.
///
/// # Safety
/// 128 bytes can be read from each of the two.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn halves_in_lanes(first: *const u8, second: *const u8) -> [__m512i; 8] {
    let upper = _mm512_set1_epi64(4 << 32);
    let mut values = [_mm512_setzero_si512(); 8];
    // SAFETY: the caller's promise.
    let (of_first, of_second) = unsafe { (group_halves(first), group_halves(second)) };
    for (half, (first, second)) in of_first.into_iter().zip(of_second).enumerate() {
        let (first, second) = (_mm512_castsi512_ps(first), _mm512_castsi512_ps(second));
        // Of each four words one of the first block twice, then of the second.
        let words = [
            _mm512_shuffle_ps::<0b00_00_00_00>(first, second),
            _mm512_shuffle_ps::<0b01_01_01_01>(first, second),
            _mm512_shuffle_ps::<0b10_10_10_10>(first, second),
            _mm512_shuffle_ps::<0b11_11_11_11>(first, second),
        ];
        for (value, words) in values[4 * half..].iter_mut().zip(words) {
            let words = _mm512_srlv_epi32(_mm512_castps_si512(words), upper);
            *value = _mm512_and_si512(words, _mm512_set1_epi8(15));
        }
    }
    values
}

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
        let [first, second] = unsafe { group_halves(packed) };
        let (first, second) = (halves(first), halves(second));
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
