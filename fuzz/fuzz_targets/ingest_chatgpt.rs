//! Any bytes, read as this provider's.
#![no_main]

use athenaeum_core::Provider;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| athenaeum_fuzz::read(Some(Provider::CHATGPT), bytes));
