//! Ollama's wire.

use serde_json::{Map, Value, json};

use super::{Inexpressible, Kind, form, message, sampling, stops, tools, variables};
use crate::{Conversation, Input, Place, Request, Settings};

pub(super) fn body(
    settings: &Settings,
    request: &Request,
    input: &Input,
) -> Result<(Kind, Map<String, Value>), Inexpressible> {
    let mut body = Map::new();
    body.insert("model".to_owned(), settings.model.as_str().into());
    body.insert("stream".to_owned(), true.into());
    // Otherwise the oldest messages would go, and then the beginning of what is being said, and nobody would hear of it.
    body.insert("truncate".to_owned(), false.into());
    body.insert("shift".to_owned(), false.into());
    form::ollama(request.form.as_ref(), &mut body)?;
    let options = options(settings, request)?;
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    match input {
        Input::Text(text) => {
            // It would bring the model into memory and say nothing.
            if text.is_empty() {
                return Err(Inexpressible(Place::Prompt, "an empty prompt"));
            }
            body.insert("prompt".to_owned(), text.as_str().into());
            body.insert("raw".to_owned(), true.into());
            Ok((Kind::OllamaGenerate, body))
        }
        Input::Conversation(conversation) => {
            said(conversation, &mut body)?;
            Ok((Kind::OllamaChat, body))
        }
    }
}

fn said(conversation: &Conversation, body: &mut Map<String, Value>) -> Result<(), Inexpressible> {
    if conversation.messages.is_empty() {
        return Err(Inexpressible(Place::Messages, "a conversation without messages"));
    }
    let messages: Result<Value, _> = conversation.messages.iter().map(message::ollama).collect();
    body.insert("messages".to_owned(), messages?);
    tools::ollama(conversation, body)?;
    variables::ollama(&conversation.variables, body)
}

fn options(settings: &Settings, request: &Request) -> Result<Map<String, Value>, Inexpressible> {
    let mut options = Map::new();
    // What it takes by itself is little, and long conversations are refused.
    options.extend(settings.context_tokens.map(|tokens| ("num_ctx".to_owned(), json!(tokens))));
    sampling(settings.wire, request, &mut options)?;
    options.extend(stops(request).map(|stops| ("stop".to_owned(), stops)));
    options.extend(request.tokens_max.map(|tokens| ("num_predict".to_owned(), json!(tokens))));
    Ok(options)
}
