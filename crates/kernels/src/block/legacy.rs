//! Blocks of 32 numbers with one scale; layouts after the block structs of `ggml-common.h`.

use super::{Block, double_word, half};

/// 2 bytes scale, 16 bytes of halves: low ones are numbers 0–15, high ones 16–31; 8 is zero.
pub(super) fn q4_0(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half(bytes, 0);
    nibbles(&bytes[2..18], &mut block.values, 8);
}

/// 2 bytes scale, 2 bytes minimum, 16 bytes of halves.
pub(super) fn q4_1(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half(bytes, 0);
    block.mins[0] = half(bytes, 2);
    nibbles(&bytes[4..20], &mut block.values, 0);
}

/// 2 bytes scale, 4 bytes of fifth bits (bit i is number i's), 16 bytes of halves; 16 is zero.
pub(super) fn q5_0(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half(bytes, 0);
    nibbles(&bytes[6..22], &mut block.values, 0);
    fifth_bits(double_word(bytes, 2), &mut block.values, 16);
}

/// 2 bytes scale, 2 bytes minimum, 4 bytes of fifth bits, 16 bytes of halves.
pub(super) fn q5_1(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half(bytes, 0);
    block.mins[0] = half(bytes, 2);
    nibbles(&bytes[8..24], &mut block.values, 0);
    fifth_bits(double_word(bytes, 4), &mut block.values, 0);
}

/// 2 bytes scale, 32 signed bytes.
pub(super) fn q8_0(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half(bytes, 0);
    signed(&bytes[2..34], &mut block.values);
}

/// 2 bytes scale, 2 bytes with the scaled sum (which nothing here needs), 32 signed bytes.
pub(super) fn q8_1(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half(bytes, 0);
    signed(&bytes[4..36], &mut block.values);
}

/// 2 bytes scale, 128 bits: a set one is plus the scale, a clear one minus it.
pub(super) fn q1_0(bytes: &[u8], block: &mut Block) {
    block.scales[..4].fill(half(bytes, 0));
    for (values, byte) in block.values.chunks_exact_mut(8).zip(&bytes[2..18]) {
        for (bit, value) in values.iter_mut().enumerate() {
            *value = if byte >> bit & 1 == 1 { 1 } else { -1 };
        }
    }
}

pub(super) fn signed(bytes: &[u8], values: &mut [i8]) {
    for (value, byte) in values.iter_mut().zip(bytes) {
        *value = byte.cast_signed();
    }
}

fn nibbles(bytes: &[u8], values: &mut [i8], zero: i8) {
    let (low, high) = values.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        *low = (byte & 15) as i8 - zero;
        *high = (byte >> 4) as i8 - zero;
    }
}

fn fifth_bits(bits: u32, values: &mut [i8], zero: i8) {
    for (index, value) in values[..32].iter_mut().enumerate() {
        *value = (*value | ((bits >> index & 1) << 4) as i8) - zero;
    }
}
