//! Blocks of 256 numbers whose groups have small whole scales of their own; `block::k` has the layouts, and the shape of each
//! format which group a lane holds.

#![expect(non_camel_case_types, reason = "as in `Format`")]

use std::arch::aarch64::*;

use super::{
    Packed, high,
    legacy::{looked_up, nibbles},
    low, transposed,
};
use crate::{block::NON_LINEAR, float::f16_to_f32, vector::LANES};

/// A block of 84 bytes: 16 of scales and minimums, 64 of quarters, scale and minimum of all.
pub(super) struct Q2;

impl Packed<4> for Q2 {
    const BYTES: usize = 84;
    const MINS: bool = true;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 4] {
        // SAFETY: the caller's promise; four runs of 16 bytes.
        let bytes = unsafe { vld1q_u8(packed.add(16 + 16 * quarter)) };
        transposed(quarters(bytes)).map(|values| vreinterpretq_s8_u8(values))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], mins: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        let (small, scale, min) = unsafe { (vld1q_u8(packed), half(packed.add(80)), half(packed.add(82))) };
        let small = in_order(small, OF_QUARTERS);
        scaled(vreinterpretq_s8_u8(low(small)), scale, scales);
        scaled(vreinterpretq_s8_u8(high(small)), -min, mins);
    }
}

/// A block of 110 bytes: 32 of third bits, 64 of quarters, 12 of scales, the scale of all.
pub(super) struct Q3;

impl Packed<4> for Q3 {
    const BYTES: usize = 110;
    const MINS: bool = false;
    const OFFSET: i8 = 4;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 4] {
        // SAFETY: the caller's promise; four runs of 16 bytes behind two of bits.
        let (bytes, bits) =
            unsafe { (vld1q_u8(packed.add(32 + 16 * quarter)), vld1q_u8(packed.add(16 * (quarter % 2)))) };
        let mut values = quarters(bytes);
        for (index, value) in values.iter_mut().enumerate() {
            let place = vdupq_n_u8(1 << (4 * (quarter / 2) + index));
            *value = vorrq_u8(*value, vandq_u8(vtstq_u8(bits, place), vdupq_n_u8(4)));
        }
        transposed(values).map(|values| vreinterpretq_s8_u8(values))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        // SAFETY: the caller's promise; 8 and 4 bytes of scales.
        let (eight, four, scale) = unsafe {
            let four = packed.add(104).cast::<u32>().read_unaligned();
            (vld1_u8(packed.add(96)), four, half(packed.add(108)))
        };
        let lower = vcombine_u8(vand_u8(eight, vdup_n_u8(15)), vshr_n_u8::<4>(eight));
        // The upper two bits of groups 4 i to 4 i + 3 stand at 2 i of the four bytes.
        // SAFETY: sixteen bytes.
        let places =
            unsafe { vld1q_s8([0, 0, 0, 0, -2, -2, -2, -2, -4, -4, -4, -4, -6, -6, -6, -6].as_ptr()) };
        let upper = vshlq_u8(vreinterpretq_u8_u32(vdupq_n_u32(four)), places);
        let small = vorrq_u8(lower, vshlq_n_u8::<4>(vandq_u8(upper, vdupq_n_u8(3))));
        let small = vsubq_s8(vreinterpretq_s8_u8(small), vdupq_n_s8(32));
        scaled(vreinterpretq_s8_u8(in_order(vreinterpretq_u8_s8(small), OF_QUARTERS)), scale, scales);
    }
}

/// Two blocks of 144 bytes: 16 of scales, then 32 for each two groups.
pub(super) struct Q4;

impl Packed<8> for Q4 {
    const BYTES: usize = 2 * 144;
    const MINS: bool = true;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        let mut values = [vdupq_n_s8(0); 8];
        for (part, out) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            // SAFETY: the caller's promise; four times 32 bytes at 16 of each.
            let (first, second) = unsafe {
                let at = packed.add(16 + 32 * quarter + 16 * part);
                (vld1q_u8(at), vld1q_u8(at.add(144)))
            };
            let four = transposed([low(first), high(first), low(second), high(second)]);
            *out = four.map(|values| vreinterpretq_s8_u8(values));
        }
        values
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], mins: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe { scales_and_mins([packed, packed.add(144)], scales, mins) };
    }
}

/// Two blocks of 176 bytes: as [`Q4`], with 32 bytes of fifth bits between.
pub(super) struct Q5;

impl Packed<8> for Q5 {
    const BYTES: usize = 2 * 176;
    const MINS: bool = true;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        let mut values = [vdupq_n_s8(0); 8];
        let (even, odd) = (vdupq_n_u8(1 << (2 * quarter)), vdupq_n_u8(2 << (2 * quarter)));
        for (part, out) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let mut four = [vdupq_n_u8(0); 4];
            for (block, two) in four.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                // SAFETY: the caller's promise; 32 bytes at 16, and four times 32 at 48.
                let (bits, halves) = unsafe {
                    let at = packed.add(176 * block + 16 * part);
                    (vld1q_u8(at.add(16)), vld1q_u8(at.add(48 + 32 * quarter)))
                };
                let fifth = |place: uint8x16_t| vandq_u8(vtstq_u8(bits, place), vdupq_n_u8(16));
                *two = [vorrq_u8(low(halves), fifth(even)), vorrq_u8(high(halves), fifth(odd))];
            }
            *out = transposed(four).map(|values| vreinterpretq_s8_u8(values));
        }
        values
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], mins: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe { scales_and_mins([packed, packed.add(176)], scales, mins) };
    }
}

/// A block of 210 bytes: 128 of lower halves, 64 of upper quarters, 16 scales, the scale of all.
pub(super) struct Q6;

impl Packed<4> for Q6 {
    const BYTES: usize = 210;
    const MINS: bool = false;
    const OFFSET: i8 = 32;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 4] {
        let mut values = [vdupq_n_u8(0); 4];
        // Where the upper bits of groups `quarter` and `quarter + 8` begin, as a shift to the left.
        let first = -2 * (quarter / 2) as i8;
        for (half, two) in values.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            // SAFETY: the caller's promise; twice 64 bytes, then twice 32.
            let (lower, upper) = unsafe {
                let lower = vld1q_u8(packed.add(64 * half + 16 * quarter));
                (lower, vld1q_u8(packed.add(128 + 32 * half + 16 * (quarter % 2))))
            };
            let upper = |shift: i8| {
                let quarters = vandq_u8(vshlq_u8(upper, vdupq_n_s8(shift)), vdupq_n_u8(3));
                vshlq_n_u8::<4>(quarters)
            };
            *two = [vorrq_u8(low(lower), upper(first)), vorrq_u8(high(lower), upper(first - 4))];
        }
        transposed(values).map(|values| vreinterpretq_s8_u8(values))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        // SAFETY: the caller's promise; 192 + 16 + 2 bytes.
        let (small, scale) = unsafe { (vld1q_u8(packed.add(192)), half(packed.add(208))) };
        scaled(vreinterpretq_s8_u8(in_order(small, OF_TRANSPOSED)), scale, scales);
    }
}

/// Two blocks of 136 bytes: the scale of all, 2 bytes of upper and 4 of lower parts of scales, then 16 for each group.
pub(super) struct IQ4_XS;

impl Packed<8> for IQ4_XS {
    const BYTES: usize = 2 * 136;
    const MINS: bool = false;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; groups `quarter` and `quarter + 4` of both blocks.
        let four = unsafe {
            let at = packed.add(8 + 16 * quarter);
            let ([a, b], [c, d]) = ([at, at.add(64)], [at.add(136), at.add(200)]);
            [vld1q_u8(a), vld1q_u8(b), vld1q_u8(c), vld1q_u8(d)]
        };
        looked_up(nibbles(transposed(four)), &NON_LINEAR)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        for group in 0..LANES {
            // SAFETY: the caller's promise; eight groups of either block.
            let (scale, upper, lower) = unsafe {
                let block = packed.add(136 * (group / 8));
                let upper = block.add(2).cast::<u16>().read_unaligned();
                (half(block), upper, *block.add(4 + group % 8 / 2))
            };
            let low = lower >> (4 * (group % 2)) & 15;
            let high = (upper >> (2 * (group % 8)) & 3) as u8;
            scales[4 * (group % 4) + group / 4] = scale * f32::from((low | high << 4) as i8 - 32);
        }
    }
}

/// The numbers of two bits, from the low bits up.
#[inline]
#[target_feature(enable = "neon")]
fn quarters(bytes: uint8x16_t) -> [uint8x16_t; 4] {
    let mask = vdupq_n_u8(3);
    [
        vandq_u8(bytes, mask),
        vandq_u8(vshrq_n_u8::<2>(bytes), mask),
        vandq_u8(vshrq_n_u8::<4>(bytes), mask),
        vshrq_n_u8::<6>(bytes),
    ]
}

/// Which group lane 8 h + 4 e + j holds: 8 h + 2 j + e.
const OF_QUARTERS: &[u8; LANES] = &[0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15];
/// Which group lane 4 k + i holds: 4 i + k.
const OF_TRANSPOSED: &[u8; LANES] = &[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

#[inline]
#[target_feature(enable = "neon")]
fn in_order(bytes: uint8x16_t, order: &[u8; LANES]) -> uint8x16_t {
    // SAFETY: sixteen bytes.
    vqtbl1q_u8(bytes, unsafe { vld1q_u8(order.as_ptr()) })
}

/// Sixteen small whole numbers times a scale.
#[inline]
#[target_feature(enable = "neon")]
fn scaled(small: int8x16_t, scale: f32, out: &mut [f32; LANES]) {
    let eights = [vmovl_s8(vget_low_s8(small)), vmovl_high_s8(small)];
    for (eight, out) in eights.into_iter().zip(out.as_chunks_mut::<8>().0) {
        let fours = [vmovl_s16(vget_low_s16(eight)), vmovl_high_s16(eight)];
        for (four, out) in fours.into_iter().zip(out.as_chunks_mut::<4>().0) {
            // SAFETY: four numbers.
            unsafe { vst1q_f32(out.as_mut_ptr(), vmulq_n_f32(vcvtq_f32_s32(four), scale)) };
        }
    }
}

/// The half at an address.
///
/// # Safety
/// 2 bytes can be read.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn half(packed: *const u8) -> f32 {
    // SAFETY: the caller's promise.
    f16_to_f32(u16::from_le(unsafe { packed.cast::<u16>().read_unaligned() }))
}

/// Scales and (negative) minimums of two blocks, each of which begins with scale and minimum of all and twelve bytes of six
/// bits each; `block::k` has the layout.
///
/// # Safety
/// 16 bytes can be read from each of the two.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn scales_and_mins(blocks: [*const u8; 2], scales: &mut [f32; LANES], mins: &mut [f32; LANES]) {
    let (mut small_scales, mut small_mins) = ([vdup_n_u16(0); 2], [vdup_n_u16(0); 2]);
    let (mut scale, mut min) = ([0.0; 2], [0.0; 2]);
    for (block, packed) in blocks.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        let [first, second, both] = unsafe {
            (scale[block], min[block]) = (half(packed), half(packed.add(2)));
            [4, 8, 12].map(|at| packed.add(at).cast::<u32>().read_unaligned())
        };
        let upper = |both: u32, low: u32| u64::from(both & 0x0f0f_0f0f | low >> 2 & 0x3030_3030) << 32;
        let eight = |bytes: u64| vreinterpret_u16_u64(vdup_n_u64(bytes));
        small_scales[block] = eight(u64::from(first & 0x3f3f_3f3f) | upper(both, first));
        small_mins[block] = eight(u64::from(second & 0x3f3f_3f3f) | upper(both >> 4, second));
    }
    // Group 8 b + 2 k + i goes to lane 4 k + 2 b + i: two of the first block, two of the second, and so on.
    for (all, small, out) in [(scale, small_scales, scales), (min.map(|min| -min), small_mins, mins)] {
        let small = vcombine_u16(vzip1_u16(small[0], small[1]), vzip2_u16(small[0], small[1]));
        let small = vreinterpretq_u8_u16(small);
        let all = vcombine_f32(vdup_n_f32(all[0]), vdup_n_f32(all[1]));
        let eights = [vmovl_u8(vget_low_u8(small)), vmovl_high_u8(small)];
        for (eight, out) in eights.into_iter().zip(out.as_chunks_mut::<8>().0) {
            let fours = [vmovl_u16(vget_low_u16(eight)), vmovl_high_u16(eight)];
            for (four, out) in fours.into_iter().zip(out.as_chunks_mut::<4>().0) {
                // SAFETY: four numbers.
                unsafe { vst1q_f32(out.as_mut_ptr(), vmulq_f32(all, vcvtq_f32_u32(four))) };
            }
        }
    }
}
