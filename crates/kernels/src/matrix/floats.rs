//! Weights of 16 bits and more: products and sums in `f32`.
//!
//! Number i of a row goes to lane i modulo 16 by one fused step, from the first to the last; then the lanes are added up.
//! What is missing at the end counts as zeros.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;

use std::cell::Cell;

use super::Matrix;
use crate::{Pool, dequantize::unpack, isa::Isa, pool::Pointer, vector::rows_at_once};

/// Rows of weights that are unpacked together and then meet all input rows.
const TILE_ROWS: usize = 8;

/// Bytes of weights that one thread multiplies by a single row before it asks for more.
const TASK_BYTES: usize = 32 << 10;

thread_local! {
    /// Where a thread unpacks its tile, kept from one product to the next.
    static TILE: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

pub(super) fn multiply(matrix: &Matrix, pool: &Pool, inputs: &[f32], outputs: &mut [f32]) {
    let (rows, cols) = (matrix.rows, matrix.cols);
    if cols == 0 {
        outputs.fill(0.0);
        return;
    }
    let count = outputs.len() / rows;
    if count == 1
        && let Some(products) = rows_at_once(matrix.isa, matrix.format)
    {
        let task_rows = (TASK_BYTES / matrix.row_bytes).max(8);
        pool.for_chunks_mut(outputs, task_rows, |task, outputs| {
            let packed =
                &matrix.bytes[task * task_rows * matrix.row_bytes..][..outputs.len() * matrix.row_bytes];
            // SAFETY: the instruction set was found on this machine.
            unsafe { products(packed, matrix.row_bytes, inputs, outputs) };
        });
        return;
    }
    let out = Pointer(outputs.as_mut_ptr());
    let write = |row: usize, index: usize, value: f32| {
        debug_assert!(index < count && row < rows);
        // SAFETY: the element lies within `outputs`; each row is written by the one task that it belongs to.
        unsafe { *out.get().add(index * rows + row) = value };
    };
    pool.run(rows.div_ceil(TILE_ROWS), |task| {
        let from = task * TILE_ROWS;
        let tile_rows = TILE_ROWS.min(rows - from);
        let mut tile = TILE.take();
        tile.resize(tile_rows * cols, 0.0);
        for (index, row) in tile.chunks_exact_mut(cols).enumerate() {
            unpack(matrix.format, matrix.packed(from + index), row);
        }
        products(matrix.isa, &tile, inputs, cols, |row, index, value| write(from + row, index, value));
        TILE.set(tile);
    });
}

/// Multiplies every row of weights by every input row, and hands each result out with the two rows' indexes.
pub(crate) fn products(
    isa: Isa,
    weights: &[f32],
    inputs: &[f32],
    cols: usize,
    write: impl FnMut(usize, usize, f32),
) {
    match isa {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::products(weights, inputs, cols, write) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::products(weights, inputs, cols, write) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::Dotprod | Isa::I8mm => unsafe { neon::products(weights, inputs, cols, write) },
        Isa::Plain => plain::products(weights, inputs, cols, write),
    }
}
