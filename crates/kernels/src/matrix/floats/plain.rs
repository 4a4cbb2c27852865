//! The products in plain Rust.

use crate::vector::{LANES, sum};

pub(super) fn products(
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    mut write: impl FnMut(usize, usize, f32),
) {
    for (index, input) in inputs.chunks_exact(cols).enumerate() {
        let mut rows = weights.chunks_exact(4 * cols);
        let mut row = 0;
        for four in &mut rows {
            // Four sums that do not wait for each other.
            let values = dots(
                [&four[..cols], &four[cols..2 * cols], &four[2 * cols..3 * cols], &four[3 * cols..]],
                input,
            );
            for value in values {
                write(row, index, value);
                row += 1;
            }
        }
        for weights in rows.remainder().chunks_exact(cols) {
            let [value] = dots([weights], input);
            write(row, index, value);
            row += 1;
        }
    }
}

#[inline(always)]
fn dots<const R: usize>(weights: [&[f32]; R], input: &[f32]) -> [f32; R] {
    let mut lanes = [[0.0_f32; LANES]; R];
    let (inputs, rest) = input.as_chunks::<LANES>();
    for (chunk, input) in inputs.iter().enumerate() {
        for (lanes, weights) in lanes.iter_mut().zip(weights) {
            let weights = &weights[chunk * LANES..][..LANES];
            for ((lane, weight), x) in lanes.iter_mut().zip(weights).zip(input) {
                *lane = weight.mul_add(*x, *lane);
            }
        }
    }
    if !rest.is_empty() {
        for (lanes, weights) in lanes.iter_mut().zip(weights) {
            let weights = &weights[inputs.len() * LANES..];
            for (index, lane) in lanes.iter_mut().enumerate() {
                let (weight, x) = (weights.get(index).unwrap_or(&0.0), rest.get(index).unwrap_or(&0.0));
                *lane = weight.mul_add(*x, *lane);
            }
        }
    }
    let mut sums = [0.0; R];
    for (total, lanes) in sums.iter_mut().zip(&lanes) {
        *total = sum(lanes);
    }
    sums
}
