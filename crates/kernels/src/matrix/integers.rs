//! Packed weights: whole numbers of 8 bits are multiplied, and each group's sum is scaled.
//!
//! Sixteen groups (of 16 or 32 numbers) go side by side, one in each lane of a vector: [`Weights`] and [`Inputs`] hold four neighbours
//! of every group after one another, so that one instruction multiplies 64 numbers and adds them to sixteen sums. What a
//! lane adds up does not depend on what is computed beside it, and whole numbers add up to the same in any order; so
//! neither the batch nor the threads nor the machine can change a result.

use std::{cell::Cell, thread::LocalKey};

use super::Matrix;
use crate::{
    Pool,
    block::{Block, LEN_MAX, Rounding, Shape},
    float::{f16_from_f32, f16_to_f32},
    pool::Pointer,
    vector::{LANES, sum},
};

/// Rows of weights that are taken apart together and then meet all input rows.
const TILE_ROWS: usize = 16;

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
        16 => by_tiles(matrix, shape, pool, inputs, outputs, (&INPUTS_4, &WEIGHTS_4)),
        _ => by_tiles(matrix, shape, pool, inputs, outputs, (&INPUTS_8, &WEIGHTS_8)),
    }
}

fn by_tiles<const STEPS: usize>(
    matrix: &Matrix,
    shape: Shape,
    pool: &Pool,
    inputs: &[f32],
    outputs: &mut [f32],
    (kept_inputs, kept_weights): (&'static Kept<Inputs<STEPS>>, &'static Kept<Weights<STEPS>>),
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
        round(&inputs[index * cols..][..cols], shape.rounding, rounded);
    });

    let out = Pointer(outputs.as_mut_ptr());
    pool.run(rows.div_ceil(TILE_ROWS), |task| {
        let mut weights = kept_weights.take();
        weights.resize(chunks, Weights::EMPTY);
        for row in task * TILE_ROWS..rows.min((task + 1) * TILE_ROWS) {
            take_apart(matrix, shape, row, &mut weights);
            for (index, rounded) in rounded.chunks_exact(chunks).enumerate() {
                let value = dot(&weights, rounded, shape);
                // SAFETY: the element lies within `outputs`, since index < count and row < rows; each row is written by
                // the one task that it belongs to.
                unsafe { *out.get().add(index * rows + row) = value };
            }
        }
        kept_weights.set(weights);
    });
    kept_inputs.set(rounded);
}

/// Rounds an input row; what the last chunk lacks becomes zeros with a scale of zero.
fn round<const STEPS: usize>(input: &[f32], rounding: Rounding, out: &mut [Inputs<STEPS>]) {
    let shared = if rounding == Rounding::Q8_K { 256 } else { 32 };
    let group = 4 * STEPS;
    let mut values = [0_i8; LEN_MAX];
    if !input.len().is_multiple_of(group * LANES)
        && let Some(last) = out.last_mut()
    {
        *last = Inputs::EMPTY;
    }
    for (index, input) in input.chunks_exact(shared).enumerate() {
        // A NaN's bits are larger than those of any other magnitude, so it spreads to the scale and the result.
        let most = input.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff));
        let most = f32::from_bits(most);
        let inverse = if most == 0.0 { 0.0 } else { 127.0 / most };
        let scale = match rounding {
            Rounding::Q8_K => {
                if most == 0.0 {
                    0.0
                } else {
                    1.0 / inverse
                }
            }
            _ => most / 127.0,
        };
        for (value, x) in values.iter_mut().zip(input) {
            // Adding and taking away 1.5 × 2²³ rounds to a whole number, ties to even.
            *value = ((x * inverse + 12_582_912.0) - 12_582_912.0) as i8;
        }
        for (part, values) in values[..shared].chunks_exact(group).enumerate() {
            let (chunk, lane) = place(index * shared / group + part);
            let out = &mut out[chunk];
            let sum = values.iter().map(|value| i32::from(*value)).sum::<i32>();
            for (step, four) in values.chunks_exact(4).enumerate() {
                out.values[step][4 * lane..4 * lane + 4].copy_from_slice(four);
            }
            out.sums[lane] = sum;
            (out.scales[lane], out.scaled_sums[lane]) = match rounding {
                Rounding::Q8_0 => (half(scale), half(scale) * sum as f32),
                Rounding::Q8_1 => (half(scale), half(scale * sum as f32)),
                Rounding::Q8_K => (scale, scale * sum as f32),
            };
        }
    }
}

fn half(value: f32) -> f32 {
    f16_to_f32(f16_from_f32(value))
}

/// Where a group of a row goes: the chunk, and the lane in it.
fn place(group: usize) -> (usize, usize) {
    (group / LANES, group % LANES)
}

/// Takes a row of weights apart; what the last chunk lacks gets a scale of zero.
fn take_apart<const STEPS: usize>(matrix: &Matrix, shape: Shape, row: usize, out: &mut [Weights<STEPS>]) {
    let group = 4 * STEPS;
    if !matrix.cols.is_multiple_of(group * LANES)
        && let Some(last) = out.last_mut()
    {
        *last = Weights::EMPTY;
    }
    let mut block = Block::new();
    let len = matrix.format.block_len();
    for (index, packed) in matrix.packed(row).chunks_exact(matrix.format.block_bytes()).enumerate() {
        (shape.unpack)(packed, &mut block);
        for (part, values) in block.values[..len].chunks_exact(group).enumerate() {
            let (chunk, lane) = place(index * len / group + part);
            let out = &mut out[chunk];
            for (step, four) in values.chunks_exact(4).enumerate() {
                for (out, value) in out.values[step][4 * lane..].iter_mut().zip(four) {
                    *out = (i32::from(*value) + shape.offset) as u8;
                }
            }
            out.scales[lane] = block.scales[part];
            out.mins[lane] = block.mins[part];
        }
    }
}

/// The sum of products of a row of weights and an input row: each lane adds up its groups from the first chunk to the last,
/// one fused step each (and one for the minimum), then the lanes are added up.
fn dot<const STEPS: usize>(weights: &[Weights<STEPS>], inputs: &[Inputs<STEPS>], shape: Shape) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for (weights, inputs) in weights.iter().zip(inputs) {
        let mut sums = inputs.sums.map(|sum| -shape.offset * sum);
        for (weights, inputs) in weights.values.iter().zip(&inputs.values) {
            let fours = weights.as_chunks::<4>().0.iter().zip(inputs.as_chunks::<4>().0);
            for (sum, (weights, inputs)) in sums.iter_mut().zip(fours) {
                for (weight, input) in weights.iter().zip(inputs) {
                    *sum += i32::from(*weight) * i32::from(*input);
                }
            }
        }
        for lane in 0..LANES {
            let scale = weights.scales[lane] * inputs.scales[lane];
            lanes[lane] = (sums[lane] as f32).mul_add(scale, lanes[lane]);
            if shape.mins {
                lanes[lane] = weights.mins[lane].mul_add(inputs.scaled_sums[lane], lanes[lane]);
            }
        }
    }
    sum(&lanes)
}
