//! Sixteen blocks of 32 numbers with a scale each. A quarter of the lanes is four blocks.

#![expect(non_camel_case_types, reason = "as in `Format`")]

use std::arch::aarch64::*;

use super::{Packed, high, low, runs, transposed};
use crate::{
    block::{E2M1_DOUBLED, NON_LINEAR, half_of_e8m0},
    vector::{LANES, from_halves},
};

pub(super) struct Q4_0;

impl Packed<8> for Q4_0 {
    const BYTES: usize = 16 * 18;
    const MINS: bool = false;
    const OFFSET: i8 = 8;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; the last run ends with the last block.
        signed(nibbles(unsafe { transposed(runs(packed.add(4 * 18 * quarter + 2), 18)) }))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe { halves(packed, 18, scales) };
    }
}

pub(super) struct Q4_1;

impl Packed<8> for Q4_1 {
    const BYTES: usize = 16 * 20;
    const MINS: bool = true;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; the last run ends with the last block.
        signed(nibbles(unsafe { transposed(runs(packed.add(4 * 20 * quarter + 4), 20)) }))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], mins: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe {
            halves(packed, 20, scales);
            halves(packed.add(2), 20, mins);
        }
    }
}

pub(super) struct Q5_0;

impl Packed<8> for Q5_0 {
    const BYTES: usize = 16 * 22;
    const MINS: bool = false;
    const OFFSET: i8 = 16;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; the bits lie before the run.
        unsafe { fives(packed.add(4 * 22 * quarter + 2), 22) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe { halves(packed, 22, scales) };
    }
}

pub(super) struct Q5_1;

impl Packed<8> for Q5_1 {
    const BYTES: usize = 16 * 24;
    const MINS: bool = true;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; the bits lie before the run.
        unsafe { fives(packed.add(4 * 24 * quarter + 4), 24) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], mins: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe {
            halves(packed, 24, scales);
            halves(packed.add(2), 24, mins);
        }
    }
}

pub(super) struct Q8_0;

impl Packed<8> for Q8_0 {
    const BYTES: usize = 16 * 34;
    const MINS: bool = false;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; the last run ends with the last block.
        let (first, second) = unsafe {
            let packed = packed.add(4 * 34 * quarter + 2);
            (transposed(runs(packed, 34)), transposed(runs(packed.add(16), 34)))
        };
        signed(one_after_the_other(first, second))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe { halves(packed, 34, scales) };
    }
}

pub(super) struct IQ4_NL;

impl Packed<8> for IQ4_NL {
    const BYTES: usize = 16 * 18;
    const MINS: bool = false;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; the last run ends with the last block.
        looked_up(nibbles(unsafe { transposed(runs(packed.add(4 * 18 * quarter + 2), 18)) }), &NON_LINEAR)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        // SAFETY: the caller's promise.
        unsafe { halves(packed, 18, scales) };
    }
}

pub(super) struct MXFP4;

impl Packed<8> for MXFP4 {
    const BYTES: usize = 16 * 17;
    const MINS: bool = false;
    const OFFSET: i8 = 0;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; 8] {
        // SAFETY: the caller's promise; the last run ends with the last block.
        looked_up(nibbles(unsafe { transposed(runs(packed.add(4 * 17 * quarter + 1), 17)) }), &E2M1_DOUBLED)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], _: &mut [f32; LANES]) {
        for (index, scale) in scales.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *scale = half_of_e8m0(unsafe { *packed.add(17 * index) });
        }
    }
}

/// The numbers of four bits: the low ones are the first half of each block, the high ones the second.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn nibbles(four: [uint8x16_t; 4]) -> [uint8x16_t; 8] {
    one_after_the_other(four.map(|four| low(four)), four.map(|four| high(four)))
}

#[inline]
#[target_feature(enable = "neon")]
fn one_after_the_other([a, b, c, d]: [uint8x16_t; 4], [e, f, g, h]: [uint8x16_t; 4]) -> [uint8x16_t; 8] {
    [a, b, c, d, e, f, g, h]
}

#[inline]
#[target_feature(enable = "neon")]
fn signed(values: [uint8x16_t; 8]) -> [int8x16_t; 8] {
    values.map(|value| vreinterpretq_s8_u8(value))
}

/// What a table of sixteen has for numbers below sixteen: one instruction each.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn looked_up(values: [uint8x16_t; 8], table: &[i8; 16]) -> [int8x16_t; 8] {
    // SAFETY: sixteen bytes.
    let table = unsafe { vld1q_s8(table.as_ptr()) };
    values.map(|value| vqtbl1q_s8(table, value))
}

/// Four blocks' numbers of five bits: for each 4 bytes of fifth bits, then 16 bytes of halves.
///
/// # Safety
/// 3 times `stride` plus 20 bytes can be read from `packed`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn fives(packed: *const u8, stride: usize) -> [int8x16_t; 8] {
    // SAFETY: the caller's promise.
    let four = unsafe { runs(packed.add(4), stride) };
    let (mut first, mut second) = (four.map(|four| low(four)), four.map(|four| high(four)));
    for (block, (first, second)) in first.iter_mut().zip(&mut second).enumerate() {
        // SAFETY: the caller's promise.
        let bits = unsafe { packed.add(block * stride).cast::<[u8; 4]>().read() };
        *first = vorrq_u8(*first, fifth([bits[0], bits[1]]));
        *second = vorrq_u8(*second, fifth([bits[2], bits[3]]));
    }
    signed(one_after_the_other(transposed(first), transposed(second)))
}

/// 16 in every byte whose bit is set: sixteen bits for sixteen bytes.
#[inline]
#[target_feature(enable = "neon")]
fn fifth(bits: [u8; 2]) -> uint8x16_t {
    let bits = vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1]));
    // One bit for each byte of eight, and again: bit i is byte i's.
    let places = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
    vandq_u8(vtstq_u8(bits, places), vdupq_n_u8(16))
}

/// Sixteen halves, `stride` bytes apart, as numbers.
///
/// # Safety
/// 15 times `stride` plus 2 bytes can be read from `packed`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn halves(packed: *const u8, stride: usize, out: &mut [f32; LANES]) {
    let mut halves = [0_u16; LANES];
    for (index, half) in halves.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *half = unsafe { packed.add(index * stride).cast::<u16>().read_unaligned() };
    }
    for (halves, out) in halves.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        // SAFETY: four halves, four numbers.
        unsafe { vst1q_f32(out.as_mut_ptr(), from_halves(vld1_u16(halves.as_ptr()))) };
    }
}
