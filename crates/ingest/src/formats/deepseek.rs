//! DeepSeek: a tree under `mapping`, like ChatGPT's, whose messages hold typed `fragments`.
//!
//! `REQUEST` is the person; everything else is the model's: `RESPONSE`, `THINK`, `SEARCH` with its results, and
//! newer tool fragments. Older exports have `content` and `reasoning_content` instead.

use std::collections::HashMap;

use athenaeum_core::{BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::DEEPSEEK),
    name: "DeepSeek export",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| {
        let Some(mapping) = record.get("mapping").and_then(serde_json::Value::as_object) else {
            return false;
        };
        let of_message = |node: &serde_json::Value| {
            let message = node.get("message").unwrap_or(&serde_json::Value::Null);
            message.get("fragments").is_some() || message.get("inserted_at").is_some()
        };
        record.get("inserted_at").is_some() || mapping.values().any(of_message)
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// Reads one conversation of `conversations.json`.
pub(crate) fn conversation(record: &Node<'_>, notes: &mut Notes) -> Conversation {
    let mut conversation = Conversation::new(Provider::DEEPSEEK, record.get("id").id().unwrap_or_default());
    conversation.title = record.get("title").text();
    conversation.created_at = record.first(&["inserted_at", "create_time", "created_at"]).time();
    conversation.updated_at = record.first(&["updated_at", "update_time"]).time();
    conversation.user_id = record.get("user_id").id();
    let mapping = record.get("mapping");
    let mut empty: HashMap<&str, Option<String>> = HashMap::new();
    let mut turns = Vec::new();
    for (key, node) in mapping.fields() {
        let parent = node.get("parent").id();
        match node.get("message") {
            message if message.is_object() => {
                turns.push(Turn::new(Some(key.to_string()), parent, read_message(message, node, notes)));
            }
            _ => {
                empty.insert(key, parent);
            }
        }
    }
    for turn in &mut turns {
        // The root and other nodes without a message are passed through; real exports have one in a row.
        for _ in 0..empty.len().min(100) {
            let Some(above) = turn.parent.as_deref().and_then(|key| empty.get(key)) else { break };
            turn.parent.clone_from(above);
        }
        if turn.parent.as_deref().is_some_and(|key| empty.contains_key(key)) {
            turn.parent = None;
        }
    }
    let leaf = record.first(&["current_node", "current_message_id"]).id();
    conversation.messages = draft::tree(turns, leaf.as_deref(), notes);
    if mapping.fields().is_empty() {
        conversation.messages = super::simple::turns(super::simple::list(record), notes);
    }
    settle_roles(&mut conversation.messages);
    conversation.raw_json = record.raw().to_owned();
    if conversation.external_id.is_empty() {
        // The title of a conversation can be changed later; its beginning cannot.
        let began = conversation.created_at.map(|time| time.to_string());
        conversation.external_id = draft::id_from_beginning(began.as_deref(), &conversation.messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

fn read_message(node: &Node<'_>, owner: &Node<'_>, notes: &mut Notes) -> Message {
    let fragments = node.get("fragments");
    let asked = fragments.items().iter().any(|fragment| fragment.get("type").str() == Some("REQUEST"));
    let role = match node.get("role").str() {
        Some(name) => draft::role(name, notes),
        None if asked => Role::User,
        // Settled later where nothing tells.
        None => Role::Assistant,
    };
    let mut message = Message::new(role, Vec::new());
    message.external_id = owner.get("id").id();
    message.model = node.get("model").text();
    message.created_at = node.first(&["inserted_at", "created_at"]).time();
    message.tokens = node.first(&["accumulated_token_usage", "tokens"]).int();
    for fragment in fragments.items() {
        add_fragment(&mut message, fragment, notes);
    }
    if fragments.items().is_empty() {
        let thought = node.get("reasoning_content").str().unwrap_or_default();
        content::add_text(&mut message, BlockKind::Thinking, thought);
        content::add(&mut message, node.get("content"), notes);
        add_results(&mut message, node.get("search_results"));
    }
    for file in node.get("files").items() {
        content::add_file(&mut message, file);
        let extracted = file.first(&["content", "extracted_text"]).str().unwrap_or_default();
        content::add_labelled(&mut message, BlockKind::Attachment, extracted, file.get("file_name").str());
    }
    message
}

fn add_fragment(message: &mut Message, fragment: &Node<'_>, notes: &mut Notes) {
    let kind = fragment.get("type").str().unwrap_or_default();
    let text = content::shown_or_empty(fragment.get("content"));
    match kind {
        "REQUEST" | "RESPONSE" | "TIP" | "TEMPLATE_RESPONSE" => {
            content::add_text(message, BlockKind::Text, &text);
        }
        "THINK" => content::add_text(message, BlockKind::Thinking, &text),
        "SEARCH" | "TOOL_SEARCH" | "READ_LINK" | "TOOL_OPEN" => {
            let queries: Vec<String> = fragment
                .get("queries")
                .items()
                .iter()
                .map(|query| query.get("query").text().unwrap_or_else(|| query.shown()))
                .collect();
            if !queries.is_empty() {
                content::add_call(message, None, &kind.to_ascii_lowercase(), &queries.join("\n"));
            }
            content::add_labelled(message, BlockKind::ToolResult, &text, Some(&kind.to_ascii_lowercase()));
            add_results(message, fragment.get("results"));
            if fragment.get("result").is_object() {
                add_result(message, fragment.get("result"));
            }
        }
        "FILE" | "IMAGE" => content::add_file(message, fragment),
        _ => content::add_unknown(message, kind, fragment, notes),
    }
}

fn add_results(message: &mut Message, results: &Node<'_>) {
    for result in results.items() {
        add_result(message, result);
    }
}

fn add_result(message: &mut Message, result: &Node<'_>) {
    let lines = ["snippet", "summary", "url"].into_iter().filter_map(|key| result.get(key).text());
    let text = lines.collect::<Vec<_>>().join("\n");
    content::add_labelled(message, BlockKind::Quote, &text, result.first(&["title", "url"]).str());
}

/// A message that holds nothing but a file says nobody as its speaker: it is the person's where it begins the
/// conversation or follows the model.
fn settle_roles(messages: &mut [Message]) {
    for index in 0..messages.len() {
        let only_files = messages[index].blocks.iter().all(|block| block.kind == BlockKind::Attachment);
        if !only_files || messages[index].attachments.is_empty() {
            continue;
        }
        let before =
            messages[index].parent.and_then(|parent| messages.get(parent as usize)).map(|parent| parent.role);
        if before != Some(Role::User) {
            messages[index].role = Role::User;
        }
    }
}
