//! Turns, as each wire has them.

use serde_json::{Map, Value, json};

use super::Inexpressible;
use crate::{Message, Part, Place, Wire};

pub(super) fn openai(wire: Wire, said: &Message) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), said.role.as_str().into());
    message.insert("content".to_owned(), content(said));
    match (&said.reasoning, wire) {
        (None, _) | (_, Wire::OpenAi) => {}
        (Some(reasoning), _) => {
            message.insert("reasoning_content".to_owned(), reasoning.as_str().into());
            // vLLM calls it so by now.
            if wire == Wire::Vllm {
                message.insert("reasoning".to_owned(), reasoning.as_str().into());
            }
        }
    }
    if !said.calls.is_empty() {
        let calls = said.calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        message.insert("tool_calls".to_owned(), calls.collect());
    }
    if let Some(id) = &said.call_id {
        message.insert("tool_call_id".to_owned(), id.as_str().into());
    }
    // Of a tool, OpenAI's own wire knows the call; templates know the name.
    if let Some(name) = said.name.as_ref().filter(|_| wire != Wire::OpenAi || said.role != "tool") {
        message.insert("name".to_owned(), name.as_str().into());
    }
    message.into()
}

pub(super) fn ollama(said: &Message) -> Result<Value, Inexpressible> {
    let mut message = Map::new();
    message.insert("role".to_owned(), said.role.as_str().into());
    message.insert("content".to_owned(), text(said).into());
    let pictures: Vec<Value> =
        said.parts.iter().filter_map(picture).map(|(_, base64)| base64.into()).collect();
    if !pictures.is_empty() {
        message.insert("images".to_owned(), pictures.into());
    }
    if let Some(reasoning) = &said.reasoning {
        message.insert("thinking".to_owned(), reasoning.as_str().into());
    }
    if !said.calls.is_empty() {
        let calls: Result<Value, _> = said.calls.iter().enumerate().map(call).collect();
        message.insert("tool_calls".to_owned(), calls?);
    }
    if let Some(id) = &said.call_id {
        message.insert("tool_call_id".to_owned(), id.as_str().into());
    }
    if let Some(name) = &said.name {
        if said.role != "tool" {
            return Err(Inexpressible(Place::Messages, "the name of who speaks"));
        }
        message.insert("tool_name".to_owned(), name.as_str().into());
    }
    Ok(message.into())
}

fn call((index, call): (usize, &crate::Call)) -> Result<Value, Inexpressible> {
    let arguments = match call.arguments.trim() {
        "" => Map::new(),
        arguments => serde_json::from_str(arguments)
            .map_err(|_| Inexpressible(Place::Messages, "arguments of a call that are no JSON object"))?,
    };
    let function = json!({ "index": index, "name": call.name, "arguments": arguments });
    Ok(json!({ "id": call.id, "function": function }))
}

/// Text as text, so that every template can read it; with pictures, parts in their order.
fn content(said: &Message) -> Value {
    if said.parts.is_empty() && !said.calls.is_empty() {
        return Value::Null;
    }
    if !said.parts.iter().any(|part| picture(part).is_some()) {
        return text(said).into();
    }
    let part = |part: &Part| match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Picture { media_type, base64 } => {
            let url = format!("data:{media_type};base64,{base64}");
            json!({ "type": "image_url", "image_url": { "url": url } })
        }
    };
    said.parts.iter().map(part).collect()
}

fn text(said: &Message) -> String {
    let texts = said.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Picture { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn picture(part: &Part) -> Option<(&str, &str)> {
    match part {
        Part::Picture { media_type, base64 } => Some((media_type, base64)),
        Part::Text(_) => None,
    }
}
