//! Products of packed matrices.

use std::io::Write;

use athenaeum_kernels::{Bytes, Error, Format, Matrix, Pool, dequantize, map, map_in_large_pages};

/// Bytes of `rows` rows that are random but for scales, which are of moderate size: a half of about 1/64 wherever a
/// block has one.
pub(crate) fn bytes(format: Format, rows: usize, cols: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::new();
    for _ in 0..rows * cols / format.block_len() {
        let start = bytes.len();
        bytes.extend((0..format.block_bytes()).map(|_| random.next() as u8));
        let block = &mut bytes[start..];
        let scales: &[usize] = match format {
            Format::F16 | Format::Q4_0 | Format::Q5_0 | Format::Q8_0 | Format::IQ4_NL | Format::IQ4_XS => {
                &[0]
            }
            Format::IQ1_S
            | Format::IQ2_XXS
            | Format::IQ2_XS
            | Format::IQ2_S
            | Format::IQ3_XXS
            | Format::IQ3_S => &[0],
            Format::Q1_0 => &[0],
            Format::Q4_1 | Format::Q5_1 | Format::Q8_1 | Format::Q4_K | Format::Q5_K => &[0, 2],
            Format::Q2_K => &[80, 82],
            Format::Q3_K => &[108],
            Format::Q6_K => &[208],
            Format::TQ1_0 => &[52],
            Format::TQ2_0 => &[64],
            _ => &[],
        };
        for at in scales {
            block[*at] = random.next() as u8;
            block[at + 1] = 0x20 | (random.next() as u8 & 0x83);
        }
        match format {
            Format::F32 | Format::Q8_K => block[3] = 0x3c | (block[3] & 0x80),
            Format::F64 => (block[6], block[7]) = (0x90, 0x3f | (block[7] & 0x80)),
            Format::BF16 => block[1] = 0x3c | (block[1] & 0x80),
            Format::MXFP4 => block[0] = 118 + block[0] % 8,
            Format::NVFP4 => block[..4].iter_mut().for_each(|scale| *scale &= 0x3f),
            // The halves of the scale's bytes lie on top of four words.
            Format::IQ1_M => [(49, 0x00), (51, 0x00), (53, 0x00), (55, 0x20)]
                .iter()
                .for_each(|(at, nibble)| block[*at] = (block[*at] & 15) | nibble),
            _ => {}
        }
    }
    bytes
}

pub(crate) fn inputs(count: usize, cols: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..count * cols).map(|_| (random.next() % 20_001) as f32 / 10_000.0 - 1.0).collect()
}

/// SplitMix64: the same numbers everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn supported() -> impl Iterator<Item = Format> {
    Format::all().filter(|format| format.is_supported())
}

/// Multiplies in `f64` what the format means, and compares: integer formats round the input to 8 bits, one part in 254 of
/// the largest number of 32 or 256, which over many numbers is a small part of the lengths' product.
#[test]
fn products_are_what_the_unpacked_numbers_give() {
    let pool = Pool::new(2);
    for format in supported() {
        for blocks in [1, 2, 3, 7] {
            let (rows, cols) = (21, blocks * format.block_len().max(32));
            let packed = bytes(format, rows, cols, 1);
            let mut unpacked = vec![0.0; rows * cols];
            dequantize(format, &packed, &mut unpacked).unwrap();
            assert!(unpacked.iter().all(|value| value.is_finite()), "{format}");
            let matrix = Matrix::new(format, rows, cols, Bytes::from(packed)).unwrap();
            let inputs = inputs(3, cols, 2);
            let mut outputs = vec![f32::NAN; 3 * rows];
            matrix.multiply(&pool, &inputs, &mut outputs);
            let tolerance = if matches!(format, Format::F32 | Format::F16 | Format::BF16 | Format::F64) {
                1e-6
            } else {
                8e-3
            };
            for (index, output) in outputs.iter().enumerate() {
                let input = &inputs[index / rows * cols..][..cols];
                let weights = &unpacked[index % rows * cols..][..cols];
                let exact: f64 = input.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                let length = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                let error = (f64::from(*output) - exact).abs() / (length(input) * length(weights)).max(1e-30);
                assert!(
                    error < tolerance,
                    "{format} × {cols}: {output} instead of {exact} (error {error:e})"
                );
            }
        }
    }
}

/// The invariant that batches and speculation rest on.
#[test]
fn a_row_s_result_depends_on_nothing_beside_it() {
    let pools = [Pool::new(1), Pool::new(2), Pool::new(3)];
    for format in supported() {
        let (rows, cols) = (37, 3 * format.block_len().max(64));
        let matrix = Matrix::new(format, rows, cols, Bytes::from(bytes(format, rows, cols, 3))).unwrap();
        let all = inputs(17, cols, 4);
        let mut alone = vec![0.0; 17 * rows];
        for (input, output) in all.chunks(cols).zip(alone.chunks_mut(rows)) {
            matrix.multiply(&pools[0], input, output);
        }
        for pool in &pools {
            for count in 1..=17 {
                let mut together = vec![0.0; count * rows];
                matrix.multiply(pool, &all[..count * cols], &mut together);
                let same = together.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{format}, {count} rows on {pool:?}");
            }
        }
    }
}

#[test]
fn a_mapped_file_multiplies_like_memory() {
    let packed = bytes(Format::Q4_K, 4, 512, 5);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"head").unwrap();
    file.write_all(&packed).unwrap();
    let mapped = map_in_large_pages(&file).unwrap();
    assert!(mapped.is_mapped());
    assert_eq!(*mapped, *map(&file).unwrap());
    let part = mapped.slice(4..mapped.len()).unwrap();
    drop(mapped);
    assert_eq!(*part, *packed);
    assert!(part.slice(5..packed.len() + 1).is_none());
    assert!(map_in_large_pages(&tempfile::tempfile().unwrap()).unwrap().is_empty());
    let (pool, input) = (Pool::new(1), inputs(1, 512, 6));
    let (mut from_file, mut from_memory) = ([0.0; 4], [0.0; 4]);
    Matrix::new(Format::Q4_K, 4, 512, part).unwrap().multiply(&pool, &input, &mut from_file);
    Matrix::new(Format::Q4_K, 4, 512, Bytes::from(packed)).unwrap().multiply(&pool, &input, &mut from_memory);
    assert_eq!(from_file, from_memory);
}

#[test]
fn what_is_not_a_number_stays_none() {
    let pool = Pool::new(1);
    for format in [Format::F32, Format::Q4_0, Format::Q4_1, Format::Q6_K] {
        let matrix = Matrix::new(format, 3, 256, Bytes::from(bytes(format, 3, 256, 7))).unwrap();
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut input = inputs(1, 256, 8);
            input[100] = wrong;
            let mut output = [0.0; 3];
            matrix.multiply(&pool, &input, &mut output);
            assert!(output.iter().all(|value| !value.is_finite()), "{format}: {output:?}");
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let new = |format, rows, cols, len| {
        Matrix::new(format, rows, cols, Bytes::from(vec![0; len])).map(|_| ()).unwrap_err()
    };
    assert_eq!(new(Format::Q4_0, 1, 31, 18), Error::NotWholeBlocks { format: Format::Q4_0, count: 31 });
    assert_eq!(
        new(Format::Q4_0, 2, 32, 35),
        Error::Length { format: Format::Q4_0, count: 64, expected: 36, actual: 35 }
    );
    assert!(matches!(new(Format::F32, usize::MAX, 2, 0), Error::TooLarge { .. }));
    assert!(matches!(
        new(Format::F64, usize::MAX / 4, 1, 0),
        Error::NotWholeBlocks { .. } | Error::TooLarge { .. }
    ));
    assert!(matches!(new(Format::I32, 1, 1, 4), Error::Unsupported { .. }));
    let message = new(Format::Q4_0, 2, 32, 35).to_string();
    assert_eq!(message, "64 numbers of Q4_0 take 36 bytes, not 35");
}
