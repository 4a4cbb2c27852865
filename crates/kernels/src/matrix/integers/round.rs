//! Input rows rounded to 8 bits.

use super::Inputs;
use crate::{
    block::{LEN_MAX, Rounding, Shape},
    float::{f16_from_f32, f16_to_f32},
    isa::Isa,
    vector::LANES,
};

/// Rounds an input row; what the last chunk lacks becomes zeros with a scale of zero.
pub(super) fn row<const STEPS: usize>(isa: Isa, input: &[f32], shape: Shape, out: &mut [Inputs<STEPS>]) {
    match isa {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { super::avx512::round::row(input, shape, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { row_avx2(input, shape, out) },
        // Every program for ARM is compiled for NEON.
        _ => blocks(input, shape, out),
    }
}

// As `blocks`, for the compiler to make wider vectors of.

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c")]
fn row_avx2<const STEPS: usize>(input: &[f32], shape: Shape, out: &mut [Inputs<STEPS>]) {
    blocks(input, shape, out);
}

#[inline(always)]
fn blocks<const STEPS: usize>(input: &[f32], shape: Shape, out: &mut [Inputs<STEPS>]) {
    if !input.len().is_multiple_of(4 * STEPS * LANES)
        && let Some(last) = out.last_mut()
    {
        *last = Inputs::EMPTY;
    }
    match shape.rounding {
        Rounding::Q8_K => each::<STEPS, 256>(input, shape, out),
        _ => each::<STEPS, 32>(input, shape, out),
    }
}

#[inline(always)]
fn each<const STEPS: usize, const SHARED: usize>(input: &[f32], shape: Shape, out: &mut [Inputs<STEPS>]) {
    let group = 4 * STEPS;
    let mut values = [0_i8; LEN_MAX];
    for (index, input) in input.as_chunks::<SHARED>().0.iter().enumerate() {
        // A NaN's bits are larger than those of any other magnitude, so it spreads to the scale and the result.
        let most = f32::from_bits(input.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff)));
        let inverse = if most == 0.0 { 0.0 } else { 127.0 / most };
        let scale = match shape.rounding {
            Rounding::Q8_K if most == 0.0 => 0.0,
            Rounding::Q8_K => 1.0 / inverse,
            _ => most / 127.0,
        };
        for (value, x) in values.iter_mut().zip(input) {
            // Adding 1.5 × 2²³ rounds to a whole number, ties to even, and leaves its two's complement in the low bits; for
            // scales that are infinite or none the low bits are anything, and the result is none either way.
            *value = (x * inverse + 12_582_912.0).to_bits() as i8;
        }
        for (part, values) in values[..SHARED].chunks_exact(group).enumerate() {
            let (chunk, lane) = shape.place(index * SHARED / group + part);
            let out = &mut out[chunk];
            let sum = values.iter().map(|value| i32::from(*value)).sum::<i32>();
            for (step, four) in values.as_chunks::<4>().0.iter().enumerate() {
                out.values[step].as_chunks_mut::<4>().0[lane] = *four;
            }
            out.first[lane] = -shape.offset * sum;
            (out.scales[lane], out.scaled_sums[lane]) = match shape.rounding {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, block};

    #[test]
    fn all_instructions_round_alike() {
        for format in Format::all() {
            match block::shape(format) {
                Some(shape) if shape.group == 16 => alike::<4>(format, shape),
                Some(shape) => alike::<8>(format, shape),
                None => (),
            }
        }
    }

    /// Whole chunks, and rows that end within one, whose other lanes are zeros with a scale of zero.
    fn alike<const STEPS: usize>(format: Format, shape: Shape) {
        for len in [256_usize, 512, 768, 1280] {
            let input: Vec<f32> = (0..len).map(|index| (index as f32 * 0.7).sin() * 9.0 + 1.0).collect();
            let rounded = |isa| {
                let mut filled = Inputs::EMPTY;
                filled.scales = [1.0; LANES];
                let mut out = vec![filled; len.div_ceil(4 * STEPS * LANES)];
                row::<STEPS>(isa, &input, shape, &mut out);
                out
            };
            for (found, expected) in rounded(Isa::best()).iter().zip(rounded(Isa::Plain)) {
                assert_eq!(found.values, expected.values, "{format}, {len}");
                assert_eq!(found.first, expected.first, "{format}, {len}");
                assert_eq!(
                    found.scales.map(f32::to_bits),
                    expected.scales.map(f32::to_bits),
                    "{format}, {len}"
                );
                let sums = |inputs: &Inputs<STEPS>| inputs.scaled_sums.map(f32::to_bits);
                assert_eq!(sums(found), sums(&expected), "{format}, {len}");
            }
        }
    }
}
