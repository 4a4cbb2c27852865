//! Four rows by 64 columns at once: what is loaded of the matrix meets four rows, and what is loaded of a row four vectors, so
//! that sixteen sums wait for the multiplications alone.

use std::arch::x86_64::*;

/// As [`super::rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub(super) fn rows(x: &[f32], inner: usize, matrix: &[f32], stride: usize, out: &mut [f32], columns: usize) {
    let mut first = 0;
    while first < columns {
        let (vectors, last) = match columns - first {
            64.. => (4, !0),
            rest => (rest.div_ceil(16), !0 >> ((16 - rest % 16) % 16)),
        };
        let matrix = &matrix[first..];
        let fours = x.chunks(4 * inner).zip(out.chunks_mut(4 * columns));
        for (x, out) in fours {
            let out = &mut out[first..];
            let sizes = Sizes { inner, stride, columns, last };
            match (x.len() / inner, vectors) {
                (4, 4) => block::<4, 4>(x, matrix, out, sizes),
                (4, 3) => block::<4, 3>(x, matrix, out, sizes),
                (4, 2) => block::<4, 2>(x, matrix, out, sizes),
                (4, _) => block::<4, 1>(x, matrix, out, sizes),
                (rows, _) => (0..rows).for_each(|row| {
                    let (x, out) = (&x[row * inner..][..inner], &mut out[row * columns..]);
                    match vectors {
                        4 => block::<1, 4>(x, matrix, out, sizes),
                        3 => block::<1, 3>(x, matrix, out, sizes),
                        2 => block::<1, 2>(x, matrix, out, sizes),
                        _ => block::<1, 1>(x, matrix, out, sizes),
                    }
                }),
            }
        }
        first += 16 * vectors;
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    inner: usize,
    stride: usize,
    columns: usize,
    /// Which columns of the last vector there are.
    last: __mmask16,
}

/// `R` rows by `V` vectors of columns, with which `matrix` and `out` begin.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
fn block<const R: usize, const V: usize>(x: &[f32], matrix: &[f32], out: &mut [f32], sizes: Sizes) {
    let Sizes { inner, stride, columns, last } = sizes;
    let width = 16 * (V - 1) + (16 - last.leading_zeros() as usize);
    assert!(x.len() == R * inner && inner > 0);
    assert!(matrix.len() >= (inner - 1) * stride + width && out.len() >= (R - 1) * columns + width);
    let mut masks = [!0; V];
    masks[V - 1] = last;
    // SAFETY: of rows `stride` numbers apart in the matrix, and `columns` in `out`, the first `width` are looked at, which the
    // lines above have made sure of; what the last mask leaves out is not touched.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = _mm512_maskz_loadu_ps(masks[vector], out.as_ptr().add(row * columns + 16 * vector));
            }
        }
        let mut at = matrix.as_ptr();
        for index in 0..inner {
            let mut numbers = [_mm512_setzero_ps(); V];
            for (vector, numbers) in numbers.iter_mut().enumerate() {
                *numbers = _mm512_maskz_loadu_ps(masks[vector], at.add(16 * vector));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*x.as_ptr().add(row * inner + index));
                for (sum, numbers) in sums.iter_mut().zip(numbers) {
                    *sum = _mm512_fmadd_ps(x, numbers, *sum);
                }
            }
            at = at.wrapping_add(stride);
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                _mm512_mask_storeu_ps(out.as_mut_ptr().add(row * columns + 16 * vector), masks[vector], sum);
            }
        }
    }
}
