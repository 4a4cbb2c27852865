//! Any JSON as a schema: taken or refused, and whatever is taken writes JSON.
#![no_main]

use athenaeum_inference::constraint::Grammar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(schema) = serde_json::from_slice(bytes) else { return };
    if let Some(text) = athenaeum_fuzz::written(&Grammar::JsonSchema(schema), bytes) {
        // Numbers of JSON have no bound, and `1e999` is one; all else has to be read.
        let read: Result<serde_json::Value, _> = serde_json::from_slice(&text);
        let error = read.err().map(|error| error.to_string()).filter(|it| !it.contains("out of range"));
        assert!(error.is_none(), "{error:?}: {:?}", String::from_utf8_lossy(&text));
    }
});
