//! Any text as a regular expression: taken or refused, and followed where it is taken.
#![no_main]

use athenaeum_inference::constraint::Grammar;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = athenaeum_fuzz::written(&Grammar::Regex(text.to_owned()), text.as_bytes());
});
