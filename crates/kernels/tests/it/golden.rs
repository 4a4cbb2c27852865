//! Formats read and written as the reference does, bit for bit: `golden/make.py` says how the values were made.

use athenaeum_kernels::{Format, dequantize, quantize};
use serde_json::Value;

use crate::matrix::Random;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/golden.json")).expect("JSON")
}

fn format(entry: &Value) -> Format {
    let name = entry["format"].as_str().expect("a name");
    Format::all().find(|format| format.name() == name).expect("a format")
}

/// FNV-1a, 64 bit.
fn hash(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn every_format_is_read_bit_for_bit_as_the_reference_reads_it() {
    let golden = golden();
    let (blocks, seed) = (golden["blocks"].as_u64().unwrap() as usize, golden["seed"].as_u64().unwrap());
    let entries = golden["read"].as_array().unwrap();
    let supported = Format::all().filter(|format| format.is_supported()).count();
    assert_eq!(entries.len(), supported, "formats without golden values");
    for entry in entries {
        let format = format(entry);
        let mut random = Random(seed + u64::from(format.ggml()));
        let bytes: Vec<u8> = (0..blocks * format.block_bytes()).map(|_| random.next() as u8).collect();
        let mut out = vec![0.0; blocks * format.block_len()];
        dequantize(format, &bytes, &mut out).unwrap();
        let bits: Vec<u32> =
            out.iter().map(|value| if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() }).collect();
        let first: Vec<String> = bits[..8].iter().map(|bits| format!("{bits:08x}")).collect();
        let expected: Vec<&str> =
            entry["first"].as_array().unwrap().iter().map(|bits| bits.as_str().unwrap()).collect();
        assert_eq!(first, expected, "{format}");
        assert_eq!(
            hash(bits.iter().flat_map(|bits| bits.to_le_bytes())),
            entry["hash"].as_str().unwrap(),
            "{format}"
        );
    }
}

#[test]
fn formats_are_written_bit_for_bit_as_the_reference_writes_them() {
    let golden = golden();
    let mut random = Random(golden["seed"].as_u64().unwrap() + 1000);
    let mut values: Vec<f32> =
        (0..4096).map(|_| ((random.next() % 800_001) as f64 / 100_000.0 - 4.0) as f32).collect();
    values[64..96].fill(0.0);
    for entry in golden["written"].as_array().unwrap() {
        let format = format(entry);
        let mut bytes = vec![0; format.row_bytes(values.len()).unwrap()];
        quantize(format, &values, &mut bytes).unwrap();
        assert_eq!(hash(bytes), entry["hash"].as_str().unwrap(), "{format}");
    }
}
