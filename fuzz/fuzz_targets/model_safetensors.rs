//! Any bytes, read as a safetensors file.
#![no_main]

use athenaeum_inference::model::safetensors::File;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = File::from_bytes(bytes) else { return };
    assert!(file.memory_bytes() <= 16 * bytes.len(), "{} for {}", file.memory_bytes(), bytes.len());
    for tensor in &file.tensors {
        assert!(tensor.offset + tensor.bytes <= bytes.len() as u64, "{} lies outside", tensor.name);
    }
});
