//! LibreChat: one conversation a file, its messages as a list that names parents or as a tree of `children`.
//!
//! Its older relative Chatbot UI exports `{version, history: [{id, name, messages, model, prompt}]}`.

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider, Role};

use super::simple;
use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::LIBRECHAT),
    name: "LibreChat export",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    let list = first.get("messages").or_else(|| first.get("messagesTree"));
    Fit::strong(first.get("conversationId").is_some() && list.is_some_and(serde_json::Value::is_array))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// The parent of a first message.
const NO_PARENT: &str = "00000000-0000-0000-0000-000000000000";

/// Reads an export of one conversation.
pub(crate) fn conversation(file: &Node<'_>, notes: &mut Notes) -> Conversation {
    let id = draft::first_id(file, &["conversationId", "_id"]);
    let mut conversation = Conversation::new(Provider::LIBRECHAT, id.unwrap_or_default());
    let options = if file.get("options").is_object() { file.get("options") } else { file };
    conversation.title = file.get("title").text();
    conversation.model = options.get("model").text();
    conversation.system_prompt = options.first(&["promptPrefix", "system", "instructions"]).text();
    conversation.temperature = options.get("temperature").float();
    conversation.max_tokens = options.first(&["max_tokens", "maxOutputTokens", "maxTokens"]).int();
    conversation.created_at = file.get("createdAt").time();
    conversation.updated_at = file.get("updatedAt").time();
    let list = file.first(&["messagesTree", "messages"]);
    let mut turns = Vec::new();
    collect(list, &mut turns, notes);
    conversation.user_id = file.get("user").id().or_else(|| first_user(list));
    let chained = turns.iter().any(|turn| turn.parent.is_some());
    conversation.messages = match chained {
        true => draft::tree(turns, None, notes),
        false => draft::linear(turns.into_iter().map(|turn| turn.message).collect()),
    };
    conversation.raw_json = file.raw().to_owned();
    if conversation.external_id.is_empty() {
        let (title, messages) = (conversation.title.as_deref(), &conversation.messages);
        conversation.external_id = draft::id_from_beginning(title, messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

fn first_user(list: &Node<'_>) -> Option<String> {
    list.items().iter().find_map(|node| node.get("user").id())
}

/// Walks lists and trees alike, parents first, without recursion.
fn collect(list: &Node<'_>, turns: &mut Vec<Turn>, notes: &mut Notes) {
    let mut open: Vec<(&Node<'_>, Option<String>)> =
        list.items().iter().rev().map(|node| (node, None)).collect();
    while let Some((node, above)) = open.pop() {
        if !node.is_object() {
            notes.notice("a message is not an object; it is only in the raw JSON");
            continue;
        }
        let key = draft::first_id(node, &["messageId", "id", "_id"])
            .unwrap_or_else(|| format!("\u{0}{}", turns.len()));
        let named = node.get("parentMessageId").text().filter(|parent| parent != NO_PARENT);
        for child in node.get("children").items().iter().rev() {
            open.push((child, Some(key.clone())));
        }
        turns.push(Turn::new(Some(key), above.or(named), message(node, notes)));
    }
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let sender = node.get("sender").str().unwrap_or_default();
    let role = match (node.get("isCreatedByUser").bool(), node.get("role").str()) {
        (Some(true), _) => Role::User,
        (Some(false), Some(name)) => draft::role(name, notes),
        (Some(false), None) => Role::Assistant,
        (None, Some(name)) => draft::role(name, notes),
        (None, None) => {
            if sender.eq_ignore_ascii_case("user") {
                Role::User
            } else {
                Role::Assistant
            }
        }
    };
    let mut message = Message::new(role, Vec::new());
    message.external_id = draft::first_id(node, &["messageId", "id", "_id"]);
    message.author = (!sender.is_empty() && role != Role::User).then(|| sender.to_owned());
    message.model = node.get("model").text();
    message.created_at = node.get("createdAt").time();
    message.tokens = node.get("tokenCount").int();
    message.finish_reason = node
        .get("finish_reason")
        .text()
        .or_else(|| node.get("unfinished").is_true().then(|| "unfinished".to_owned()));
    match node.get("content") {
        parts if parts.is_array() && !parts.is_empty() => content::add(&mut message, parts, notes),
        _ => add_text(&mut message, node, notes),
    }
    for file in node.get("files").items() {
        add_file(&mut message, file);
    }
    for file in node.get("attachments").items() {
        content::add_file(&mut message, file);
    }
    message
}

/// Reasoning of older versions is fenced inside the text.
fn add_text(message: &mut Message, node: &Node<'_>, notes: &mut Notes) {
    let text = node.get("text");
    if let Some((thought, said)) =
        text.str().and_then(|text| text.strip_prefix(":::thinking")?.split_once(":::"))
    {
        content::add_text(message, BlockKind::Thinking, thought.trim());
        content::add_text(message, BlockKind::Text, said.trim_start());
        return;
    }
    content::add(message, text, notes);
}

fn add_file(message: &mut Message, file: &Node<'_>) {
    let name = file.first(&["filename", "name"]).text();
    content::add_labelled(
        message,
        BlockKind::Attachment,
        file.get("text").str().unwrap_or_default(),
        name.as_deref(),
    );
    message.attachments.push(Attachment {
        name,
        id: draft::first_id(file, &["file_id", "filepath"]),
        media_type: file.get("type").text(),
        size: file.get("bytes").int().and_then(|size| u64::try_from(size).ok()),
        path: None,
    });
}

/// Chatbot UI's export.
pub(crate) const CHATBOT_UI: Format = Format {
    provider: Some(Provider::CHATBOTUI),
    name: "Chatbot UI export",
    shape: Shape::Record { recognise: recognise_chatbot_ui, parse: parse_chatbot_ui },
};

fn recognise_chatbot_ui(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| has_keys(record, &["messages", "prompt", "folderId"]);
    Fit::strong(sample.records.iter().any(fits))
}

fn parse_chatbot_ui(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, chatbot_ui)
}

fn chatbot_ui(record: &Node<'_>, notes: &mut Notes) -> Conversation {
    let mut conversation = simple::conversation(record, Provider::CHATBOTUI, notes);
    let model = record.get("model");
    conversation.model = model.text().or_else(|| model.first(&["id", "name"]).text());
    conversation.system_prompt = record.get("prompt").text();
    conversation
}
