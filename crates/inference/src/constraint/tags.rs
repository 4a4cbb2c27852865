//! Arguments between tags, one by one, as a grammar.

use serde_json::{Map, Value};

use super::{Error, Vocabulary, calls::literal, schema};
use crate::reply::Tags;

/// Writes what stands between the begin and the end of one tool's calls in llguidance's variant of Lark: what goes into
/// the call itself, and rules of their own, which begin with `prefix`.
///
/// # Errors
///
/// Where the schema says something that arguments between tags cannot be held to.
pub(super) fn arguments(
    tags: &Tags,
    schema: &Value,
    prefix: &str,
    vocabulary: &Vocabulary,
) -> Result<(String, String), Error> {
    let properties = properties(schema)?;
    let required: Vec<&str> = match schema.get("required") {
        None => Vec::new(),
        Some(names) => names.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    if let Some(missing) = required.iter().find(|name| !properties.contains_key(**name)) {
        return Err(unsupported("required", "#", &format!("nothing is said of '{missing}'")));
    }
    let (mut call, mut rules) = (String::new(), String::new());
    for (index, (name, property)) in properties.iter().enumerate() {
        let place = format!("#/properties/{name}");
        if name.is_empty() || name.trim() != name || name.contains(['<', '>', '"', '\n']) {
            return Err(unsupported("properties", &place, "its name cannot stand in a tag"));
        }
        let value = value(tags, property, schema, &place, vocabulary)?;
        let begin = literal(&format!("{}{name}{}", tags.open, tags.named), vocabulary);
        rules.push_str(&format!("{prefix}_{index}: {begin} {value}\n"));
        let optional = if required.contains(&name.as_str()) { "" } else { "?" };
        call.push_str(&format!("{prefix}_{index}{optional} "));
    }
    Ok((call, rules))
}

/// The same for arguments that are held to nothing but the form.
pub(super) fn any_arguments(tags: &Tags, prefix: &str, vocabulary: &Vocabulary) -> (String, String) {
    let (open, named) = (literal(tags.open, vocabulary), literal(tags.named, vocabulary));
    let rule = format!("{prefix}_any: {open} TAG_NAME {named} {}\n", any_text(tags, vocabulary));
    (format!("{prefix}_any* "), rule)
}

/// The rules that the others use.
pub(super) fn common(tags: &Tags, vocabulary: &Vocabulary) -> String {
    let close = regex_of(tags.close);
    let text = match is_token(tags.close, vocabulary) {
        true => format!("/(?s:.+)/ & ~/(?s:.*){close}(?s:.*)/"),
        // All of it is one word of the grammar: it is over with the first that closes it.
        false => format!("/(?s:.*){close}/ & ~/(?s:.*){close}(?s:.+)/"),
    };
    format!("TAG_TEXT: {text}\nTAG_NAME: /[A-Za-z_][A-Za-z0-9_.-]{{0,63}}/\n")
}

/// Any text, and what closes it.
fn any_text(tags: &Tags, vocabulary: &Vocabulary) -> String {
    let after = literal(tags.after, vocabulary);
    match is_token(tags.close, vocabulary) {
        true => format!("TAG_TEXT? {} {after}", literal(tags.close, vocabulary)),
        false => format!("TAG_TEXT {after}"),
    }
}

fn is_token(text: &str, vocabulary: &Vocabulary) -> bool {
    matches!(vocabulary.find_control(text), Some((0, length, Some(_))) if length == text.len())
}

/// A value and what closes it: a text stands there as it is, all else as JSON.
fn value(
    tags: &Tags,
    property: &Value,
    root: &Value,
    place: &str,
    vocabulary: &Vocabulary,
) -> Result<String, Error> {
    let close = literal(&format!("{}{}{}", tags.space, tags.close, tags.after), vocabulary);
    if property.get("type").and_then(Value::as_str) != Some("string") {
        return Ok(format!("%json {} {close}", schema::prepared(&with_definitions(property, root))?));
    }
    let Value::Object(said) = property else { return Ok(any_text(tags, vocabulary)) };
    if let Some(keyword) = said.keys().find(|keyword| !TEXT_KEYWORDS.contains(&keyword.as_str())) {
        return Err(unsupported(keyword, place, "a text between tags cannot be held to it"));
    }
    let choices: Vec<&Value> = match (said.get("enum").and_then(Value::as_array), said.get("const")) {
        (Some(choices), None) => choices.iter().collect(),
        (None, Some(only)) => vec![only],
        (None, None) => return Ok(any_text(tags, vocabulary)),
        _ => return Err(unsupported("const", place, "it stands beside enum")),
    };
    let mut written = Vec::new();
    for choice in choices.into_iter().filter_map(Value::as_str) {
        let is_plain = !choice.contains(tags.close) && choice.trim_matches('\n') == choice;
        if !is_plain || choice.is_empty() || vocabulary.find_control(choice).is_some() {
            return Err(unsupported("enum", place, "one of its texts cannot stand between tags"));
        }
        written.push(Value::from(choice).to_string());
    }
    if written.is_empty() {
        return Err(unsupported("enum", place, "there is no text among them"));
    }
    Ok(format!("({}) {close}", written.join(" | ")))
}

/// The properties of an object of which nothing else is said that would have to be kept.
fn properties(schema: &Value) -> Result<Map<String, Value>, Error> {
    let Value::Object(object) = schema else {
        return Err(unsupported("parameters", "#", "it is no object"));
    };
    if let Some(keyword) = object.keys().find(|keyword| !OBJECT_KEYWORDS.contains(&keyword.as_str())) {
        return Err(unsupported(keyword, "#", "arguments between tags cannot be held to it"));
    }
    if object.get("type").is_some_and(|kind| kind != "object") {
        return Err(unsupported("type", "#", "arguments are an object"));
    }
    match object.get("properties") {
        Some(Value::Object(properties)) => Ok(properties.clone()),
        None if object.get("additionalProperties") == Some(&Value::Bool(false)) => Ok(Map::new()),
        _ => Err(unsupported("properties", "#", "nothing is said of the arguments")),
    }
}

/// A schema by itself, with what it may refer to.
fn with_definitions(property: &Value, root: &Value) -> Value {
    let mut property = property.clone();
    if let (Value::Object(property), Value::Object(root)) = (&mut property, root) {
        for name in ["$schema", "$defs", "definitions"] {
            if let Some(definitions) = root.get(name) {
                property.entry(name).or_insert_with(|| definitions.clone());
            }
        }
    }
    property
}

fn unsupported(keyword: &str, place: &str, reason: &str) -> Error {
    Error::Unsupported { keyword: keyword.to_owned(), place: place.to_owned(), reason: reason.to_owned() }
}

/// A text as an expression between slashes.
fn regex_of(text: &str) -> String {
    let escaped = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '<' | '>' => letter.to_string(),
        _ => format!("\\{letter}"),
    };
    text.chars().map(escaped).collect()
}

/// Of texts, what says nothing that would have to be kept, and what is kept.
const TEXT_KEYWORDS: &[&str] =
    &["type", "enum", "const", "title", "description", "default", "examples", "deprecated", "$comment"];

/// The same of arguments as a whole. More of them than are named are not written.
const OBJECT_KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "$defs",
    "definitions",
    "$schema",
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    "strict",
];
