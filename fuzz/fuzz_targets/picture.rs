//! Any bytes, read as a picture.
#![no_main]

use athenaeum_inference::vision::{Limits, Picture};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Picture::read(bytes, Limits { bytes: 1 << 20, pixels: 1 << 20 });
});
