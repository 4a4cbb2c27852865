//! OpenCode: a session as a file, its messages as files, their parts as files; newer versions keep the same
//! objects in a database, and `opencode export` writes them as one.

mod storage;

use std::{collections::BTreeMap, path::Path};

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    sample::Sample,
    sqlite::{Database, Query},
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

/// Newer versions' database: the same objects, with what is searched for in columns beside them.
pub(crate) const DATABASE: Format = Format {
    provider: Some(Provider::OPENCODE),
    name: "OpenCode database",
    shape: Shape::Sqlite { recognise: recognise_database, parse: parse_database },
};

/// Older versions' folder `storage`.
pub(crate) const STORAGE: Format = Format {
    provider: Some(Provider::OPENCODE),
    name: "OpenCode storage",
    shape: Shape::Folder { claim: storage::claim, parse: storage::parse },
};

fn recognise_database(tables: &[String]) -> Fit {
    Fit::strong(
        ["session", "message", "part"].iter().all(|wanted| tables.iter().any(|table| table == wanted)),
    )
}

fn parse_database(context: &mut Context<'_>, path: &Path) -> Result<(), Reject> {
    let database = Database::open(path, context.options.record_bytes_max)?;
    for (table, wanted) in [("session", "id"), ("message", "session_id"), ("part", "message_id")] {
        if !database.columns(table)?.iter().any(|column| column == wanted) {
            return Err(Reject::new(format!("its table '{table}' has no column '{wanted}'")));
        }
    }
    database.each(Query::new("SELECT * FROM session ORDER BY rowid"), &mut |row| {
        context.begin_record("");
        let read = with_messages(&database, &row.json)
            .and_then(|json| draft::emit_record(context, &json, conversation));
        if let Err(Reject(reason)) = read {
            context.skipped(reason);
        }
        !context.cancelled()
    })
}

/// Makes of a session's rows what `opencode export` writes.
fn with_messages(database: &Database, session: &str) -> Result<String, Reject> {
    let invalid = |error: crate::node::Invalid| Reject::new(error.to_string());
    let id = Node::parse(session).map_err(invalid)?.get("id").id().unwrap_or_default();
    let parts_sql = "SELECT p.* FROM part AS p JOIN message AS m ON m.id = p.message_id WHERE m.session_id = ?1 ORDER BY p.id";
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in database.all(Query::new(parts_sql).bind(id.clone()))? {
        let node = Node::parse(&row.json).map_err(invalid)?;
        let data = if node.get("data").is_object() { node.get("data") } else { &node };
        parts.entry(node.get("message_id").id().unwrap_or_default()).or_default().push(data.raw().to_owned());
    }
    let mut messages = Vec::new();
    for row in database.all(Query::new("SELECT * FROM message WHERE session_id = ?1 ORDER BY id").bind(id))? {
        let node = Node::parse(&row.json).map_err(invalid)?;
        let message = node.get("id").id().unwrap_or_default();
        let parts = parts.remove(&message).unwrap_or_default().join(",");
        messages.push(format!(
            "{{\"id\":{},\"info\":{},\"parts\":[{parts}]}}",
            serde_json::Value::from(message),
            row_info(&node)
        ));
    }
    Ok(format!("{{\"info\":{session},\"messages\":[{}]}}", messages.join(",")))
}

/// The object in a row's `data`, or the row itself where it has none.
fn row_info(row: &Node<'_>) -> String {
    let data = row.get("data");
    if data.is_object() { data.raw().to_owned() } else { row.raw().to_owned() }
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
    message.external_id = info.get("id").id().or_else(|| node.get("id").id());
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
            content::add_text(message, BlockKind::Thinking, part.get("text").str().unwrap_or_default());
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
