use athenaeum_inference::model::gguf::{File, TensorType, Value};

use crate::write::{ARRAY, BOOL, Gguf, STRING, U32, array, bytes, key, string, tensor, u32, u64};

/// One thing wrong with a file, and words of the reason that must be told.
fn check(mutate: impl FnOnce(&mut Gguf), reason: &str) {
    let mut gguf = Gguf::small();
    mutate(&mut gguf);
    let refusal = File::from_bytes(&gguf.bytes()).expect_err(reason).to_string();
    assert!(refusal.contains(reason), "expected '{reason}', was told '{refusal}'");
    assert!(refusal.contains("; "), "'{refusal}' does not say what to do");
}

#[test]
fn a_sound_file_is_read() {
    for version in [2, 3] {
        let file = File::from_bytes(&Gguf { version, ..Gguf::small() }.bytes()).unwrap();
        assert_eq!((file.version, file.metadata.iter().count(), file.tensors.len()), (version, 15, 2));
        assert_eq!(file.tensors[1].tensor_type.name(), "Q4_K");
        assert_eq!((file.tensors[1].bytes, file.tensors[0].dims()), (144, &[32, 2][..]));
        assert_eq!(file.tensors[1].offset, file.data_offset + 256);
        assert_eq!(file.metadata.get("llama.block_count"), Some(&Value::Unsigned(1)));
        let tokens = file.metadata.get("tokenizer.ggml.tokens").unwrap().as_array().unwrap();
        assert_eq!((tokens.len(), tokens.bytes(3), tokens.bytes(4)), (4, Some(&b"ab"[..]), None));
        let nested = file.metadata.get("a.nested").unwrap().as_array().unwrap();
        assert_eq!(nested.nested(0).unwrap().get(0), Some(Value::Unsigned(1)));
    }
}

#[test]
fn every_type_of_value_is_read() {
    let values: [(u32, Vec<u8>, &str); 12] = [
        (0, vec![255], "255"),
        (1, vec![255], "-1"),
        (2, vec![255, 255], "65535"),
        (3, vec![255, 255], "-1"),
        (4, u32(u32::MAX), "4294967295"),
        (5, u32(u32::MAX), "-1"),
        (6, 1.5_f32.to_le_bytes().to_vec(), "1.5"),
        (7, vec![0], "false"),
        (8, string("ü"), "\"ü\""),
        (10, u64(u64::MAX), "18446744073709551615"),
        (11, u64(u64::MAX), "-1"),
        (12, 2.5_f64.to_le_bytes().to_vec(), "2.5"),
    ];
    for (value_type, value, shown) in values {
        let mut gguf = Gguf::small();
        gguf.set("x", value_type, value.clone());
        gguf.set("y", ARRAY, array(value_type, &[value.clone(), value]));
        let file = File::from_bytes(&gguf.bytes()).unwrap();
        assert_eq!(file.metadata.get("x").unwrap().to_string(), shown);
        assert_eq!(file.metadata.get("y").unwrap().to_string(), format!("[{shown}, {shown}]"));
    }
}

#[test]
fn every_type_of_tensor_is_read() {
    for tensor_type in TensorType::all() {
        let mut gguf = Gguf::small();
        gguf.tensors = vec![tensor("t", &[512, 3], tensor_type.number(), 0)];
        let expected = 512 * 3 / tensor_type.block_len() * tensor_type.block_bytes();
        gguf.data_bytes = Some(expected);
        assert_eq!(File::from_bytes(&gguf.bytes()).unwrap().tensors[0].bytes, expected, "{tensor_type}");
        gguf.data_bytes = Some(expected - 1);
        assert!(File::from_bytes(&gguf.bytes()).is_err(), "{tensor_type}");
    }
}

#[test]
fn wrong_headers_are_refused() {
    check(|gguf| gguf.magic = *b"GGML", "does not begin as a GGUF file");
    check(|gguf| gguf.version = 0, "version 0");
    check(|gguf| gguf.version = 1, "version 1");
    check(|gguf| gguf.version = 4, "version 4");
    check(|gguf| gguf.version = u32::MAX, "version 4294967295");
    check(|gguf| gguf.version = 3_u32.swap_bytes(), "big-endian");
    check(|gguf| gguf.tensor_count = Some(u64::MAX), "18446744073709551615 tensors");
    check(|gguf| gguf.tensor_count = Some(1 << 63), "9223372036854775808 tensors");
    check(|gguf| gguf.tensor_count = Some(1 << 30), "1073741824 tensors");
    check(|gguf| gguf.key_count = Some(1 << 60), "1152921504606846976 keys");
    check(|gguf| gguf.key_count = Some(1 << 17), "131072 keys");
    // One tensor more is read from the padding, and its name is empty or absurd.
    check(|gguf| gguf.tensor_count = Some(3), "; ");
    check(|gguf| gguf.key_count = Some(16), "; ");
}

#[test]
fn wrong_keys_are_refused() {
    check(|gguf| gguf.keys[0].name.clear(), "empty name");
    check(|gguf| gguf.keys[0].name = vec![0xff, 0xfe], "not UTF-8");
    check(|gguf| gguf.keys[0].name = vec![b'k'; 70_000], "of 70000 bytes");
    check(|gguf| gguf.keys.push(gguf.keys[2].clone()), "\"general.file_type\" stands there twice");
    check(|gguf| gguf.set("x", 13, vec![0]), "unknown value type 13");
    check(|gguf| gguf.set("x", u32::MAX, vec![0]), "unknown value type 4294967295");
    check(|gguf| gguf.set("x", BOOL, vec![2]), "neither true nor false");
    check(|gguf| gguf.set("x", ARRAY, array(BOOL, &[vec![1, 0, 7]])), "; ");
    check(|gguf| gguf.set("x", STRING, u64(1 << 63)), "of 9223372036854775808 bytes");
    check(|gguf| gguf.set("x", STRING, u64(u64::MAX)), "of 18446744073709551615 bytes");
    check(|gguf| gguf.set("x", STRING, u64(1 << 20)), "ends within a string");
}

#[test]
fn wrong_arrays_are_refused() {
    let promised = |element: u32, count: u64| [u32(element), u64(count)].concat();
    for element in [0, 2, 4, 6, 7, 8, 9, 10, 12] {
        for count in [1 << 60, 1 << 63, u64::MAX, u64::MAX / 8 + 1, 100_000] {
            check(|gguf| gguf.set("x", ARRAY, promised(element, count)), &format!("promises {count} values"));
        }
    }
    check(|gguf| gguf.set("x", ARRAY, promised(13, 1)), "unknown value type 13");
    check(|gguf| gguf.set("x", ARRAY, array(STRING, &[u64(1 << 62)])), "of 4611686018427387904 bytes");
    check(|gguf| gguf.set("x", ARRAY, array(BOOL, &[vec![0], vec![3]])), "neither true nor false");
    let deep = |depth| (0..depth).fold(array(U32, &[]), |inner, _| array(ARRAY, &[inner]));
    check(|gguf| gguf.set("x", ARRAY, deep(4)), "arrays within arrays");
    check(|gguf| gguf.set("x", ARRAY, deep(10_000)), "arrays within arrays");
    let many = vec![array(U32, &[]); 70_000];
    check(|gguf| gguf.set("x", ARRAY, array(ARRAY, &many)), "promises 70000 values");
    let mut gguf = Gguf::small();
    gguf.set("x", ARRAY, deep(3));
    assert!(File::from_bytes(&gguf.bytes()).is_ok());
}

#[test]
fn wrong_alignments_are_refused() {
    for alignment in [0, 1_u32.wrapping_neg(), 3, 31, 48] {
        check(|gguf| gguf.set("general.alignment", U32, u32(alignment)), "not a power of two");
    }
    check(|gguf| gguf.set("general.alignment", STRING, string("32")), "not a power of two");
    check(|gguf| gguf.set("general.alignment", 5, u32(32)), "not a power of two");
    check(|gguf| gguf.set("general.alignment", 10, u64(1 << 63)), "not a power of two");
    // Two gibibytes of padding that are not there.
    check(|gguf| gguf.set("general.alignment", U32, u32(1 << 31)), "but the file has");
    for alignment in [1, 8, 64, 256] {
        let mut gguf = Gguf { alignment: alignment.into(), ..Gguf::small() };
        gguf.set("general.alignment", U32, u32(alignment));
        assert_eq!(File::from_bytes(&gguf.bytes()).unwrap().alignment, u64::from(alignment));
    }
}

#[test]
fn wrong_tensors_are_refused() {
    check(|gguf| gguf.tensors[0].name.clear(), "empty name");
    check(|gguf| gguf.tensors[0].name = vec![0xc3, 0x28], "not UTF-8");
    check(|gguf| gguf.tensors[0].name = vec![b't'; 300], "of 300 bytes");
    check(
        |gguf| gguf.tensors[1].name = gguf.tensors[0].name.clone(),
        "\"token_embd.weight\" stands there twice",
    );
    check(|gguf| gguf.tensors[0].dims = vec![32, 2, 1, 1, 1], "has 5 dimensions");
    check(|gguf| gguf.tensors[0].dims_len = Some(u32::MAX), "has 4294967295 dimensions");
    check(|gguf| gguf.tensors[0].dims = vec![32, 0], "dimension of 0");
    check(|gguf| gguf.tensors[0].dims = vec![0, 2], "dimension of 0");
    check(|gguf| gguf.tensors[0].dims = vec![1 << 32, 1 << 32], "larger than can be counted");
    check(|gguf| gguf.tensors[0].dims = vec![1 << 63], "larger than can be counted");
    check(|gguf| gguf.tensors[0].dims = vec![u64::MAX], "larger than can be counted");
    check(|gguf| gguf.tensors[0].dims = vec![1 << 21, 1 << 21, 1 << 21, 2], "larger than can be counted");
    // Few enough numbers, but their bytes overflow.
    check(|gguf| gguf.tensors[0].dims = vec![1 << 62], "larger than can be counted");
    check(|gguf| gguf.tensors[0].dims = vec![1 << 40], "but the file has");
    check(|gguf| gguf.tensors[1].dims = vec![255], "not whole blocks of 256");
    check(|gguf| gguf.tensors[1].dims = vec![1, 256], "not whole blocks of 256");
    for number in [4, 5, 31, 32, 33, 36, 37, 38] {
        check(|gguf| gguf.tensors[0].tensor_type = number, "llama.cpp has withdrawn");
    }
    for number in [42, 255, 1 << 31, u32::MAX] {
        check(|gguf| gguf.tensors[0].tensor_type = number, &format!("unknown type {number}"));
    }
}

#[test]
fn tensors_lie_within_the_file_each_on_its_own() {
    check(|gguf| gguf.tensors[1].offset = 255, "no multiple of the alignment 32");
    check(|gguf| gguf.tensors[1].offset = 288, "but the file has");
    check(|gguf| gguf.tensors[1].offset = 1 << 40, "but the file has");
    check(|gguf| gguf.tensors[1].offset = u64::MAX - 31, "but the file has");
    check(|gguf| gguf.tensors[1].offset = u64::MAX, "no multiple");
    check(|gguf| gguf.tensors[1].offset = 0, "overlap");
    check(|gguf| gguf.tensors[1].offset = 224, "overlap");
    check(|gguf| gguf.data_bytes = Some(256 + 143), "but the file has");
    check(|gguf| gguf.data_bytes = None, "but the file has");
    // The order in the table is of no account.
    let mut gguf = Gguf::small();
    gguf.tensors.swap(0, 1);
    assert!(File::from_bytes(&gguf.bytes()).is_ok());
}

#[test]
fn a_vocabulary_needs_no_data() {
    let gguf = Gguf { tensors: Vec::new(), data_bytes: None, ..Gguf::small() };
    assert!(File::from_bytes(&gguf.bytes()).unwrap().tensors.is_empty());
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let whole = Gguf::small().bytes();
    for length in 0..whole.len() {
        assert!(File::from_bytes(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn tokens_need_not_be_utf_8() {
    let mut gguf = Gguf::small();
    gguf.keys.push(key("t", ARRAY, array(STRING, &[bytes(&[0xff]), bytes(b"")])));
    let file = File::from_bytes(&gguf.bytes()).unwrap();
    let tokens = file.metadata.get("t").unwrap().as_array().unwrap();
    assert_eq!((tokens.bytes(0), tokens.bytes(1)), (Some(&[0xff][..]), Some(&b""[..])));
}
