//! What is sent: a request in the words of a wire. Whatever a wire has no word for is refused here, before anything is sent.

mod form;
mod llamacpp;
mod message;
mod ollama;
mod openai;
mod tools;
mod variables;

use serde_json::{Map, Value};

use crate::{Input, Place, Request, Setting, Settings, Wire};

/// Where a request goes, which is also how its answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Texts,
    /// llama.cpp's `/completion`.
    Completion,
    /// `/api/chat`.
    OllamaChat,
    /// `/api/generate`.
    OllamaGenerate,
}

/// A request, written.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) body: Map<String, Value>,
    /// By which name it says how long an answer may be, if it does.
    pub(crate) limit: Option<Limit>,
}

/// What OpenAI's wire calls the tokens of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `max_tokens`.
    Tokens,
    /// `max_completion_tokens`.
    CompletionTokens,
}

/// What a wire has no word for: where it stands, and what it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inexpressible(pub(crate) Place, pub(crate) &'static str);

pub(crate) fn of(settings: &Settings, request: &Request, limit: Limit) -> Result<Asked, Inexpressible> {
    let (kind, body) = match (settings.wire, &request.input) {
        (Wire::Ollama, input) => ollama::body(settings, request, input)?,
        (Wire::LlamaCpp, Input::Text(text)) => llamacpp::body(settings, request, text)?,
        (_, Input::Text(text)) => openai::texts(settings, request, text)?,
        (_, Input::Conversation(conversation)) => openai::chat(settings, request, conversation, limit)?,
    };
    let limit = (kind == Kind::Chat && request.tokens_max.is_some()).then_some(limit);
    Ok(Asked { kind, body, limit })
}

impl Kind {
    /// Whether its answers are server-sent events; the others are lines of JSON.
    pub(crate) fn is_events(self) -> bool {
        matches!(self, Self::Chat | Self::Texts | Self::Completion)
    }
}

impl Limit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "max_tokens",
            Self::CompletionTokens => "max_completion_tokens",
        }
    }
}

/// Writes how tokens are chosen.
fn sampling(wire: Wire, request: &Request, into: &mut Map<String, Value>) -> Result<(), Inexpressible> {
    for (setting, value) in &request.sampling {
        let name = setting.on(wire).ok_or_else(|| no_word(Place::Setting(*setting)))?;
        let value = match setting {
            Setting::LogitBias if wire != Wire::LlamaCpp => biases(value)?,
            _ => value.clone(),
        };
        into.insert(name.to_owned(), value);
    }
    Ok(())
}

/// Writes biases as OpenAI does, by tokens' numbers. llama.cpp's server also takes them as pairs, takes texts in the place of
/// numbers, and `false` for a token that never comes.
fn biases(value: &Value) -> Result<Value, Inexpressible> {
    let Some(pairs) = value.as_array() else { return Ok(value.clone()) };
    let pair = |pair: &Value| {
        let [token, bias] = pair.as_array()?.as_slice() else { return None };
        let bias = if bias == &Value::Bool(false) { Value::from(-100) } else { bias.clone() };
        bias.is_number().then(|| Some((token.as_u64()?.to_string(), bias)))?
    };
    let biases: Option<Map<String, Value>> = pairs.iter().map(pair).collect();
    biases.map(Value::Object).ok_or_else(|| no_word(Place::Setting(Setting::LogitBias)))
}

fn stops(request: &Request) -> Option<Value> {
    (!request.stops.is_empty()).then(|| request.stops.as_slice().into())
}

/// What is called as the parameter is that asks for it.
fn no_word(place: Place) -> Inexpressible {
    Inexpressible(place, place.as_str())
}
