//! Numbers of three values, and floating-point numbers of four bits; layouts after `ggml-common.h`.

use super::{Block, half};

/// 48 bytes of five and 4 bytes of four numbers of three values, then the scale. A byte holds its numbers as a fraction
/// of 256 in base 3, so that multiplying by a power of 3 and taking the top digit gives one of them: the bytes of a run
/// (32, 16, then 4) hold the first digit of the run's first numbers, then the second, …
pub(super) fn tq1_0(bytes: &[u8], block: &mut Block) {
    block.scales[..8].fill(half(bytes, 52));
    let mut values = block.values.iter_mut();
    for (run, digits) in [(&bytes[..32], 5), (&bytes[32..48], 5), (&bytes[48..52], 4)] {
        let mut power = 1_u8;
        for _ in 0..digits {
            for (byte, value) in run.iter().zip(&mut values) {
                let fraction = byte.wrapping_mul(power);
                *value = ((u16::from(fraction) * 3) >> 8) as i8 - 1;
            }
            power = power.wrapping_mul(3);
        }
    }
}

/// 64 bytes of quarters, each run of 32 four times 32 numbers from the low bits up, then the scale; 1 is zero.
pub(super) fn tq2_0(bytes: &[u8], block: &mut Block) {
    block.scales[..8].fill(half(bytes, 64));
    for (part, values) in block.values.chunks_exact_mut(32).enumerate() {
        for (value, byte) in values.iter_mut().zip(&bytes[32 * (part / 4)..][..32]) {
            *value = (byte >> (2 * (part % 4)) & 3) as i8 - 1;
        }
    }
}

/// A power of two (E8M0), 16 bytes of halves, each an E2M1 number.
pub(super) fn mxfp4(bytes: &[u8], block: &mut Block) {
    block.scales[0] = half_of_e8m0(bytes[0]);
    e2m1(&bytes[1..17], &mut block.values[..32]);
}

/// Four scales (unsigned E4M3) of 16 numbers each, then 8 bytes of halves for each, E2M1 numbers.
pub(super) fn nvfp4(bytes: &[u8], block: &mut Block) {
    for (group, (values, halves)) in
        block.values.chunks_exact_mut(16).zip(bytes[4..36].chunks_exact(8)).enumerate()
    {
        block.scales[group] = half_of_ue4m3(bytes[group]);
        e2m1(halves, values);
    }
}

/// Twice the values of E2M1, so that they are whole (OCP Microscaling Formats 1.0, table 5); scales are halved for it.
pub(crate) const E2M1_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

fn e2m1(bytes: &[u8], values: &mut [i8]) {
    let (low, high) = values.split_at_mut(bytes.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        *low = E2M1_DOUBLED[usize::from(byte & 15)];
        *high = E2M1_DOUBLED[usize::from(byte >> 4)];
    }
}

/// 2 to the power of `exponent - 128`; the lowest two are subnormal. 255, the standard's NaN, counts as a number, as in
/// llama.cpp.
pub(crate) fn half_of_e8m0(exponent: u8) -> f32 {
    let exponent = u32::from(exponent);
    f32::from_bits(if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 })
}

/// Half of an E4M3 number without sign (bias 7); the sign's bit is not looked at but in 0x7f, the NaN, which is 0.
fn half_of_ue4m3(byte: u8) -> f32 {
    if byte == 0 || byte == 0x7f {
        return 0.0;
    }
    let (exponent, fraction) = (u32::from(byte >> 3 & 15), f32::from(byte & 7));
    let value = match exponent {
        0 => fraction / 512.0,
        _ => (1.0 + fraction / 8.0) * f32::from_bits((exponent + 120) << 23),
    };
    value * 0.5
}
