//! One block of packed numbers, taken apart: small whole numbers, and a scale for each group of 16 or 32 of them.

mod codebooks;
mod grids;
mod k;
mod legacy;
mod small;

pub(crate) use codebooks::NON_LINEAR;
#[cfg(target_arch = "aarch64")]
pub(crate) use small::{E2M1_DOUBLED, half_of_e8m0};

use crate::{Format, float::f16_to_f32};

/// The longest block.
pub(crate) const LEN_MAX: usize = 256;

/// A block taken apart. A number is `scales[i / group] * values[i]`, plus `mins[i / group]` where the format has them,
/// computed in `f32` in that order.
pub(crate) struct Block {
    pub(crate) values: [i8; LEN_MAX],
    pub(crate) scales: [f32; LEN_MAX / 16],
    pub(crate) mins: [f32; LEN_MAX / 16],
}

impl Block {
    pub(crate) fn new() -> Self {
        Self { values: [0; LEN_MAX], scales: [0.0; LEN_MAX / 16], mins: [0.0; LEN_MAX / 16] }
    }
}

/// How a packed format's blocks come apart.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Takes the bytes of one block apart; the bytes must be exactly one block's.
    pub(crate) unpack: fn(&[u8], &mut Block),
    /// How many numbers share a scale: 16 or 32.
    pub(crate) group: usize,
    /// Whether `mins` are written, too.
    pub(crate) mins: bool,
    /// What makes every value of the format non-negative, when added.
    pub(crate) offset: i32,
    /// How input rows are rounded before they meet such blocks.
    pub(crate) rounding: Rounding,
    /// Which lane a group goes to, of sixteen that are multiplied side by side: the order in which the format's vector
    /// code gets at them. Sums depend on it in their last bits.
    pub(crate) lanes: &'static [u8; 16],
}

impl Shape {
    /// Tells whether input rows are rounded alike for both.
    pub(crate) fn rounds_as(&self, other: &Self) -> bool {
        let what = |shape: &Self| (shape.group, shape.mins, shape.offset, shape.rounding, shape.lanes);
        what(self) == what(other)
    }

    /// Where a group of a row goes: the chunk of sixteen, and the lane in it.
    #[inline]
    pub(crate) fn place(&self, group: usize) -> (usize, usize) {
        (group / 16, usize::from(self.lanes[group % 16] & 15))
    }
}

/// In the order of the row.
const IN_ORDER: &[u8; 16] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Runs of 64 bytes, transposed: group 4 i + k goes to lane 4 k + i.
const TRANSPOSED: &[u8; 16] = &[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
/// Two blocks of halves: group 8 b + 2 k + i goes to lane 4 k + 2 b + i.
const HALVES: &[u8; 16] = &[0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15];
/// A block of quarters: group 8 h + 2 j + e goes to lane 8 h + 4 e + j.
const QUARTERS: &[u8; 16] = &[0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15];

/// How input rows are rounded to 8 bits; the ways are llama.cpp's, by the names of its formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "as in `Format`")]
pub(crate) enum Rounding {
    /// 32 numbers share a scale, which is rounded to a half.
    Q8_0,
    /// As `Q8_0`, and the sum of the numbers is rounded to a half as well.
    Q8_1,
    /// 256 numbers share a scale.
    Q8_K,
}

/// Returns how blocks of a format come apart; `None` for formats whose numbers stand alone.
pub(crate) fn shape(format: Format) -> Option<Shape> {
    use Rounding::{Q8_0, Q8_1, Q8_K};
    let shape = |unpack, group, mins, offset, rounding| {
        let lanes = match format {
            Format::Q4_K | Format::Q5_K => HALVES,
            Format::Q6_K | Format::IQ4_XS => TRANSPOSED,
            Format::Q2_K | Format::Q3_K => QUARTERS,
            _ => IN_ORDER,
        };
        Some(Shape { unpack, group, mins, offset, rounding, lanes })
    };
    match format {
        Format::Q4_0 => shape(legacy::q4_0, 32, false, 8, Q8_0),
        Format::Q4_1 => shape(legacy::q4_1, 32, true, 0, Q8_1),
        Format::Q5_0 => shape(legacy::q5_0, 32, false, 16, Q8_0),
        Format::Q5_1 => shape(legacy::q5_1, 32, true, 0, Q8_1),
        Format::Q8_0 => shape(legacy::q8_0, 32, false, 128, Q8_0),
        Format::Q8_1 => shape(legacy::q8_1, 32, false, 128, Q8_0),
        Format::Q1_0 => shape(legacy::q1_0, 32, false, 1, Q8_0),
        Format::Q2_K => shape(k::q2, 16, true, 0, Q8_K),
        Format::Q3_K => shape(k::q3, 16, false, 4, Q8_K),
        Format::Q4_K => shape(k::q4, 32, true, 0, Q8_K),
        Format::Q5_K => shape(k::q5, 32, true, 0, Q8_K),
        Format::Q6_K => shape(k::q6, 16, false, 32, Q8_K),
        Format::Q8_K => shape(k::q8, 32, false, 128, Q8_K),
        Format::IQ1_S => shape(codebooks::iq1_s, 32, false, 9, Q8_K),
        Format::IQ1_M => shape(codebooks::iq1_m, 16, false, 9, Q8_K),
        Format::IQ2_XXS => shape(codebooks::iq2_xxs, 32, false, 43, Q8_K),
        Format::IQ2_XS => shape(codebooks::iq2_xs, 16, false, 43, Q8_K),
        Format::IQ2_S => shape(codebooks::iq2_s, 16, false, 43, Q8_K),
        Format::IQ3_XXS => shape(codebooks::iq3_xxs, 32, false, 62, Q8_K),
        Format::IQ3_S => shape(codebooks::iq3_s, 32, false, 15, Q8_K),
        Format::IQ4_NL => shape(codebooks::iq4_nl, 32, false, 127, Q8_0),
        Format::IQ4_XS => shape(codebooks::iq4_xs, 32, false, 127, Q8_K),
        Format::TQ1_0 => shape(small::tq1_0, 32, false, 1, Q8_K),
        Format::TQ2_0 => shape(small::tq2_0, 32, false, 1, Q8_K),
        Format::MXFP4 => shape(small::mxfp4, 32, false, 12, Q8_0),
        Format::NVFP4 => shape(small::nvfp4, 16, false, 12, Q8_0),
        Format::F32 | Format::F16 | Format::BF16 | Format::F64 => None,
        Format::I8 | Format::I16 | Format::I32 | Format::I64 => None,
    }
}

fn half(bytes: &[u8], at: usize) -> f32 {
    f16_to_f32(word(bytes, at))
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn double_word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
