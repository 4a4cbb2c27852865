//! Any bytes as a document of any format; the first byte says which.
#![no_main]

use athenaeum_ingest::document::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [first, rest @ ..] = bytes {
        athenaeum_fuzz::document(Format::ALL[usize::from(*first) % Format::ALL.len()], rest);
    }
});
