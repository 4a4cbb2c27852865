//! Constrained output: what a form lets through and what it does not, byte by byte, and what is refused as a form.

mod forms;
mod gbnf;
mod hostile;
mod schemas;

use std::sync::LazyLock;

use athenaeum_inference::constraint::{Constraint, Error, Grammar, Vocabulary};

/// All bytes, and the token 256 to end with.
static BYTES: LazyLock<Vocabulary> = LazyLock::new(|| {
    static ALL: LazyLock<Vec<[u8; 1]>> = LazyLock::new(|| (0..=255).map(|byte| [byte]).collect());
    Vocabulary::new(257, &[256], |token| ALL.get(token as usize).map(|byte| &byte[..])).unwrap()
});

fn compiled(grammar: &Grammar) -> Result<Constraint, Error> {
    Constraint::new(&BYTES, grammar)
}

fn schema(schema: serde_json::Value) -> Grammar {
    Grammar::JsonSchema(schema)
}

fn accepts(constraint: &Constraint, text: &str) -> bool {
    let mut constraint = constraint.clone();
    text.bytes().all(|byte| constraint.accept(u32::from(byte)).is_ok()) && constraint.accept(256).is_ok()
}

#[track_caller]
fn check(grammar: &Grammar, accepted: &[&str], refused: &[&str]) {
    let constraint = compiled(grammar).unwrap();
    for text in accepted {
        assert!(accepts(&constraint, text), "{text:?} is not let through by {grammar:?}");
    }
    for text in refused {
        assert!(!accepts(&constraint, text), "{text:?} is let through by {grammar:?}");
    }
}

#[track_caller]
fn check_refused(grammar: &Grammar, reason: &str) {
    let error = compiled(grammar).map(|_| ()).expect_err("it is taken").to_string();
    assert!(error.contains(reason), "{error:?} does not say {reason:?}");
}

/// A text that the masks alone lead to: each byte chosen by `choose` from those allowed, an end where it may come and
/// the text is long enough.
fn written(
    constraint: &Constraint,
    long_enough: usize,
    mut choose: impl FnMut(usize) -> usize,
) -> Option<Vec<u8>> {
    let mut constraint = constraint.clone();
    let mut text = Vec::new();
    while text.len() < 4 * long_enough {
        let mut logits = vec![0.0; 257];
        constraint.apply(&mut logits).unwrap();
        let allowed: Vec<usize> = (0..257).filter(|token| logits[*token] == 0.0).collect();
        assert!(!allowed.is_empty());
        let may_end = constraint.may_end().unwrap();
        assert_eq!(may_end, allowed.contains(&256), "{}", String::from_utf8_lossy(&text));
        if constraint.must_end() || may_end && text.len() >= long_enough {
            constraint.accept(256).unwrap();
            return Some(text);
        }
        let mut token = allowed[choose(allowed.len())];
        if token == 256 {
            token = allowed[0];
        }
        // What closes is chosen more often as the text grows, so that it ends.
        if text.len() >= long_enough {
            let closing = allowed.iter().find(|token| b"}]\"".contains(&(**token as u8)) && **token < 256);
            token = closing.copied().unwrap_or(token);
        }
        if token == 256 {
            return Some(text);
        }
        constraint.accept(token as u32).unwrap();
        text.push(token as u8);
    }
    None
}
