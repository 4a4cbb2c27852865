pub(crate) mod floats;
mod integers;

use std::fmt;

#[cfg(target_arch = "aarch64")]
pub(crate) use integers::{sdot, smmla, to_first_cache};

use crate::{
    Bytes, Error, Format, Pool,
    block::{self, Shape},
    dequantize::{check, unpack},
    isa::Isa,
};

/// Rows of packed weights, multiplied by rows of `f32` without being unpacked first.
#[derive(Clone)]
pub struct Matrix {
    format: Format,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: Bytes,
    /// How blocks come apart; `None` for formats whose numbers stand alone.
    shape: Option<Shape>,
    isa: Isa,
}

impl Matrix {
    /// Makes a matrix of bytes that hold one row after the other; nothing is copied or looked at.
    ///
    /// # Errors
    /// [`Error::NotWholeBlocks`] where a row does not fill blocks, [`Error::Length`] where `bytes` are not exactly the
    /// matrix's, [`Error::TooLarge`] where its size cannot be counted, [`Error::Unsupported`] for formats of whole
    /// numbers (`I8` to `I64`).
    pub fn new(format: Format, rows: usize, cols: usize, bytes: Bytes) -> Result<Self, Error> {
        if !format.is_supported() {
            return Err(Error::Unsupported { format, write: false });
        }
        let row_bytes = format.row_bytes(cols).ok_or(Error::NotWholeBlocks { format, count: cols })?;
        let count = rows.checked_mul(cols).ok_or(Error::TooLarge { format, rows, cols })?;
        check(format, bytes.len(), count)?;
        Ok(Self { format, rows, cols, row_bytes, bytes, shape: block::shape(format), isa: Isa::best() })
    }

    /// Returns how many rows there are: the length of an output row.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns how many numbers a row has: the length of an input row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Returns how the numbers are packed.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the packed numbers, row after row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Unpacks one row, as [`dequantize`](crate::dequantize()) does.
    ///
    /// # Panics
    /// Where there is no such row, or `out` is not as long as a row.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        assert!(index < self.rows, "row {index} of a matrix of {} rows", self.rows);
        assert_eq!(out.len(), self.cols, "a row of {} numbers", self.cols);
        unpack(self.format, self.packed(index), out);
    }

    /// Multiplies each of n input rows (of [`cols`](Self::cols) numbers, one after the other) by every row of the matrix,
    /// into n output rows of [`rows`](Self::rows) numbers: output `[n][r]` is the sum over c of
    /// `inputs[n][c] * self[r][c]`.
    ///
    /// A row's result does not depend on the others, nor on the number of threads. Input rows for packed formats of fewer
    /// than 16 bits are rounded to 8 bits a number first; see the crate's front page.
    ///
    /// # Panics
    /// Where `inputs` are not whole rows, or `outputs` not as many.
    pub fn multiply(&self, pool: &Pool, inputs: &[f32], outputs: &mut [f32]) {
        let count = inputs.len().checked_div(self.cols).unwrap_or_else(|| outputs.len() / self.rows.max(1));
        assert_eq!(inputs.len(), count * self.cols, "input rows of {} numbers", self.cols);
        assert_eq!(outputs.len(), count * self.rows, "{count} output rows of {} numbers", self.rows);
        if outputs.is_empty() {
            return;
        }
        match self.shape {
            Some(shape) => integers::multiply(self, shape, pool, inputs, outputs),
            None => floats::multiply(self, pool, inputs, outputs),
        }
    }

    /// Multiplies the same input rows by several matrices, each as [`multiply`](Self::multiply) does: `outputs[i]` is of
    /// `matrices[i]`. A single row is rounded once for matrices that round alike, and all its products are one loop of the pool,
    /// which costs less than a loop for each where matrices are small.
    ///
    /// # Panics
    /// As [`multiply`](Self::multiply) with any of them.
    pub fn multiply_each<const N: usize>(
        matrices: [&Self; N],
        pool: &Pool,
        inputs: &[f32],
        mut outputs: [&mut [f32]; N],
    ) {
        let is_row = matrices
            .iter()
            .zip(&outputs)
            .all(|(matrix, outputs)| (inputs.len(), outputs.len()) == (matrix.cols, matrix.rows));
        if is_row && integers::multiply_row(matrices, pool, inputs, &mut outputs) {
            return;
        }
        for (matrix, outputs) in matrices.into_iter().zip(outputs) {
            matrix.multiply(pool, inputs, outputs);
        }
    }

    fn packed(&self, row: usize) -> &[u8] {
        &self.bytes[row * self.row_bytes..][..self.row_bytes]
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matrix({} × {} {}, {:?})", self.rows, self.cols, self.format, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes whose scales are neither infinite nor none, where the format has halves at their places.
    fn bytes(format: Format, count: usize, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let len = format.row_bytes(count).unwrap_or_default();
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8 & 0xbb
            })
            .collect()
    }

    #[test]
    fn several_matrices_give_what_each_gives_alone() {
        let formats = [Format::Q4_0, Format::Q4_0, Format::Q4_K, Format::Q6_K, Format::F16, Format::Q8_0];
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            for (index, format) in formats.into_iter().enumerate() {
                for (cols, count) in [(256, 1), (768, 1), (512, 3)] {
                    let matrix = |format: Format, rows: usize| {
                        let bytes = bytes(format, rows * cols, (rows + index) as u32);
                        Matrix::new(format, rows, cols, Bytes::from(bytes)).unwrap()
                    };
                    let next = formats[(index + 1) % formats.len()];
                    let [a, b, c] = [matrix(format, 301), matrix(next, 1), matrix(format, 40)];
                    let inputs: Vec<f32> = (0..count * cols).map(|at| (at as f32 * 0.71).sin()).collect();
                    let alone = [&a, &b, &c].map(|matrix| {
                        let mut outputs = vec![0.0; count * matrix.rows()];
                        matrix.multiply(&pool, &inputs, &mut outputs);
                        outputs
                    });
                    let mut together = alone.clone().map(|outputs| vec![f32::NAN; outputs.len()]);
                    let outputs = together.each_mut().map(Vec::as_mut_slice);
                    Matrix::multiply_each([&a, &b, &c], &pool, &inputs, outputs);
                    assert_eq!(together, alone, "{format} and {next}, {count} × {cols}");
                }
            }
        }
    }

    /// The promise that lets a text be the same on every machine.
    #[test]
    fn all_instructions_give_the_same_bits() {
        let pool = Pool::new(1);
        for format in Format::all().filter(|format| format.is_supported()) {
            for blocks in [1, 2, 3, 5, 16, 18, 31, 32] {
                let (rows, cols) = (19, blocks * format.block_len());
                let mut matrix =
                    Matrix::new(format, rows, cols, Bytes::from(bytes(format, rows * cols, blocks as u32)))
                        .unwrap();
                for count in [1, 2, 3, 4, 7, 33] {
                    let inputs: Vec<f32> =
                        (0..count * cols).map(|index| (index as f32 * 0.71).sin() * 3.0).collect();
                    let mut expected = vec![0.0; count * rows];
                    matrix.isa = Isa::Plain;
                    matrix.multiply(&pool, &inputs, &mut expected);
                    for isa in Isa::all() {
                        let mut outputs = vec![0.0; count * rows];
                        matrix.isa = isa;
                        matrix.multiply(&pool, &inputs, &mut outputs);
                        for (output, expected) in outputs.iter().zip(&expected) {
                            let same = output.to_bits() == expected.to_bits()
                                || output.is_nan() && expected.is_nan();
                            assert!(
                                same,
                                "{format} × {cols}, {count} rows, {isa:?}: {output} instead of {expected}"
                            );
                        }
                    }
                }
            }
        }
    }
}
