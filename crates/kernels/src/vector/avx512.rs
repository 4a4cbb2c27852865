//! Packed rows sixteen numbers at once.

use std::arch::x86_64::*;

use super::{Products, Unpack, sum_avx512 as sum};
use crate::Format;

/// A format whose numbers are loaded sixteen at once.
trait Load {
    /// Bytes of a row's first numbers, so many times sixteen.
    fn bytes(sixteens: usize) -> usize;

    /// Loads the sixteen numbers of an index.
    ///
    /// # Safety
    /// The bytes of the numbers up to these can be read from `row`; the machine has what `Isa::Avx512` stands for.
    unsafe fn sixteen(row: *const u8, index: usize) -> __m512;
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
    #[target_feature(enable = "avx512f")]
    unsafe fn sixteen(row: *const u8, index: usize) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_ps(row.add(64 * index).cast()) }
    }
}

impl Load for F16 {
    fn bytes(sixteens: usize) -> usize {
        32 * sixteens
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn sixteen(row: *const u8, index: usize) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(row.add(32 * index).cast())) }
    }
}

impl Load for BF16 {
    fn bytes(sixteens: usize) -> usize {
        32 * sixteens
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn sixteen(row: *const u8, index: usize) -> __m512 {
        // SAFETY: the caller's promise.
        let halves = unsafe { _mm256_loadu_si256(row.add(32 * index).cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
    }
}

/// Rows are whole blocks of 32 numbers, so that sixteens come in pairs.
impl Load for Q8_0 {
    fn bytes(sixteens: usize) -> usize {
        34 * (sixteens / 2)
    }

    #[inline]
    #[target_feature(enable = "avx512f,f16c")]
    unsafe fn sixteen(row: *const u8, index: usize) -> __m512 {
        // SAFETY: the caller's promise: a scale of 2 bytes, then 32 numbers.
        let (scale, values) = unsafe {
            let block = row.add(34 * (index / 2));
            let values = _mm_loadu_si128(block.add(2 + 16 * (index % 2)).cast());
            (block.cast::<i16>().read_unaligned(), values)
        };
        let scale = _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(scale))));
        _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(values)))
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

/// Eight rows at once, so that no sum waits for itself.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,f16c")]
fn packed_products<L: Load>(packed: &[u8], row_bytes: usize, input: &[f32], out: &mut [f32]) {
    let (eights, rest) = out.as_chunks_mut::<8>();
    let (packed, packed_rest) = packed.split_at(8 * eights.len() * row_bytes);
    for (out, packed) in eights.iter_mut().zip(packed.chunks_exact(8 * row_bytes)) {
        *out = eight_sums(&packed_lanes::<L, 8>(packed, row_bytes, input));
    }
    for (out, packed) in rest.iter_mut().zip(packed_rest.chunks_exact(row_bytes)) {
        let [lanes] = packed_lanes::<L, 1>(packed, row_bytes, input);
        *out = sum(lanes);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,f16c")]
fn packed_lanes<L: Load, const R: usize>(packed: &[u8], row_bytes: usize, input: &[f32]) -> [__m512; R] {
    let (inputs, rest) = input.as_chunks::<16>();
    let whole = L::bytes(inputs.len());
    assert!(packed.len() == R * row_bytes && row_bytes >= whole && row_bytes - whole < 64);
    let mut lanes = [_mm512_setzero_ps(); R];
    for (chunk, input) in inputs.iter().enumerate() {
        // SAFETY: sixteen numbers; each row has as many whole sixteens as the input, as was asserted.
        unsafe {
            let x = _mm512_loadu_ps(input.as_ptr());
            for (row, lanes) in lanes.iter_mut().enumerate() {
                let weights = L::sixteen(packed.as_ptr().add(row * row_bytes), chunk);
                *lanes = _mm512_fmadd_ps(weights, x, *lanes);
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
                *lanes = _mm512_fmadd_ps(L::sixteen(padded.as_ptr(), 0), _mm512_loadu_ps(x.as_ptr()), *lanes);
            }
        }
    }
    lanes
}

/// Unpacks whole sixteens.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,f16c")]
fn unpack<L: Load>(packed: &[u8], out: &mut [f32]) {
    let (sixteens, rest) = out.as_chunks_mut::<16>();
    assert!(rest.is_empty() && packed.len() == L::bytes(sixteens.len()));
    for (index, out) in sixteens.iter_mut().enumerate() {
        // SAFETY: there are as many sixteens, as was asserted.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), L::sixteen(packed.as_ptr(), index)) };
    }
}

/// Adds up the lanes of eight vectors, each in the order of [`sum`], with a third of the instructions: halves of two vectors
/// share one.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn eight_sums(vectors: &[__m512; 8]) -> [f32; 8] {
    let mut sums = [0.0; 8];
    let one = eight_folded(vectors, |a, b| _mm512_add_ps(a, b));
    // SAFETY: there is room for eight numbers.
    unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), one) };
    sums
}

/// Joins the lanes of each vector to one: halves with halves until one is left.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn eight_folded(
    &[a, b, c, d, e, f, g, h]: &[__m512; 8],
    join: impl Fn(__m512, __m512) -> __m512,
) -> __m256 {
    // Halves of two vectors stand beside each other, then quarters of four.
    let halves =
        |a, b| join(_mm512_shuffle_f32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b));
    let quarters =
        |a, b| join(_mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
    let first = quarters(halves(a, b), halves(c, d));
    let second = quarters(halves(e, f), halves(g, h));
    let two = join(
        _mm512_shuffle_ps::<0b01_00_01_00>(first, second),
        _mm512_shuffle_ps::<0b11_10_11_10>(first, second),
    );
    let one = join(two, _mm512_movehdup_ps(two));
    // Those of the first four stand at 0, 4, 8 and 12, those of the others at 2, 6, 10 and 14.
    let order = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 10, 6, 2, 12, 8, 4, 0);
    _mm512_castps512_ps256(_mm512_permutexvar_ps(order, one))
}

/// The same for four vectors.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn four_sums(&[a, b, c, d]: &[__m512; 4]) -> [f32; 4] {
    let nothing = _mm512_setzero_ps();
    let [a, b, c, d, ..] = eight_sums(&[a, b, c, d, nothing, nothing, nothing, nothing]);
    [a, b, c, d]
}
