//! Blocks of 256 numbers whose groups have small whole scales of their own; layouts after `ggml-common.h`.

use super::{Block, half, legacy::signed};

/// 16 bytes of scales (low half) and minimums (high half) of 16 numbers each; 64 bytes of quarters: each run of 32 bytes
/// holds four times 32 numbers, from the low bits up; scale and minimum of all.
pub(super) fn q2(bytes: &[u8], block: &mut Block) {
    let (scale, min) = (half(bytes, 80), half(bytes, 82));
    for (group, byte) in bytes[..16].iter().enumerate() {
        block.scales[group] = scale * f32::from(byte & 15);
        block.mins[group] = -(min * f32::from(byte >> 4));
    }
    quarters(&bytes[16..80], &mut block.values);
}

/// 32 bytes of third bits (bit j of byte i is number 32 j + i's), 64 bytes of quarters, 12 bytes of scales of 6 bits
/// (32 is zero), scale of all. A clear third bit takes 4 away.
pub(super) fn q3(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 108);
    let packed = &bytes[96..108];
    for group in 0..16 {
        // The lower four bits: the halves of bytes 0–7; the upper two: the quarters of bytes 8–11.
        let low = packed[group % 8] >> (4 * (group / 8)) & 15;
        let high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
        block.scales[group] = scale * f32::from((low | high << 4) as i8 - 32);
    }
    quarters(&bytes[32..96], &mut block.values);
    for (part, values) in block.values.chunks_exact_mut(32).enumerate() {
        for (value, byte) in values.iter_mut().zip(&bytes[..32]) {
            *value -= if byte >> part & 1 == 1 { 0 } else { 4 };
        }
    }
}

/// Scale and minimum of all, 12 bytes of scales and minimums of 6 bits, 128 bytes of halves: each run of 32 bytes holds
/// twice 32 numbers.
pub(super) fn q4(bytes: &[u8], block: &mut Block) {
    scales_and_mins(bytes, block);
    halves(&bytes[16..144], &mut block.values);
}

/// As [`q4`], with 32 bytes of fifth bits (bit j of byte i is number 32 j + i's) before the halves.
pub(super) fn q5(bytes: &[u8], block: &mut Block) {
    scales_and_mins(bytes, block);
    halves(&bytes[48..176], &mut block.values);
    for (part, values) in block.values.chunks_exact_mut(32).enumerate() {
        for (value, byte) in values.iter_mut().zip(&bytes[16..48]) {
            *value |= ((byte >> part & 1) << 4) as i8;
        }
    }
}

/// 128 bytes of halves (each run of 64 bytes holds twice 64 numbers), 64 bytes of upper quarters (each run of 32 holds
/// four times 32), 16 signed scales of 16 numbers each, scale of all; 32 is zero.
pub(super) fn q6(bytes: &[u8], block: &mut Block) {
    let scale = half(bytes, 208);
    for (group, byte) in bytes[192..208].iter().enumerate() {
        block.scales[group] = scale * f32::from(byte.cast_signed());
    }
    let (low, high) = (&bytes[..128], &bytes[128..192]);
    for (part, values) in block.values.chunks_exact_mut(32).enumerate() {
        let (half, quarter) = (part / 4, part % 4);
        let low = &low[64 * half + 32 * (quarter % 2)..][..32];
        let high = &high[32 * half..][..32];
        for ((value, low), high) in values.iter_mut().zip(low).zip(high) {
            let number = (low >> (4 * (quarter / 2)) & 15) | (high >> (2 * quarter) & 3) << 4;
            *value = number as i8 - 32;
        }
    }
}

/// An `f32` scale, 256 signed bytes, sums of 16 each (which nothing here needs).
pub(super) fn q8(bytes: &[u8], block: &mut Block) {
    block.scales[..8].fill(f32::from_bits(super::double_word(bytes, 0)));
    signed(&bytes[4..260], &mut block.values);
}

fn scales_and_mins(bytes: &[u8], block: &mut Block) {
    let (scale, min) = (half(bytes, 0), half(bytes, 2));
    let (scales, mins) = six_bits(&bytes[4..16]);
    for group in 0..8 {
        block.scales[group] = scale * f32::from(scales[group]);
        block.mins[group] = -(min * f32::from(mins[group]));
    }
}

/// Eight scales and eight minimums of 6 bits in 12 bytes: the first four of each lie in the lower 6 bits of bytes 0–3
/// and 4–7, the last four have their lower halves in bytes 8–11 and their upper bits on top of the first four.
fn six_bits(packed: &[u8]) -> ([u8; 8], [u8; 8]) {
    let (mut scales, mut mins) = ([0; 8], [0; 8]);
    for index in 0..4 {
        let (scale, min, both) = (packed[index], packed[4 + index], packed[8 + index]);
        scales[index] = scale & 63;
        mins[index] = min & 63;
        scales[4 + index] = (both & 15) | (scale >> 2 & 48);
        mins[4 + index] = (both >> 4) | (min >> 2 & 48);
    }
    (scales, mins)
}

fn quarters(bytes: &[u8], values: &mut [i8]) {
    for (part, values) in values.chunks_exact_mut(32).enumerate() {
        for (value, byte) in values.iter_mut().zip(&bytes[32 * (part / 4)..][..32]) {
            *value = (byte >> (2 * (part % 4)) & 3) as i8;
        }
    }
}

fn halves(bytes: &[u8], values: &mut [i8]) {
    for (part, values) in values.chunks_exact_mut(32).enumerate() {
        for (value, byte) in values.iter_mut().zip(&bytes[32 * (part / 2)..][..32]) {
            *value = (byte >> (4 * (part % 2)) & 15) as i8;
        }
    }
}
