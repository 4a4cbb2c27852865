//! Prompts as llama.cpp's server takes them: text, tokens, both in one, objects, and lists of all these.

use athenaeum_inference::tokenizer::{Special, Tokenizer};
use serde_json::{Map, Value};

use crate::{
    parameters::{Holds, Parameter, Takes},
    problem::{Kind, Problem},
};

/// How prompts are written, by type; [`prompts`] reads them.
pub(crate) const TAKES: Takes = Takes::Either(&[
    ANY_TEXT,
    OBJECT,
    Takes::Filled(&Takes::List(&Takes::Either(&[ANY_TEXT, TOKEN, PIECES, OBJECT]), 1 << 20)),
]);

const ANY_TEXT: Takes = Takes::Text(usize::MAX);
const TOKEN: Takes = Takes::Integer(0, 0xFFFF_FFFF);
const PIECES: Takes = Takes::Filled(&Takes::List(&Takes::Either(&[ANY_TEXT, TOKEN]), 1 << 20));
const OBJECT: Takes = Takes::ObjectWhere(
    PARTS,
    &[
        &[Holds::Has("prompt_string"), Holds::Has("content")],
        &[Holds::Fits("multimodal_data", &Takes::List(&Takes::Any, 0))],
    ],
);

const PARTS: &[Parameter] = &[
    Parameter::new("prompt_string", ANY_TEXT, "The prompt."),
    Parameter::new("content", Takes::List(&Takes::Object(PART), 4096), "Its parts, which make one text."),
    Parameter::new("multimodal_data", Takes::List(&Takes::Any, 4096), "Nothing: prompts are text only here."),
];

const PART: &[Parameter] = &[
    Parameter::required("type", Takes::Like(64, "^text$", "text"), "Text; pictures stand in conversations."),
    Parameter::new("text", ANY_TEXT, "What it says."),
    Parameter::without_effect("image_url", Takes::Any, "prompts are text only here"),
];

/// A prompt's pieces, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Token(u32),
}

/// Prompts, and whether they came as a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompts {
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) is_list: bool,
}

/// Prompts of one request at most.
const PROMPTS_MAX: usize = 2048;

/// Reads prompts. `parameter` is where they stand.
///
/// A list with a token in it that holds nothing but tokens and texts is one prompt; any other list is several.
pub(crate) fn prompts(parameter: &str, value: Value) -> Result<Prompts, Problem> {
    let bad = || {
        let accepts = format!(
            "text, tokens, a list of both, an object with prompt_string or content, or a list of at most {PROMPTS_MAX} \
             of these with at least one"
        );
        Problem::parameter(parameter, accepts)
    };
    let list = match value {
        Value::Array(list) => list,
        one => return Ok(Prompts { prompts: vec![prompt(parameter, one, &bad)?], is_list: false }),
    };
    if list.is_empty() || list.len() > PROMPTS_MAX && !list.iter().any(Value::is_number) {
        return Err(bad());
    }
    let is_one =
        list.iter().any(Value::is_number) && list.iter().all(|one| one.is_number() || one.is_string());
    if is_one {
        return Ok(Prompts { prompts: vec![prompt(parameter, Value::Array(list), &bad)?], is_list: false });
    }
    let prompts = list.into_iter().map(|one| prompt(parameter, one, &bad)).collect::<Result<_, _>>()?;
    Ok(Prompts { prompts, is_list: true })
}

fn prompt(parameter: &str, value: Value, bad: &dyn Fn() -> Problem) -> Result<Prompt, Problem> {
    match value {
        Value::String(text) => Ok(Prompt(vec![Piece::Text(text)])),
        Value::Array(pieces) => {
            let piece = |value: Value| match value {
                Value::String(text) => Some(Piece::Text(text)),
                value => Some(Piece::Token(u32::try_from(value.as_u64()?).ok()?)),
            };
            let pieces: Option<Vec<Piece>> = pieces.into_iter().map(piece).collect();
            pieces.filter(|pieces| !pieces.is_empty()).map(Prompt).ok_or_else(bad)
        }
        Value::Object(object) => of_object(parameter, &object, bad),
        _ => Err(bad()),
    }
}

fn of_object(
    parameter: &str,
    object: &Map<String, Value>,
    bad: &dyn Fn() -> Problem,
) -> Result<Prompt, Problem> {
    let no_media = || {
        let detail = "Prompts are text only here; send pictures in a conversation, to /v1/chat/completions.";
        Problem::new(Kind::BadParameter, detail).about(parameter)
    };
    let is_empty = |value: &Value| value.as_array().map_or(value.is_null(), Vec::is_empty);
    if object.get("multimodal_data").is_some_and(|data| !is_empty(data)) {
        return Err(no_media());
    }
    if let Some(text) = object.get("prompt_string").and_then(Value::as_str) {
        return Ok(Prompt(vec![Piece::Text(text.to_owned())]));
    }
    let parts = object.get("content").and_then(Value::as_array).ok_or_else(bad)?;
    let mut whole = String::new();
    for part in parts {
        match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(text)) => whole.push_str(text),
            (Some("image_url" | "input_audio" | "input_video" | "video_url"), _) => return Err(no_media()),
            _ => return Err(bad()),
        }
    }
    Ok(Prompt(vec![Piece::Text(whole)]))
}

impl Prompt {
    /// Returns the text, if there is nothing else.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Makes its tokens. `begins`: what the model was taught to see first stands before a prompt that begins with text.
    /// Control tokens that are spelled out in texts are those tokens where `special` says so.
    pub(crate) fn tokens(&self, tokenizer: &Tokenizer, begins: bool, special: Special) -> Vec<u32> {
        let mut tokens = Vec::new();
        for (index, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Token(token) => tokens.push(*token),
                Piece::Text(text) => {
                    let mut own = tokenizer.encode(text, special);
                    let first = tokenizer.bos().filter(|_| index == 0 && begins && tokenizer.adds_bos());
                    if let Some(first) = first.filter(|first| own.first() != Some(first)) {
                        own.insert(0, first);
                    }
                    tokens.extend(own);
                }
            }
        }
        tokens
    }
}

/// Writes tokens as the text that they stand for, control tokens by their names.
pub(crate) fn spelled(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|&token| tokenizer.bytes(token)).copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `expected` is how many prompts, and whether as a list; `None` where they are refused.
    fn check(value: Value, expected: Option<(usize, bool)>) {
        let told = value.to_string();
        let read = prompts("prompt", value).ok();
        assert_eq!(read.map(|read| (read.prompts.len(), read.is_list)), expected, "{told}");
    }

    #[test]
    fn prompts_come_in_many_forms() {
        check(json!(""), Some((1, false)));
        check(json!("text"), Some((1, false)));
        check(json!([12, 34]), Some((1, false)));
        check(json!([12, "text", 34]), Some((1, false)));
        check(json!(["text", 12]), Some((1, false)));
        check(json!(["one", "two"]), Some((2, true)));
        check(json!(["one"]), Some((1, true)));
        check(json!([[12, 34], "two", [12, "x"]]), Some((3, true)));
        check(json!({ "prompt_string": "text", "multimodal_data": [] }), Some((1, false)));
        check(json!({ "content": [{ "type": "text", "text": "a" }] }), Some((1, false)));
        check(json!([[1], { "prompt_string": "text" }]), Some((2, true)));
    }

    #[test]
    fn others_are_refused() {
        for value in [
            json!([]),
            json!(null),
            json!(1.5),
            json!([[]]),
            json!([1, -1]),
            json!([1, 1.5]),
            json!([1, [2]]),
            json!([1_u64 << 32]),
            json!([null]),
            json!({}),
            json!({ "content": "string" }),
            json!({ "content": [{ "type": "unknown" }] }),
            json!({ "content": [{ "type": "image_url", "image_url": { "url": "data:," } }] }),
            json!({ "prompt_string": "x", "multimodal_data": ["aGk="] }),
            json!({ "prompt_string": "x", "multimodal_data": "aGk=" }),
        ] {
            check(value, None);
        }
    }
}
