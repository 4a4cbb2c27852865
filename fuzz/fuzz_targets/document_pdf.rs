//! Any bytes as a PDF.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| athenaeum_fuzz::document(
    athenaeum_ingest::document::Format::Pdf,
    bytes
));
