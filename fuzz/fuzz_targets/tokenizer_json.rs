//! Any bytes, read as a `tokenizer.json`, which is then used.
#![no_main]

use athenaeum_inference::tokenizer::Tokenizer;

libfuzzer_sys::fuzz_target!(|input: (&[u8], &str)| {
    let (bytes, text) = input;
    let Ok(tokenizer) = Tokenizer::from_json(bytes, None) else { return };
    athenaeum_fuzz::tokens(&tokenizer, text);
});
