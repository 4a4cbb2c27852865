//! Calls of tools as a grammar.

use serde_json::{Map, Value, json};

use super::{Error, Vocabulary, at_most, schema, tags};
use crate::reply::CallGrammar;

/// Calls that an answer is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// How they are written.
    pub grammar: CallGrammar,
    /// The names of tools whose arguments are held to their schema, or the calls are refused. Those of others are held to it
    /// where that can be done exactly, and are any object otherwise.
    pub strict: Vec<String>,
    /// Whether what precedes the first call has been written.
    pub triggered: bool,
    /// JSON of this schema may stand in the place of calls.
    pub or: Option<Value>,
}

/// The most bytes of the grammar, schemas included.
const BYTES_MAX: usize = 4 << 20;

/// Writes the calls in llguidance's variant of Lark.
pub(super) fn to_lark(calls: &Calls, vocabulary: &Vocabulary) -> Result<String, Error> {
    let CallGrammar { trigger, tools, between, end } = &calls.grammar;
    let written = |text: &str| literal(text, vocabulary);
    let mut rules = String::new();
    let mut names = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let arguments = serde_json::from_str(&tool.arguments.to_string()).unwrap_or(Value::Null);
        let (begin, end) = (written(&tool.begin), written(tool.end));
        names.push(format!("call{index}"));
        if let Some(tags) = &tool.tags {
            let prefix = format!("tag{index}");
            let (arguments, of_tags) = match tags::arguments(tags, &arguments, &prefix, vocabulary) {
                Ok(held) => held,
                Err(error) if calls.strict.contains(&tool.name) => return Err(error),
                Err(_) => tags::any_arguments(tags, &prefix, vocabulary),
            };
            if !rules.contains("TAG_TEXT:") {
                rules.push_str(&tags::common(tags, vocabulary));
            }
            rules.push_str(&format!("call{index}: {begin} {arguments} {end}\n{of_tags}"));
            at_most("the grammar of the tools in bytes", rules.len(), BYTES_MAX)?;
            continue;
        }
        let arguments = match schema::prepared(&object(&arguments)) {
            Ok(schema) => schema,
            Err(error) if calls.strict.contains(&tool.name) => return Err(error),
            Err(_) => schema::prepared(&json!({ "type": "object" }))?,
        };
        rules.push_str(&format!("call{index}: {begin} %json {arguments} {end}\n"));
        at_most("the grammar of the tools in bytes", rules.len(), BYTES_MAX)?;
    }
    if names.is_empty() {
        let reason = "there is none that could be called".to_owned();
        return Err(Error::Invalid { what: "the list of tools", reason });
    }
    let trigger = if calls.triggered { String::new() } else { written(trigger) };
    let more = between.map_or_else(String::new, |between| format!("({} call)*", written(between)));
    let mut lark = format!("calls: {trigger} call {more} {}\ncall: {}\n", written(end), names.join(" | "));
    match &calls.or {
        Some(other) => {
            lark.push_str(&format!("start: calls | other\nother: %json {}\n", schema::prepared(other)?));
        }
        None => lark.push_str("start: calls\n"),
    }
    Ok(lark + &rules)
}

/// Arguments are an object whatever their schema says.
fn object(schema: &Value) -> Value {
    match schema {
        Value::Object(object) if object.contains_key("type") => schema.clone(),
        Value::Object(object)
            if object.keys().all(|key| key != "anyOf" && key != "oneOf" && key != "$ref") =>
        {
            let mut object: Map<String, Value> = object.clone();
            object.insert("type".to_owned(), "object".into());
            object.into()
        }
        Value::Object(_) => schema.clone(),
        _ => json!({ "type": "object" }),
    }
}

/// Text, with the control tokens that are spelled out in it as these tokens. What ends an answer is left to its end.
pub(super) fn literal(text: &str, vocabulary: &Vocabulary) -> String {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let next = vocabulary.find_control(rest);
        let (before, found) = match next {
            Some((at, _, _)) => (&rest[..at], next),
            None => (rest, None),
        };
        if !before.is_empty() {
            parts.push(Value::from(before).to_string());
        }
        let Some((at, length, token)) = found else { break };
        if let Some(token) = token {
            parts.push(format!("<[{token}]>"));
        }
        rest = &rest[at + length..];
    }
    parts.join(" ")
}
