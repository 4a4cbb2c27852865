//! A single input row, as of a generated token: each number of the weights is used once, so their bytes are all that counts.

use std::ops::Range;

use super::{Dots, INPUTS_4, INPUTS_8, Inputs, TASK_BYTES, round, row_4, row_8};
use crate::{Pool, block::Shape, isa::Isa, matrix::Matrix, pool::Pointer, vector::LANES};

/// Multiplies a row by several matrices in one loop; it is rounded once for those that round alike. `false`, and nothing done,
/// where one of them has no such instructions.
pub(in crate::matrix) fn multiply_row<const N: usize>(
    matrices: [&Matrix; N],
    pool: &Pool,
    input: &[f32],
    outputs: &mut [&mut [f32]; N],
) -> bool {
    let can = |matrix: &&Matrix| match matrix.shape {
        Some(shape) if shape.group == 16 => row_4(matrix).is_some(),
        Some(_) => row_8(matrix).is_some(),
        None => false,
    };
    if input.is_empty() || !matrices.iter().all(can) {
        return false;
    }
    let mut rounded = Rounded { of_4: INPUTS_4.take(), of_8: INPUTS_8.take() };
    rounded.of_4.clear();
    rounded.of_8.clear();
    let mut parts: [Option<Part<'_>>; N] = [const { None }; N];
    let mut tasks = 0;
    for (index, (matrix, outputs)) in matrices.into_iter().zip(outputs).enumerate() {
        let Some(dots) = rounded.dots(matrix, input, &parts[..index]) else { continue };
        let task_rows = (TASK_BYTES / matrix.row_bytes).max(4).next_multiple_of(4);
        let out = Pointer(outputs.as_mut_ptr());
        parts[index] = Some(Part { matrix, out, first_task: tasks, task_rows, dots });
        tasks += matrix.rows.div_ceil(task_rows);
    }
    pool.run(tasks, |task| {
        let Some(part) = parts.iter().flatten().rfind(|part| part.first_task <= task) else { return };
        let (from, row_bytes) = ((task - part.first_task) * part.task_rows, part.matrix.row_bytes);
        let len = part.task_rows.min(part.matrix.rows - from);
        let rows = &part.matrix.bytes[from * row_bytes..][..len * row_bytes];
        // SAFETY: `outputs` has a number for each row, and each row is of one task.
        let out = unsafe { std::slice::from_raw_parts_mut(part.out.get().add(from), len) };
        match &part.dots {
            // SAFETY: the instructions are those of a set that was found on this machine.
            RowDots::Of4(dots, row) => unsafe { dots(rows, row_bytes, &rounded.of_4[row.clone()], out) },
            // SAFETY: as above.
            RowDots::Of8(dots, row) => unsafe { dots(rows, row_bytes, &rounded.of_8[row.clone()], out) },
        }
    });
    INPUTS_4.set(rounded.of_4);
    INPUTS_8.set(rounded.of_8);
    true
}

/// One of several matrices that meet the same row.
struct Part<'a> {
    matrix: &'a Matrix,
    out: Pointer<f32>,
    /// Of the tasks of all of them.
    first_task: usize,
    task_rows: usize,
    dots: RowDots,
}

/// How a matrix meets the row, and where the row lies, rounded as the matrix wants it.
enum RowDots {
    Of4(Dots<4>, Range<usize>),
    Of8(Dots<8>, Range<usize>),
}

/// The row in each way in which it was rounded, one behind the other.
struct Rounded {
    of_4: Vec<Inputs<4>>,
    of_8: Vec<Inputs<8>>,
}

impl Rounded {
    /// Rounds the row for a matrix, where it was not rounded so for one of the parts.
    fn dots(&mut self, matrix: &Matrix, input: &[f32], parts: &[Option<Part<'_>>]) -> Option<RowDots> {
        let shape = matrix.shape?;
        let alike = parts.iter().flatten().find(|part| {
            part.matrix.isa == matrix.isa && part.matrix.shape.is_some_and(|other| other.rounds_as(&shape))
        });
        let known = alike.map(|part| match &part.dots {
            RowDots::Of4(_, row) | RowDots::Of8(_, row) => row.clone(),
        });
        Some(if shape.group == 16 {
            let row = known.unwrap_or_else(|| round_behind(matrix.isa, input, shape, &mut self.of_4));
            RowDots::Of4(row_4(matrix)?.dots, row)
        } else {
            let row = known.unwrap_or_else(|| round_behind(matrix.isa, input, shape, &mut self.of_8));
            RowDots::Of8(row_8(matrix)?.dots, row)
        })
    }
}

/// Returns where it lies.
fn round_behind<const STEPS: usize>(
    isa: Isa,
    input: &[f32],
    shape: Shape,
    rounded: &mut Vec<Inputs<STEPS>>,
) -> Range<usize> {
    let start = rounded.len();
    rounded.resize(start + input.len().div_ceil(4 * STEPS * LANES), Inputs::EMPTY);
    round::row(isa, input, shape, &mut rounded[start..]);
    start..rounded.len()
}
