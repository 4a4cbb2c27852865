//! ShareGPT and what grew from it: `{conversations: [{from, value}]}`, and OpenAI's fine-tuning form
//! `{messages: [{role, content}]}`; one object, an array of them, or one a line.

use athenaeum_core::{Block, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Reject, Shape},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::SHAREGPT),
    name: "ShareGPT",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let first_of =
        |record: &serde_json::Value, key: &str| record.get(key).and_then(|list| list.get(0)).cloned();
    let spoken = |key: &str| {
        sample.records.iter().any(|record| {
            first_of(record, key)
                .is_some_and(|said| said.get("from").is_some() && said.get("value").is_some())
        })
    };
    if ["conversations", "conversation", "items"].into_iter().any(spoken) {
        return Fit::Strong;
    }
    let said = |record: &serde_json::Value| {
        first_of(record, "messages").is_some_and(|said| said.get("role").is_some())
    };
    Fit::weak(sample.records.iter().any(said))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// Reads one conversation of either form.
pub(crate) fn conversation(record: &Node<'_>, notes: &mut Notes) -> Conversation {
    let id = draft::first_id(record, &["id", "conversation_id", "uuid"]);
    let mut conversation = Conversation::new(Provider::SHAREGPT, id.unwrap_or_default());
    conversation.title = record.get("title").text();
    conversation.model = record.get("model").text();
    conversation.system_prompt = record.first(&["system", "system_prompt"]).text();
    let list = ["conversations", "conversation", "messages", "items"].map(|key| record.get(key));
    let list = list.into_iter().find(|list| list.is_array());
    let mut messages = Vec::new();
    for node in list.map(Node::items).unwrap_or_default() {
        if node.is_object() {
            messages.push(message(node, notes));
        } else if !node.is_null() {
            notes.notice("a message is not an object; it is only in the raw JSON");
        }
    }
    conversation.messages = draft::linear(messages);
    conversation.raw_json = record.raw().to_owned();
    if conversation.external_id.is_empty() {
        // Collections repeat their beginnings and never grow, so the whole of it tells one from another.
        let mut parts = vec![
            record.get("tools").raw().to_owned(),
            conversation.system_prompt.clone().unwrap_or_default(),
        ];
        for message in &conversation.messages {
            parts.push(message.role.as_str().to_owned());
            parts.push(message.content());
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        conversation.external_id = draft::derived_id(&parts);
    }
    draft::fill_times(&mut conversation);
    conversation
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let Some(speaker) = node.get("from").str() else { return super::simple::message(node, notes) };
    let text = node.first(&["value", "content", "text"]);
    match speaker {
        "function_call" | "tool_call" => {
            let mut message = Message::new(Role::Assistant, Vec::new());
            add_call(&mut message, text);
            message
        }
        "observation" | "tool" | "function_response" | "tool_response" => {
            let block = Block::new(BlockKind::ToolResult, content::shown_or_empty(text));
            Message::new(Role::Tool, vec![block])
        }
        speaker => {
            let mut message = Message::new(draft::role(speaker, notes), Vec::new());
            content::add(&mut message, text, notes);
            message
        }
    }
}

/// The call is JSON inside the text, one object or a list.
fn add_call(message: &mut Message, text: &Node<'_>) {
    let shown = content::shown_or_empty(text);
    let Ok(parsed) = Node::parse(&shown) else {
        return content::add_call(message, None, "", &shown);
    };
    let calls = if parsed.is_array() { parsed.items() } else { std::slice::from_ref(&parsed) };
    for call in calls {
        let name = call.get("name").str().unwrap_or_default();
        let arguments = call.first(&["arguments", "parameters"]);
        let arguments = if arguments.is_null() { call.raw().to_owned() } else { arguments.shown() };
        content::add_call(message, call.get("id").id(), name, &arguments);
    }
}
