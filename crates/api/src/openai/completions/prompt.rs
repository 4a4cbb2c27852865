use athenaeum_inference::tokenizer::Special;
use serde_json::Value;

use super::super::parameters::ANY_TEXT;
use crate::{
    parameters::{Read, Takes},
    problem::{Kind, Problem},
    serving::{Answer, Input, Writer, infill},
};

/// How prompts are written.
pub(super) const TAKES: Takes = Takes::Either(&[
    ANY_TEXT,
    Takes::List(&ANY_TEXT, PROMPTS_MAX),
    TOKENS,
    Takes::List(&TOKENS, PROMPTS_MAX),
]);

const TOKENS: Takes = Takes::List(&Takes::Integer(0, 0xFFFF_FFFF), 1 << 24);
const PROMPTS_MAX: usize = 1024;

/// A prompt as it came.
#[derive(Debug)]
pub(super) enum Prompt {
    Text(String),
    Tokens(Vec<u32>),
}

/// Reads the prompts.
pub(super) fn of(read: &mut Read) -> Result<Vec<Prompt>, Problem> {
    let tokens = |list: Vec<Value>| {
        let token = |value: Value| value.as_f64().map(|number| number as u32);
        Prompt::Tokens(list.into_iter().filter_map(token).collect())
    };
    let prompts = match read.take("prompt") {
        Some(Value::String(text)) => vec![Prompt::Text(text)],
        Some(Value::Array(list)) if list.first().is_some_and(Value::is_number) => vec![tokens(list)],
        Some(Value::Array(list)) => {
            let prompt = |value| match value {
                Value::String(text) => Some(Prompt::Text(text)),
                Value::Array(list) => Some(tokens(list)),
                _ => None,
            };
            list.into_iter().filter_map(prompt).collect()
        }
        _ => Vec::new(),
    };
    let is_empty = |prompt: &Prompt| matches!(prompt, Prompt::Tokens(tokens) if tokens.is_empty());
    if prompts.is_empty() || prompts.iter().any(is_empty) {
        return Err(Problem::parameter("prompt", "a text, tokens, or a list of these, with at least one"));
    }
    Ok(prompts)
}

/// Makes what the model goes on from, the first one apart.
pub(super) fn inputs(
    prompts: &[Prompt],
    read: &Read,
    model: &Writer,
) -> Result<(Input, Vec<Input>), Problem> {
    let begins = read.flag("add_special_tokens").unwrap_or(true);
    let suffix = read.text("suffix").filter(|suffix| !suffix.is_empty());
    if suffix.is_some() && read.flag("echo") == Some(true) {
        return Err(Problem::parameter("echo", "false where there is a suffix"));
    }
    let input = |prompt: &Prompt| {
        let Some(tokenizer) = model.tokenizer() else { return elsewhere(prompt, read, model) };
        Ok(match (prompt, suffix) {
            (Prompt::Text(text), Some(suffix)) => {
                let detail = "The model has not learnt to fill gaps; leave the parameter 'suffix' out, or choose a model for code.";
                let tokens = infill::between(tokenizer, text, suffix);
                Input::Tokens(tokens.ok_or_else(|| Problem::new(Kind::BadRequest, detail).about("suffix"))?)
            }
            (Prompt::Tokens(_), Some(_)) => {
                return Err(Problem::parameter("prompt", "text where there is a suffix"));
            }
            (Prompt::Text(text), None) if begins => Input::Text(text.clone()),
            (Prompt::Text(text), None) => Input::Tokens(tokenizer.encode(text, Special::Parse)),
            (Prompt::Tokens(tokens), None) => Input::Tokens(tokens.clone()),
        })
    };
    let mut inputs = prompts.iter().map(input).collect::<Result<Vec<_>, Problem>>()?.into_iter();
    let first = inputs.next().ok_or_else(|| Problem::parameter("prompt", "at least one"))?;
    Ok((first, inputs.collect()))
}

/// The same for a model on another engine, which knows by itself what texts begin with.
fn elsewhere(prompt: &Prompt, read: &Read, model: &Writer) -> Result<Input, Problem> {
    let about = match prompt {
        _ if read.text("suffix").is_some_and(|suffix| !suffix.is_empty()) => "suffix",
        _ if read.flag("add_special_tokens") == Some(false) => "add_special_tokens",
        Prompt::Tokens(_) => "prompt",
        Prompt::Text(text) => return Ok(Input::Text(text.clone())),
    };
    let detail = format!(
        "The model {} runs on another engine, so that its tokens are not known here: the parameter '{about}' cannot be \
         honoured. Prompts are to be text, and what follows them is all that it writes.",
        model.name()
    );
    Err(Problem::new(Kind::BadRequest, detail).about(about))
}

/// Writes each prompt as text, as far as the model has read it.
pub(super) fn echoes(prompts: &[Prompt], answer: &Answer) -> Vec<String> {
    let Some(tokenizer) = answer.model.tokenizer() else {
        let text = |prompt: &Prompt| match prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Tokens(_) => String::new(),
        };
        return prompts.iter().map(text).collect();
    };
    let echo = |(tokens, prompt): (&[u32], &Prompt)| match prompt {
        Prompt::Text(text) if answer.cut.is_none() => text.clone(),
        _ => tokenizer.decode(tokens, true),
    };
    answer.prompts().zip(prompts).map(echo).collect()
}
