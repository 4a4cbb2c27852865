//! Any text as a GBNF grammar: taken or refused, and followed where it is taken.
#![no_main]

use athenaeum_inference::constraint::Grammar;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = athenaeum_fuzz::written(&Grammar::Gbnf(text.to_owned()), text.as_bytes());
});
