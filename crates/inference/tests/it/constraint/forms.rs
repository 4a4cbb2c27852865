use athenaeum_inference::constraint::{Constraint, Error, Grammar, Vocabulary};

use super::{BYTES, accepts, check, check_refused, compiled};

#[test]
fn any_json_object() {
    let accepted = [
        "{}",
        r#"{"a":1,"b":[true,false,null,-1.5e+3,"x"],"c":{"d":{}}}"#,
        "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}",
        r#"{"é":"日本\n\t\"\\"}"#,
    ];
    let refused = [
        "",
        "[]",
        "1",
        "{",
        "{}}",
        r#"{"a":}"#,
        r#"{"a":01}"#,
        r#"{a:1}"#,
        r#"{"a":1,}"#,
        "{\"a\":\"\n\"}",
        // One spelling for each text: a key has no other one.
        r#"{"\u0061":1}"#,
        // Whitespace goes on only so long.
        "{\n\n\n}",
        "{   }",
    ];
    check(&Grammar::JsonObject, &accepted, &refused);
}

#[test]
fn a_regular_expression_is_matched_as_a_whole() {
    let regex = |text: &str| Grammar::Regex(text.to_owned());
    check(&regex("[a-c]+(x|yz)?"), &["a", "abc", "ax", "cayz"], &["", "x", "ay", "axx", "xa"]);
    check(&regex(r"\d{2}/\d{2}"), &["01/23", "٠١/٢٣"], &["0/23", "01-23"]);
    check(&regex("^(yes|no)$"), &["yes", "no"], &["yesno", " yes"]);
    check(&regex("a\nb|\"/\""), &["a\nb", "\"/\""], &["ab", "/"]);
    check(&regex("a*"), &["", "a", "aaa"], &["b"]);
    check_refused(&regex("a("), "the regular expression cannot be read");
    check_refused(&regex(r"a\"), "ends in a backslash");
    check_refused(&regex(""), "it is empty");
    check_refused(&regex("(?P<stop>a)b"), "called stop");
    check_refused(&regex(r"\bword\b"), "the regular expression cannot be read");
    check_refused(&regex(&"a".repeat(70_000)), "at most 65536 is taken");
}

#[test]
fn a_lark_grammar_is_followed() {
    let lark = |text: &str| Grammar::Lark(text.to_owned());
    let sum = lark("start: NUMBER (\"+\" NUMBER)*\nNUMBER: /[0-9]+/\n");
    check(&sum, &["1", "1+22+333"], &["", "+1", "1+", "1 + 2"]);
    let nested = lark("start: \"(\" start \")\" | \"x\"\n");
    check(&nested, &["x", "((x))"], &["(x", "x)", "()"]);
    check_refused(&lark("start: nothing\n"), "the Lark grammar cannot be read");
    check_refused(
        &lark("start: %json { \"type\": \"array\", \"uniqueItems\": true }"),
        "`%json` is not taken",
    );
    check_refused(&lark("%llguidance {}\nstart: \"x\""), "`%llguidance` is not taken");
    check_refused(&lark(""), "the Lark grammar cannot be read");
}

#[test]
fn ends_come_where_the_text_is_complete() {
    let mut constraint = compiled(&Grammar::Regex("ab?".to_owned())).unwrap();
    assert_eq!(constraint.accept(256), Err(Error::Refused { token: 256 }));
    assert_eq!(constraint.forced(), b"a");
    assert!(!constraint.may_end().unwrap() && !constraint.must_end());
    constraint.accept(u32::from(b'a')).unwrap();
    assert!(constraint.may_end().unwrap() && !constraint.must_end());
    // A refused token changes nothing.
    assert_eq!(constraint.accept(u32::from(b'c')), Err(Error::Refused { token: u32::from(b'c') }));
    assert_eq!(constraint.accept(1_000_000), Err(Error::Refused { token: 1_000_000 }));
    let mut other_way = constraint.clone();
    other_way.accept(256).unwrap();
    assert_eq!(other_way.accept(u32::from(b'b')), Err(Error::Refused { token: u32::from(b'b') }));
    constraint.accept(u32::from(b'b')).unwrap();
    assert!(constraint.must_end());
    assert_eq!(constraint.forced(), b"");
    let mut logits = vec![0.0; 300];
    constraint.apply(&mut logits).unwrap();
    assert_eq!(logits.iter().position(|logit| *logit == 0.0), Some(256));
    assert_eq!(logits.iter().filter(|logit| **logit == 0.0).count(), 1);
    constraint.accept(256).unwrap();
    assert!(accepts(&compiled(&Grammar::Regex("ab?".to_owned())).unwrap(), "a"));
}

/// Tokens of several bytes, with two that end the text, a control token, and one that is not text.
#[test]
fn tokens_are_allowed_by_their_bytes() {
    let words: [&[u8]; 9] = [b"", b"<|im_start|>", b"{\"", b"a", b"\":", b"1}", b"\xff", b"b", b"</s>"];
    let vocabulary = Vocabulary::new(words.len(), &[8, 0], |token| match token {
        0 | 1 | 8 => None,
        token => words.get(token as usize).copied(),
    });
    let vocabulary = vocabulary.unwrap();
    let schema = serde_json::json!({ "properties": { "a": { "type": "integer" } }, "required": ["a"],
        "additionalProperties": false, "type": "object" });
    let mut constraint = Constraint::new(&vocabulary, &Grammar::JsonSchema(schema)).unwrap();
    let mut way = Vec::new();
    loop {
        let mut logits = vec![0.0; words.len()];
        constraint.apply(&mut logits).unwrap();
        let allowed: Vec<usize> = (0..words.len()).filter(|token| logits[*token] == 0.0).collect();
        way.push(allowed.clone());
        if allowed == [0, 8] {
            break;
        }
        constraint.accept(allowed[0] as u32).unwrap();
    }
    assert_eq!(way, [vec![2], vec![3], vec![4], vec![5], vec![0, 8]]);
    let ends = |ends: &[u32]| Vocabulary::new(3, ends, |_| Some(b"x")).map(|_| ()).unwrap_err().to_string();
    assert!(ends(&[]).contains("no token that ends"));
    assert!(ends(&[3]).contains("not among its tokens"));
}

#[test]
fn a_vocabulary_that_cannot_write_the_form_is_told() {
    let vocabulary = Vocabulary::new(2, &[1], |token| (token == 0).then_some(&b"x"[..])).unwrap();
    let error = Constraint::new(&vocabulary, &Grammar::JsonObject).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Stuck { .. }), "{error}");
    assert_eq!(BYTES.len(), 257);
}
