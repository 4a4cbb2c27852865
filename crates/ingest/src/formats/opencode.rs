//! OpenCode: a session as a file, its messages as files, their parts as files; newer versions keep the same
//! objects in a database, and `opencode export` writes them as one.

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::OPENCODE),
    name: "OpenCode session",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    let inner = first.get("messages").and_then(|list| list.get(0));
    Fit::strong(
        first.get("info").is_some() && inner.is_some_and(|message| has_keys(message, &["info", "parts"])),
    )
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// Reads `{info, messages: [{info, parts}]}`: what `opencode export` writes, and what the other two come to.
pub(crate) fn conversation(session: &Node<'_>, notes: &mut Notes) -> Conversation {
    let info = session.get("info");
    let mut conversation = Conversation::new(Provider::OPENCODE, info.get("id").id().unwrap_or_default());
    conversation.title = info.get("title").text();
    let time = info.get("time");
    conversation.created_at = time.get("created").time().or_else(|| info.get("time_created").time());
    conversation.updated_at = time.get("updated").time().or_else(|| info.get("time_updated").time());
    let mut turns = Vec::new();
    for node in session.get("messages").items() {
        let message = message(node, notes);
        turns.push(Turn::new(message.external_id.clone(), None, message));
    }
    // `parentID` names the question an answer belongs to; several steps of one answer share it.
    turns.sort_by(|a, b| (a.message.created_at, &a.key).cmp(&(b.message.created_at, &b.key)));
    conversation.messages = draft::linear(turns.into_iter().map(|turn| turn.message).collect());
    conversation.model = conversation.messages.iter().rev().find_map(|message| message.model.clone());
    conversation.raw_json = session.raw().to_owned();
    if conversation.external_id.is_empty() {
        let (title, messages) = (conversation.title.as_deref(), &conversation.messages);
        conversation.external_id = draft::id_from_beginning(title, messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let info = if node.get("info").is_object() { node.get("info") } else { node };
    let role = draft::role(info.get("role").str().unwrap_or("assistant"), notes);
    let mut message = Message::new(role, Vec::new());
    message.external_id = info.get("id").id();
    message.created_at = info.get("time").get("created").time().or_else(|| info.get("time_created").time());
    if role == Role::Assistant {
        message.model = info.get("modelID").text().or_else(|| info.get("model").get("modelID").text());
    }
    message.tokens = info.get("tokens").get("output").int();
    message.finish_reason = info.get("finish").text().or_else(|| info.get("error").get("name").text());
    message.hidden = info.get("summary").is_true();
    for part in node.get("parts").items() {
        add_part(&mut message, part, notes);
    }
    if message.blocks.is_empty() {
        // Before parts were files of their own, and where only the message was kept.
        content::add(&mut message, info.first(&["content", "text"]), notes);
    }
    let error = info.get("error").get("data").get("message").str().unwrap_or_default();
    content::add_text(&mut message, BlockKind::Text, error);
    message
}

fn add_part(message: &mut Message, part: &Node<'_>, notes: &mut Notes) {
    let kind = part.get("type").str().unwrap_or_default();
    match kind {
        "text" => content::add_text(message, BlockKind::Text, part.get("text").str().unwrap_or_default()),
        "reasoning" => {
            content::add_text(message, BlockKind::Thinking, part.get("text").str().unwrap_or_default())
        }
        "tool" => {
            let name = part.get("tool").text().unwrap_or_default();
            let state = part.get("state");
            content::add_call(
                message,
                part.get("callID").id(),
                &name,
                &content::shown_or_empty(state.get("input")),
            );
            let output = content::result_text(state.first(&["output", "error"]));
            content::add_labelled(message, BlockKind::ToolResult, &output, Some(&name));
            for file in state.get("attachments").items() {
                add_file(message, file);
            }
        }
        "tool-invocation" => {
            let call = part.get("toolInvocation");
            let name = call.get("toolName").text().unwrap_or_default();
            content::add_call(
                message,
                call.get("toolCallId").id(),
                &name,
                &content::shown_or_empty(call.get("args")),
            );
            content::add_labelled(
                message,
                BlockKind::ToolResult,
                &content::result_text(call.get("result")),
                Some(&name),
            );
        }
        "file" => add_file(message, part),
        "subtask" => {
            let arguments = content::shown_or_empty(part.get("prompt"));
            content::add_call(
                message,
                part.get("id").id(),
                part.get("agent").str().unwrap_or("task"),
                &arguments,
            );
        }
        // What the program did around the words: steps, snapshots of files, retries.
        "step-start" | "step-finish" | "snapshot" | "patch" | "agent" | "compaction" | "retry"
        | "source-url" => {}
        _ => content::add_unknown(message, kind, part, notes),
    }
}

fn add_file(message: &mut Message, file: &Node<'_>) {
    let url = file.get("url").text().filter(|url| !url.starts_with("data:"));
    message.attachments.push(Attachment {
        name: file.get("filename").text(),
        id: url.or_else(|| file.get("id").id()),
        media_type: file.first(&["mime", "mediaType"]).text(),
        size: None,
        path: None,
    });
    let source = file.get("source").get("text").get("value").str().unwrap_or_default();
    if source.len() > 200 {
        // Shorter ones are only the mention (`@file`) that the text holds already.
        content::add_labelled(message, BlockKind::Attachment, source, file.get("filename").str());
    }
}
