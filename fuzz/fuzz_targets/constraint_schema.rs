//! Any JSON as a schema: taken or refused, and whatever is taken writes JSON.
#![no_main]

use athenaeum_inference::constraint::Grammar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(schema) = serde_json::from_slice(bytes) else { return };
    if let Some(text) = athenaeum_fuzz::written(&Grammar::JsonSchema(schema), bytes) {
        let read: Result<serde_json::Value, _> = serde_json::from_slice(&text);
        assert!(read.is_ok(), "{:?}", String::from_utf8_lossy(&text));
    }
});
