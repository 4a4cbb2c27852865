//! Four rows by sixteen columns at once: what is loaded of the matrix meets four rows, and sixteen sums wait for the
//! multiplications alone. What the compiler makes of plain code for 32 columns would not fit the registers.

use std::arch::aarch64::*;

/// Columns whose sums stay in registers.
const COLUMNS: usize = 16;

/// As [`super::rows`].
#[target_feature(enable = "neon")]
pub(super) fn rows(x: &[f32], inner: usize, matrix: &[f32], stride: usize, out: &mut [f32], columns: usize) {
    let whole = columns / COLUMNS * COLUMNS;
    for (x, out) in x.chunks(4 * inner).zip(out.chunks_mut(4 * columns)) {
        for first in (0..whole).step_by(COLUMNS) {
            let (matrix, out) = (&matrix[first..], &mut out[first..]);
            match x.len() / inner {
                4 => block::<4>(x, inner, matrix, stride, out, columns),
                rows => (0..rows).for_each(|row| {
                    block::<1>(
                        &x[row * inner..][..inner],
                        inner,
                        matrix,
                        stride,
                        &mut out[row * columns..],
                        columns,
                    );
                }),
            }
        }
        for (x, out) in x.chunks_exact(inner).zip(out.chunks_exact_mut(columns)) {
            for (column, out) in out.iter_mut().enumerate().skip(whole) {
                *out = x
                    .iter()
                    .enumerate()
                    .fold(*out, |sum, (index, x)| x.mul_add(matrix[index * stride + column], sum));
            }
        }
    }
}

/// `R` rows by the sixteen columns with which `matrix` and `out` begin.
#[inline]
#[target_feature(enable = "neon")]
fn block<const R: usize>(
    x: &[f32],
    inner: usize,
    matrix: &[f32],
    stride: usize,
    out: &mut [f32],
    columns: usize,
) {
    assert!(x.len() == R * inner && inner > 0);
    assert!(matrix.len() >= (inner - 1) * stride + COLUMNS && out.len() >= (R - 1) * columns + COLUMNS);
    let mut sums = [[vdupq_n_f32(0.0); COLUMNS / 4]; R];
    // SAFETY: of rows `stride` numbers apart in the matrix, and `columns` in `out`, the first sixteen are looked at, which the
    // lines above have made sure of.
    unsafe {
        for (row, sums) in sums.iter_mut().enumerate() {
            for (four, sum) in sums.iter_mut().enumerate() {
                *sum = vld1q_f32(out.as_ptr().add(row * columns + 4 * four));
            }
        }
        for index in 0..inner {
            let mut numbers = [vdupq_n_f32(0.0); COLUMNS / 4];
            for (four, numbers) in numbers.iter_mut().enumerate() {
                *numbers = vld1q_f32(matrix.as_ptr().add(index * stride + 4 * four));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let x = vdupq_n_f32(*x.as_ptr().add(row * inner + index));
                for (sum, numbers) in sums.iter_mut().zip(numbers) {
                    *sum = vfmaq_f32(*sum, x, numbers);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (four, sum) in sums.into_iter().enumerate() {
                vst1q_f32(out.as_mut_ptr().add(row * columns + 4 * four), sum);
            }
        }
    }
}
