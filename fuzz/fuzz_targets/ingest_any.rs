//! Any bytes, recognised by their content.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| athenaeum_fuzz::read(None, bytes));
