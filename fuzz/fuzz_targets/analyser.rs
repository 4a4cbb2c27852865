//! Any text gives bounded terms, and marks between whole characters. The first line is the query.
#![no_main]

use athenaeum_archive::{
    query,
    snippet::{Wanted, marks, snippet},
    text::{Analyzer, TERM_BYTES_MAX},
};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let (typed, text) = input.split_once('\n').unwrap_or(("a", input));
    let mut analyzer = Analyzer::new();
    let mut end = 0;
    analyzer.analyze(text, |token| {
        assert!(!token.term.is_empty() && token.term.len() <= TERM_BYTES_MAX);
        assert!(end <= token.range.start && text.get(token.range.clone()).is_some());
        end = token.range.end;
    });
    let wanted = Wanted::in_title(query::parse(typed).expr.as_ref(), &mut analyzer);
    let found = snippet(text, &wanted, &mut analyzer, 60);
    assert!(found.marks.iter().all(|mark| found.text.get(mark.clone()).is_some_and(|part| !part.is_empty())));
    assert!(marks(text, &wanted, &mut analyzer).iter().all(|mark| text.get(mark.clone()).is_some()));
});
