#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::{eight_folded, eight_sums, four_sums};

use crate::{
    Format,
    block::LEN_MAX,
    dequantize::{check, unpack},
    isa::{Isa, for_each_isa},
};

/// Returns the sum of products of a packed row and `x`, all in `f32`: for rows of a KV cache and other short things.
///
/// # Panics
/// Where the row does not hold as many numbers as `x`, or its format is of whole numbers (`I8` to `I64`).
pub fn dot(format: Format, row: &[u8], x: &[f32]) -> f32 {
    let mut out = [0.0];
    dots(format, row, x, &mut out);
    out[0]
}

/// Computes the sum of products, as [`dot`], of each of some packed rows and `x`; one row lies behind the other. Many rows
/// at once cost less than one by one.
///
/// # Panics
/// Where the rows do not hold as many numbers as `x` each, or their format is of whole numbers (`I8` to `I64`).
pub fn dots(format: Format, rows: &[u8], x: &[f32], out: &mut [f32]) {
    let row_bytes = checked(format, rows, x.len(), out.len());
    if x.is_empty() {
        out.fill(0.0);
        return;
    }
    match rows_at_once(Isa::best(), format) {
        // SAFETY: the instruction set was found on this machine.
        Some(products) => unsafe { products(rows, row_bytes, x, out) },
        None => {
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(row_bytes)) {
                *out = plain_dot(format, row, x);
            }
        }
    }
}

/// Multiplies packed rows, so many bytes each, by one row of `f32`: one result for each.
pub(crate) type Products = unsafe fn(&[u8], usize, &[f32], &mut [f32]);

/// Unpacks numbers, so many times sixteen.
type Unpack = unsafe fn(&[u8], &mut [f32]);

/// What an instruction set multiplies without unpacking it first.
pub(crate) fn rows_at_once(isa: Isa, format: Format) -> Option<Products> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::rows_at_once(format),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::rows_at_once(format),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::Dotprod | Isa::I8mm => neon::rows_at_once(format),
        Isa::Plain => {
            // Nothing else looks at it on machines other than x86 and ARM.
            _ = format;
            None
        }
    }
}

/// Unpacks numbers that are to meet several inputs: those that [`dots`] computes with.
///
/// # Panics
/// Where there are not as many numbers as `out` has room for, or their format is of whole numbers (`I8` to `I64`).
pub fn unpack_numbers(format: Format, packed: &[u8], out: &mut [f32]) {
    checked(format, packed, out.len(), 1);
    let vectors = match Isa::best() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::unpack_sixteens(format),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::unpack_sixteens(format),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::Dotprod | Isa::I8mm => neon::unpack_sixteens(format),
        Isa::Plain => None::<Unpack>,
    };
    match vectors.filter(|_| out.len().is_multiple_of(LANES)) {
        // SAFETY: the instruction set was found on this machine.
        Some(vectors) => unsafe { vectors(packed, out) },
        None => unpack(format, packed, out),
    }
}

/// How many sums run beside each other: number i goes to lane i modulo this. Pieces are multiples of it but for the
/// last, so that the lanes are the same whatever the format.
pub(crate) const LANES: usize = 16;

/// Adds up lanes, always in the same order: the upper half to the lower half, until one is left.
#[inline(always)]
pub(crate) fn sum(lanes: &[f32; LANES]) -> f32 {
    halved(lanes, |a, b| a + b)
}

/// Makes one number of all lanes, the upper half with the lower half first.
#[inline(always)]
pub(crate) fn halved(lanes: &[f32; LANES], both: impl Fn(f32, f32) -> f32) -> f32 {
    // Written out: compilers go through memory where an array is changed in a loop.
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *lanes;
    let eight =
        [both(a, i), both(b, j), both(c, k), both(d, l), both(e, m), both(f, n), both(g, o), both(h, p)];
    let [a, b, c, d, e, f, g, h] = eight;
    let [a, b, c, d] = [both(a, e), both(b, f), both(c, g), both(d, h)];
    both(both(a, c), both(b, d))
}

/// Which lanes of a vector there are numbers for, where so many are left.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn mask_avx512(left: usize) -> std::arch::x86_64::__mmask16 {
    if left >= LANES { !0 } else { (1 << left) - 1 }
}

/// As [`sum`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
pub(crate) fn sum_avx512(lanes: std::arch::x86_64::__m512) -> f32 {
    use std::arch::x86_64::*;
    let eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps::<1>(lanes));
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// As [`sum`], of lanes four beside each other.
#[cfg(target_arch = "aarch64")]
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn sum_neon([a, b, c, d]: [std::arch::aarch64::float32x4_t; 4]) -> f32 {
    use std::arch::aarch64::*;
    let four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
    vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)))
}

/// Four halves as numbers.
#[cfg(target_arch = "aarch64")]
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn from_halves(halves: std::arch::aarch64::uint16x4_t) -> std::arch::aarch64::float32x4_t {
    use std::arch::aarch64::*;
    vcvt_f32_f16(vreinterpret_f16_u16(halves))
}

fn checked(format: Format, rows: &[u8], count: usize, row_count: usize) -> usize {
    let row_bytes = format.row_bytes(count).filter(|bytes| bytes.checked_mul(row_count) == Some(rows.len()));
    assert!(format.is_supported(), "{format} is not for computing");
    let Some(row_bytes) = row_bytes else {
        panic!("{row_count} rows of {count} numbers of {format}, not {} bytes", rows.len());
    };
    row_bytes
}

fn plain_dot(format: Format, row: &[u8], x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    pieces(format, row, x.len(), |at, values| plain_products(values, &x[at..at + values.len()], &mut lanes));
    sum(&lanes)
}

for_each_isa! {
    /// One fused step for each number; what the last sixteen lack counts as zeros.
    fn plain_products(values: &[f32], x: &[f32], lanes: &mut [f32; LANES]) {
        let ((values, values_rest), (x, x_rest)) = (values.as_chunks::<LANES>(), x.as_chunks::<LANES>());
        for (values, x) in values.iter().zip(x) {
            for ((lane, x), value) in lanes.iter_mut().zip(x).zip(values) {
                *lane = value.mul_add(*x, *lane);
            }
        }
        if !values_rest.is_empty() {
            for (index, lane) in lanes.iter_mut().enumerate() {
                let (value, x) = (values_rest.get(index).unwrap_or(&0.0), x_rest.get(index).unwrap_or(&0.0));
                *lane = value.mul_add(*x, *lane);
            }
        }
    }
}

/// Hands out a row's numbers, at most a block's worth at once, with the index of the first.
fn pieces(format: Format, row: &[u8], count: usize, mut take: impl FnMut(usize, &[f32])) {
    debug_assert!(check(format, row.len(), count).is_ok());
    let mut values = [0.0; LEN_MAX];
    let len = LEN_MAX / format.block_len() * format.block_len();
    let bytes = len / format.block_len() * format.block_bytes();
    for (index, row) in row.chunks(bytes).enumerate() {
        let at = index * len;
        let values = &mut values[..len.min(count - at)];
        unpack(format, row, values);
        take(at, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{add_product, quantize};

    #[test]
    fn rows_at_once_are_rows_one_by_one() {
        for format in [Format::F32, Format::F16, Format::BF16, Format::Q8_0, Format::Q4_0] {
            for cols in [1, 7, 16, 32, 64, 96, 100, 128, 300] {
                let Some(row_bytes) = format.row_bytes(cols) else { continue };
                let numbers: Vec<f32> = (0..11 * cols).map(|index| (index as f32 * 0.3).cos()).collect();
                let x: Vec<f32> = (0..cols).map(|index| (index as f32 * 0.7).sin()).collect();
                let mut rows = vec![0; 11 * row_bytes];
                quantize(format, &numbers, &mut rows).unwrap();

                let mut together = [0.0; 11];
                dots(format, &rows, &x, &mut together);
                let (mut vectors, mut plain) = (vec![0.0; 11 * cols], vec![0.0; 11 * cols]);
                unpack_numbers(format, &rows, &mut vectors);
                unpack(format, &rows, &mut plain);
                assert_eq!(vectors, plain, "{format} × {cols}");
                let (mut summed, mut expected) = (x.clone(), x.clone());
                add_product(&together, 11, &vectors, cols, &mut summed);
                for (row, product) in rows.chunks_exact(row_bytes).zip(together) {
                    assert_eq!(dot(format, row, &x).to_bits(), product.to_bits(), "{format} × {cols}");
                    assert_eq!(plain_dot(format, row, &x).to_bits(), product.to_bits(), "{format} × {cols}");
                    pieces(format, row, cols, |at, values| {
                        for (sum, value) in expected[at..].iter_mut().zip(values) {
                            *sum = value.mul_add(product, *sum);
                        }
                    });
                }
                for isa in Isa::all() {
                    let Some(products) = rows_at_once(isa, format) else { continue };
                    let mut values = [0.0; 11];
                    // SAFETY: the instruction set is one of this machine's.
                    unsafe { products(&rows, row_bytes, &x, &mut values) };
                    let same = values.iter().zip(&together).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{format} × {cols}, {isa:?}: {values:?} instead of {together:?}");
                }
                let same = summed.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{format} × {cols}: {summed:?} instead of {expected:?}");
            }
        }
    }
}
