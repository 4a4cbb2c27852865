//! Short rows of weights that meet many input rows: sixteen of them side by side, one in each lane.
//!
//! [`tile`](super::tile) has a group in each lane. Where a row does not fill a chunk, lanes are multiplied that hold nothing (a quarter
//! of them in rows of 384 numbers), and where it has only one, adding the lanes up takes a quarter of the time. Here all lanes are of
//! use, and what is added up stands in different vectors: the same groups, scaled and added in the same order, to the same bits.
//! It takes turning the weights over, which pays where many inputs meet them, and each four numbers of an input are loaded for
//! themselves, so that it does not pay for long rows.

use std::{arch::x86_64::*, mem::MaybeUninit};

use super::super::{Inputs, Weights};
use crate::{block::Shape, vector::LANES};

/// Input rows that meet sixteen rows of weights at once.
const TOGETHER: usize = 4;

/// Of sixteen rows of weights and each of those.
type Sums = [__m512; TOGETHER];

/// Multiplies every row of weights by every input row, each of one chunk that holds so many `groups`, and hands out the results of up
/// to sixteen rows: the input row's index, the first row's, and the sums. `turned` has room for sixteen groups for every sixteen
/// rows that were begun.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(in super::super) fn across<const STEPS: usize>(
    shape: Shape,
    weights: &[Weights<STEPS>],
    turned: &mut [Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    groups: usize,
    mut write: impl FnMut(usize, usize, &[f32]),
) {
    let (turned, _) = turned.as_chunks_mut::<LANES>();
    for (rows, turned) in weights.chunks(LANES).zip(&mut *turned) {
        turn(rows, turned);
    }
    let filled = (0..groups).fold(0, |filled, group| filled | 1 << shape.place(group).1);
    for (several, inputs) in inputs.chunks(TOGETHER).enumerate() {
        // Where there are fewer, the last one is computed more than once.
        let mut four = [&inputs[0]; TOGETHER];
        for (index, input) in four.iter_mut().enumerate() {
            *input = &inputs[index.min(inputs.len() - 1)];
        }
        for (rows, (weights, turned)) in weights.chunks(LANES).zip(&*turned).enumerate() {
            let sums = match shape.mins {
                true => sums::<STEPS, true>(turned, four, filled),
                false => sums::<STEPS, false>(turned, four, filled),
            };
            for (index, sums) in sums.into_iter().take(inputs.len()).enumerate() {
                let mut numbers = [0.0; LANES];
                // SAFETY: sixteen numbers.
                unsafe { _mm512_storeu_ps(numbers.as_mut_ptr(), sums) };
                write(TOGETHER * several + index, LANES * rows, &numbers[..weights.len()]);
            }
        }
    }
}

/// Turns up to sixteen rows over: what was row by row a group in each lane becomes group by group a row in each lane. In the
/// lanes of rows that are not there are zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn turn<const STEPS: usize>(rows: &[Weights<STEPS>], turned: &mut [Weights<STEPS>; LANES]) {
    for step in 0..STEPS {
        let values = columns(rows, |row| row.values[step].as_ptr().cast());
        for (turned, values) in turned.iter_mut().zip(values) {
            // SAFETY: 64 bytes on a multiple of 64, here and below.
            unsafe { _mm512_store_si512(turned.values[step].as_mut_ptr().cast(), values) };
        }
    }
    let scales = columns(rows, |row| row.scales.as_ptr().cast());
    let mins = columns(rows, |row| row.mins.as_ptr().cast());
    for ((turned, scales), mins) in turned.iter_mut().zip(scales).zip(mins) {
        // SAFETY: as above.
        unsafe {
            _mm512_store_si512(turned.scales.as_mut_ptr().cast(), scales);
            _mm512_store_si512(turned.mins.as_mut_ptr().cast(), mins);
        }
    }
}

/// Takes sixteen words of each row: the first word of all rows, the second, and so on. `words` names 64 bytes on a multiple of 64.
#[inline]
#[target_feature(enable = "avx512f")]
fn columns<const STEPS: usize>(
    rows: &[Weights<STEPS>],
    words: impl Fn(&Weights<STEPS>) -> *const __m512i,
) -> [__m512i; LANES] {
    let mut sixteen = [_mm512_setzero_si512(); LANES];
    for (out, row) in sixteen.iter_mut().zip(rows) {
        // SAFETY: the caller's promise.
        *out = unsafe { _mm512_load_si512(words(row)) };
    }
    // Within quarters of vectors: column 4 q + j of rows 4 i to 4 i + 3 goes to quarter q of vector 4 i + j.
    let mut quads = sixteen;
    for (four, quads) in sixteen.as_chunks::<4>().0.iter().zip(quads.as_chunks_mut::<4>().0) {
        let [a, b, c, d] = *four;
        let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
        (quads[0], quads[1]) = (_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let (ab, cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
        (quads[2], quads[3]) = (_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    }
    let mut columns = quads;
    for j in 0..4 {
        let [a, b, c, d] = [quads[j], quads[4 + j], quads[8 + j], quads[12 + j]];
        let even = [_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d)];
        let odd = [_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d)];
        columns[j] = _mm512_shuffle_i32x4::<0x88>(even[0], even[1]);
        columns[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd[0], odd[1]);
        columns[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even[0], even[1]);
        columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd[0], odd[1]);
    }
    columns
}

/// The results of sixteen rows for each input row. Groups are added up as lanes are everywhere: halves with halves.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn sums<const STEPS: usize, const MINS: bool>(
    turned: &[Weights<STEPS>; LANES],
    inputs: [&Inputs<STEPS>; TOGETHER],
    filled: u16,
) -> Sums {
    // Writing zeros to all of it first would be an eighth of all time.
    let mut groups = [const { MaybeUninit::<Sums>::uninit() }; LANES];
    for (lane, (sums, weights)) in groups.iter_mut().zip(turned).enumerate() {
        match filled >> lane & 1 {
            1 => sums.write(of_one::<STEPS, MINS>(weights, inputs, lane)),
            _ => sums.write([_mm512_setzero_ps(); TOGETHER]),
        };
    }
    // SAFETY: every group was written to.
    let groups = unsafe { &mut *(&raw mut groups).cast::<[Sums; LANES]>() };
    let mut half = LANES / 2;
    while half > 0 {
        let (first, second) = groups.split_at_mut(half);
        for (first, second) in first.as_flattened_mut().iter_mut().zip(second.as_flattened()) {
            *first = _mm512_add_ps(*first, *second);
        }
        half /= 2;
    }
    groups[0]
}

/// The scaled products of one group of sixteen rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn of_one<const STEPS: usize, const MINS: bool>(
    weights: &Weights<STEPS>,
    inputs: [&Inputs<STEPS>; TOGETHER],
    lane: usize,
) -> Sums {
    // SAFETY: in this function, sixteen numbers or 64 bytes on multiples of 64, and four of 64 bytes.
    unsafe {
        let mut whole = [_mm512_setzero_si512(); TOGETHER];
        for (sum, inputs) in whole.iter_mut().zip(inputs) {
            *sum = _mm512_set1_epi32(inputs.first[lane]);
        }
        for step in 0..STEPS {
            let values = _mm512_load_si512(weights.values[step].as_ptr().cast());
            for (sum, inputs) in whole.iter_mut().zip(inputs) {
                let four = inputs.values[step].as_ptr().cast::<i32>().add(lane).read();
                *sum = _mm512_dpbusd_epi32(*sum, values, _mm512_set1_epi32(four));
            }
        }
        let scales = _mm512_load_ps(weights.scales.as_ptr());
        let mins = _mm512_load_ps(weights.mins.as_ptr());
        let mut sums = [_mm512_setzero_ps(); TOGETHER];
        for ((sum, whole), inputs) in sums.iter_mut().zip(whole).zip(inputs) {
            let scale = _mm512_mul_ps(scales, _mm512_set1_ps(inputs.scales[lane]));
            // Added to 0, as the first step is everywhere: it makes −0 into 0.
            *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, *sum);
            if MINS {
                *sum = _mm512_fmadd_ps(mins, _mm512_set1_ps(inputs.scaled_sums[lane]), *sum);
            }
        }
        sums
    }
}
