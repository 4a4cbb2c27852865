//! Bytes of strangers: any at all, in any format and of any length.

use athenaeum_kernels::{Bytes, Format, Matrix, Pool, dequantize, dot, quantize, unpack_numbers};
use proptest::prelude::*;

fn formats() -> impl Strategy<Value = Format> {
    proptest::sample::select(Format::all().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_numbers_or_an_error(format in formats(), bytes in proptest::collection::vec(any::<u8>(), 0..2_000), cols in 0_usize..600) {
        let mut out = vec![0.0; cols];
        let fits = format.row_bytes(cols) == Some(bytes.len()) && format.is_supported();
        prop_assert_eq!(dequantize(format, &bytes, &mut out).is_ok(), fits);
        prop_assert_eq!(Matrix::new(format, 1, cols, Bytes::from(bytes.clone())).is_ok(), fits);
        for rows in [0, 2, 3, usize::MAX] {
            let fits = rows.checked_mul(cols).is_some_and(|count| format.row_bytes(count) == Some(bytes.len()))
                && format.row_bytes(cols).is_some()
                && format.is_supported();
            prop_assert_eq!(Matrix::new(format, rows, cols, Bytes::from(bytes.clone())).is_ok(), fits);
        }
        let _ = quantize(format, &out, &mut bytes.clone());
    }

    #[test]
    fn any_bytes_can_be_multiplied(format in formats(), blocks in 1_usize..4, rows in 1_usize..20, seed: u64) {
        prop_assume!(format.is_supported());
        let cols = blocks * format.block_len();
        let mut random = crate::matrix::Random(seed);
        let bytes: Vec<u8> = (0..rows * blocks * format.block_bytes()).map(|_| random.next() as u8).collect();
        let inputs: Vec<f32> = (0..3 * cols).map(|_| f32::from_bits(random.next() as u32)).collect();
        let row = bytes[..blocks * format.block_bytes()].to_vec();
        let matrix = Matrix::new(format, rows, cols, Bytes::from(bytes)).unwrap();
        let mut out = vec![0.0; 3 * rows];
        matrix.multiply(&Pool::new(1), &inputs[..3 * cols], &mut out);
        let mut unpacked = vec![0.0; cols];
        matrix.row(rows - 1, &mut unpacked);
        dot(format, &row, &inputs[..cols]);
        unpack_numbers(format, &row, &mut unpacked);
    }

    #[test]
    fn what_is_packed_comes_back_nearly(values in proptest::collection::vec(-100.0_f32..100.0, 64)) {
        for (format, steps) in [(Format::F32, 1e9), (Format::F16, 2048.0), (Format::BF16, 256.0), (Format::Q8_0, 220.0), (Format::Q4_0, 7.5)] {
            let mut bytes = vec![0; format.row_bytes(64).unwrap()];
            quantize(format, &values, &mut bytes).unwrap();
            let mut back = vec![0.0; 64];
            dequantize(format, &bytes, &mut back).unwrap();
            for (block, back) in values.chunks(32).zip(back.chunks(32)) {
                let most = block.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                for (value, back) in block.iter().zip(back) {
                    prop_assert!((value - back).abs() <= most / steps, "{}: {} became {}", format, value, back);
                }
            }
        }
    }
}
