//! Any bytes, read as a GGUF file with a vocabulary, which is then used.
#![no_main]

use athenaeum_inference::{model::gguf::File, tokenizer::Tokenizer};

libfuzzer_sys::fuzz_target!(|input: (&[u8], &str)| {
    let (bytes, text) = input;
    let Ok(file) = File::from_bytes(bytes) else { return };
    let Ok(tokenizer) = Tokenizer::from_gguf(&file.metadata) else { return };
    athenaeum_fuzz::tokens(&tokenizer, text);
});
