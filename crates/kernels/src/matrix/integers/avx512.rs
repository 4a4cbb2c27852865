//! Vectors of 512 bits, with VNNI's sums of products of bytes.
//!
//! All functions here need what [`Isa::Avx512`](crate::isa::Isa) stands for; `Isa::best` has asked the machine for it.

mod k;
mod legacy;
pub(super) mod round;

use std::arch::x86_64::*;

use super::{Inputs, Row, Weights};
use crate::{
    Format,
    block::{Block, Shape},
    vector::sum_avx512 as sum,
};

/// Sixteen groups of one format, as [`Weights`] but in registers.
struct Parts<const STEPS: usize> {
    values: [__m512i; STEPS],
    scales: __m512,
    /// Of formats with minimums; else anything.
    mins: __m512,
}

/// A format whose rows are taken apart by vectors, sixteen groups at once.
trait Packed<const STEPS: usize> {
    /// The bytes of sixteen groups.
    const BYTES: usize;
    const MINS: bool;
    const OFFSET: i32;

    /// Takes sixteen groups apart.
    ///
    /// # Safety
    /// `BYTES` bytes can be read from `packed`, and the machine has the instructions.
    unsafe fn parts(packed: *const u8) -> Parts<STEPS>;
}

pub(super) fn row_4(format: Format) -> Option<Row<4>> {
    match format {
        Format::Q2_K => Some(row::<4, k::Q2>()),
        Format::Q3_K => Some(row::<4, k::Q3>()),
        Format::Q6_K => Some(row::<4, k::Q6>()),
        _ => None,
    }
}

pub(super) fn row_8(format: Format) -> Option<Row<8>> {
    match format {
        Format::Q4_0 => Some(row::<8, legacy::Q4_0>()),
        Format::Q4_1 => Some(row::<8, legacy::Q4_1>()),
        Format::Q5_0 => Some(row::<8, legacy::Q5_0>()),
        Format::Q5_1 => Some(row::<8, legacy::Q5_1>()),
        Format::Q8_0 => Some(row::<8, legacy::Q8_0>()),
        Format::Q4_K => Some(row::<8, k::Q4>()),
        Format::Q5_K => Some(row::<8, k::Q5>()),
        Format::IQ4_NL => Some(row::<8, legacy::IQ4_NL>()),
        Format::IQ4_XS => Some(row::<8, k::IQ4_XS>()),
        Format::MXFP4 => Some(row::<8, legacy::MXFP4>()),
        _ => None,
    }
}

fn row<const STEPS: usize, P: Packed<STEPS>>() -> Row<STEPS> {
    Row { take_apart: take_apart::<STEPS, P>, dot: dot::<STEPS, P> }
}

/// The longest sixteen groups: two blocks of `Q5_K`, or sixteen of `Q8_0`.
const BYTES_MAX: usize = 544;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn take_apart<const STEPS: usize, P: Packed<STEPS>>(row: &[u8], out: &mut [Weights<STEPS>]) {
    assert!(row.len().div_ceil(P::BYTES) == out.len());
    let mut padded = [0; BYTES_MAX];
    for (out, packed) in out.iter_mut().zip(row.chunks(P::BYTES)) {
        let packed = if packed.len() < P::BYTES {
            padded[..packed.len()].copy_from_slice(packed);
            padded.as_ptr()
        } else {
            packed.as_ptr()
        };
        // SAFETY: a whole chunk, or as much padding: BYTES_MAX is at least `P::BYTES`. The values, scales and minimums of
        // `Weights` lie on multiples of 64 bytes.
        unsafe {
            const { assert!(P::BYTES <= BYTES_MAX) };
            let parts = P::parts(packed);
            for (out, values) in out.values.iter_mut().zip(parts.values) {
                _mm512_store_si512(out.as_mut_ptr().cast(), values);
            }
            _mm512_store_ps(out.scales.as_mut_ptr(), parts.scales);
            if P::MINS {
                _mm512_store_ps(out.mins.as_mut_ptr(), parts.mins);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn dot<const STEPS: usize, P: Packed<STEPS>>(row: &[u8], inputs: &[Inputs<STEPS>]) -> f32 {
    assert!(row.len().div_ceil(P::BYTES) == inputs.len());
    let mut lanes = _mm512_setzero_ps();
    let (whole, rest) = row.split_at(row.len() / P::BYTES * P::BYTES);
    for (packed, inputs) in whole.chunks_exact(P::BYTES).zip(inputs) {
        // SAFETY: a whole chunk.
        lanes = unsafe { add::<STEPS, P>(packed.as_ptr(), inputs, lanes) };
    }
    if let (false, Some(inputs)) = (rest.is_empty(), inputs.last()) {
        let mut padded = [0; BYTES_MAX];
        padded[..rest.len()].copy_from_slice(rest);
        // SAFETY: BYTES_MAX is at least `P::BYTES`.
        lanes = unsafe { add::<STEPS, P>(padded.as_ptr(), inputs, lanes) };
    }
    sum(lanes)
}

/// As [`plain::take_apart`](super::plain::take_apart), for formats that have no vectors of their own: what plain Rust takes
/// apart is put in its places by vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn take_apart_any<const STEPS: usize>(
    format: Format,
    shape: Shape,
    row: &[u8],
    out: &mut [Weights<STEPS>],
) {
    let group = 4 * STEPS;
    let blocks = 16 * group / format.block_len();
    let mut block = Block::new();
    for (out, packed) in out.iter_mut().zip(row.chunks(blocks * format.block_bytes())) {
        let mut values = [0; 512];
        let (mut scales, mut mins) = ([0.0; 16], [0.0; 16]);
        for (index, packed) in packed.chunks_exact(format.block_bytes()).enumerate() {
            (shape.unpack)(packed, &mut block);
            let (len, groups) = (format.block_len(), format.block_len() / group);
            values[index * len..][..len].copy_from_slice(&block.values[..len]);
            scales[index * groups..][..groups].copy_from_slice(&block.scales[..groups]);
            mins[index * groups..][..groups].copy_from_slice(&block.mins[..groups]);
        }
        (out.scales, out.mins) = (scales, mins);
        for (part, out) in out.values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            // SAFETY: sixteen runs of 16 bytes, a group's length apart, lie within 16 groups, and those within 512 bytes.
            let fours = unsafe { transposed_runs(values.as_ptr().cast::<u8>().add(16 * part), group) };
            for (out, four) in out.iter_mut().zip(fours) {
                let four = _mm512_add_epi8(four, _mm512_set1_epi8(shape.offset as i8));
                // SAFETY: 64 bytes on a multiple of 64.
                unsafe { _mm512_store_si512(out.as_mut_ptr().cast(), four) };
            }
        }
    }
}

/// Adds a chunk's products to the lanes.
///
/// # Safety
/// As [`Packed::parts`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn add<const STEPS: usize, P: Packed<STEPS>>(
    packed: *const u8,
    inputs: &Inputs<STEPS>,
    lanes: __m512,
) -> __m512 {
    // SAFETY: the caller's promise; `Inputs` and its parts lie on multiples of 64 bytes.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(packed.wrapping_add(1024).cast());
        _mm_prefetch::<_MM_HINT_T0>(packed.wrapping_add(1024 + 64).cast());
        _mm_prefetch::<_MM_HINT_T0>(packed.wrapping_add(1024 + 128).cast());
        _mm_prefetch::<_MM_HINT_T0>(packed.wrapping_add(1024 + 192).cast());
        let parts = P::parts(packed);
        // Two sums, so that the additions of one need not wait for those of the other.
        let mut sums = [first_sums(inputs, P::OFFSET), _mm512_setzero_si512()];
        for (step, values) in parts.values.into_iter().enumerate() {
            let input = _mm512_load_si512(inputs.values[step].as_ptr().cast());
            sums[step % 2] = _mm512_dpbusd_epi32(sums[step % 2], values, input);
        }
        let sums = _mm512_cvtepi32_ps(_mm512_add_epi32(sums[0], sums[1]));
        let scales = _mm512_mul_ps(parts.scales, _mm512_load_ps(inputs.scales.as_ptr()));
        let lanes = _mm512_fmadd_ps(sums, scales, lanes);
        match P::MINS {
            true => _mm512_fmadd_ps(parts.mins, _mm512_load_ps(inputs.scaled_sums.as_ptr()), lanes),
            false => lanes,
        }
    }
}

/// What takes the offset of a format's values out of the sums of products again.
#[inline]
#[target_feature(enable = "avx512f")]
fn first_sums<const STEPS: usize>(inputs: &Inputs<STEPS>, offset: i32) -> __m512i {
    if offset == 0 {
        return _mm512_setzero_si512();
    }
    // SAFETY: `sums` are 16 whole numbers on a multiple of 64 bytes.
    let sums = unsafe { _mm512_load_si512(inputs.sums.as_ptr().cast()) };
    _mm512_mullo_epi32(sums, _mm512_set1_epi32(-offset))
}

/// As [`plain::tile`](super::plain::tile): two rows of weights meet four input rows at once, so that what is loaded is used
/// more than once.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn tile<const STEPS: usize>(
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    chunks: usize,
    mut write: impl FnMut(usize, usize, f32),
) {
    for (four, inputs) in inputs.chunks(4 * chunks).enumerate() {
        for (two, weights) in weights.chunks(2 * chunks).enumerate() {
            let mut write =
                |row: usize, index: usize, value: f32| write(2 * two + row, 4 * four + index, value);
            match (weights.len() / chunks, inputs.len() / chunks) {
                (2, 4) => products::<STEPS, 2, 4>(shape, weights, inputs, chunks, &mut write),
                (2, 3) => products::<STEPS, 2, 3>(shape, weights, inputs, chunks, &mut write),
                (2, 2) => products::<STEPS, 2, 2>(shape, weights, inputs, chunks, &mut write),
                (2, _) => products::<STEPS, 2, 1>(shape, weights, inputs, chunks, &mut write),
                (_, 4) => products::<STEPS, 1, 4>(shape, weights, inputs, chunks, &mut write),
                (_, 3) => products::<STEPS, 1, 3>(shape, weights, inputs, chunks, &mut write),
                (_, 2) => products::<STEPS, 1, 2>(shape, weights, inputs, chunks, &mut write),
                _ => products::<STEPS, 1, 1>(shape, weights, inputs, chunks, &mut write),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn products<const STEPS: usize, const R: usize, const N: usize>(
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    chunks: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    // Loops instead of closures everywhere: what standard functions call is not compiled for the instruction set.
    let mut rows = [weights; R];
    for (index, row) in rows.iter_mut().enumerate() {
        *row = &weights[index * chunks..][..chunks];
    }
    let weights = rows;
    let mut columns = [inputs; N];
    for (index, column) in columns.iter_mut().enumerate() {
        *column = &inputs[index * chunks..][..chunks];
    }
    let inputs = columns;
    let mut lanes = [[_mm512_setzero_ps(); N]; R];
    for chunk in 0..chunks {
        let mut first = [_mm512_setzero_si512(); N];
        for (first, inputs) in first.iter_mut().zip(inputs) {
            *first = first_sums(&inputs[chunk], shape.offset);
        }
        let mut sums = [first; R];
        for step in 0..STEPS {
            let mut input = [_mm512_setzero_si512(); N];
            for (input, inputs) in input.iter_mut().zip(inputs) {
                // SAFETY: 64 bytes on a multiple of 64, in `Inputs` and in `Weights`.
                *input = unsafe { _mm512_load_si512(inputs[chunk].values[step].as_ptr().cast()) };
            }
            for (sums, weights) in sums.iter_mut().zip(weights) {
                // SAFETY: as above.
                let values = unsafe { _mm512_load_si512(weights[chunk].values[step].as_ptr().cast()) };
                for (sum, input) in sums.iter_mut().zip(input) {
                    *sum = _mm512_dpbusd_epi32(*sum, values, input);
                }
            }
        }
        for ((lanes, sums), weights) in lanes.iter_mut().zip(sums).zip(weights) {
            // SAFETY: 16 numbers on a multiple of 64 bytes, here and below.
            let (scales, mins) = unsafe {
                (_mm512_load_ps(weights[chunk].scales.as_ptr()), _mm512_load_ps(weights[chunk].mins.as_ptr()))
            };
            for ((lane, sum), inputs) in lanes.iter_mut().zip(sums).zip(inputs) {
                // SAFETY: as above.
                let (input_scales, scaled_sums) = unsafe {
                    (
                        _mm512_load_ps(inputs[chunk].scales.as_ptr()),
                        _mm512_load_ps(inputs[chunk].scaled_sums.as_ptr()),
                    )
                };
                *lane = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scales, input_scales), *lane);
                if shape.mins {
                    *lane = _mm512_fmadd_ps(mins, scaled_sums, *lane);
                }
            }
        }
    }
    if let Ok(lanes) = <&[__m512; 8]>::try_from(lanes.as_flattened()) {
        let sums = eight_sums(lanes);
        for index in 0..4 {
            write(0, index, sums[4 * index]);
            write(1, index, sums[4 * index + 2]);
        }
        return;
    }
    for (row, lanes) in lanes.into_iter().enumerate() {
        for (index, lanes) in lanes.into_iter().enumerate() {
            write(row, index, sum(lanes));
        }
    }
}

/// Adds up the lanes of eight vectors, each in the order of [`sum`], with a third of the instructions: halves of two vectors
/// share one. The sum of vector i is number 4 i, that of vector 4 + i number 4 i + 2.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn eight_sums(lanes: &[__m512; 8]) -> [f32; 16] {
    let halves = |a, b| {
        _mm512_add_ps(
            _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b),
            _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b),
        )
    };
    let quarters = |a, b| {
        _mm512_add_ps(
            _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
            _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
        )
    };
    let [a, b, c, d, e, f, g, h] = *lanes;
    let first = quarters(halves(a, b), halves(c, d));
    let second = quarters(halves(e, f), halves(g, h));
    let two = _mm512_add_ps(
        _mm512_shuffle_ps::<0b01_00_01_00>(first, second),
        _mm512_shuffle_ps::<0b11_10_11_10>(first, second),
    );
    let one = _mm512_add_ps(two, _mm512_movehdup_ps(two));
    let mut sums = [0.0; 16];
    // SAFETY: there is room for sixteen numbers.
    unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), one) };
    sums
}

/// Sixteen runs of 16 bytes, `stride` bytes apart, as four vectors: the first holds the first four bytes of each run, and so
/// on, in the order of the runs.
///
/// # Safety
/// 15 times `stride` plus 16 bytes can be read from `packed`.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn transposed_runs(packed: *const u8, stride: usize) -> [__m512i; 4] {
    let mut fours = [_mm512_setzero_si512(); 4];
    for (first, four) in fours.iter_mut().enumerate() {
        // SAFETY: the caller's promise; the last run is the sixteenth, 12 behind the fourth.
        unsafe {
            let run = packed.add(first * stride);
            let first = _mm512_castsi128_si512(_mm_loadu_si128(run.cast()));
            let two = _mm512_inserti32x4::<1>(first, _mm_loadu_si128(run.add(4 * stride).cast()));
            let three = _mm512_inserti32x4::<2>(two, _mm_loadu_si128(run.add(8 * stride).cast()));
            *four = _mm512_inserti32x4::<3>(three, _mm_loadu_si128(run.add(12 * stride).cast()));
        }
    }
    transposed(fours)
}

/// Transposes four by four words of 32 bits, in each quarter of the vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab_low, cd_low),
        _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Lower and upper halves of bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn halves(bytes: __m512i) -> (__m512i, __m512i) {
    let low = _mm512_set1_epi8(15);
    (_mm512_and_si512(bytes, low), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low))
}
