//! Weights of 16 bits and more: products and sums in `f32`.

use std::cell::Cell;

use super::Matrix;
use crate::{Pool, dequantize::unpack, pool::Pointer};

/// Rows of weights that are unpacked together and then meet all input rows.
const TILE_ROWS: usize = 8;

thread_local! {
    /// Where a thread unpacks its tile, kept from one product to the next.
    static TILE: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

pub(super) fn multiply(matrix: &Matrix, pool: &Pool, inputs: &[f32], outputs: &mut [f32]) {
    let (rows, cols) = (matrix.rows, matrix.cols);
    let count = outputs.len() / rows;
    let out = Pointer(outputs.as_mut_ptr());
    pool.run(rows.div_ceil(TILE_ROWS), |task| {
        let mut tile = TILE.take();
        tile.resize(cols, 0.0);
        for row in task * TILE_ROWS..rows.min((task + 1) * TILE_ROWS) {
            unpack(matrix.format, matrix.packed(row), &mut tile);
            for index in 0..count {
                let value = dot(&tile, &inputs[index * cols..][..cols]);
                // SAFETY: the element lies within `outputs`, since index < count and row < rows; each row is written by the
                // one task that it belongs to.
                unsafe { *out.get().add(index * rows + row) = value };
            }
        }
        TILE.set(tile);
    });
}

/// The sum of products: number i goes to lane i modulo 32 by one fused step, the upper 16 lanes are added to the lower
/// ones, and these to each other.
fn dot(weights: &[f32], x: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 32];
    for (weights, x) in weights.chunks(32).zip(x.chunks(32)) {
        for ((lane, weight), x) in lanes.iter_mut().zip(weights).zip(x) {
            *lane = weight.mul_add(*x, *lane);
        }
    }
    let mut half = [0.0; 16];
    for (index, half) in half.iter_mut().enumerate() {
        *half = lanes[index] + lanes[index + 16];
    }
    crate::vector::sum(&half)
}
