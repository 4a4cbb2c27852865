use athenaeum_inference::constraint::Grammar;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{compiled, schema};

/// Each is taken or refused, and soon; none of them hangs, panics or overflows the stack.
#[test]
fn forms_made_to_hurt() {
    let mut deep = json!({});
    for _ in 0..120 {
        deep = json!({ "items": deep });
    }
    let mut chain = serde_json::Map::new();
    for number in 0..3_000 {
        chain.insert(format!("d{number}"), json!({ "$ref": format!("#/$defs/d{}", number + 1) }));
    }
    chain.insert("d3000".to_owned(), json!({ "type": "null" }));
    let options: Vec<Value> = (0..300).map(|n| json!({ "required": [format!("k{n}")] })).collect();
    let schemas = [
        deep,
        json!({ "$defs": chain, "$ref": "#/$defs/d0" }),
        json!({ "allOf": options }),
        json!({ "anyOf": [{ "anyOf": options }, { "anyOf": options }] }),
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
        json!({ "type": "string", "maxLength": 4_294_967_295u64 }),
        json!({ "type": "string", "minLength": 1_000_000 }),
        json!({ "type": "array", "minItems": 4_000_000_000u64 }),
        json!({ "type": "string", "pattern": "((a{1,100}){1,100}){1,100}" }),
        json!({ "type": "string", "pattern": "(a|b)*a(a|b){30}" }),
        json!({ "type": "integer", "multipleOf": 9_007_199_254_740_991u64 }),
        json!({ "enum": (0..2_000).map(|n| format!("value {n}")).collect::<Vec<_>>() }),
    ];
    for form in schemas {
        let _ = compiled(&schema(form));
    }
    let doubling: String = (0..60).map(|n| format!("r{n} ::= r{} r{}\n", n + 1, n + 1)).collect();
    let grammars = [
        format!("root ::= r0\n{doubling}r60 ::= \"x\"\n"),
        format!("root ::= r0\n{doubling}r60 ::= \"\"\n"),
        "root ::= root".to_owned(),
        "root ::= root root | \"\"".to_owned(),
        "root ::= (((\"a\"*)*)*)*".to_owned(),
        "root ::= ((\"a\"{2000}){2000}){2000}".to_owned(),
        format!("root ::= {}", "(".repeat(30_000)),
        "root ::= [a-z]{0,2000}".to_owned(),
        format!("root ::= {}", "\"a\"? ".repeat(300)),
        format!("root ::= (s \"(\" root \")\")?\ns ::= {}", "[a-z]? ".repeat(1_500)),
        (0..4_000)
            .map(|n| {
                format!("root{} ::= root{}\n", if n == 0 { String::new() } else { n.to_string() }, n + 1)
            })
            .collect(),
    ];
    for text in grammars {
        let _ = compiled(&Grammar::Gbnf(text));
    }
    for text in ["(".repeat(60_000), "((a*)*)*".repeat(300), "(a{1000}){1000}".to_owned(), "[^".repeat(9_000)]
    {
        let _ = compiled(&Grammar::Regex(text));
    }
    for text in
        ["(".repeat(60_000), "start: ".to_owned() + &"start ".repeat(9_000), "start: start\n".to_owned()]
    {
        let _ = compiled(&Grammar::Lark(text));
    }
}

/// What is merely long is taken: the parts of a count must not all lead to all of those after them.
#[test]
fn long_counts_are_taken() {
    for text in ["root ::= .{0,400}", "root ::= ([a-z] \"-\"?){3,300}", "root ::= (\"a\"? | \"b\"){2,500}"] {
        assert!(compiled(&Grammar::Gbnf(text.to_owned())).is_ok(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_as_a_form(text in "[\\x20-\\x7e\\n]{0,60}") {
        let _ = compiled(&Grammar::Regex(text.clone()));
        let _ = compiled(&Grammar::Gbnf(format!("root ::= {text}")));
        let _ = compiled(&Grammar::Lark(format!("start: {text}")));
        let _ = compiled(&schema(json!({ "type": "string", "pattern": text })));
    }
}
