//! Any text is a query, and reads back as it was understood.
#![no_main]

use athenaeum_archive::{query, text::Analyzer};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let parsed = query::parse(text);
    let again = query::parse(&parsed.to_string());
    // Rendering can lengthen a query at the limit beyond it; only a query within it must read back.
    if text.len() <= query::QUERY_BYTES_MAX / 4 {
        assert_eq!((&parsed.expr, &parsed.filters), (&again.expr, &again.filters));
    }
    if let Some(expr) = &parsed.expr {
        query::lower(expr, &mut Analyzer::new());
    }
});
