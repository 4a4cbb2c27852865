//! The products in plain Rust: what the vector instructions are measured against, and the way for other machines.

use super::{Inputs, Weights};
use crate::{
    Format,
    block::{Block, Shape},
    vector::{LANES, sum},
};

/// Takes a row of weights apart; what the last chunk lacks gets a scale of zero.
pub(super) fn take_apart<const STEPS: usize>(
    format: Format,
    shape: Shape,
    row: &[u8],
    out: &mut [Weights<STEPS>],
) {
    let group = 4 * STEPS;
    let len = format.block_len();
    let blocks = row.len() / format.block_bytes();
    if !(blocks * len).is_multiple_of(group * LANES)
        && let Some(last) = out.last_mut()
    {
        *last = Weights::EMPTY;
    }
    let mut block = Block::new();
    for (index, packed) in row.chunks_exact(format.block_bytes()).enumerate() {
        (shape.unpack)(packed, &mut block);
        for (part, values) in block.values[..len].chunks_exact(group).enumerate() {
            let (chunk, lane) = shape.place(index * len / group + part);
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

pub(super) fn tile<const STEPS: usize>(
    shape: Shape,
    weights: &[Weights<STEPS>],
    inputs: &[Inputs<STEPS>],
    chunks: usize,
    mut write: impl FnMut(usize, usize, f32),
) {
    for (row, weights) in weights.chunks_exact(chunks).enumerate() {
        for (index, inputs) in inputs.chunks_exact(chunks).enumerate() {
            write(row, index, dot(weights, inputs, shape));
        }
    }
}

/// The sum of products of a row of weights and an input row: each lane adds up its groups from the first chunk to the last,
/// one fused step each (and one for the minimum), then the lanes are added up.
fn dot<const STEPS: usize>(weights: &[Weights<STEPS>], inputs: &[Inputs<STEPS>], shape: Shape) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for (weights, inputs) in weights.iter().zip(inputs) {
        let mut sums = inputs.first;
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
