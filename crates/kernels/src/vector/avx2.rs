//! Packed rows sixteen numbers at once, in two vectors of eight.

use std::arch::x86_64::*;

use super::{Products, Unpack, sum};
use crate::Format;

/// A format whose numbers are loaded sixteen at once.
trait Load {
    /// Bytes of a row's first numbers, so many times sixteen.
    fn bytes(sixteens: usize) -> usize;

    /// Loads the sixteen numbers of an index.
    ///
    /// # Safety
    /// The bytes of the numbers up to these can be read from `row`; the machine has what `Isa::Avx2` stands for.
    unsafe fn sixteen(row: *const u8, index: usize) -> [__m256; 2];
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
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [__m256; 2] {
        // SAFETY: the caller's promise.
        unsafe {
            let at = row.add(64 * index).cast::<f32>();
            [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))]
        }
    }
}

impl Load for F16 {
    fn bytes(sixteens: usize) -> usize {
        32 * sixteens
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [__m256; 2] {
        // SAFETY: the caller's promise.
        unsafe {
            let at = row.add(32 * index).cast::<__m128i>();
            [_mm256_cvtph_ps(_mm_loadu_si128(at)), _mm256_cvtph_ps(_mm_loadu_si128(at.add(1)))]
        }
    }
}

impl Load for BF16 {
    fn bytes(sixteens: usize) -> usize {
        32 * sixteens
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [__m256; 2] {
        // SAFETY: the caller's promise.
        let (low, high) = unsafe {
            let at = row.add(32 * index).cast::<__m128i>();
            (_mm_loadu_si128(at), _mm_loadu_si128(at.add(1)))
        };
        let (low, high) = (_mm256_cvtepu16_epi32(low), _mm256_cvtepu16_epi32(high));
        [
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)),
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)),
        ]
    }
}

/// Rows are whole blocks of 32 numbers, so that sixteens come in pairs.
impl Load for Q8_0 {
    fn bytes(sixteens: usize) -> usize {
        34 * (sixteens / 2)
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn sixteen(row: *const u8, index: usize) -> [__m256; 2] {
        // SAFETY: the caller's promise: a scale of 2 bytes, then 32 numbers.
        let (scale, values) = unsafe {
            let block = row.add(34 * (index / 2));
            let values = _mm_loadu_si128(block.add(2 + 16 * (index % 2)).cast());
            (block.cast::<i16>().read_unaligned(), values)
        };
        let scale = _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(scale))));
        let (low, high) = (_mm256_cvtepi8_epi32(values), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(values)));
        [_mm256_mul_ps(scale, _mm256_cvtepi32_ps(low)), _mm256_mul_ps(scale, _mm256_cvtepi32_ps(high))]
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
#[target_feature(enable = "avx2,fma,f16c")]
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
#[target_feature(enable = "avx2,fma,f16c")]
fn packed_dots<L: Load, const R: usize>(packed: &[u8], row_bytes: usize, input: &[f32]) -> [f32; R] {
    let (inputs, rest) = input.as_chunks::<16>();
    let whole = L::bytes(inputs.len());
    assert!(packed.len() == R * row_bytes && row_bytes >= whole && row_bytes - whole < 64);
    let mut lanes = [[_mm256_setzero_ps(); 2]; R];
    for (chunk, input) in inputs.iter().enumerate() {
        // SAFETY: sixteen numbers; each row has as many whole sixteens as the input, as was asserted.
        unsafe {
            let x = [_mm256_loadu_ps(input.as_ptr()), _mm256_loadu_ps(input.as_ptr().add(8))];
            for (row, lanes) in lanes.iter_mut().enumerate() {
                let weights = L::sixteen(packed.as_ptr().add(row * row_bytes), chunk);
                *lanes = [
                    _mm256_fmadd_ps(weights[0], x[0], lanes[0]),
                    _mm256_fmadd_ps(weights[1], x[1], lanes[1]),
                ];
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
                let weights = L::sixteen(padded.as_ptr(), 0);
                lanes[0] = _mm256_fmadd_ps(weights[0], _mm256_loadu_ps(x.as_ptr()), lanes[0]);
                lanes[1] = _mm256_fmadd_ps(weights[1], _mm256_loadu_ps(x.as_ptr().add(8)), lanes[1]);
            }
        }
    }
    let mut sums = [0.0; R];
    for (total, [low, high]) in sums.iter_mut().zip(lanes) {
        let mut lanes = [0.0; 16];
        // SAFETY: sixteen numbers.
        unsafe {
            _mm256_storeu_ps(lanes.as_mut_ptr(), low);
            _mm256_storeu_ps(lanes.as_mut_ptr().add(8), high);
        }
        *total = sum(&lanes);
    }
    sums
}

/// Unpacks whole sixteens.
#[target_feature(enable = "avx2,fma,f16c")]
fn unpack<L: Load>(packed: &[u8], out: &mut [f32]) {
    let (sixteens, rest) = out.as_chunks_mut::<16>();
    assert!(rest.is_empty() && packed.len() == L::bytes(sixteens.len()));
    for (index, out) in sixteens.iter_mut().enumerate() {
        // SAFETY: there are as many sixteens, as was asserted.
        unsafe {
            let [low, high] = L::sixteen(packed.as_ptr(), index);
            _mm256_storeu_ps(out.as_mut_ptr(), low);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), high);
        }
    }
}
