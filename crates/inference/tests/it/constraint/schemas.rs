use athenaeum_inference::{constraint::Grammar, sampling::Random};
use serde_json::{Value, json};

use super::{check, check_refused, compiled, schema, written};

#[test]
fn schemas_are_kept() {
    let person = schema(json!({
        "type": "object",
        "properties": { "name": { "type": "string", "minLength": 1 }, "age": { "type": "integer", "minimum": 0 } },
        "required": ["name"],
        "additionalProperties": false
    }));
    check(
        &person,
        &[r#"{"name":"Ada"}"#, r#"{"name": "Ada", "age": 36}"#],
        &[
            "{}",
            r#"{"age":36}"#,
            r#"{"name":""}"#,
            r#"{"name":"A","age":-1}"#,
            r#"{"name":"A","x":1}"#,
            "null",
        ],
    );
    check(
        &schema(json!({ "enum": ["a", 1, null, [true]] })),
        &["\"a\"", "1", "null", "[true]"],
        &["\"b\"", "2", "[]"],
    );
    check(&schema(json!({ "const": { "a": "x/y" } })), &[r#"{"a":"x/y"}"#], &[r#"{"a":"x\/y"}"#, "{}"]);
    check(
        &schema(json!({ "anyOf": [{ "type": "null" }, { "type": "boolean" }] })),
        &["null", "true"],
        &["1"],
    );
    check(
        &schema(json!({ "oneOf": [{ "type": "null" }, { "type": "boolean" }] })),
        &["null", "true"],
        &["1"],
    );
    check(
        &schema(json!({ "type": "array", "items": { "type": "integer" }, "maxItems": 2 })),
        &["[]", "[1,2]"],
        &["[1,2,3]", "[\"a\"]"],
    );
    check(
        &schema(json!({ "type": "number", "multipleOf": 0.25, "maximum": 1 })),
        &["0.50", "-0.25", "1"],
        &["0.30", "1.25"],
    );
    check(
        &schema(json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })),
        &["0.01", "1"],
        &["0", "-0", "1.01"],
    );
    check(
        &schema(json!({ "type": "string", "maxLength": 2 })),
        &["\"\"", "\"é日\"", "\"\\n\\n\""],
        &["\"abc\"", "\"\\u00e9\""],
    );
    check(&schema(json!(true)), &["1", "{}", "[null]"], &["", "x"]);
}

#[test]
fn references_are_followed() {
    let tree = schema(json!({
        "$defs": { "node": { "type": "array", "items": { "$ref": "#/$defs/node" } } },
        "$ref": "#/$defs/node"
    }));
    check(&tree, &["[]", "[[],[[]]]"], &["[1]", "{}"]);
    let escaped = json!({ "$defs": { "a/b": { "~1": { "type": "null" } }, "c%d": { "type": "boolean" } },
        "prefixItems": [{ "$ref": "#/$defs/a~1b/~01" }, { "$ref": "#/$defs/c%25d" }], "minItems": 2, "items": false });
    check(&schema(escaped), &["[null,true]"], &["[null,null]", "[true,true]"]);
    let anchors = json!({ "$id": "https://example.com/s", "$defs": { "x": { "$anchor": "here", "type": "null" } },
        "items": { "anyOf": [{ "$ref": "#here" }, { "$ref": "https://example.com/s#/$defs/x" }] }, "type": "array" });
    check(&schema(anchors), &["[null]"], &["[1]"]);
    let root =
        json!({ "type": "object", "properties": { "next": { "$ref": "#" } }, "additionalProperties": false });
    check(&schema(root), &[r#"{"next":{"next":{}}}"#], &[r#"{"next":1}"#]);
    check_refused(&schema(json!({ "$ref": "#/$defs/none" })), "points nowhere");
    check_refused(&schema(json!({ "$ref": "https://example.com/other" })), "lies outside of the schema");
    let named = json!({ "$defs": { "a": { "$id": "https://example.com/a", "$ref": "#/$defs/b", "$defs": { "b": {} } },
        "b": { "type": "null" } }, "$ref": "#/$defs/a" });
    check_refused(&schema(named), "`$id` at #/$defs/a cannot be kept");
}

/// The spellings of older drafts mean what they meant there.
#[test]
fn drafts_differ() {
    let tuple = json!({ "$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{ "type": "null" }], "additionalItems": false, "type": "array" });
    check(&schema(tuple), &["[]", "[null]"], &["[1]", "[null,null]"]);
    // Between the two lies a keyword that brings in another schema.
    let apart =
        json!({ "type": "array", "items": [{ "type": "null" }], "allOf": [{}], "additionalItems": false });
    check(&schema(apart), &["[null]"], &["[null,1]"]);
    let mixed = json!({ "prefixItems": [{ "type": "null" }], "additionalItems": false, "type": "array" });
    check(&schema(mixed), &["[null,1]"], &["[1]"]);
    let draft4 = json!({ "$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "minimum": 3,
        "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": false });
    check(&schema(draft4), &["4", "5"], &["3", "6"]);
    let unknown = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [{}] });
    check_refused(&schema(unknown), "`prefixItems` at # cannot be kept: the draft");
    check_refused(&schema(json!({ "$schema": "https://example.com/mine" })), "none of the drafts");
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    #[track_caller]
    fn refused(form: Value, keyword: &str) {
        check_refused(&schema(form), &format!("the schema's `{keyword}` at #"));
    }
    refused(json!({ "not": { "type": "null" } }), "not");
    refused(json!({ "type": "array", "uniqueItems": true }), "uniqueItems");
    refused(json!({ "contains": {} }), "contains");
    refused(json!({ "if": {}, "then": {} }), "if");
    refused(json!({ "propertyNames": { "maxLength": 3 } }), "propertyNames");
    refused(json!({ "dependentRequired": { "a": ["b"] } }), "dependentRequired");
    refused(json!({ "dependencies": { "a": ["b"] } }), "dependencies");
    refused(json!({ "unevaluatedProperties": false }), "unevaluatedProperties");
    // Unknown to the draft, and so without force there; but someone meant something by it.
    let older = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "unevaluatedItems": false });
    refused(older, "unevaluatedItems");
    refused(json!({ "$dynamicRef": "#a" }), "$dynamicRef");
    refused(json!({ "type": "string", "format": "hostname-of-mine" }), "format");
    refused(json!({ "type": "string", "pattern": "(?=a)b" }), "pattern");
    refused(json!({ "patternProperties": { "\\bx": {} } }), "patternProperties");
    refused(json!({ "minProperties": 2 }), "minProperties");
    refused(json!({ "const": 9_007_199_254_740_993u64 }), "const");
    refused(json!({ "enum": ["\u{1}"] }), "enum");
    // The two meet by way of a reference.
    let meeting =
        json!({ "$defs": { "p": { "exclusiveMinimum": 0 } }, "$ref": "#/$defs/p", "maximum": 0.25 });
    check_refused(&schema(meeting), "`exclusiveMinimum` at #/$defs/p cannot be kept: above or below 0");
    refused(json!({ "x-guidance": { "lenient": true } }), "x-guidance");
    check_refused(&schema(json!({ "oneOf": [{ "type": "integer" }, { "minimum": 2 }] })), "oneOf");
    check_refused(
        &schema(json!({ "properties": { "a": { "items": { "not": {} } } } })),
        "`not` at #/properties/a/items",
    );
    // What is not used is not held against it, and notes are notes.
    let notes = json!({ "$defs": { "unused": { "not": {} } }, "title": "x", "examples": [1], "x-mine": { "not": {} },
        "type": "integer", "format": "int32", "uniqueItems": false, "then": false, "minContains": 1 });
    check(&schema(notes), &["1"], &["\"1\""]);
}

#[test]
fn what_is_no_schema_is_told() {
    #[track_caller]
    fn refused(form: Value, reason: &str) {
        check_refused(&schema(form), reason);
    }
    refused(json!(false), "it holds nothing valid");
    refused(json!(3), "neither an object nor a truth value");
    refused(json!({ "type": "text" }), "`type` names none");
    refused(json!({ "type": [] }), "`type` names none");
    refused(json!({ "enum": [] }), "`enum` is no list of values");
    refused(json!({ "required": "a" }), "`required` is no list");
    refused(json!({ "$ref": "#" }), "no text fits it");
    refused(json!({ "minLength": -1 }), "`minLength` is no whole number");
    refused(json!({ "minimum": "1" }), "`minimum` is no number");
    refused(json!({ "multipleOf": 0 }), "`multipleOf` is not above 0");
    refused(json!({ "properties": { "a": 1 } }), "at #/properties/a: it is neither");
    refused(json!({ "allOf": {} }), "`allOf` is no list");
    refused(json!({ "anyOf": [] }), "`anyOf` is empty");
    refused(json!({ "type": "array", "minItems": 2, "maxItems": 1 }), "minItems");
    refused(json!({ "$ref": 1 }), "`$ref` is no text");
}

/// Each of these came past the library itself: a key spelled otherwise is the same key; JavaScript's patterns are
/// not Rust's; some days there are not.
#[test]
fn nothing_comes_past() {
    let typed = schema(json!({ "type": "object", "properties": { "a": { "type": "integer" } } }));
    check(&typed, &[r#"{"a":1}"#, r#"{"b":"x"}"#], &[r#"{"\u0061":"x"}"#, r#"{"a":"x"}"#]);
    let pattern = |text: &str| schema(json!({ "type": "string", "pattern": text }));
    check(&pattern("^.$"), &["\"a\"", "\"é\""], &["\"\\n\"", "\"\\r\"", "\"\u{2028}\""]);
    check(&pattern(r"^\s$"), &["\" \"", "\"\u{feff}\"", "\"\\t\""], &["\"\u{85}\"", "\"x\""]);
    check(&pattern(r"^\d\w$"), &["\"1_\""], &["\"١a\"", "\"1é\""]);
    check(&pattern("^[a-c&&b]$"), &["\"a\"", "\"&\""], &["\"d\""]);
    check(&pattern("^[[:alpha:]$"), &["\":\"", "\"[\"", "\"p\""], &["\"b\""]);
    check(&pattern("^a$|b"), &["\"a\"", "\"xbx\""], &["\"xa\"", "\"ax\""]);
    check(&pattern("^(a|b)?[^]{2}$"), &["\"axy\"", "\"xy\""], &["\"x\"", "\"aaxy\""]);
    check(&pattern(r"^\u00e9\u{1F600}\x41\cJ\/[\b]?$"), &["\"é😀A\\n/\"", "\"é😀A\\n/\\b\""], &["\"e\""]);
    check(&pattern(r"^\p{Lu}\P{Letter}$"), &["\"É1\""], &["\"é1\"", "\"ÉA\""]);
    for text in [
        r"\A", r"\z", "a{,2}", "a**", "(?i)a", "(?<!a)b", r"(a)\1", "[b-a]", r"[\w-z]", "a)", "(a", "[a",
        r"\ud800", "^*", "{", r"\b",
    ] {
        check_refused(&pattern(text), "the schema's `pattern` at # cannot be kept");
    }
    let format = |name: &str| schema(json!({ "type": "string", "format": name }));
    check(
        &format("date"),
        &["\"2024-02-29\"", "\"2000-02-29\""],
        &["\"2023-02-29\"", "\"1900-02-29\"", "\"2024-04-31\""],
    );
    check(
        &format("date-time"),
        &["\"2024-01-31T23:59:59.5+01:00\""],
        &["\"2024-01-31\"", "\"2024-01-31T24:00:00Z\""],
    );
    let both = schema(json!({ "type": "string", "format": "date", "pattern": "^2024" }));
    check(&both, &["\"2024-01-31\""], &["\"2023-01-31\"", "\"2024-x\""]);
}

/// What the masks lead to, at random, is what the schema asks for.
#[test]
fn what_is_written_is_valid() {
    let form = json!({
        "type": "object",
        "properties": {
            "id": { "type": "integer", "minimum": -5, "maximum": 120 },
            "tags": { "type": "array", "items": { "enum": ["a", "b\"c", "日"] }, "minItems": 1, "maxItems": 3 },
            "note": { "type": "string", "maxLength": 5 },
            "more": { "anyOf": [{ "type": "null" }, { "type": "boolean" }] }
        },
        "required": ["id", "tags"],
        "additionalProperties": false
    });
    let valid = |value: &Value| {
        let tags = value["tags"].as_array().unwrap();
        value["id"].as_f64().is_some_and(|id| id.fract() == 0.0 && (-5.0..=120.0).contains(&id))
            && (1..=3).contains(&tags.len())
            && tags.iter().all(|tag| ["a", "b\"c", "日"].contains(&tag.as_str().unwrap()))
            && value.get("note").is_none_or(|note| note.as_str().unwrap().chars().count() <= 5)
            && value.get("more").is_none_or(|more| more.is_null() || more.is_boolean())
    };
    let constraint = compiled(&schema(form)).unwrap();
    let mut random = Random::new(5);
    let mut ended = 0;
    for _ in 0..40 {
        let text = written(&constraint, 60, |count| (random.unit() * count as f64) as usize);
        let Some(text) = text else { continue };
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert!(valid(&value), "{value}");
        ended += 1;
    }
    assert!(ended > 20, "{ended}");
    let object = compiled(&Grammar::JsonObject).unwrap();
    let text = written(&object, 30, |count| (random.unit() * count as f64) as usize);
    assert!(text.is_none_or(|text| serde_json::from_slice::<Value>(&text).unwrap().is_object()));
}
