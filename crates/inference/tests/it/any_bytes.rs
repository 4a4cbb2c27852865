//! Whatever stands in a file: no panic, and memory in proportion.

use athenaeum_inference::model::{gguf, safetensors};
use proptest::prelude::*;

use crate::write;

/// What a file takes in memory, at most, for each of its bytes.
const TIMES: usize = 16;

fn unharmed(bytes: &[u8]) {
    if let Ok(file) = gguf::File::from_bytes(bytes) {
        assert!(file.memory_bytes() <= TIMES * bytes.len(), "{} for {}", file.memory_bytes(), bytes.len());
        for tensor in &file.tensors {
            assert!(tensor.offset + tensor.bytes <= bytes.len() as u64);
        }
    }
    if let Ok(file) = safetensors::File::from_bytes(bytes) {
        assert!(file.memory_bytes() <= TIMES * bytes.len());
        for tensor in &file.tensors {
            assert!(tensor.offset + tensor.bytes <= bytes.len() as u64);
        }
    }
}

/// Numbers that break arithmetic, more often than any others.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..64_u64,
        (0..64_u32).prop_map(|bit| 1 << bit),
        (0..64_u32).prop_map(|bit| (1 << bit) - 1),
        (0..64_u32).prop_map(|bit| 0_u64.wrapping_sub(1 << bit)),
    ]
}

proptest! {
    #[test]
    fn any_field_of_a_gguf_file_can_be_wrong(
        changes in prop::collection::vec((any::<prop::sample::Index>(), numbers(), 1..=8_usize), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = write::Gguf::small().bytes();
        for (place, number, width) in changes {
            let at = place.index(bytes.len());
            let end = bytes.len().min(at + width);
            bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        unharmed(&bytes);
    }

    #[test]
    fn any_byte_of_a_safetensors_file_can_be_wrong(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let header = r#"{"__metadata__":{"format":"pt"},"t":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        let mut bytes = write::safetensors(header, 24);
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        unharmed(&bytes);
    }

    #[test]
    fn anything_after_the_magic(rest in prop::collection::vec(any::<u8>(), 0..400)) {
        unharmed(&[b"GGUF\x03\0\0\0".as_slice(), &rest].concat());
        unharmed(&rest);
    }

    #[test]
    fn any_header_of_numbers(version in 2..4_u32, fields in prop::collection::vec(numbers(), 0..40)) {
        let mut bytes = [b"GGUF".as_slice(), &version.to_le_bytes()].concat();
        fields.iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        unharmed(&bytes);
    }
}

/// The forms of metadata that cost most in memory for a byte of the file.
#[test]
fn dense_metadata_stays_in_proportion() {
    let check = |value: Vec<u8>| {
        let mut gguf = write::Gguf::small();
        gguf.set("x", write::ARRAY, value);
        unharmed(&gguf.bytes());
    };
    check(write::array(write::STRING, &vec![write::string(""); 50_000]));
    check(write::array(write::ARRAY, &vec![write::array(0, &[]); 50_000]));
    let mut gguf = write::Gguf::small();
    gguf.tensors.clear();
    gguf.keys = (0..60_000).map(|n| write::key(&format!("{n:x}"), 0, vec![0])).collect();
    unharmed(&gguf.bytes());
}

/// A file can be said to be long without taking any place on the disk; counts that would fit it must not be believed.
/// One of these would ask for a tebibyte, and end the process.
#[test]
fn the_length_of_a_sparse_file_is_no_reason_to_allocate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.gguf");
    let promised = |element: u32| [write::u32(element), write::u64(1 << 36)].concat();
    for element in [0, 8, 9, 12] {
        let mut gguf = write::Gguf::small();
        gguf.set("x", write::ARRAY, promised(element));
        std::fs::write(&path, gguf.bytes()).unwrap();
        let made = std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40);
        if made.is_err() {
            return; // This file system has no sparse files.
        }
        let error = athenaeum_inference::model::open(&path).unwrap_err();
        assert!(write::causes(&error).contains("promises 68719476736 values"), "{}", write::causes(&error));
    }
}
