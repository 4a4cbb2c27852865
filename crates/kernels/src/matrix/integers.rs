//! Packed weights: whole numbers of 8 bits are multiplied, and each group's sum is scaled.
//!
//! Sixteen groups (of 16 or 32 numbers) go side by side, one in each lane of a vector: [`Weights`] and [`Inputs`] hold four
//! neighbours of every group after one another, so that one instruction multiplies 64 numbers and adds them to sixteen
//! sums. What a lane adds up does not depend on what is computed beside it, and whole numbers add up to the same in any
//! order; so neither the batch nor the threads nor the machine can change a result.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;
mod round;

use std::{cell::Cell, thread::LocalKey};

use super::Matrix;
use crate::{Pool, block::Shape, isa::Isa, pool::Pointer, vector::LANES};

/// Rows of weights that are taken apart together and then meet all input rows: they stay in the second cache meanwhile.
const TILE_ROWS: usize = 16;

/// Bytes of weights that one thread multiplies by a single row before it asks for more.
const TASK_BYTES: usize = 32 << 10;

/// Sixteen groups of an input row, rounded. `STEPS` is the number of fours in a group: 4 or 8.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Inputs<const STEPS: usize> {
    values: [[i8; 64]; STEPS],
    /// What a group's whole numbers are multiplied with.
    scales: [f32; LANES],
    /// The sum of a group's numbers, scaled.
    scaled_sums: [f32; LANES],
    /// The sum of a group's whole numbers.
    sums: [i32; LANES],
}

/// Sixteen groups of a row of weights; the values are those of the format plus its offset.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Weights<const STEPS: usize> {
    values: [[u8; 64]; STEPS],
    scales: [f32; LANES],
    mins: [f32; LANES],
}

impl<const STEPS: usize> Inputs<STEPS> {
    const EMPTY: Self =
        Self { values: [[0; 64]; STEPS], scales: [0.0; LANES], scaled_sums: [0.0; LANES], sums: [0; LANES] };
}

impl<const STEPS: usize> Weights<STEPS> {
    const EMPTY: Self = Self { values: [[0; 64]; STEPS], scales: [0.0; LANES], mins: [0.0; LANES] };
}

type Kept<T> = LocalKey<Cell<Vec<T>>>;

thread_local! {
    // What a thread takes apart, kept from one product to the next so that nothing is allocated.
    static INPUTS_4: Cell<Vec<Inputs<4>>> = const { Cell::new(Vec::new()) };
    static INPUTS_8: Cell<Vec<Inputs<8>>> = const { Cell::new(Vec::new()) };
    static WEIGHTS_4: Cell<Vec<Weights<4>>> = const { Cell::new(Vec::new()) };
    static WEIGHTS_8: Cell<Vec<Weights<8>>> = const { Cell::new(Vec::new()) };
}

pub(super) fn multiply(matrix: &Matrix, shape: Shape, pool: &Pool, inputs: &[f32], outputs: &mut [f32]) {
    match shape.group {
        16 => by_tiles(matrix, shape, pool, inputs, outputs, (&INPUTS_4, &WEIGHTS_4), row_4(matrix)),
        _ => by_tiles(matrix, shape, pool, inputs, outputs, (&INPUTS_8, &WEIGHTS_8), row_8(matrix)),
    }
}

/// What vector instructions can do with a packed row of one format.
#[derive(Clone, Copy)]
struct Row<const STEPS: usize> {
    /// Takes a row apart, as [`plain::take_apart`].
    take_apart: unsafe fn(&[u8], &mut [Weights<STEPS>]),
    /// Multiplies a row without writing its parts down.
    dot: unsafe fn(&[u8], &[Inputs<STEPS>]) -> f32,
}

fn row_4(matrix: &Matrix) -> Option<Row<4>> {
    match matrix.isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::row_4(matrix.format),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::row_4(matrix.format),
        Isa::Plain => None,
    }
}

fn row_8(matrix: &Matrix) -> Option<Row<8>> {
    match matrix.isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::row_8(matrix.format),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::row_8(matrix.format),
        Isa::Plain => None,
    }
}

fn by_tiles<const STEPS: usize>(
    matrix: &Matrix,
    shape: Shape,
    pool: &Pool,
    inputs: &[f32],
    outputs: &mut [f32],
    (kept_inputs, kept_weights): (&'static Kept<Inputs<STEPS>>, &'static Kept<Weights<STEPS>>),
    vectors: Option<Row<STEPS>>,
) {
    let (rows, cols) = (matrix.rows, matrix.cols);
    let chunks = cols.div_ceil(4 * STEPS * LANES);
    let count = outputs.len() / rows;
    if chunks == 0 {
        outputs.fill(0.0);
        return;
    }

    let mut rounded = kept_inputs.take();
    rounded.resize(count * chunks, Inputs::EMPTY);
    pool.for_chunks_mut(&mut rounded, chunks, |index, rounded| {
        round::row(matrix.isa, &inputs[index * cols..][..cols], shape, rounded);
    });

    let out = Pointer(outputs.as_mut_ptr());
    // SAFETY (of both writes below): the element lies within `outputs`, since index < count and row < rows; each row is
    // written by the one task that it belongs to.
    if count == 1
        && let Some(vectors) = vectors
    {
        let task_rows = (TASK_BYTES / matrix.row_bytes).max(4);
        pool.run(rows.div_ceil(task_rows), |task| {
            for row in task * task_rows..rows.min((task + 1) * task_rows) {
                // SAFETY: `vectors` are those of an instruction set that was found on this machine.
                let value = unsafe { (vectors.dot)(matrix.packed(row), &rounded) };
                // SAFETY: as said above.
                unsafe { *out.get().add(row) = value };
            }
        });
    } else {
        pool.run(rows.div_ceil(TILE_ROWS), |task| {
            let mut weights = kept_weights.take();
            let from = task * TILE_ROWS;
            let tile_rows = TILE_ROWS.min(rows - from);
            weights.resize(tile_rows * chunks, Weights::EMPTY);
            for (index, weights) in weights.chunks_exact_mut(chunks).enumerate() {
                match vectors {
                    // SAFETY: `vectors` are those of an instruction set that was found on this machine.
                    Some(vectors) => unsafe { (vectors.take_apart)(matrix.packed(from + index), weights) },
                    None => take_apart(matrix, shape, from + index, weights),
                }
            }
            tile(matrix.isa, shape, &weights, &rounded, chunks, |row, index, value| {
                // SAFETY: as said above.
                unsafe { *out.get().add(index * rows + from + row) = value };
            });
            kept_weights.set(weights);
        });
    }
    kept_inputs.set(rounded);
}

/// Takes a row of weights apart that has no vectors of its own.
fn take_apart<const STEPS: usize>(matrix: &Matrix, shape: Shape, row: usize, out: &mut [Weights<STEPS>]) {
    match matrix.isa {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::take_apart_any(matrix.format, shape, matrix.packed(row), out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::take_apart_any(matrix.format, shape, matrix.packed(row), out) },
        Isa::Plain => plain::take_apart(matrix.format, shape, matrix.packed(row), out),
    }
}

/// Multiplies every row of weights by every input row, and hands each result out with the two rows' indexes.
fn tile<const STEPS: usize>(
    isa: Isa,
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    chunks: usize,
    write: impl FnMut(usize, usize, f32),
) {
    match isa {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::tile(shape, weights, inputs, chunks, write) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::tile(shape, weights, inputs, chunks, write) },
        Isa::Plain => plain::tile(shape, weights, inputs, chunks, write),
    }
}
