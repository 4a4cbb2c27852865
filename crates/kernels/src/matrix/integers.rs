//! Packed weights: whole numbers of 8 bits are multiplied, and each group's sum is scaled.
//!
//! Sixteen groups (of 16 or 32 numbers) go side by side, one in each lane of a vector: [`Weights`] and [`Inputs`] hold four
//! neighbours of every group after one another, so that one instruction multiplies 64 numbers and adds them to sixteen
//! sums. What a lane adds up does not depend on what is computed beside it, and whole numbers add up to the same in any
//! order; so neither the batch nor the threads nor the machine can change a result.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod ahead;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
mod round;
mod row;

use std::{cell::Cell, thread::LocalKey};

#[cfg(target_arch = "aarch64")]
pub(crate) use ahead::to_first_cache;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{pairs::smmla, sdot};
pub(super) use row::multiply_row;

use super::Matrix;
use crate::{Pool, block::Shape, isa::Isa, pool::Pointer, vector::LANES};

/// Rows of weights that are taken apart together and then meet all input rows: they stay in the second cache meanwhile. A
/// multiple of 3 and of 2, which is how many rows meet inputs at once.
const TILE_ROWS: usize = 24;

/// As many input rows are multiplied without writing down what is taken apart; for more, that pays.
const SOME: usize = 6;

/// The same for formats with minimums, which take another register and another step.
const SOME_WITH_MINS: usize = 4;

/// Rows of weights whose sums for those are kept while a part of the inputs stays in the first cache.
const GROUP: usize = 16;

/// Rows of weights that one thread has side by side at a time; a multiple of sixteen.
#[cfg(target_arch = "x86_64")]
const ROWS_ACROSS: usize = 32;

/// The fewest input rows for which that pays.
#[cfg(target_arch = "x86_64")]
const INPUTS_ACROSS: usize = 32;

/// Bytes of weights that one thread multiplies by few rows before it asks for more.
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
    /// What the sum of a group's products begins with: it takes out again what the offset of the weights puts in.
    first: [i32; LANES],
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
        Self { values: [[0; 64]; STEPS], scales: [0.0; LANES], scaled_sums: [0.0; LANES], first: [0; LANES] };
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
    static RESULTS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

pub(super) fn multiply(matrix: &Matrix, shape: Shape, pool: &Pool, inputs: &[f32], outputs: &mut [f32]) {
    if outputs.len() == matrix.rows && multiply_row([matrix], pool, inputs, &mut [outputs]) {
        return;
    }
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
    /// Multiplies rows of so many bytes without writing their parts down: one result for each.
    dots: Dots<STEPS>,
    /// The same for 2 to [`SOME`] input rows: for each row of weights a result for each of them, side by side.
    dots_of_some: Option<Dots<STEPS>>,
}

/// Rows of so many bytes, input rows, and where the results go.
type Dots<const STEPS: usize> = unsafe fn(&[u8], usize, &[Inputs<STEPS>], &mut [f32]);

fn row_4(matrix: &Matrix) -> Option<Row<4>> {
    match matrix.isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::row_4(matrix.format),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::row_4(matrix.format),
        #[cfg(target_arch = "aarch64")]
        isa @ (Isa::Neon | Isa::Dotprod | Isa::I8mm) => neon::row_4(isa, matrix.format),
        Isa::Plain => None,
    }
}

fn row_8(matrix: &Matrix) -> Option<Row<8>> {
    match matrix.isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::row_8(matrix.format),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::row_8(matrix.format),
        #[cfg(target_arch = "aarch64")]
        isa @ (Isa::Neon | Isa::Dotprod | Isa::I8mm) => neon::row_8(isa, matrix.format),
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

    if count <= if shape.mins { SOME_WITH_MINS } else { SOME }
        && let Some(dots_of_some) = vectors.and_then(|vectors| vectors.dots_of_some)
    {
        let task_rows = (TASK_BYTES / matrix.row_bytes).max(1).next_multiple_of(GROUP);
        let out = Pointer(outputs.as_mut_ptr());
        pool.run(rows.div_ceil(task_rows), |task| {
            let from = task * task_rows;
            let len = task_rows.min(rows - from);
            let packed = &matrix.bytes[from * matrix.row_bytes..][..len * matrix.row_bytes];
            let mut results = RESULTS.take();
            results.resize(len * count, 0.0);
            // SAFETY: they are those of an instruction set that was found on this machine.
            unsafe { dots_of_some(packed, matrix.row_bytes, &rounded, &mut results) };
            for (at, result) in results.iter().enumerate() {
                let (row, index) = (from + at / count, at % count);
                // SAFETY: the element lies within `outputs`, since index < count and row < rows; each row is written by
                // the one task that it belongs to.
                unsafe { *out.get().add(index * rows + row) = *result };
            }
            RESULTS.set(results);
        });
    } else if is_across(matrix.isa, chunks, count) {
        #[cfg(target_arch = "x86_64")]
        by_rows_across(matrix, (shape, vectors), pool, &rounded, outputs, kept_weights);
    } else if is_paired(matrix.isa, count) {
        #[cfg(target_arch = "aarch64")]
        by_pairs(matrix, (shape, vectors), pool, &mut rounded, outputs, kept_weights);
    } else {
        let out = Pointer(outputs.as_mut_ptr());
        pool.run(rows.div_ceil(TILE_ROWS), |task| {
            let mut weights = kept_weights.take();
            let from = task * TILE_ROWS;
            weights.resize(TILE_ROWS.min(rows - from) * chunks, Weights::EMPTY);
            take_rows_apart(matrix, (shape, vectors), from, chunks, &mut weights);
            let next = (from + TILE_ROWS).min(rows)..(from + 2 * TILE_ROWS).min(rows);
            let next = &matrix.bytes[next.start * matrix.row_bytes..next.end * matrix.row_bytes];
            tile(matrix.isa, shape, &weights, &rounded, (chunks, next), |row, index, value| {
                // SAFETY: the element lies within `outputs`, since index < count and from + row < rows; each row is written
                // by the one task that it belongs to.
                unsafe { *out.get().add(index * rows + from + row) = value };
            });
            kept_weights.set(weights);
        });
    }
    kept_inputs.set(rounded);
}

/// Tells whether rows are short and inputs many enough for rows of weights to stand side by side.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "only there it is done"))]
fn is_across(isa: Isa, chunks: usize, count: usize) -> bool {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => chunks == 1 && count >= INPUTS_ACROSS,
        _ => false,
    }
}

/// Tells whether two rows of weights meet two input rows in one instruction. Half of it would be for nothing with one input row.
#[cfg_attr(not(target_arch = "aarch64"), expect(unused_variables, reason = "only there it is done"))]
fn is_paired(isa: Isa, count: usize) -> bool {
    match isa {
        #[cfg(target_arch = "aarch64")]
        Isa::I8mm => count > 1,
        _ => false,
    }
}

/// As by tiles, with rows and input rows in pairs. Where their number is odd, the last one's pair is nothing.
#[cfg(target_arch = "aarch64")]
fn by_pairs<const STEPS: usize>(
    matrix: &Matrix,
    (shape, vectors): (Shape, Option<Row<STEPS>>),
    pool: &Pool,
    rounded: &mut Vec<Inputs<STEPS>>,
    outputs: &mut [f32],
    kept_weights: &'static Kept<Weights<STEPS>>,
) {
    let rows = matrix.rows;
    let count = outputs.len() / rows;
    let chunks = rounded.len() / count;
    if count % 2 == 1 {
        rounded.resize((count + 1) * chunks, Inputs::EMPTY);
    }
    pool.for_chunks_mut(rounded, 2 * chunks, |_, two| {
        let (first, second) = two.split_at_mut(chunks);
        // SAFETY: the instruction set was found on this machine.
        unsafe { neon::pairs::pair_inputs(first, second) };
    });
    let out = Pointer(outputs.as_mut_ptr());
    pool.run(rows.div_ceil(TILE_ROWS), |task| {
        let mut weights = kept_weights.take();
        let from = task * TILE_ROWS;
        let len = TILE_ROWS.min(rows - from);
        weights.resize(len.next_multiple_of(2) * chunks, Weights::EMPTY);
        weights[len * chunks..].fill(Weights::EMPTY);
        take_rows_apart(matrix, (shape, vectors), from, chunks, &mut weights[..len * chunks]);
        for two in weights.chunks_exact_mut(2 * chunks) {
            let (first, second) = two.split_at_mut(chunks);
            // SAFETY: as above.
            unsafe { neon::pairs::pair_weights(first, second) };
        }
        let next = (from + TILE_ROWS).min(rows)..(from + 2 * TILE_ROWS).min(rows);
        let next = &matrix.bytes[next.start * matrix.row_bytes..next.end * matrix.row_bytes];
        let write = |row: usize, index: usize, value: f32| {
            if row < len && index < count {
                // SAFETY: the element lies within `outputs`, as was just asked; each row is written by the one task that it
                // belongs to.
                unsafe { *out.get().add(index * rows + from + row) = value };
            }
        };
        // SAFETY: the instruction set was found on this machine.
        unsafe { neon::pairs::tile(shape.mins, &weights, rounded, (chunks, next), write) };
        kept_weights.set(weights);
    });
}

/// Multiplies rows of one chunk, sixteen side by side.
#[cfg(target_arch = "x86_64")]
fn by_rows_across<const STEPS: usize>(
    matrix: &Matrix,
    (shape, vectors): (Shape, Option<Row<STEPS>>),
    pool: &Pool,
    rounded: &[Inputs<STEPS>],
    outputs: &mut [f32],
    kept_weights: &'static Kept<Weights<STEPS>>,
) {
    let (rows, groups) = (matrix.rows, matrix.cols / (4 * STEPS));
    let out = Pointer(outputs.as_mut_ptr());
    pool.run(rows.div_ceil(ROWS_ACROSS), |task| {
        let mut weights = kept_weights.take();
        weights.resize(2 * ROWS_ACROSS, Weights::EMPTY);
        let (by_row, turned) = weights.split_at_mut(ROWS_ACROSS);
        let from = task * ROWS_ACROSS;
        let by_row = &mut by_row[..ROWS_ACROSS.min(rows - from)];
        take_rows_apart(matrix, (shape, vectors), from, 1, by_row);
        let write = |index: usize, row: usize, sums: &[f32]| {
            // SAFETY: the elements lie within `outputs`, since index is that of an input row and there are as many rows as sums
            // from `from + row` on; each row is written by the one task that it belongs to.
            unsafe {
                let to = out.get().add(index * rows + from + row);
                match <&[f32; LANES]>::try_from(sums) {
                    Ok(sums) => to.cast::<[f32; LANES]>().write_unaligned(*sums),
                    Err(_) => to.copy_from_nonoverlapping(sums.as_ptr(), sums.len()),
                }
            }
        };
        // SAFETY: the instruction set was found on this machine.
        unsafe { avx512::across(shape, by_row, turned, rounded, groups, write) };
        kept_weights.set(weights);
    });
}

/// Takes rows apart from the row `from` on, as many as `weights` has room for.
fn take_rows_apart<const STEPS: usize>(
    matrix: &Matrix,
    (shape, vectors): (Shape, Option<Row<STEPS>>),
    from: usize,
    chunks: usize,
    weights: &mut [Weights<STEPS>],
) {
    for (index, weights) in weights.chunks_exact_mut(chunks).enumerate() {
        match vectors {
            // SAFETY: `vectors` are those of an instruction set that was found on this machine.
            Some(vectors) => unsafe { (vectors.take_apart)(matrix.packed(from + index), weights) },
            None => take_apart(matrix, shape, from + index, weights),
        }
    }
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
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::Dotprod | Isa::I8mm => unsafe {
            neon::take_apart_any(matrix.format, shape, matrix.packed(row), out);
        },
        Isa::Plain => plain::take_apart(matrix.format, shape, matrix.packed(row), out),
    }
}

/// Multiplies every row of weights by every input row, and hands each result out with the two rows' indexes. Meanwhile
/// memory is asked for the packed rows of the `next` tile.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(unused_variables, reason = "plain code asks not")
)]
fn tile<const STEPS: usize>(
    isa: Isa,
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    (chunks, next): (usize, &[u8]),
    write: impl FnMut(usize, usize, f32),
) {
    match isa {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::tile(shape, weights, inputs, (chunks, next), write) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::tile(shape, weights, inputs, (chunks, next), write) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        isa @ (Isa::Neon | Isa::Dotprod | Isa::I8mm) => unsafe {
            neon::tile(isa, shape, weights, inputs, (chunks, next), write);
        },
        Isa::Plain => plain::tile(shape, weights, inputs, chunks, write),
    }
}
