use crate::{
    Format,
    block::LEN_MAX,
    dequantize::{check, unpack},
};

/// Returns the sum of products of a packed row and `x`, all in `f32`: for rows of a KV cache and other short things.
///
/// # Panics
/// Where the row does not hold as many numbers as `x`, or its format is of whole numbers (`I8` to `I64`).
pub fn dot(format: Format, row: &[u8], x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    pieces(format, row, x.len(), |at, values| {
        for (x, values) in x[at..at + values.len()].chunks(LANES).zip(values.chunks(LANES)) {
            for ((lane, x), value) in lanes.iter_mut().zip(x).zip(values) {
                *lane += x * value;
            }
        }
    });
    sum(&lanes)
}

/// Adds `scale` times a packed row to `out`.
///
/// # Panics
/// Where the row does not hold as many numbers as `out`, or its format is of whole numbers (`I8` to `I64`).
pub fn add_scaled(format: Format, row: &[u8], scale: f32, out: &mut [f32]) {
    pieces(format, row, out.len(), |at, values| {
        for (out, value) in out[at..].iter_mut().zip(values) {
            *out += scale * value;
        }
    });
}

/// How many sums run beside each other: number i goes to lane i modulo this. Pieces are multiples of it but for the
/// last, so that the lanes are the same whatever the format.
pub(crate) const LANES: usize = 16;

/// Adds up lanes, always in the same order: the upper half to the lower half, until one is left.
#[inline]
pub(crate) fn sum(lanes: &[f32; LANES]) -> f32 {
    let mut lanes = *lanes;
    for half in [8, 4, 2, 1] {
        for index in 0..half {
            lanes[index] += lanes[index + half];
        }
    }
    lanes[0]
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

/// Hands out a row's numbers, at most a block's worth at once, with the index of the first.
fn pieces(format: Format, row: &[u8], count: usize, mut take: impl FnMut(usize, &[f32])) {
    let checked = check(format, row.len(), count);
    assert!(checked.is_ok() && format.is_supported(), "{count} numbers of {format}, not {} bytes", row.len());
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
