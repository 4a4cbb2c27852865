//! Vectors of sixteen `f32`.

use std::arch::x86_64::*;

use super::Products;
use crate::{Format, vector::sum_avx512 as sum};

/// A format whose numbers are loaded sixteen at once.
trait Load {
    /// The bytes of sixteen numbers.
    const BYTES: usize;

    /// Loads sixteen numbers.
    ///
    /// # Safety
    /// `BYTES` bytes can be read from `packed`.
    unsafe fn sixteen(packed: *const u8) -> __m512;
}

struct F32;
struct F16;
struct BF16;

impl Load for F32 {
    const BYTES: usize = 64;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn sixteen(packed: *const u8) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_ps(packed.cast()) }
    }
}

impl Load for F16 {
    const BYTES: usize = 32;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn sixteen(packed: *const u8) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(packed.cast())) }
    }
}

impl Load for BF16 {
    const BYTES: usize = 32;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn sixteen(packed: *const u8) -> __m512 {
        // SAFETY: the caller's promise.
        let halves = unsafe { _mm256_loadu_si256(packed.cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
    }
}

pub(super) fn rows_at_once(format: Format) -> Option<Products> {
    match format {
        Format::F32 => Some(packed_products::<F32>),
        Format::F16 => Some(packed_products::<F16>),
        Format::BF16 => Some(packed_products::<BF16>),
        _ => None,
    }
}

/// Eight rows at once, so that no sum waits for itself.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn packed_products<L: Load>(
    packed: &[u8],
    row_bytes: usize,
    input: &[f32],
    write: &mut dyn FnMut(usize, f32),
) {
    let rows = packed.len() / row_bytes;
    let whole = rows / 8 * 8;
    for row in (0..whole).step_by(8) {
        let values = packed_dots::<L, 8>(&packed[row * row_bytes..][..8 * row_bytes], row_bytes, input);
        for (index, value) in values.into_iter().enumerate() {
            write(row + index, value);
        }
    }
    for row in whole..rows {
        let [value] = packed_dots::<L, 1>(&packed[row * row_bytes..][..row_bytes], row_bytes, input);
        write(row, value);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn packed_dots<L: Load, const R: usize>(packed: &[u8], row_bytes: usize, input: &[f32]) -> [f32; R] {
    let (inputs, rest) = input.as_chunks::<16>();
    let whole = inputs.len() * L::BYTES;
    assert!(packed.len() == R * row_bytes && row_bytes >= whole && row_bytes - whole <= L::BYTES);
    let mut lanes = [_mm512_setzero_ps(); R];
    for (chunk, input) in inputs.iter().enumerate() {
        // SAFETY: sixteen numbers; each row has as many whole sixteens as the input, as was asserted.
        unsafe {
            let x = _mm512_loadu_ps(input.as_ptr());
            for (row, lanes) in lanes.iter_mut().enumerate() {
                let at = packed.as_ptr().add(row * row_bytes + chunk * L::BYTES);
                *lanes = _mm512_fmadd_ps(L::sixteen(at), x, *lanes);
            }
        }
    }
    if !rest.is_empty() {
        let mut x = [0.0; 16];
        x[..rest.len()].copy_from_slice(rest);
        for (row, lanes) in lanes.iter_mut().enumerate() {
            let mut padded = [0; 64];
            padded[..row_bytes - whole]
                .copy_from_slice(&packed[row * row_bytes + whole..(row + 1) * row_bytes]);
            // SAFETY: sixteen numbers, and 64 bytes, which are as many or more.
            unsafe {
                *lanes = _mm512_fmadd_ps(L::sixteen(padded.as_ptr()), _mm512_loadu_ps(x.as_ptr()), *lanes);
            }
        }
    }
    let mut sums = [0.0; R];
    for (total, lanes) in sums.iter_mut().zip(lanes) {
        *total = sum(lanes);
    }
    sums
}

/// Four rows of weights meet four input rows at once.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn products(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    mut write: impl FnMut(usize, usize, f32),
) {
    for (x, inputs) in inputs.chunks(4 * cols).enumerate() {
        for (w, weights) in weights.chunks(4 * cols).enumerate() {
            let mut write = |row: usize, index: usize, value: f32| write(4 * w + row, 4 * x + index, value);
            match (weights.len() / cols, inputs.len() / cols) {
                (4, 4) => dots::<4, 4>(weights, inputs, cols, &mut write),
                (4, 3) => dots::<4, 3>(weights, inputs, cols, &mut write),
                (4, 2) => dots::<4, 2>(weights, inputs, cols, &mut write),
                (4, _) => dots::<4, 1>(weights, inputs, cols, &mut write),
                (rows, count) => {
                    for (row, weights) in (0..rows).zip(weights.chunks_exact(cols)) {
                        for (index, inputs) in (0..count).zip(inputs.chunks_exact(cols)) {
                            dots::<1, 1>(weights, inputs, cols, &mut |_, _, value| write(row, index, value));
                        }
                    }
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn dots<const R: usize, const N: usize>(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    write: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * cols && inputs.len() == N * cols);
    let mut lanes = [[_mm512_setzero_ps(); N]; R];
    for at in (0..cols).step_by(16) {
        let left = cols - at;
        let mask = if left >= 16 { !0 } else { (1 << left) - 1 };
        // SAFETY: each row has `left` more numbers, and no more than those are looked at.
        unsafe {
            let mut x = [_mm512_setzero_ps(); N];
            for (index, x) in x.iter_mut().enumerate() {
                *x = _mm512_maskz_loadu_ps(mask, inputs.as_ptr().add(index * cols + at));
            }
            for (row, lanes) in lanes.iter_mut().enumerate() {
                let weight = _mm512_maskz_loadu_ps(mask, weights.as_ptr().add(row * cols + at));
                for (lane, x) in lanes.iter_mut().zip(x) {
                    *lane = _mm512_fmadd_ps(weight, x, *lane);
                }
            }
        }
    }
    for (row, lanes) in lanes.into_iter().enumerate() {
        for (index, lanes) in lanes.into_iter().enumerate() {
            write(row, index, sum(lanes));
        }
    }
}
