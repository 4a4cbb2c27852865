//! Numbers looked up in code books: eight or four at once, or one at a time; layouts after `ggml-common.h`.

use super::{Block, double_word, grids, half, word};
use crate::float::f16_to_f32;

/// Values of the non-linear halves of `IQ4_NL` and `IQ4_XS`.
pub(crate) const NON_LINEAR: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// 2 bytes scale, 16 bytes of halves.
pub(super) fn iq4_nl(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half(bytes, 0);
    non_linear(&bytes[2..18], &mut block.values[..32]);
}

/// 2 bytes scale, 2 bytes with the upper two bits of eight scales, 4 bytes with their lower halves (32 is zero), 128 bytes
/// of halves: 16 bytes for each run of 32 numbers.
pub(super) fn iq4_xs(bytes: &[u8], block: &mut Block) {
    let (scale, upper) = (half(bytes, 0), word(bytes, 2));
    for (group, values) in block.values.chunks_exact_mut(32).enumerate() {
        let low = bytes[4 + group / 2] >> (4 * (group % 2)) & 15;
        let high = (upper >> (2 * group) & 3) as u8;
        block.scales[group] = scale * f32::from((low | high << 4) as i8 - 32);
        non_linear(&bytes[8 + 16 * group..][..16], values);
    }
}

/// 2 bytes scale; for each 32 numbers 4 bytes that look up eight each, then 4 seven-bit words of signs and 4 bits of
/// scale.
pub(super) fn iq2_xxs(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 0);
    for (group, values) in block.values.chunks_exact_mut(32).enumerate() {
        let at = 2 + 8 * group;
        let rest = double_word(bytes, at + 4);
        block.scales[group] = scale * (0.5 + (rest >> 28) as f32) * 0.25;
        for (index, values) in values.chunks_exact_mut(8).enumerate() {
            eight(grids::IQ2_XXS[usize::from(bytes[at + index])], values);
            sign(even_signs(rest >> (7 * index)), values);
        }
    }
}

/// 2 bytes scale, 32 words of 9 bits that look up eight numbers and 7 bits of signs, 16 scales of 4 bits.
pub(super) fn iq2_xs(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 0);
    four_bit_scales(scale, &bytes[66..74], block);
    for (index, values) in block.values.chunks_exact_mut(8).enumerate() {
        let word = word(bytes, 2 + 2 * index);
        eight(grids::IQ2_XS[usize::from(word & 511)], values);
        sign(even_signs(u32::from(word >> 9)), values);
    }
}

/// 2 bytes scale, 32 bytes of lower bits of what looks up eight numbers, 32 bytes of signs, 8 bytes of upper two bits,
/// 16 scales of 4 bits.
pub(super) fn iq2_s(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 0);
    four_bit_scales(scale, &bytes[74..82], block);
    for (index, values) in block.values.chunks_exact_mut(8).enumerate() {
        let upper = usize::from(bytes[66 + index / 4] >> (2 * (index % 4)) & 3);
        eight(grids::IQ2_S[usize::from(bytes[2 + index]) | upper << 8], values);
        sign(bytes[34 + index], values);
    }
}

/// 2 bytes scale, 64 bytes that look up four numbers each, then for each 32 numbers four seven-bit words of signs and 4
/// bits of scale.
pub(super) fn iq3_xxs(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 0);
    for (group, values) in block.values.chunks_exact_mut(32).enumerate() {
        let rest = double_word(bytes, 66 + 4 * group);
        block.scales[group] = scale * (0.5 + (rest >> 28) as f32) * 0.5;
        for (index, values) in values.chunks_exact_mut(8).enumerate() {
            for (half, values) in values.chunks_exact_mut(4).enumerate() {
                let entry = grids::IQ3_XXS[usize::from(bytes[2 + 8 * group + 2 * index + half])];
                four(entry, &grids::IQ3_XXS_VALUES, values);
            }
            sign(even_signs(rest >> (7 * index)), values);
        }
    }
}

/// 2 bytes scale, 64 bytes of lower bits of what looks up four numbers, 8 bytes of ninth bits, 32 bytes of signs, 8
/// scales of 4 bits.
pub(super) fn iq3_s(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 0);
    for (group, values) in block.values.chunks_exact_mut(32).enumerate() {
        let small = bytes[106 + group / 2] >> (4 * (group % 2)) & 15;
        block.scales[group] = scale * f32::from(1 + 2 * small);
        for (index, values) in values.chunks_exact_mut(8).enumerate() {
            for (half, values) in values.chunks_exact_mut(4).enumerate() {
                let at = 2 * index + half;
                let upper = usize::from(bytes[66 + group] >> at & 1);
                let entry = grids::IQ3_S[usize::from(bytes[2 + 8 * group + at]) | upper << 8];
                four(entry, &grids::IQ3_S_VALUES, values);
            }
            sign(bytes[74 + 4 * group + index], values);
        }
    }
}

/// 2 bytes scale, 32 bytes of lower bits of what looks up eight numbers; for each 32 numbers a word of four times three
/// upper bits, 3 bits of scale, and the sign of a shift by an eighth that the 32 share.
pub(super) fn iq1_s(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 0);
    for (group, values) in block.values.chunks_exact_mut(32).enumerate() {
        let rest = word(bytes, 34 + 2 * group);
        block.scales[group] = scale * f32::from(2 * (rest >> 12 & 7) + 1) * 0.125;
        for (index, values) in values.chunks_exact_mut(8).enumerate() {
            let upper = usize::from(rest >> (3 * index) & 7);
            let entry = grids::IQ1[usize::from(bytes[2 + 4 * group + index]) | upper << 8];
            eighths(entry, rest & 0x8000 != 0, values);
        }
    }
}

/// 32 bytes of lower bits of what looks up eight numbers, 16 bytes of upper three bits and the sign of a shift by an
/// eighth, four words of four scales of 3 bits, whose upper halves together are the scale of all.
pub(super) fn iq1_m(bytes: &[u8], block: &mut Block) {
    let words = [48, 50, 52, 54].map(|at| word(bytes, at));
    let scale =
        f16_to_f32(words[0] >> 12 | (words[1] >> 12) << 4 | (words[2] >> 12) << 8 | (words[3] >> 12) << 12);
    for group in 0..16 {
        let small = words[group / 4] >> (3 * (group % 4)) & 7;
        block.scales[group] = scale * f32::from(2 * small + 1) * 0.125;
    }
    for (index, values) in block.values.chunks_exact_mut(8).enumerate() {
        let upper = bytes[32 + index / 2] >> (4 * (index % 2));
        let entry = grids::IQ1[usize::from(bytes[index]) | usize::from(upper & 7) << 8];
        eighths(entry, upper & 8 != 0, values);
    }
}

fn non_linear(bytes: &[u8], values: &mut [i8]) {
    let (low, high) = values.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        *low = NON_LINEAR[usize::from(byte & 15)];
        *high = NON_LINEAR[usize::from(byte >> 4)];
    }
}

fn four_bit_scales(scale: f32, bytes: &[u8], block: &mut Block) {
    for group in 0..16 {
        let small = bytes[group / 2] >> (4 * (group % 2)) & 15;
        block.scales[group] = scale * (0.5 + f32::from(small)) * 0.25;
    }
}

fn eight(entry: u16, values: &mut [i8]) {
    for (index, value) in values.iter_mut().enumerate() {
        *value = grids::IQ2_VALUES[usize::from(entry >> (2 * index) & 3)];
    }
}

fn four(entry: u16, map: &[i8; 8], values: &mut [i8]) {
    for (index, value) in values.iter_mut().enumerate() {
        *value = map[usize::from(entry >> (4 * index) & 7)];
    }
}

/// Numbers of three values, shifted by plus or minus an eighth: as whole eighths.
fn eighths(entry: u16, down: bool, values: &mut [i8]) {
    let shift = if down { -1 } else { 1 };
    for (index, value) in values.iter_mut().enumerate() {
        *value = 8 * ((entry >> (2 * index) & 3) as i8 - 1) + shift;
    }
}

fn sign(bits: u8, values: &mut [i8]) {
    for (index, value) in values.iter_mut().enumerate() {
        if bits >> index & 1 == 1 {
            *value = -*value;
        }
    }
}

/// Eight signs from seven bits: the number of minus signs is even.
fn even_signs(bits: u32) -> u8 {
    let seven = (bits & 127) as u8;
    seven | ((seven.count_ones() & 1) as u8) << 7
}
