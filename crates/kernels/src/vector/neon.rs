//! Packed rows sixteen numbers at once, in four vectors of four.

use std::arch::aarch64::*;

use super::{Products, Unpack, from_halves, sum_neon as sum};
use crate::{Format, float::f16_to_f32};

/// A format whose numbers are loaded sixteen at once.
trait Load {
    /// Bytes of a row's first numbers, so many times sixteen.
    fn bytes(sixteens: usize) -> usize;

    /// Loads the sixteen numbers of an index.
    ///
    /// # Safety
    /// The bytes of the numbers up to these can be read from `row`.
    unsafe fn sixteen(row: *const u8, index: usize) -> [float32x4_t; 4];
}

struct F32;
struct F16;
struct BF16;
struct Q8_0;

impl Load for F32 {
    fn bytes(sixteens: usize) -> usize {
        64 * sixteens
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [float32x4_t; 4] {
        // SAFETY: the caller's promise.
        let at = |four: usize| unsafe { vld1q_u8(row.add(64 * index + 16 * four)) };
        [at(0), at(1), at(2), at(3)].map(|four| vreinterpretq_f32_u8(four))
    }
}

impl Load for F16 {
    fn bytes(sixteens: usize) -> usize {
        32 * sixteens
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [float32x4_t; 4] {
        // SAFETY: the caller's promise.
        let at = |four: usize| unsafe { vld1_u8(row.add(32 * index + 8 * four)) };
        [at(0), at(1), at(2), at(3)].map(|four| from_halves(vreinterpret_u16_u8(four)))
    }
}

impl Load for BF16 {
    fn bytes(sixteens: usize) -> usize {
        32 * sixteens
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [float32x4_t; 4] {
        // SAFETY: the caller's promise.
        let at = |four: usize| unsafe { vld1_u8(row.add(32 * index + 8 * four)) };
        [at(0), at(1), at(2), at(3)]
            .map(|four| vreinterpretq_f32_u32(vshll_n_u16::<16>(vreinterpret_u16_u8(four))))
    }
}

/// Rows are whole blocks of 32 numbers, so that sixteens come in pairs.
impl Load for Q8_0 {
    fn bytes(sixteens: usize) -> usize {
        34 * (sixteens / 2)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [float32x4_t; 4] {
        // SAFETY: the caller's promise: a scale of 2 bytes, then 32 numbers.
        let (scale, values) = unsafe {
            let block = row.add(34 * (index / 2));
            let scale = u16::from_le(block.cast::<u16>().read_unaligned());
            (f16_to_f32(scale), vld1q_s8(block.add(2 + 16 * (index % 2)).cast()))
        };
        let (first, second) = (vmovl_s8(vget_low_s8(values)), vmovl_high_s8(values));
        let fours = [
            vmovl_s16(vget_low_s16(first)),
            vmovl_high_s16(first),
            vmovl_s16(vget_low_s16(second)),
            vmovl_high_s16(second),
        ];
        fours.map(|four| vmulq_n_f32(vcvtq_f32_s32(four), scale))
    }
}

pub(super) fn rows_at_once(format: Format) -> Option<Products> {
    match format {
        Format::F32 => Some(packed_products::<F32>),
        Format::F16 => Some(packed_products::<F16>),
        Format::BF16 => Some(packed_products::<BF16>),
        Format::Q8_0 => Some(packed_products::<Q8_0>),
        _ => None,
    }
}

pub(super) fn unpack_sixteens(format: Format) -> Option<Unpack> {
    match format {
        Format::F16 => Some(unpack::<F16>),
        Format::BF16 => Some(unpack::<BF16>),
        Format::Q8_0 => Some(unpack::<Q8_0>),
        _ => None,
    }
}

/// Four rows at once, so that no sum waits for itself.
#[target_feature(enable = "neon")]
fn packed_products<L: Load>(packed: &[u8], row_bytes: usize, input: &[f32], out: &mut [f32]) {
    let (fours, rest) = out.as_chunks_mut::<4>();
    let (packed, packed_rest) = packed.split_at(4 * fours.len() * row_bytes);
    for (out, packed) in fours.iter_mut().zip(packed.chunks_exact(4 * row_bytes)) {
        *out = packed_dots::<L, 4>(packed, row_bytes, input);
    }
    for (out, packed) in rest.iter_mut().zip(packed_rest.chunks_exact(row_bytes)) {
        [*out] = packed_dots::<L, 1>(packed, row_bytes, input);
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn packed_dots<L: Load, const R: usize>(packed: &[u8], row_bytes: usize, input: &[f32]) -> [f32; R] {
    let (inputs, rest) = input.as_chunks::<16>();
    let whole = L::bytes(inputs.len());
    assert!(packed.len() == R * row_bytes && row_bytes >= whole && row_bytes - whole < 64);
    let mut lanes = [[vdupq_n_f32(0.0); 4]; R];
    for (chunk, input) in inputs.iter().enumerate() {
        let x = sixteen_of(input);
        for (row, lanes) in lanes.iter_mut().enumerate() {
            // SAFETY: each row has as many whole sixteens as the input, as was asserted.
            let weights = unsafe { L::sixteen(packed.as_ptr().add(row * row_bytes), chunk) };
            add(lanes, weights, x);
        }
    }
    if !rest.is_empty() {
        let mut x = [0.0; 16];
        x[..rest.len()].copy_from_slice(rest);
        for (row, lanes) in lanes.iter_mut().enumerate() {
            let mut padded = [0; 64];
            padded[..row_bytes - whole]
                .copy_from_slice(&packed[row * row_bytes + whole..(row + 1) * row_bytes]);
            // SAFETY: 64 bytes, which are sixteen numbers or more.
            let weights = unsafe { L::sixteen(padded.as_ptr(), 0) };
            add(lanes, weights, sixteen_of(&x));
        }
    }
    lanes.map(|lanes| sum(lanes))
}

#[inline]
#[target_feature(enable = "neon")]
fn add(lanes: &mut [float32x4_t; 4], weights: [float32x4_t; 4], x: [float32x4_t; 4]) {
    for ((lanes, weights), x) in lanes.iter_mut().zip(weights).zip(x) {
        *lanes = vfmaq_f32(*lanes, weights, x);
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn sixteen_of(numbers: &[f32; 16]) -> [float32x4_t; 4] {
    // SAFETY: four times four numbers.
    let at = |four: usize| unsafe { vld1q_f32(numbers.as_ptr().add(4 * four)) };
    [at(0), at(1), at(2), at(3)]
}

/// Unpacks whole sixteens.
#[target_feature(enable = "neon")]
fn unpack<L: Load>(packed: &[u8], out: &mut [f32]) {
    let (sixteens, rest) = out.as_chunks_mut::<16>();
    assert!(rest.is_empty() && packed.len() == L::bytes(sixteens.len()));
    for (index, out) in sixteens.iter_mut().enumerate() {
        // SAFETY: there are as many sixteens, as was asserted.
        let fours = unsafe { L::sixteen(packed.as_ptr(), index) };
        for (four, out) in fours.into_iter().zip(out.as_chunks_mut::<4>().0) {
            // SAFETY: four numbers.
            unsafe { vst1q_f32(out.as_mut_ptr(), four) };
        }
    }
}
