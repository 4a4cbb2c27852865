//! Jan: a folder a thread, with `thread.json` about it and `messages.jsonl` in it.

use std::collections::HashMap;

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Format, Reject, Shape},
    node::Node,
    source::{Entry, Tree},
};

pub(crate) const FORMAT: Format =
    Format { provider: Some(Provider::JAN), name: "Jan threads", shape: Shape::Folder { claim, parse } };

/// A thread's folder holds both files; the messages come first in the group.
fn claim(entries: &[Entry]) -> Vec<Vec<usize>> {
    let folder =
        |entry: &Entry| entry.name.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
    let abouts: HashMap<String, usize> = (0..entries.len())
        .filter(|&index| entries[index].base() == "thread.json")
        .map(|index| (folder(&entries[index]), index))
        .collect();
    let messages = (0..entries.len()).filter(|&index| entries[index].base() == "messages.jsonl");
    messages.filter_map(|index| Some(vec![index, *abouts.get(&folder(&entries[index]))?])).collect()
}

fn parse(context: &mut Context<'_>, tree: &mut Tree, group: &[usize]) -> Result<(), Reject> {
    let [messages, about] = group else { return Err(Reject::new("a thread is two files")) };
    let mut read = |index: usize| {
        let bytes = tree.read(index, context.options.record_bytes_max as u64);
        bytes
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|error| Reject::new(error.to_string()))
    };
    let text = read(*messages)?;
    let about = read(*about)?;
    let folder = context.file.rsplit('/').nth(1).unwrap_or_default().to_owned();
    let mut notes = Notes::default();
    let mut nodes = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match Node::parse(line) {
            Ok(node) => nodes.push(node),
            Err(error) => notes.skipped(format!("line {}: {error}", number + 1)),
        }
    }
    let about = Node::parse(&about).unwrap_or_else(|error| {
        notes.notice(format!("thread.json is {error}; the title is missing"));
        Node::null()
    });
    let mut conversation = conversation(&nodes, &about, &folder, &mut notes);
    let lines: Vec<&str> = nodes.iter().map(Node::raw).collect();
    conversation.raw_json = format!("{{\"thread\":{},\"messages\":[{}]}}", about.raw(), lines.join(",\n"));
    draft::emit_all(context, vec![conversation], notes);
    Ok(())
}

/// Reads a thread's messages; `about` is its `thread.json` (null where it is missing), `folder` the folder's name.
pub(crate) fn conversation(
    messages: &[Node<'_>],
    about: &Node<'_>,
    folder: &str,
    notes: &mut Notes,
) -> Conversation {
    let id = about.get("id").id().or_else(|| messages.iter().find_map(|node| node.get("thread_id").id()));
    let mut conversation = Conversation::new(Provider::JAN, id.unwrap_or_else(|| folder.to_owned()));
    conversation.title = about.get("title").text().or_else(|| about.get("metadata").get("title").text());
    conversation.created_at = about.first(&["created", "created_at"]).time();
    conversation.updated_at = about.first(&["updated", "updated_at"]).time();
    let assistant = about.get("assistants").at(0);
    let model = assistant.get("model");
    conversation.model =
        model.text().or_else(|| model.get("id").text()).or_else(|| about.get("model").get("id").text());
    conversation.system_prompt = assistant.get("instructions").text();
    let settings = [model.get("parameters"), model.get("settings"), assistant.get("parameters")];
    conversation.temperature = settings.iter().find_map(|node| node.get("temperature").float());
    conversation.max_tokens = settings.iter().find_map(|node| node.get("max_tokens").int());
    let read = messages.iter().filter(|node| node.is_object()).map(|node| message(node, notes)).collect();
    conversation.messages = draft::linear(read);
    draft::fill_times(&mut conversation);
    conversation
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let role = draft::role(node.get("role").str().unwrap_or("assistant"), notes);
    let mut message = Message::new(role, Vec::new());
    message.external_id = node.get("id").id();
    message.created_at = node.first(&["created_at", "created"]).time();
    let metadata = node.get("metadata");
    message.model = node.get("model").text().or_else(|| metadata.first(&["modelId", "model"]).text());
    message.tokens = metadata
        .get("tokenSpeed")
        .get("tokenCount")
        .int()
        .or_else(|| metadata.get("usage").get("outputTokens").int());
    for part in node.get("content").items() {
        add_part(&mut message, part, notes);
    }
    if !node.get("content").is_array() {
        content::add(&mut message, node.get("content"), notes);
    }
    for call in node.get("tool_calls").items().iter().chain(metadata.get("tool_calls").items()) {
        let tool = call.get("tool");
        let function =
            if tool.get("function").is_object() { tool.get("function") } else { call.get("function") };
        let name = function.get("name").text().unwrap_or_default();
        content::add_call(
            &mut message,
            tool.get("id").id(),
            &name,
            &content::shown_or_empty(function.get("arguments")),
        );
        let result = content::result_text(call.get("response").get("content"));
        content::add_labelled(&mut message, BlockKind::ToolResult, &result, Some(&name));
    }
    for file in node.get("attachments").items() {
        let name = file.first(&["name", "filename"]).text();
        let id = file.get("file_id").id();
        message.attachments.push(Attachment { name, id, ..Default::default() });
    }
    if node.get("status").str().is_some_and(|status| status != "ready") {
        message.finish_reason = node.get("status").text();
    }
    message
}

/// Reasoning stands inside the text, between `<think>` marks.
fn add_part(message: &mut Message, part: &Node<'_>, notes: &mut Notes) {
    let value = part.get("text").get("value").str();
    let thought = value.and_then(|text| text.trim_start().strip_prefix("<think>")?.split_once("</think>"));
    match (part.get("type").str(), thought) {
        (Some("text"), Some((thought, said))) => {
            content::add_text(message, BlockKind::Thinking, thought.trim());
            content::add_text(message, BlockKind::Text, said.trim_start());
        }
        _ => content::add(message, part, notes),
    }
}
