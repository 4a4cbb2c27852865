//! Tools, and which of them are called.

use serde_json::{Map, Value, json};

use super::{Inexpressible, no_word};
use crate::{Conversation, Place, ToolChoice, Wire};

pub(super) fn openai(
    wire: Wire,
    conversation: &Conversation,
    body: &mut Map<String, Value>,
) -> Result<(), Inexpressible> {
    let mut tools = conversation.tools.clone();
    if tools.is_empty() {
        return match conversation.choice {
            ToolChoice::Freely => Ok(()),
            _ => Err(Inexpressible(Place::ToolChoice, "tool_choice where there are no tools")),
        };
    }
    let choice = match &conversation.choice {
        ToolChoice::Freely => json!("auto"),
        ToolChoice::Any => json!("required"),
        // llama.cpp's server reads a tool's name as `auto`; the only tool there is, is the one that is called.
        ToolChoice::Named(name) if wire == Wire::LlamaCpp => {
            tools.retain(|tool| tool["function"]["name"] == name.as_str());
            if tools.is_empty() {
                return Err(Inexpressible(Place::ToolChoice, "tool_choice of a tool that is not there"));
            }
            json!("required")
        }
        ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
    };
    body.insert("tools".to_owned(), tools.into());
    body.insert("tool_choice".to_owned(), choice);
    if conversation.one_call {
        body.insert("parallel_tool_calls".to_owned(), false.into());
    }
    Ok(())
}

pub(super) fn ollama(
    conversation: &Conversation,
    body: &mut Map<String, Value>,
) -> Result<(), Inexpressible> {
    if conversation.choice != ToolChoice::Freely {
        return Err(no_word(Place::ToolChoice));
    }
    if conversation.tools.is_empty() {
        return Ok(());
    }
    if conversation.one_call {
        return Err(no_word(Place::OneCall));
    }
    body.insert("tools".to_owned(), conversation.tools.as_slice().into());
    Ok(())
}
