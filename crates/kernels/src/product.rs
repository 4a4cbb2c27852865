#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use crate::isa::{Isa, for_each_isa};

/// Multiplies rows of `f32` by a small matrix of `f32` that lies inside a larger one, for what attention does between its
/// matrices: `out[n][c]` is the sum over k of `x[n][k] * matrix[k * stride + c]`, for as many columns as `out` has room for.
/// `x` holds n rows of `inner` numbers, `out` as many rows.
///
/// A row's result does not depend on the others, nor on the machine's vector instructions.
///
/// # Panics
/// Where `x` or `out` are not whole rows of one count, or `matrix` ends before the last number that is asked for.
pub fn product(x: &[f32], inner: usize, matrix: &[f32], stride: usize, out: &mut [f32]) {
    out.fill(0.0);
    add_product(x, inner, matrix, stride, out);
}

/// The same, added to what `out` holds, one product after the other.
///
/// # Panics
/// As [`product`].
pub fn add_product(x: &[f32], inner: usize, matrix: &[f32], stride: usize, out: &mut [f32]) {
    if x.is_empty() || out.is_empty() {
        return;
    }
    assert!(inner > 0 && x.len().is_multiple_of(inner), "input rows of {inner} numbers");
    let count = x.len() / inner;
    assert!(out.len().is_multiple_of(count), "{count} output rows");
    let columns = out.len() / count;
    assert!(columns <= stride && matrix.len() >= (inner - 1) * stride + columns, "a matrix of {inner} rows");
    match Isa::best() {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::rows(x, inner, matrix, stride, out, columns) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::Dotprod | Isa::I8mm => unsafe { neon::rows(x, inner, matrix, stride, out, columns) },
        _ => rows(x, inner, matrix, stride, out, columns),
    }
}

/// Input rows and columns whose sums stay in registers while the rows of the matrix go by.
const ROWS: usize = 4;
const COLUMNS: usize = 32;

for_each_isa! {
    fn rows(x: &[f32], inner: usize, matrix: &[f32], stride: usize, out: &mut [f32], columns: usize) {
        let mut x = x.chunks_exact(ROWS * inner);
        let mut out = out.chunks_exact_mut(ROWS * columns);
        for (x, out) in (&mut x).zip(&mut out) {
            some_rows::<ROWS>(x, inner, matrix, stride, out, columns);
        }
        let out = out.into_remainder().chunks_exact_mut(columns);
        for (x, out) in x.remainder().chunks_exact(inner).zip(out) {
            some_rows::<1>(x, inner, matrix, stride, out, columns);
        }
    }
}

#[inline(always)]
fn some_rows<const N: usize>(
    x: &[f32],
    inner: usize,
    matrix: &[f32],
    stride: usize,
    out: &mut [f32],
    columns: usize,
) {
    let mut first = 0;
    while first + COLUMNS <= columns {
        let mut sums = [[0.0_f32; COLUMNS]; N];
        for (number, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(&out[number * columns + first..][..COLUMNS]);
        }
        add_some::<N>(x, inner, &matrix[first..], stride, &mut sums);
        for (number, sums) in sums.iter().enumerate() {
            out[number * columns + first..][..COLUMNS].copy_from_slice(sums);
        }
        first += COLUMNS;
    }
    let rest = columns - first;
    if rest == 0 {
        return;
    }
    let mut sums = [[0.0_f32; COLUMNS]; N];
    for (number, sums) in sums.iter_mut().enumerate() {
        sums[..rest].copy_from_slice(&out[number * columns + first..][..rest]);
    }
    // What lies beside the last columns is multiplied along, and dropped, where something lies there.
    if matrix.len() >= (inner - 1) * stride + first + COLUMNS {
        add_some::<N>(x, inner, &matrix[first..], stride, &mut sums);
    } else {
        for index in 0..inner {
            let row = &matrix[index * stride + first..][..rest];
            for (number, sums) in sums.iter_mut().enumerate() {
                let x = x[number * inner + index];
                for (sum, row) in sums.iter_mut().zip(row) {
                    *sum = x.mul_add(*row, *sum);
                }
            }
        }
    }
    for (number, sums) in sums.iter().enumerate() {
        out[number * columns + first..][..rest].copy_from_slice(&sums[..rest]);
    }
}

#[inline(always)]
fn add_some<const N: usize>(
    x: &[f32],
    inner: usize,
    matrix: &[f32],
    stride: usize,
    out: &mut [[f32; COLUMNS]; N],
) {
    // A copy of our own, so that compilers keep it in registers.
    let mut sums = *out;
    for index in 0..inner {
        let Some(row) = matrix[index * stride..].first_chunk::<COLUMNS>() else { break };
        for (number, sums) in sums.iter_mut().enumerate() {
            let x = x[number * inner + index];
            for (sum, row) in sums.iter_mut().zip(row) {
                *sum = x.mul_add(*row, *sum);
            }
        }
    }
    *out = sums;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_one_row_and_one_column_after_the_other() {
        let number = |index: usize| ((index * 37 + 11) % 101) as f32 / 50.0 - 1.0;
        for (count, inner, columns, stride) in [
            (1, 1, 1, 1),
            (3, 5, 31, 40),
            (4, 32, 200, 200),
            (9, 7, 65, 70),
            (5, 64, 32, 384),
            (4, 32, 24, 90),
            (6, 9, 100, 100),
            (64, 32, 128, 128),
            (5, 3, 16, 16),
        ] {
            let x: Vec<f32> = (0..count * inner).map(number).collect();
            let matrix: Vec<f32> = (0..inner * stride).map(|index| number(index * 3 + 1)).collect();
            let mut out = vec![0.0; count * columns];
            product(&x, inner, &matrix, stride, &mut out);
            for (n, out) in out.chunks_exact(columns).enumerate() {
                for (c, out) in out.iter().enumerate() {
                    let sum = (0..inner)
                        .fold(0.0_f32, |sum, k| x[n * inner + k].mul_add(matrix[k * stride + c], sum));
                    assert_eq!(out.to_bits(), sum.to_bits(), "{count} × {inner} × {columns}, {n} {c}");
                }
            }
            let first = out.clone();
            add_product(&x, inner, &matrix, stride, &mut out);
            for (n, (out, first)) in out.chunks_exact(columns).zip(first.chunks_exact(columns)).enumerate() {
                for (c, (out, first)) in out.iter().zip(first).enumerate() {
                    let sum = (0..inner)
                        .fold(*first, |sum, k| x[n * inner + k].mul_add(matrix[k * stride + c], sum));
                    assert_eq!(out.to_bits(), sum.to_bits(), "{count} × {inner} × {columns}, {n} {c}, added");
                }
            }
        }
    }
}
