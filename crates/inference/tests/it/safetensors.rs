use std::error::Error;

use athenaeum_inference::model::safetensors::File;

use crate::write::{safetensors, u64};

/// A header with so much data behind it, and words of the reason that must be told; none where it is sound.
fn check(header: &str, data_bytes: usize, reason: &str) {
    let told = match File::from_bytes(&safetensors(header, data_bytes)) {
        Ok(_) => String::new(),
        Err(refusal) => {
            format!("{refusal} {}", refusal.source().map(ToString::to_string).unwrap_or_default())
        }
    };
    assert!(
        told.is_empty() == reason.is_empty() && told.contains(reason),
        "{header}: '{reason}', told '{told}'"
    );
}

fn one(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"t":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

#[test]
fn sound_headers() {
    check("{}", 0, "");
    check("{}   ", 0, "");
    check(r#"  {"__metadata__":{"format":"pt"}}"#, 0, "");
    check(&one("F32", "[2,3]", "[0,24]"), 24, "");
    check(&one("BF16", "[]", "[0,2]"), 2, "");
    check(&one("F64", "[3,0]", "[0,0]"), 0, "");
    check(&one("F4", "[4]", "[0,2]"), 2, "");
    let two = r#"{"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}}"#;
    check(two, 5, "");
    let file = File::from_bytes(&safetensors(two, 5)).unwrap();
    assert_eq!(file.tensors[0].name, "a");
    assert_eq!(file.tensors[1].offset, 8 + two.len() as u64 + 3);
}

#[test]
fn unsound_headers() {
    check("", 0, "cannot be understood");
    check("[]", 0, "cannot be understood");
    check("{", 0, "cannot be understood");
    check("{} x", 0, "cannot be understood");
    check(&one("F33", "[1]", "[0,4]"), 4, "F33");
    check(&one("F32", "[-1]", "[0,4]"), 4, "-1");
    check(&one("F32", "[1.5]", "[0,6]"), 6, "1.5");
    check(&one("F32", "[1]", "[0]"), 4, "cannot be understood");
    check(&one("F32", "[1e400]", "[0,4]"), 4, "cannot be understood");
    check(&one("F32", "[2]", "[0,4]"), 4, "takes 8 bytes by its shape and 4 by its place");
    check(&one("F32", "[1]", "[4,0]"), 4, "by its place");
    check(&one("F4", "[3]", "[0,2]"), 2, "by its shape");
    check(&one("F32", "[1]", "[4,8]"), 8, "where 0 is due");
    check(&one("F32", "[1]", "[0,4]"), 3, "4 bytes, but 3 follow");
    check(&one("F32", "[1]", "[0,4]"), 5, "4 bytes, but 5 follow");
    check(&one("F32", "[4294967296,4294967296]", "[0,0]"), 0, "larger than can be counted");
    check(&one("F32", "[4611686018427387904]", "[0,0]"), 0, "larger than can be counted");
    check(&one("U8", "[0]", "[18446744073709551615,18446744073709551615]"), 0, "where 0 is due");
    check(&one("U8", &format!("[{}]", vec!["1"; 65].join(",")), "[0,1]"), 1, "65 dimensions");
    let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    check(twice, 2, "\"a\" stands there twice");
    check(r#"{"__metadata__":{"k":"1","k":"2"}}"#, 0, "\"k\" stands there twice");
    check(r#"{"__metadata__":{},"__metadata__":{}}"#, 0, "stands there twice");
    check(&format!(r#"{{"t":{}"#, "[".repeat(100_000)), 0, "cannot be understood");
}

#[test]
fn wrong_lengths() {
    let check = |bytes: &[u8], reason: &str| {
        let refusal = File::from_bytes(bytes).unwrap_err().to_string();
        assert!(refusal.contains(reason), "{refusal}");
    };
    check(b"", "too few");
    check(b"1234567", "too few");
    check(&[u64(3), b"{}".to_vec()].concat(), "the file ends before that");
    check(&u64(100_000_000), "the file ends before that");
    check(&u64(100_000_001), "at most 100000000");
    check(&u64(u64::MAX), "at most 100000000");
    let whole = safetensors(&one("F32", "[2,3]", "[0,24]"), 24);
    for length in 0..whole.len() {
        assert!(File::from_bytes(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
}
