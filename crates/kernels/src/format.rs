use std::fmt;

/// How numbers lie in bytes: ggml's types, by ggml's names.
///
/// A row of numbers is a row of blocks; each block holds [`block_len`](Self::block_len) numbers in
/// [`block_bytes`](Self::block_bytes) bytes, with the scales that they share. Everything is little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(
    missing_docs,
    non_camel_case_types,
    reason = "the names are ggml's, and say all that ggml says of them"
)]
#[non_exhaustive]
pub enum Format {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ2_XXS,
    IQ2_XS,
    IQ3_XXS,
    IQ1_S,
    IQ4_NL,
    IQ3_S,
    IQ2_S,
    IQ4_XS,
    I8,
    I16,
    I32,
    I64,
    F64,
    IQ1_M,
    BF16,
    TQ1_0,
    TQ2_0,
    MXFP4,
    NVFP4,
    Q1_0,
}

/// Format, ggml's number, name, numbers in a block, bytes of a block, in the order of [`Format`]; from `ggml.h` and the
/// block structs of `ggml-common.h` (llama.cpp 0024aa7). Missing numbers were withdrawn: 4 and 5 (Q4_2, Q4_3), 31–33 and
/// 36–38 (interleaved layouts).
const FORMATS: [(Format, u32, &str, usize, usize); 34] = [
    (Format::F32, 0, "F32", 1, 4),
    (Format::F16, 1, "F16", 1, 2),
    (Format::Q4_0, 2, "Q4_0", 32, 18),
    (Format::Q4_1, 3, "Q4_1", 32, 20),
    (Format::Q5_0, 6, "Q5_0", 32, 22),
    (Format::Q5_1, 7, "Q5_1", 32, 24),
    (Format::Q8_0, 8, "Q8_0", 32, 34),
    (Format::Q8_1, 9, "Q8_1", 32, 36),
    (Format::Q2_K, 10, "Q2_K", 256, 84),
    (Format::Q3_K, 11, "Q3_K", 256, 110),
    (Format::Q4_K, 12, "Q4_K", 256, 144),
    (Format::Q5_K, 13, "Q5_K", 256, 176),
    (Format::Q6_K, 14, "Q6_K", 256, 210),
    (Format::Q8_K, 15, "Q8_K", 256, 292),
    (Format::IQ2_XXS, 16, "IQ2_XXS", 256, 66),
    (Format::IQ2_XS, 17, "IQ2_XS", 256, 74),
    (Format::IQ3_XXS, 18, "IQ3_XXS", 256, 98),
    (Format::IQ1_S, 19, "IQ1_S", 256, 50),
    (Format::IQ4_NL, 20, "IQ4_NL", 32, 18),
    (Format::IQ3_S, 21, "IQ3_S", 256, 110),
    (Format::IQ2_S, 22, "IQ2_S", 256, 82),
    (Format::IQ4_XS, 23, "IQ4_XS", 256, 136),
    (Format::I8, 24, "I8", 1, 1),
    (Format::I16, 25, "I16", 1, 2),
    (Format::I32, 26, "I32", 1, 4),
    (Format::I64, 27, "I64", 1, 8),
    (Format::F64, 28, "F64", 1, 8),
    (Format::IQ1_M, 29, "IQ1_M", 256, 56),
    (Format::BF16, 30, "BF16", 1, 2),
    (Format::TQ1_0, 34, "TQ1_0", 256, 54),
    (Format::TQ2_0, 35, "TQ2_0", 256, 66),
    (Format::MXFP4, 39, "MXFP4", 32, 17),
    (Format::NVFP4, 40, "NVFP4", 64, 36),
    (Format::Q1_0, 41, "Q1_0", 128, 18),
];

impl Format {
    /// Lists all formats by ggml's numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMATS.iter().map(|(format, ..)| *format)
    }

    /// Returns the format that a file means by a number, if it is one.
    pub fn from_ggml(number: u32) -> Option<Self> {
        FORMATS.iter().find(|(_, known, ..)| *known == number).map(|(format, ..)| *format)
    }

    /// Returns ggml's number, which stands in files.
    pub fn ggml(self) -> u32 {
        self.line().1
    }

    /// Returns ggml's name: `Q4_K`.
    pub fn name(self) -> &'static str {
        self.line().2
    }

    /// Returns how many numbers share a block; rows are whole blocks.
    pub fn block_len(self) -> usize {
        self.line().3
    }

    /// Returns the bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.line().4
    }

    /// Returns the bytes of a row; `None` where the numbers do not fill whole blocks or the bytes cannot be counted.
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        if !cols.is_multiple_of(self.block_len()) {
            return None;
        }
        (cols / self.block_len()).checked_mul(self.block_bytes())
    }

    /// Tells whether numbers of this format can be read and multiplied; all but the whole numbers (`I8` to `I64`) can.
    pub fn is_supported(self) -> bool {
        !matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }

    fn line(self) -> &'static (Self, u32, &'static str, usize, usize) {
        &FORMATS[self as usize]
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_formats() {
        for (index, (format, number, ..)) in FORMATS.iter().enumerate() {
            assert_eq!(*format as usize, index);
            assert_eq!(Format::from_ggml(*number), Some(*format));
        }
        assert_eq!(Format::from_ggml(4), None);
    }
}
