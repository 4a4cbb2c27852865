//! Vectors of 256 bits: half of the lanes at a time.
//!
//! All functions here need what [`Isa::Avx2`](crate::isa::Isa) stands for; `Isa::best` has asked the machine for it. There
//! is no instruction for sums of products of unsigned and signed bytes that cannot overflow 16 bits, so weights are made
//! signed, and their signs moved to the inputs: 128 × 127 × 2 is less than 2¹⁵.

mod formats;

use std::arch::x86_64::*;

use super::{
    Inputs, Row, Weights,
    ahead::{NextTile, ask_for_more},
};
use crate::{
    Format,
    block::{Block, Shape},
    vector::{LANES, sum},
};

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
    unsafe fn take_apart(packed: *const u8, out: &mut Weights<STEPS>);
}

pub(super) fn row_4(format: Format) -> Option<Row<4>> {
    match format {
        Format::Q6_K => Some(row::<4, formats::Q6_K>()),
        _ => None,
    }
}

pub(super) fn row_8(format: Format) -> Option<Row<8>> {
    match format {
        Format::Q4_0 => Some(row::<8, formats::Q4_0>()),
        Format::Q8_0 => Some(row::<8, formats::Q8_0>()),
        Format::Q4_K => Some(row::<8, formats::Q4_K>()),
        Format::Q5_K => Some(row::<8, formats::Q5_K>()),
        _ => None,
    }
}

fn row<const STEPS: usize, P: Packed<STEPS>>() -> Row<STEPS> {
    Row { take_apart: take_apart::<STEPS, P>, dots: dots::<STEPS, P>, dots_of_some: None }
}

/// The longest sixteen groups: sixteen blocks of `Q8_0`.
const BYTES_MAX: usize = 544;

#[target_feature(enable = "avx2,fma,f16c")]
fn take_apart<const STEPS: usize, P: Packed<STEPS>>(row: &[u8], out: &mut [Weights<STEPS>]) {
    assert!(row.len().div_ceil(P::BYTES) == out.len());
    for (out, packed) in out.iter_mut().zip(row.chunks(P::BYTES)) {
        take_chunk_apart::<STEPS, P>(packed, out);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dots<const STEPS: usize, P: Packed<STEPS>>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    assert!(rows.len() == out.len() * row_bytes);
    for (row, out) in rows.chunks_exact(row_bytes).zip(out) {
        *out = dot::<STEPS, P>(row, inputs);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot<const STEPS: usize, P: Packed<STEPS>>(row: &[u8], inputs: &[Inputs<STEPS>]) -> f32 {
    assert!(row.len().div_ceil(P::BYTES) == inputs.len());
    let mut weights = Weights::EMPTY;
    let mut lanes = [_mm256_setzero_ps(); 2];
    for (packed, inputs) in row.chunks(P::BYTES).zip(inputs) {
        ask_for_more(packed.as_ptr(), P::BYTES);
        take_chunk_apart::<STEPS, P>(packed, &mut weights);
        for (half, lanes) in lanes.iter_mut().enumerate() {
            let mut sums = [[*lanes]];
            add(half, [&weights], [inputs], (P::OFFSET, P::MINS), &mut sums);
            [[*lanes]] = sums;
        }
    }
    total(lanes)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn take_chunk_apart<const STEPS: usize, P: Packed<STEPS>>(packed: &[u8], out: &mut Weights<STEPS>) {
    const { assert!(P::BYTES <= BYTES_MAX) };
    if packed.len() >= P::BYTES {
        // SAFETY: a whole chunk.
        unsafe { P::take_apart(packed.as_ptr(), out) };
        return;
    }
    let mut padded = [0; BYTES_MAX];
    padded[..packed.len()].copy_from_slice(packed);
    // SAFETY: BYTES_MAX is at least `P::BYTES`.
    unsafe { P::take_apart(padded.as_ptr(), out) };
}

/// As [`plain::take_apart`](super::plain::take_apart), for formats that have no vectors of their own: what plain Rust takes
/// apart is put in its places by vectors.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn take_apart_any<const STEPS: usize>(
    format: Format,
    shape: Shape,
    row: &[u8],
    out: &mut [Weights<STEPS>],
) {
    let group = 4 * STEPS;
    let mut block = Block::new();
    let blocks = 16 * group / format.block_len();
    for (out, packed) in out.iter_mut().zip(row.chunks(blocks * format.block_bytes())) {
        let mut values = [0_u8; 512];
        let (mut scales, mut mins) = ([0.0; LANES], [0.0; LANES]);
        for (index, packed) in packed.chunks_exact(format.block_bytes()).enumerate() {
            (shape.unpack)(packed, &mut block);
            let (len, groups) = (format.block_len(), format.block_len() / group);
            for (part, values_of) in block.values[..len].chunks_exact(group).enumerate() {
                let (_, lane) = shape.place(index * groups + part);
                for (value, of) in values[lane * group..][..group].iter_mut().zip(values_of) {
                    *value = (i32::from(*of) + shape.offset) as u8;
                }
                (scales[lane], mins[lane]) = (block.scales[part], block.mins[part]);
            }
        }
        (out.scales, out.mins) = (scales, mins);
        for half in 0..2 {
            for part in 0..STEPS / 4 {
                // SAFETY: eight runs of 16 bytes, a group's length apart, lie within 8 groups, and sixteen of those within
                // 512 bytes.
                let fours =
                    unsafe { transposed_runs(values.as_ptr().add(8 * half * group + 16 * part), group) };
                put(out, half, 4 * part, fours);
            }
        }
    }
}

/// As [`plain::tile`](super::plain::tile): two rows of weights meet two input rows at once.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn tile<const STEPS: usize>(
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    (chunks, next): (usize, &[u8]),
    mut write: impl FnMut(usize, usize, f32),
) {
    let times = inputs.len().div_ceil(2 * chunks) * weights.len().div_ceil(2 * chunks);
    let mut next = NextTile::new(next, times);
    for (x, inputs) in inputs.chunks(2 * chunks).enumerate() {
        for (w, weights) in weights.chunks(2 * chunks).enumerate() {
            next.ask();
            let mut write = |row: usize, index: usize, value: f32| write(2 * w + row, 2 * x + index, value);
            match (weights.len() / chunks, inputs.len() / chunks) {
                (2, 2) => products::<STEPS, 2, 2>(shape, weights, inputs, chunks, &mut write),
                (2, _) => products::<STEPS, 2, 1>(shape, weights, inputs, chunks, &mut write),
                (_, 2) => products::<STEPS, 1, 2>(shape, weights, inputs, chunks, &mut write),
                _ => products::<STEPS, 1, 1>(shape, weights, inputs, chunks, &mut write),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn products<const STEPS: usize, const R: usize, const N: usize>(
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    chunks: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    let mut lanes = [[[_mm256_setzero_ps(); N]; R]; 2];
    for (half, lanes) in lanes.iter_mut().enumerate() {
        for chunk in 0..chunks {
            let (mut rows, mut columns) = ([&weights[chunk]; R], [&inputs[chunk]; N]);
            for (index, row) in rows.iter_mut().enumerate() {
                *row = &weights[index * chunks + chunk];
            }
            for (index, column) in columns.iter_mut().enumerate() {
                *column = &inputs[index * chunks + chunk];
            }
            add(half, rows, columns, (shape.offset, shape.mins), lanes);
        }
    }
    let [first, second] = lanes;
    for (row, (first, second)) in first.into_iter().zip(second).enumerate() {
        for (index, (first, second)) in first.into_iter().zip(second).enumerate() {
            write(row, index, total([first, second]));
        }
    }
}

/// Adds a chunk's products to half of the lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add<const STEPS: usize, const R: usize, const N: usize>(
    half: usize,
    weights: [&Weights<STEPS>; R],
    inputs: [&Inputs<STEPS>; N],
    (offset, mins): (i32, bool),
    lanes: &mut [[__m256; N]; R],
) {
    let mut sums = [[_mm256_setzero_si256(); N]; R];
    for step in 0..STEPS {
        let mut xs = [_mm256_setzero_si256(); N];
        for (x, inputs) in xs.iter_mut().zip(inputs) {
            *x = bytes_of(inputs.values[step].as_ptr().cast(), half);
        }
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let values = bytes_of(weights.values[step].as_ptr(), half);
            let values = _mm256_sub_epi8(values, _mm256_set1_epi8(offset as i8));
            let magnitudes = _mm256_abs_epi8(values);
            for (sum, x) in sums.iter_mut().zip(xs) {
                let pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(x, values));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            }
        }
    }
    for ((lanes, sums), weights) in lanes.iter_mut().zip(sums).zip(weights) {
        for ((lane, sum), inputs) in lanes.iter_mut().zip(sums).zip(inputs) {
            let scale = _mm256_mul_ps(numbers_of(&weights.scales, half), numbers_of(&inputs.scales, half));
            *lane = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, *lane);
            if mins {
                let min = numbers_of(&weights.mins, half);
                *lane = _mm256_fmadd_ps(min, numbers_of(&inputs.scaled_sums, half), *lane);
            }
        }
    }
}

/// The first or the second half of 64 bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes_of(line: *const u8, half: usize) -> __m256i {
    // SAFETY: callers hand in 64 bytes on a multiple of 64, and 0 or 1.
    unsafe { _mm256_load_si256(line.add(32 * half).cast()) }
}

/// The first or the second half of sixteen numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn numbers_of(numbers: &[f32; LANES], half: usize) -> __m256 {
    // SAFETY: sixteen numbers, and `half` is 0 or 1.
    unsafe { _mm256_loadu_ps(numbers.as_ptr().add(8 * half)) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn total([low, high]: [__m256; 2]) -> f32 {
    let mut lanes = [0.0; LANES];
    // SAFETY: sixteen numbers.
    unsafe {
        _mm256_storeu_ps(lanes.as_mut_ptr(), low);
        _mm256_storeu_ps(lanes.as_mut_ptr().add(8), high);
    }
    sum(&lanes)
}

/// Writes four steps of eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn put<const STEPS: usize>(out: &mut Weights<STEPS>, half: usize, from: usize, fours: [__m256i; 4]) {
    for (out, four) in out.values[from..].iter_mut().zip(fours) {
        // SAFETY: 64 bytes on a multiple of 64, and `half` is 0 or 1.
        unsafe { _mm256_store_si256(out.as_mut_ptr().add(32 * half).cast(), four) };
    }
}

/// Eight runs of 16 bytes, `stride` bytes apart, as four vectors: the first holds the first four bytes of each run, and so
/// on, in the order of the runs.
///
/// # Safety
/// 7 times `stride` plus 16 bytes can be read from `packed`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transposed_runs(packed: *const u8, stride: usize) -> [__m256i; 4] {
    let mut pairs = [_mm256_setzero_si256(); 4];
    for (index, pair) in pairs.iter_mut().enumerate() {
        // SAFETY: the caller's promise; the last run is the eighth, 4 behind the fourth.
        *pair = unsafe { two_runs(packed.add(index * stride), packed.add((4 + index) * stride)) };
    }
    transposed(pairs)
}

/// Two runs of 16 bytes beside each other.
///
/// # Safety
/// 16 bytes can be read from each.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn two_runs(first: *const u8, second: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_set_m128i(_mm_loadu_si128(second.cast()), _mm_loadu_si128(first.cast())) }
}

/// Transposes four by four words of 32 bits, in each half of the vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab_low, cd_low),
        _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}
