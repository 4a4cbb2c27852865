//! Vectors of 128 bits, of which every ARM processor of 64 bits has 32: a quarter of the lanes at a time.
//!
//! There is no instruction of the first NEON for bytes with and bytes without a sign, so what is taken apart is written down as
//! the signed numbers of the format, without its offset. [`ways`] has the two ways to multiply four neighbours of four lanes,
//! [`pairs`] the third, for machines that multiply small matrices of bytes. Four neighbours of four lanes cost one
//! instruction with dot products, half of one with matrices (of two rows by two inputs), three without either.

mod k;
mod legacy;
pub(super) mod pairs;
mod ways;

use std::arch::aarch64::*;

pub(crate) use ways::sdot;
use ways::{Sdot, Smull, Way};

use super::{
    Inputs, Row, SOME, Weights,
    ahead::{NextTile, ask_for_more},
};
use crate::{
    Format,
    block::{Block, Shape},
    isa::Isa,
    vector::{LANES, sum_neon as sum},
};

/// A format whose rows are taken apart by vectors, sixteen groups at once.
trait Packed<const STEPS: usize> {
    /// The bytes of sixteen groups.
    const BYTES: usize;
    const MINS: bool;
    /// What [`Packed::values`] are more than the format's numbers; nothing, or the offset of the format's shape.
    const OFFSET: i8;

    /// Takes the four lanes from `4 * quarter` on apart: in each vector four neighbours of each, below 128.
    ///
    /// # Safety
    /// `BYTES` bytes can be read from `packed`; `quarter` is at most 3.
    unsafe fn values(packed: *const u8, quarter: usize) -> [int8x16_t; STEPS];

    /// Writes the scales of all lanes, and the minimums where there are any.
    ///
    /// # Safety
    /// `BYTES` bytes can be read from `packed`.
    unsafe fn scales(packed: *const u8, scales: &mut [f32; LANES], mins: &mut [f32; LANES]);
}

pub(super) fn row_4(isa: Isa, format: Format) -> Option<Row<4>> {
    match format {
        Format::Q2_K => Some(row::<4, k::Q2>(isa)),
        Format::Q3_K => Some(row::<4, k::Q3>(isa)),
        Format::Q6_K => Some(row::<4, k::Q6>(isa)),
        _ => None,
    }
}

pub(super) fn row_8(isa: Isa, format: Format) -> Option<Row<8>> {
    match format {
        Format::Q4_0 => Some(row::<8, legacy::Q4_0>(isa)),
        Format::Q4_1 => Some(row::<8, legacy::Q4_1>(isa)),
        Format::Q5_0 => Some(row::<8, legacy::Q5_0>(isa)),
        Format::Q5_1 => Some(row::<8, legacy::Q5_1>(isa)),
        Format::Q8_0 => Some(row::<8, legacy::Q8_0>(isa)),
        Format::Q4_K => Some(row::<8, k::Q4>(isa)),
        Format::Q5_K => Some(row::<8, k::Q5>(isa)),
        Format::IQ4_NL => Some(row::<8, legacy::IQ4_NL>(isa)),
        Format::IQ4_XS => Some(row::<8, k::IQ4_XS>(isa)),
        Format::MXFP4 => Some(row::<8, legacy::MXFP4>(isa)),
        _ => None,
    }
}

fn row<const STEPS: usize, P: Packed<STEPS>>(isa: Isa) -> Row<STEPS> {
    let take_apart = take_apart::<STEPS, P>;
    match isa {
        Isa::Neon | Isa::Plain => {
            Row { take_apart, dots: dots_neon::<STEPS, P>, dots_of_some: Some(dots_of_some_neon::<STEPS, P>) }
        }
        Isa::Dotprod | Isa::I8mm => Row {
            take_apart,
            dots: dots_dotprod::<STEPS, P>,
            dots_of_some: Some(dots_of_some_dotprod::<STEPS, P>),
        },
    }
}

/// The longest sixteen groups: two blocks of `Q5_K`, or sixteen of `Q8_0`.
const BYTES_MAX: usize = 544;

/// The bytes of sixteen groups: those that are handed in, or where they are fewer, these and zeros.
#[inline(always)]
fn whole_chunk(packed: &[u8], bytes: usize, padded: &mut [u8; BYTES_MAX]) -> *const u8 {
    if packed.len() >= bytes {
        return packed.as_ptr();
    }
    padded[packed.len()..].fill(0);
    padded[..packed.len()].copy_from_slice(packed);
    padded.as_ptr()
}

#[target_feature(enable = "neon")]
fn take_apart<const STEPS: usize, P: Packed<STEPS>>(row: &[u8], out: &mut [Weights<STEPS>]) {
    const { assert!(P::BYTES <= BYTES_MAX) };
    assert!(row.len().div_ceil(P::BYTES) == out.len());
    let mut padded = [0; BYTES_MAX];
    for (out, packed) in out.iter_mut().zip(row.chunks(P::BYTES)) {
        let packed = whole_chunk(packed, P::BYTES, &mut padded);
        // SAFETY: a whole chunk, or as much padding: BYTES_MAX is at least `P::BYTES`.
        unsafe { P::scales(packed, &mut out.scales, &mut out.mins) };
        for quarter in 0..4 {
            // SAFETY: as above, and there are four quarters.
            let values = unsafe { P::values(packed, quarter) };
            put(out, quarter, 0, values.map(|values| vsubq_s8(values, vdupq_n_s8(P::OFFSET))));
        }
    }
}

// One row of input and some: the same code for both ways.

fn dots_neon<const STEPS: usize, P: Packed<STEPS>>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    // SAFETY: the first NEON is everywhere.
    unsafe { each_row::<STEPS, P, Smull, 1>(rows, row_bytes, inputs, out) };
}

#[target_feature(enable = "neon,dotprod")]
fn dots_dotprod<const STEPS: usize, P: Packed<STEPS>>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    // SAFETY: whoever calls this has found dot products.
    unsafe { each_row::<STEPS, P, Sdot, 1>(rows, row_bytes, inputs, out) };
}

fn dots_of_some_neon<const STEPS: usize, P: Packed<STEPS>>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    // SAFETY: as for `dots_neon`.
    unsafe { each_row_by_some::<STEPS, P, Smull>(rows, row_bytes, inputs, out) };
}

#[target_feature(enable = "neon,dotprod")]
fn dots_of_some_dotprod<const STEPS: usize, P: Packed<STEPS>>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    // SAFETY: as for `dots_dotprod`.
    unsafe { each_row_by_some::<STEPS, P, Sdot>(rows, row_bytes, inputs, out) };
}

/// # Safety
/// The machine has the instructions of `W`.
#[inline(always)]
unsafe fn each_row_by_some<const STEPS: usize, P: Packed<STEPS>, W: Way>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    const { assert!(SOME <= 6) };
    // SAFETY: the caller's promise.
    unsafe {
        match inputs.len() / row_bytes.div_ceil(P::BYTES) {
            ..=2 => each_row::<STEPS, P, W, 2>(rows, row_bytes, inputs, out),
            3 | 4 => each_row::<STEPS, P, W, 4>(rows, row_bytes, inputs, out),
            _ => each_row::<STEPS, P, W, 6>(rows, row_bytes, inputs, out),
        }
    }
}

/// Multiplies each row by at most `N` input rows: for each row of weights a result for each of them, side by side. What is taken
/// apart of the weights stays in registers meanwhile.
///
/// # Safety
/// The machine has the instructions of `W`.
#[inline(always)]
unsafe fn each_row<const STEPS: usize, P: Packed<STEPS>, W: Way, const N: usize>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    const { assert!(P::BYTES <= BYTES_MAX) };
    let chunks = row_bytes.div_ceil(P::BYTES);
    let count = inputs.len() / chunks;
    assert!((1..=N).contains(&count) && inputs.len() == count * chunks);
    assert!(out.len() * row_bytes == rows.len() * count);
    // Where there are fewer, the last one is computed more than once.
    let mut columns = [inputs; N];
    for (index, column) in columns.iter_mut().enumerate() {
        *column = &inputs[index.min(count - 1) * chunks..][..chunks];
    }
    let mut padded = [0; BYTES_MAX];
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(count)) {
        // SAFETY: a whole chunk each time, or as much padding; the caller's promise.
        unsafe {
            let mut lanes = [[vdupq_n_f32(0.0); 4]; N];
            for (chunk, packed) in row.chunks(P::BYTES).enumerate() {
                ask_for_more(packed.as_ptr(), P::BYTES);
                let packed = whole_chunk(packed, P::BYTES, &mut padded);
                add::<STEPS, P, W, N>(packed, &columns, chunk, &mut lanes);
            }
            for (out, lanes) in out.iter_mut().zip(lanes) {
                *out = sum(lanes);
            }
        }
    }
}

/// Adds the products of a chunk to the lanes of each input row.
///
/// # Safety
/// `P::BYTES` bytes can be read from `packed`, and the machine has the instructions of `W`.
#[inline(always)]
unsafe fn add<const STEPS: usize, P: Packed<STEPS>, W: Way, const N: usize>(
    packed: *const u8,
    columns: &[&[Inputs<STEPS>]; N],
    chunk: usize,
    lanes: &mut [[float32x4_t; 4]; N],
) {
    let (mut scales, mut mins) = ([0.0; LANES], [0.0; LANES]);
    // SAFETY: the caller's promise; there are four quarters.
    unsafe {
        P::scales(packed, &mut scales, &mut mins);
        for quarter in 0..4 {
            let values = P::values(packed, quarter);
            let (scales, mins) = (numbers_of(&scales, quarter), numbers_of(&mins, quarter));
            for (lanes, inputs) in lanes.iter_mut().zip(columns) {
                let inputs = &inputs[chunk];
                let mut sums = W::none();
                for (step, two) in values.as_chunks::<2>().0.iter().enumerate() {
                    sums = W::add(sums, *two, two_steps(&inputs.values, 2 * step, quarter));
                }
                let mut sums = W::total(sums);
                if P::OFFSET != 0 {
                    sums = vaddq_s32(sums, wholes_of(&inputs.first, quarter));
                }
                let scale = vmulq_f32(scales, numbers_of(&inputs.scales, quarter));
                lanes[quarter] = vfmaq_f32(lanes[quarter], vcvtq_f32_s32(sums), scale);
                if P::MINS {
                    let input = numbers_of(&inputs.scaled_sums, quarter);
                    lanes[quarter] = vfmaq_f32(lanes[quarter], mins, input);
                }
            }
        }
    }
}

/// As [`plain::take_apart`](super::plain::take_apart) but for the offset, for formats that have no vectors of their own: what
/// plain Rust takes apart is put in its places by vectors.
#[target_feature(enable = "neon")]
pub(super) fn take_apart_any<const STEPS: usize>(
    format: Format,
    shape: Shape,
    row: &[u8],
    out: &mut [Weights<STEPS>],
) {
    let group = 4 * STEPS;
    let mut block = Block::new();
    let blocks = LANES * group / format.block_len();
    for (out, packed) in out.iter_mut().zip(row.chunks(blocks * format.block_bytes())) {
        let mut values = [0_i8; 512];
        let (mut scales, mut mins) = ([0.0; LANES], [0.0; LANES]);
        for (index, packed) in packed.chunks_exact(format.block_bytes()).enumerate() {
            (shape.unpack)(packed, &mut block);
            let (len, groups) = (format.block_len(), format.block_len() / group);
            for (part, of_group) in block.values[..len].chunks_exact(group).enumerate() {
                let (_, lane) = shape.place(index * groups + part);
                values[lane * group..][..group].copy_from_slice(of_group);
                (scales[lane], mins[lane]) = (block.scales[part], block.mins[part]);
            }
        }
        (out.scales, out.mins) = (scales, mins);
        for quarter in 0..4 {
            for part in 0..STEPS / 4 {
                // SAFETY: four runs of 16 bytes, a group's length apart, lie within 4 groups, and four times those within 512
                // bytes.
                let fours = unsafe {
                    let first = values.as_ptr().add(4 * quarter * group + 16 * part);
                    transposed(runs(first.cast(), group))
                };
                put(out, quarter, 4 * part, fours.map(|four| vreinterpretq_s8_u8(four)));
            }
        }
    }
}

/// As [`plain::tile`](super::plain::tile): two rows of weights meet four input rows at once with dot products, so that eight
/// sums, whole and scaled, and what is loaded stay in registers; two without, as each sum is in two parts there.
///
/// # Safety
/// The machine has the instructions of `isa`.
pub(super) unsafe fn tile<const STEPS: usize>(
    isa: Isa,
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    (chunks, next): (usize, &[u8]),
    write: impl FnMut(usize, usize, f32),
) {
    match isa {
        Isa::Neon | Isa::Plain => tile_smull(shape.mins, weights, inputs, (chunks, next), write),
        // SAFETY: the caller's promise.
        Isa::Dotprod | Isa::I8mm => unsafe {
            tile_dotprod(shape.mins, weights, inputs, (chunks, next), write);
        },
    }
}

fn tile_smull<const STEPS: usize>(
    mins: bool,
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
            let write = &mut write;
            // SAFETY: the first NEON is everywhere.
            unsafe {
                match (weights.len() / chunks, inputs.len() / chunks) {
                    (2, 2) => products::<STEPS, Smull, 2, 2>(mins, weights, inputs, chunks, write),
                    (2, _) => products::<STEPS, Smull, 2, 1>(mins, weights, inputs, chunks, write),
                    (_, 2) => products::<STEPS, Smull, 1, 2>(mins, weights, inputs, chunks, write),
                    _ => products::<STEPS, Smull, 1, 1>(mins, weights, inputs, chunks, write),
                }
            }
        }
    }
}

#[target_feature(enable = "neon,dotprod")]
fn tile_dotprod<const STEPS: usize>(
    mins: bool,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    (chunks, next): (usize, &[u8]),
    mut write: impl FnMut(usize, usize, f32),
) {
    let times = inputs.len().div_ceil(4 * chunks) * weights.len().div_ceil(2 * chunks);
    let mut next = NextTile::new(next, times);
    for (x, inputs) in inputs.chunks(4 * chunks).enumerate() {
        for (w, weights) in weights.chunks(2 * chunks).enumerate() {
            next.ask();
            let mut write = |row: usize, index: usize, value: f32| write(2 * w + row, 4 * x + index, value);
            let write = &mut write;
            // SAFETY: whoever calls this has found dot products.
            unsafe {
                match (weights.len() / chunks, inputs.len() / chunks) {
                    (2, 4) => products::<STEPS, Sdot, 2, 4>(mins, weights, inputs, chunks, write),
                    (2, 3) => products::<STEPS, Sdot, 2, 3>(mins, weights, inputs, chunks, write),
                    (2, 2) => products::<STEPS, Sdot, 2, 2>(mins, weights, inputs, chunks, write),
                    (2, _) => products::<STEPS, Sdot, 2, 1>(mins, weights, inputs, chunks, write),
                    (_, count) => {
                        for (index, inputs) in (0..count).zip(inputs.chunks_exact(chunks)) {
                            let mut write = |_: usize, _: usize, value: f32| write(0, index, value);
                            products::<STEPS, Sdot, 1, 1>(mins, weights, inputs, chunks, &mut write);
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The machine has the instructions of `W`.
#[inline(always)]
unsafe fn products<const STEPS: usize, W: Way, const R: usize, const N: usize>(
    mins: bool,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    chunks: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * chunks && inputs.len() == N * chunks);
    let (mut rows, mut columns) = ([weights; R], [inputs; N]);
    for (index, row) in rows.iter_mut().enumerate() {
        *row = &weights[index * chunks..][..chunks];
    }
    for (index, column) in columns.iter_mut().enumerate() {
        *column = &inputs[index * chunks..][..chunks];
    }
    // SAFETY: the caller's promise; there are four quarters.
    unsafe {
        let mut lanes = [[[vdupq_n_f32(0.0); 4]; N]; R];
        for quarter in 0..4 {
            let mut scaled = [[vdupq_n_f32(0.0); N]; R];
            for chunk in 0..chunks {
                add_to_all::<STEPS, W, R, N>(mins, &rows, &columns, (chunk, quarter), &mut scaled);
            }
            for (lanes, scaled) in lanes.as_flattened_mut().iter_mut().zip(scaled.as_flattened()) {
                lanes[quarter] = *scaled;
            }
        }
        for (row, lanes) in lanes.into_iter().enumerate() {
            for (index, lanes) in lanes.into_iter().enumerate() {
                write(row, index, sum(lanes));
            }
        }
    }
}

/// Adds the products of a quarter of a chunk of each row.
///
/// # Safety
/// The machine has the instructions of `W`, and `quarter` is at most 3.
#[inline(always)]
unsafe fn add_to_all<const STEPS: usize, W: Way, const R: usize, const N: usize>(
    mins: bool,
    rows: &[&[Weights<STEPS>]; R],
    columns: &[&[Inputs<STEPS>]; N],
    (chunk, quarter): (usize, usize),
    scaled: &mut [[float32x4_t; N]; R],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[W::none(); N]; R];
        for step in 0..STEPS / 2 {
            let mut xs = [[vdupq_n_s8(0); 2]; N];
            for (xs, column) in xs.iter_mut().zip(columns) {
                *xs = two_steps(&column[chunk].values, 2 * step, quarter);
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                let values = signed_steps(&row[chunk].values, 2 * step, quarter);
                for (sums, xs) in sums.iter_mut().zip(xs) {
                    *sums = W::add(*sums, values, xs);
                }
            }
        }
        for ((scaled, sums), row) in scaled.iter_mut().zip(sums).zip(rows) {
            let (scales, min) =
                (numbers_of(&row[chunk].scales, quarter), numbers_of(&row[chunk].mins, quarter));
            for ((lane, sums), column) in scaled.iter_mut().zip(sums).zip(columns) {
                let scale = vmulq_f32(scales, numbers_of(&column[chunk].scales, quarter));
                *lane = vfmaq_f32(*lane, vcvtq_f32_s32(W::total(sums)), scale);
                if mins {
                    *lane = vfmaq_f32(*lane, min, numbers_of(&column[chunk].scaled_sums, quarter));
                }
            }
        }
    }
}

/// A quarter of two steps of inputs.
#[inline]
#[target_feature(enable = "neon")]
fn two_steps<const STEPS: usize>(values: &[[i8; 64]; STEPS], step: usize, quarter: usize) -> [int8x16_t; 2] {
    // SAFETY: callers count steps by twos to less than `STEPS`, which is even, and quarters to 3.
    unsafe {
        let first = values.as_ptr().add(step).cast::<i8>().add(16 * quarter);
        [vld1q_s8(first), vld1q_s8(first.add(64))]
    }
}

/// A quarter of two steps of weights.
#[inline]
#[target_feature(enable = "neon")]
fn signed_steps<const STEPS: usize>(
    values: &[[u8; 64]; STEPS],
    step: usize,
    quarter: usize,
) -> [int8x16_t; 2] {
    // SAFETY: as above.
    unsafe {
        let first = values.as_ptr().add(step).cast::<i8>().add(16 * quarter);
        [vld1q_s8(first), vld1q_s8(first.add(64))]
    }
}

/// A quarter of sixteen numbers.
#[inline]
#[target_feature(enable = "neon")]
fn numbers_of(numbers: &[f32; LANES], quarter: usize) -> float32x4_t {
    debug_assert!(quarter < 4);
    // SAFETY: sixteen numbers, and `quarter` is at most 3.
    unsafe { vld1q_f32(numbers.as_ptr().add(4 * quarter)) }
}

#[inline]
#[target_feature(enable = "neon")]
fn wholes_of(numbers: &[i32; LANES], quarter: usize) -> int32x4_t {
    debug_assert!(quarter < 4);
    // SAFETY: as above.
    unsafe { vld1q_s32(numbers.as_ptr().add(4 * quarter)) }
}

/// Writes some steps of a quarter of the lanes.
#[inline]
#[target_feature(enable = "neon")]
fn put<const STEPS: usize, const N: usize>(
    out: &mut Weights<STEPS>,
    quarter: usize,
    from: usize,
    steps: [int8x16_t; N],
) {
    debug_assert!(quarter < 4);
    for (out, step) in out.values[from..].iter_mut().zip(steps) {
        // SAFETY: 64 bytes, and `quarter` is at most 3.
        unsafe { vst1q_s8(out.as_mut_ptr().add(16 * quarter).cast(), step) };
    }
}

/// Four runs of 16 bytes, `stride` bytes apart.
///
/// # Safety
/// 3 times `stride` plus 16 bytes can be read from `packed`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn runs(packed: *const u8, stride: usize) -> [uint8x16_t; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        [
            vld1q_u8(packed),
            vld1q_u8(packed.add(stride)),
            vld1q_u8(packed.add(2 * stride)),
            vld1q_u8(packed.add(3 * stride)),
        ]
    }
}

/// Transposes four by four words of 32 bits: the first holds the first four bytes of each, and so on. Eight instructions.
#[inline]
#[target_feature(enable = "neon")]
fn transposed(four: [uint8x16_t; 4]) -> [uint8x16_t; 4] {
    let [a, b, c, d] = four.map(|one| vreinterpretq_u32_u8(one));
    let of = |first: uint32x4_t, second: uint32x4_t, odd: bool| {
        let (first, second) = (vreinterpretq_u64_u32(first), vreinterpretq_u64_u32(second));
        vreinterpretq_u8_u64(if odd { vtrn2q_u64(first, second) } else { vtrn1q_u64(first, second) })
    };
    let (ab_even, ab_odd) = (vtrn1q_u32(a, b), vtrn2q_u32(a, b));
    let (cd_even, cd_odd) = (vtrn1q_u32(c, d), vtrn2q_u32(c, d));
    [
        of(ab_even, cd_even, false),
        of(ab_odd, cd_odd, false),
        of(ab_even, cd_even, true),
        of(ab_odd, cd_odd, true),
    ]
}

#[inline]
#[target_feature(enable = "neon")]
fn low(bytes: uint8x16_t) -> uint8x16_t {
    vandq_u8(bytes, vdupq_n_u8(15))
}

#[inline]
#[target_feature(enable = "neon")]
fn high(bytes: uint8x16_t) -> uint8x16_t {
    vshrq_n_u8::<4>(bytes)
}
