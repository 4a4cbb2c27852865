//! OpenAI's wire, and what vLLM and llama.cpp's server add to its conversations.

use serde_json::{Map, Value, json};

use super::{Inexpressible, Kind, Limit, form, message, no_word, sampling, stops, tools, variables};
use crate::{Conversation, Place, Request, Settings, Wire};

/// A conversation, for `/v1/chat/completions`.
pub(super) fn chat(
    settings: &Settings,
    request: &Request,
    conversation: &Conversation,
    limit: Limit,
) -> Result<(Kind, Map<String, Value>), Inexpressible> {
    let wire = settings.wire;
    let mut body = begun(settings, request)?;
    let messages = conversation.messages.iter().map(|said| message::openai(wire, said));
    body.insert("messages".to_owned(), messages.collect());
    if let Some(tokens) = request.tokens_max {
        body.insert(limit.as_str().to_owned(), tokens.into());
    }
    form::chat(wire, request.form.as_ref(), &mut body)?;
    tools::openai(wire, conversation, &mut body)?;
    variables::openai(wire, &conversation.variables, &mut body)?;
    match wire {
        _ if !conversation.continues => {}
        Wire::Vllm => {
            body.insert("continue_final_message".to_owned(), true.into());
            body.insert("add_generation_prompt".to_owned(), false.into());
        }
        // It goes on from a last message of the assistant by itself.
        Wire::LlamaCpp => {}
        _ => return Err(no_word(Place::Continuation)),
    }
    Ok((Kind::Chat, body))
}

/// A text, for `/v1/completions`.
pub(super) fn texts(
    settings: &Settings,
    request: &Request,
    text: &str,
) -> Result<(Kind, Map<String, Value>), Inexpressible> {
    let mut body = begun(settings, request)?;
    body.insert("prompt".to_owned(), text.into());
    match (request.tokens_max, settings.wire) {
        (Some(tokens), _) => drop(body.insert("max_tokens".to_owned(), tokens.into())),
        // It would stop after 16.
        (None, Wire::Vllm) => drop(body.insert("max_tokens".to_owned(), Value::Null)),
        (None, _) => {}
    }
    form::texts(settings.wire, request.form.as_ref(), &mut body)?;
    Ok((Kind::Texts, body))
}

fn begun(settings: &Settings, request: &Request) -> Result<Map<String, Value>, Inexpressible> {
    let mut body = Map::new();
    body.insert("model".to_owned(), settings.model.as_str().into());
    body.insert("stream".to_owned(), true.into());
    body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    sampling(settings.wire, request, &mut body)?;
    body.extend(stops(request).map(|stops| ("stop".to_owned(), stops)));
    Ok(body)
}
