//! Vectors of 512 bits, with VNNI's sums of products of bytes.
//!
//! All functions here need what [`Isa::Avx512`](crate::isa::Isa) stands for; `Isa::best` has asked the machine for it.

mod across;
mod k;
mod legacy;
pub(super) mod round;

use std::arch::x86_64::*;

pub(super) use across::across;

use super::{
    GROUP, Inputs, Row, Weights,
    ahead::{NextTile, ask_for_more},
};
use crate::{
    Format,
    block::{Block, Shape},
    vector::{four_sums, sum_avx512 as sum},
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
    Row {
        take_apart: take_apart::<STEPS, P>,
        dots: dots::<STEPS, P>,
        dots_of_some: Some(dots_of_some::<STEPS, P>),
    }
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
fn dots<const STEPS: usize, P: Packed<STEPS>>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    assert!(rows.len() == out.len() * row_bytes && row_bytes.div_ceil(P::BYTES) == inputs.len());
    let mut packed = rows.as_ptr();
    let (fours, rest) = out.as_chunks_mut::<4>();
    for out in fours {
        // SAFETY: as many rows are left as results.
        let lanes = unsafe { lanes::<STEPS, P, 4>(packed, row_bytes, inputs) };
        *out = four_sums(&lanes);
        packed = packed.wrapping_add(4 * row_bytes);
    }
    for out in rest {
        // SAFETY: as above.
        let [lanes] = unsafe { lanes::<STEPS, P, 1>(packed, row_bytes, inputs) };
        *out = sum(lanes);
        packed = packed.wrapping_add(row_bytes);
    }
}

/// The products of neighbouring rows, not yet added up: what is loaded of the input serves them all.
///
/// # Safety
/// `R` rows can be read from `packed`, as many chunks each as there are inputs, of which the last may be shorter.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn lanes<const STEPS: usize, P: Packed<STEPS>, const R: usize>(
    packed: *const u8,
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
) -> [__m512; R] {
    let mut lanes = [_mm512_setzero_ps(); R];
    let (whole, rest) = (row_bytes / P::BYTES, row_bytes % P::BYTES);
    // Counted by hand, here and below: iterators were calls of their own, a sixth of a product's time. One row after the
    // other, as they lie in memory.
    let (mut row, mut chunk) = (0, 0);
    while row < R {
        let packed = packed.wrapping_add(row * row_bytes);
        let mut sums = _mm512_setzero_ps();
        while chunk < whole {
            let packed = packed.wrapping_add(chunk * P::BYTES);
            ask_for_more(packed, P::BYTES);
            // SAFETY: a whole chunk.
            sums = unsafe { add::<STEPS, P>(packed, &inputs[chunk], sums) };
            chunk += 1;
        }
        if rest > 0 {
            let mut padded = [0; BYTES_MAX];
            // SAFETY: the row's last bytes; BYTES_MAX is at least `P::BYTES`.
            sums = unsafe {
                let last = packed.add(whole * P::BYTES);
                std::ptr::copy_nonoverlapping(last, padded.as_mut_ptr(), rest);
                add::<STEPS, P>(padded.as_ptr(), &inputs[whole], sums)
            };
        }
        lanes[row] = sums;
        (row, chunk) = (row + 1, 0);
    }
    lanes
}

/// As [`dots`] for 2 to [`SOME`] input rows, a result of each for every row of weights: what is taken apart of the weights
/// stays in registers while it meets all of them.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn dots_of_some<const STEPS: usize, P: Packed<STEPS>>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    let chunks = row_bytes.div_ceil(P::BYTES);
    let count = inputs.len() / chunks;
    assert!(inputs.len() == count * chunks && out.len() * row_bytes == rows.len() * count);
    let of_group = GROUP * row_bytes;
    for (rows, out) in rows.chunks(of_group).zip(out.chunks_mut(GROUP * count)) {
        match count {
            ..=2 => group::<STEPS, P, 2>(rows, row_bytes, inputs, out),
            3 | 4 => group::<STEPS, P, 4>(rows, row_bytes, inputs, out),
            _ => group::<STEPS, P, 6>(rows, row_bytes, inputs, out),
        }
    }
}

/// Chunks of all input rows together that stay there: 28 KB.
const SPAN: usize = 40;

/// Multiplies some neighbouring rows by at most `N` input rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn group<const STEPS: usize, P: Packed<STEPS>, const N: usize>(
    rows: &[u8],
    row_bytes: usize,
    inputs: &[Inputs<STEPS>],
    out: &mut [f32],
) {
    let (whole, rest, chunks) = (row_bytes / P::BYTES, row_bytes % P::BYTES, row_bytes.div_ceil(P::BYTES));
    let count = inputs.len() / chunks;
    // Where there are fewer, the last one is computed more than once.
    let mut columns = [inputs; N];
    for (index, column) in columns.iter_mut().enumerate() {
        *column = &inputs[index.min(count - 1) * chunks..][..chunks];
    }
    let mut lanes = [[_mm512_setzero_ps(); N]; GROUP];
    let mut from = 0;
    while from < chunks {
        let to = chunks.min(from + SPAN / N);
        for (row, lanes) in rows.chunks_exact(row_bytes).zip(&mut lanes) {
            let mut sums = *lanes;
            let mut chunk = from;
            while chunk < to.min(whole) {
                let packed = row.as_ptr().wrapping_add(chunk * P::BYTES);
                ask_for_more(packed, P::BYTES);
                // SAFETY: a whole chunk.
                unsafe { add_some::<STEPS, P, N>(packed, &columns, chunk, &mut sums) };
                chunk += 1;
            }
            if chunk < to && rest > 0 {
                let mut padded = [0; BYTES_MAX];
                padded[..rest].copy_from_slice(&row[whole * P::BYTES..]);
                // SAFETY: BYTES_MAX is at least `P::BYTES`.
                unsafe { add_some::<STEPS, P, N>(padded.as_ptr(), &columns, chunk, &mut sums) };
            }
            *lanes = sums;
        }
        from = to;
    }
    for (out, lanes) in out.chunks_exact_mut(count).zip(&lanes) {
        for (out, lanes) in out.iter_mut().zip(lanes) {
            *out = sum(*lanes);
        }
    }
}

/// As [`add`] for a chunk of several input rows.
///
/// # Safety
/// As [`Packed::parts`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn add_some<const STEPS: usize, P: Packed<STEPS>, const N: usize>(
    packed: *const u8,
    inputs: &[&[Inputs<STEPS>]; N],
    chunk: usize,
    lanes: &mut [__m512; N],
) {
    // SAFETY: the caller's promise.
    let parts = unsafe { P::parts(packed) };
    for (lanes, inputs) in lanes.iter_mut().zip(inputs) {
        *lanes = add_parts::<STEPS, P>(&parts, &inputs[chunk], *lanes);
    }
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
    // SAFETY: the caller's promise.
    let parts = unsafe { P::parts(packed) };
    add_parts::<STEPS, P>(&parts, inputs, lanes)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn add_parts<const STEPS: usize, P: Packed<STEPS>>(
    parts: &Parts<STEPS>,
    inputs: &Inputs<STEPS>,
    lanes: __m512,
) -> __m512 {
    // SAFETY: `Inputs` and its parts lie on multiples of 64 bytes.
    unsafe {
        // Two sums, so that the additions of one need not wait for those of the other.
        let mut sums = [_mm512_load_si512(inputs.first.as_ptr().cast()), _mm512_setzero_si512()];
        let mut step = 0;
        while step < STEPS {
            let input = _mm512_load_si512(inputs.values[step].as_ptr().cast());
            sums[step % 2] = _mm512_dpbusd_epi32(sums[step % 2], parts.values[step], input);
            step += 1;
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

/// As [`plain::tile`](super::plain::tile): three rows of weights meet four input rows at once, so that what is loaded is used
/// more than once, and all twelve sums, whole and scaled, stay in registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn tile<const STEPS: usize>(
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    (chunks, next): (usize, &[u8]),
    mut write: impl FnMut(usize, usize, f32),
) {
    let times = inputs.len().div_ceil(4 * chunks) * weights.len().div_ceil(3 * chunks);
    let mut next = NextTile::new(next, times);
    for (four, inputs) in inputs.chunks(4 * chunks).enumerate() {
        for (three, weights) in weights.chunks(3 * chunks).enumerate() {
            next.ask();
            let mut write =
                |row: usize, index: usize, value: f32| write(3 * three + row, 4 * four + index, value);
            match (weights.len() / chunks, inputs.len() / chunks) {
                (3, 4) => products::<STEPS, 3, 4>(shape, weights, inputs, chunks, &mut write),
                (3, 3) => products::<STEPS, 3, 3>(shape, weights, inputs, chunks, &mut write),
                (3, 2) => products::<STEPS, 3, 2>(shape, weights, inputs, chunks, &mut write),
                (3, _) => products::<STEPS, 3, 1>(shape, weights, inputs, chunks, &mut write),
                (rows, 4) => (0..rows).for_each(|row| {
                    let mut write = |_: usize, index: usize, value: f32| write(row, index, value);
                    products::<STEPS, 1, 4>(shape, &weights[row * chunks..], inputs, chunks, &mut write);
                }),
                (rows, columns) => (0..rows * columns).for_each(|at| {
                    let (row, index) = (at / columns, at % columns);
                    let mut write = |_: usize, _: usize, value: f32| write(row, index, value);
                    let (weights, inputs) = (&weights[row * chunks..], &inputs[index * chunks..]);
                    products::<STEPS, 1, 1>(shape, weights, inputs, chunks, &mut write);
                }),
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
    let mut columns = [inputs; N];
    for (index, column) in columns.iter_mut().enumerate() {
        *column = &inputs[index * chunks..][..chunks];
    }
    let mut lanes = [[_mm512_setzero_ps(); N]; R];
    for chunk in 0..chunks {
        add_to_all(shape, &rows, &columns, chunk, &mut lanes);
    }
    for (row, lanes) in lanes.into_iter().enumerate() {
        if let Ok(lanes) = <&[__m512; 4]>::try_from(&lanes[..]) {
            for (index, sum) in four_sums(lanes).into_iter().enumerate() {
                write(row, index, sum);
            }
            continue;
        }
        for (index, lanes) in lanes.into_iter().enumerate() {
            write(row, index, sum(lanes));
        }
    }
}

/// Adds the products of a chunk of each row to the lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn add_to_all<const STEPS: usize, const R: usize, const N: usize>(
    shape: Shape,
    rows: &[&[Weights<STEPS>]; R],
    columns: &[&[Inputs<STEPS>]; N],
    chunk: usize,
    lanes: &mut [[__m512; N]; R],
) {
    // SAFETY: in this function, sixteen numbers or 64 bytes on multiples of 64 bytes, in `Inputs` and in `Weights`.
    unsafe {
        let mut first = [_mm512_setzero_si512(); N];
        for (first, inputs) in first.iter_mut().zip(columns) {
            *first = _mm512_load_si512(inputs[chunk].first.as_ptr().cast());
        }
        let mut sums = [first; R];
        for step in 0..STEPS {
            let mut input = [_mm512_setzero_si512(); N];
            for (input, inputs) in input.iter_mut().zip(columns) {
                *input = _mm512_load_si512(inputs[chunk].values[step].as_ptr().cast());
            }
            for (sums, weights) in sums.iter_mut().zip(rows) {
                let values = _mm512_load_si512(weights[chunk].values[step].as_ptr().cast());
                for (sum, input) in sums.iter_mut().zip(input) {
                    *sum = _mm512_dpbusd_epi32(*sum, values, input);
                }
            }
        }
        for ((lanes, sums), weights) in lanes.iter_mut().zip(sums).zip(rows) {
            let scales = _mm512_load_ps(weights[chunk].scales.as_ptr());
            let mins = _mm512_load_ps(weights[chunk].mins.as_ptr());
            for ((lane, sum), inputs) in lanes.iter_mut().zip(sums).zip(columns) {
                let scale = _mm512_mul_ps(scales, _mm512_load_ps(inputs[chunk].scales.as_ptr()));
                *lane = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, *lane);
                if shape.mins {
                    *lane = _mm512_fmadd_ps(mins, _mm512_load_ps(inputs[chunk].scaled_sums.as_ptr()), *lane);
                }
            }
        }
    }
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
