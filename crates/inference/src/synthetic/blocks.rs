use super::{random::Random, tensors::Tensor};
use crate::model::{gguf::TensorType, safetensors::Dtype};

/// Returns a tensor's bytes in a GGUF file; `None` for types of which no blocks are made.
pub(super) fn of(tensor: &Tensor, tensor_type: TensorType) -> Option<Vec<u8>> {
    let dtype = match tensor_type.name() {
        "F32" => Dtype::F32,
        "F16" => Dtype::F16,
        "BF16" => Dtype::BF16,
        "Q8_0" => return Some(tensor.gguf_numbers().chunks(32).flat_map(q8_0).collect()),
        _ => return random(tensor, tensor_type),
    };
    plain(&tensor.gguf_numbers(), dtype)
}

/// Returns numbers that the type holds exactly; `None` for types that are not made.
pub(super) fn plain(numbers: &[f32], dtype: Dtype) -> Option<Vec<u8>> {
    Some(match dtype {
        Dtype::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Dtype::F16 => numbers.iter().flat_map(|number| half(*number).to_le_bytes()).collect(),
        Dtype::BF16 => {
            numbers.iter().flat_map(|number| ((number.to_bits() >> 16) as u16).to_le_bytes()).collect()
        }
        _ => return None,
    })
}

/// A block layout of `ggml-common.h`.
struct Layout {
    name: &'static str,
    /// At which bytes the halves are that a block's numbers are multiplied with; and, of those that are subtracted, how
    /// large they are in comparison.
    halves: &'static [(usize, f64)],
    /// The deviation of the numbers of random blocks whose multiplier is one.
    deviation: f64,
}

const fn layout(name: &'static str, halves: &'static [(usize, f64)], deviation: f64) -> Layout {
    Layout { name, halves, deviation }
}

const LAYOUTS: [Layout; 19] = [
    layout("Q4_0", &[(0, 1.0)], 4.6),
    layout("Q4_1", &[(0, 1.0), (2, -7.5)], 4.6),
    layout("Q5_0", &[(0, 1.0)], 9.2),
    layout("Q5_1", &[(0, 1.0), (2, -15.5)], 9.2),
    layout("Q2_K", &[(80, 1.0), (82, 1.5)], 15.0),
    layout("Q3_K", &[(108, 1.0)], 43.0),
    layout("Q4_K", &[(0, 1.0), (2, 7.5)], 254.0),
    layout("Q5_K", &[(0, 1.0), (2, 15.5)], 525.0),
    layout("Q6_K", &[(208, 1.0)], 1370.0),
    layout("IQ4_NL", &[(0, 1.0)], 70.0),
    layout("IQ4_XS", &[(0, 1.0)], 1295.0),
    layout("IQ2_XXS", &[(0, 1.0)], 45.0),
    layout("IQ2_XS", &[(0, 1.0)], 45.0),
    layout("IQ2_S", &[(0, 1.0)], 45.0),
    layout("IQ3_XXS", &[(0, 1.0)], 140.0),
    layout("IQ3_S", &[(0, 1.0)], 150.0),
    layout("IQ1_S", &[(0, 1.0)], 6.0),
    layout("TQ1_0", &[(52, 1.0)], 0.8),
    layout("TQ2_0", &[(64, 1.0)], 1.1),
];

/// Returns random blocks of the tensor's deviation.
fn random(tensor: &Tensor, tensor_type: TensorType) -> Option<Vec<u8>> {
    let mut random = Random::named(&format!("{}/{}", tensor.seed, tensor_type.name()));
    let numbers: u64 = tensor.shape.iter().map(|dim| *dim as u64).product();
    let blocks = (numbers / tensor_type.block_len()) as usize;
    let width = tensor_type.block_bytes() as usize;
    let mut bytes: Vec<u8> = (0..blocks * width).map(|_| random.next() as u8).collect();
    let mut multiplier =
        |deviation: f64| tensor.deviation() / deviation * (768 + random.below(512)) as f64 / 1024.0;
    match tensor_type.name() {
        // A power of two, less 127, of which halves are multiplied by up to 12; their deviation is 5.8.
        "MXFP4" => bytes.chunks_exact_mut(width).for_each(|block| {
            let mut exponent = 128;
            let mut power = multiplier(5.8);
            while power < 1.0 {
                (exponent, power) = (exponent - 1, power * 2.0);
            }
            block[0] = exponent;
        }),
        // The half is spread over the upper four bits of four words.
        "IQ1_M" => bytes.chunks_exact_mut(width).for_each(|block| {
            let half = half(multiplier(6.0) as f32);
            for word in 0..4_usize {
                let upper = (half >> (4 * word)) as u8 & 0x0f;
                let byte = &mut block[48 + 2 * word + 1];
                *byte = *byte & 0x0f | upper << 4;
            }
        }),
        name => {
            let Layout { halves, deviation, .. } = LAYOUTS.iter().find(|layout| layout.name == name)?;
            for block in bytes.chunks_exact_mut(width) {
                let multiplier = multiplier(*deviation);
                for (at, times) in *halves {
                    block[*at..*at + 2].copy_from_slice(&half((multiplier * times) as f32).to_le_bytes());
                }
            }
        }
    }
    if tensor_type.name() == "TQ2_0" {
        // Two bits each for 0, 1 and 2; 3 is nothing that quantizers write, and llama.cpp's kernels differ about it.
        let fields = bytes.chunks_exact_mut(width).flat_map(|block| &mut block[..64]);
        fields.for_each(|byte| *byte &= !(*byte >> 1 & 0x55));
    }
    Some(bytes)
}

/// Returns a block of 32 numbers, all of them whole numbers of at most seven bits times one power of two.
fn q8_0(numbers: &[f32]) -> Vec<u8> {
    let mut step = 1.0_f32;
    while numbers.iter().any(|number| (number / step).fract() != 0.0) {
        step /= 2.0;
    }
    let mut block = half(step).to_le_bytes().to_vec();
    block.extend(numbers.iter().map(|number| (number / step) as i8 as u8));
    block
}

/// Returns the 16 bits of a number, less what they cannot hold of it.
fn half(number: f32) -> u16 {
    let bits = number.to_bits();
    let (sign, exponent) = ((bits >> 16) as u16 & 0x8000, (bits >> 23 & 0xff) as i32 - 127);
    let mantissa = bits & 0x007f_ffff | 0x0080_0000;
    let magnitude = match exponent {
        16.. => 0x7c00,
        -14..=15 => ((exponent + 15) as u32) << 10 | (mantissa >> 13) & 0x03ff,
        -24..=-15 => mantissa >> (13 + (-14 - exponent)),
        _ => 0,
    };
    sign | magnitude as u16
}
