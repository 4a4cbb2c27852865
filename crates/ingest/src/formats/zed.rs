//! Zed: threads of its agent (`threads.db`, JSON under Zstandard) and its older text threads (`*.zed.json`, one
//! text cut into messages by offsets).
//!
//! Neither keeps times for messages; a thread has the time of its last change.

use std::{io::Read as _, path::Path};

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    sample::Sample,
    sqlite::{Database, Query, RowJson},
};

pub(crate) const FORMAT: Format =
    Format { provider: Some(Provider::ZED), name: "Zed thread", shape: Shape::Record { recognise, parse } };

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    let data = first.get("data").filter(|data| data.is_object()).unwrap_or(first);
    let text = first.get("zed").is_some() && has_keys(first, &["text", "messages"]);
    let message = data.get("messages").and_then(|list| list.get(0)).unwrap_or(&serde_json::Value::Null);
    Fit::strong(
        text || ["User", "Agent", "segments"].into_iter().any(|key| message.get(key).is_some())
            || is_cut(first, message),
    )
}

/// The first text threads had no mark of their own.
fn is_cut(file: &serde_json::Value, message: &serde_json::Value) -> bool {
    file.get("text").is_some_and(serde_json::Value::is_string) && message.get("start").is_some()
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    let stem = context.file_stem().to_owned();
    draft::emit_record(context, text, |node, notes| match node.get("text").str() {
        Some(_) => text_thread(node, &stem, notes),
        None => thread(node, notes),
    })
}

/// The agent's threads as the editor keeps them.
pub(crate) const DATABASE: Format = Format {
    provider: Some(Provider::ZED),
    name: "Zed threads database",
    shape: Shape::Sqlite { recognise: recognise_database, parse: parse_database },
};

fn recognise_database(tables: &[String]) -> Fit {
    Fit::strong(tables.iter().any(|table| table == "threads"))
}

fn parse_database(context: &mut Context<'_>, path: &Path) -> Result<(), Reject> {
    let bytes_max = context.options.record_bytes_max;
    let database = Database::open(path, bytes_max)?;
    let columns = database.columns("threads")?;
    if !["id", "data", "data_type"].iter().all(|wanted| columns.iter().any(|column| column == wanted)) {
        return Err(Reject::new("its table 'threads' has no columns 'id', 'data_type' and 'data'"));
    }
    database.each(Query::new("SELECT * FROM threads ORDER BY rowid"), &mut |row| {
        context.begin_record("");
        let read = whole_row(&row, bytes_max).and_then(|json| draft::emit_record(context, &json, thread));
        if let Err(Reject(reason)) = read {
            context.skipped(reason);
        }
        !context.cancelled()
    })
}

/// Puts the unpacked thread in the place of the packed one.
fn whole_row(row: &RowJson, bytes_max: usize) -> Result<String, Reject> {
    let Some(blob) = row.blobs.get("data") else { return Ok(row.json.clone()) };
    let node = Node::parse(&row.json).map_err(|error| Reject::new(error.to_string()))?;
    let unpacked = match node.get("data_type").str() {
        Some("json") => blob.clone(),
        _ => {
            let packed =
                |error: std::io::Error| Reject::new(format!("the thread cannot be unpacked: {error}"));
            let mut unpacked = Vec::new();
            let mut reader = zstd::Decoder::new(blob.as_slice()).map_err(packed)?.take(bytes_max as u64 + 1);
            reader.read_to_end(&mut unpacked).map_err(packed)?;
            unpacked
        }
    };
    if unpacked.len() > bytes_max {
        return Err(Reject::new(format!("the thread is larger than {bytes_max} bytes")));
    }
    let data = String::from_utf8_lossy(&unpacked);
    Node::parse(&data).map_err(|error| Reject::new(format!("the thread is {error}")))?;
    let field = |(key, value): &(std::borrow::Cow<'_, str>, Node<'_>)| {
        let value = if key == "data" { data.trim() } else { value.raw() };
        format!("{}:{value}", serde_json::Value::from(key.as_ref()))
    };
    let fields: Vec<String> = node.fields().iter().map(field).collect();
    Ok(format!("{{{}}}", fields.join(",")))
}

/// Reads a row of `threads`: `{id, summary, updated_at, data}`, or the thread object alone.
pub(crate) fn thread(row: &Node<'_>, notes: &mut Notes) -> Conversation {
    let data = if row.get("data").is_object() { row.get("data") } else { row };
    let id = row.get("id").id().or_else(|| data.get("id").id());
    let mut conversation = Conversation::new(Provider::ZED, id.unwrap_or_default());
    conversation.title = data.first(&["title", "summary"]).text().or_else(|| row.get("summary").text());
    conversation.created_at = row.get("created_at").time();
    conversation.updated_at = row.get("updated_at").time().or_else(|| data.get("updated_at").time());
    let model = data.get("model");
    conversation.model = model.text().or_else(|| model.get("model").text());
    let mut messages: Vec<Message> = Vec::new();
    for node in data.get("messages").items() {
        let (user, agent) = (node.get("User"), node.get("Agent"));
        if user.is_object() {
            messages.push(parts(Role::User, user, notes));
        } else if agent.is_object() {
            messages.push(answer(agent, notes));
        } else if node.is_object() && (node.has("segments") || node.has("role")) {
            messages.push(segments(node, notes));
        } else if node.str() != Some("Resume") && node.str() != Some("Compaction") {
            let mut message = Message::new(Role::System, Vec::new());
            let kind = node.fields().first().map(|(key, _)| key.to_string()).unwrap_or_default();
            content::add_unknown(&mut message, &kind, node, notes);
            messages.push(message);
        }
    }
    conversation.messages = draft::linear(messages);
    conversation.raw_json = row.raw().to_owned();
    if conversation.external_id.is_empty() {
        conversation.external_id = draft::id_from_beginning(None, &conversation.messages);
    }
    conversation
}

fn answer(node: &Node<'_>, notes: &mut Notes) -> Message {
    let mut message = parts(Role::Assistant, node, notes);
    for (id, result) in node.get("tool_results").fields() {
        let called = message.tool_calls.iter().find(|call| call.id.as_deref() == Some(id.as_ref()));
        let name = result.get("tool_name").text().or_else(|| called.map(|call| call.name.clone()));
        let text = tool_text(result);
        content::add_labelled(&mut message, BlockKind::ToolResult, &text, name.as_deref());
    }
    message
}

/// Newer threads: each part is an object whose only key is its kind.
fn parts(role: Role, node: &Node<'_>, notes: &mut Notes) -> Message {
    let mut message = Message::new(role, Vec::new());
    message.external_id = node.get("id").id();
    for part in node.get("content").items() {
        let Some((kind, value)) = part.fields().first() else {
            match part.str() {
                Some(text) => content::add_text(&mut message, BlockKind::Text, text),
                None => content::add_unknown(&mut message, "", part, notes),
            }
            continue;
        };
        match kind.as_ref() {
            "Text" => content::add_text(&mut message, BlockKind::Text, value.str().unwrap_or_default()),
            "Thinking" => content::add_text(
                &mut message,
                BlockKind::Thinking,
                value.get("text").str().unwrap_or_default(),
            ),
            "RedactedThinking" => {}
            "Mention" => add_mention(&mut message, value),
            "Image" => message
                .attachments
                .push(Attachment { media_type: Some("image/*".into()), ..Default::default() }),
            "ToolUse" => {
                let name = value.get("name").text().unwrap_or_default();
                let input = value.first(&["input", "raw_input"]);
                content::add_call(&mut message, value.get("id").id(), &name, &content::shown_or_empty(input));
            }
            kind => content::add_unknown(&mut message, kind, part, notes),
        }
    }
    message
}

fn add_mention(message: &mut Message, mention: &Node<'_>) {
    let uri = mention.get("uri");
    let (kind, target) = uri.fields().first().map_or(("", uri), |(kind, target)| (kind.as_ref(), target));
    let name = target.first(&["abs_path", "path", "name", "url"]).text().or_else(|| uri.text());
    let text = mention.get("content").str().unwrap_or_default();
    content::add_labelled(message, BlockKind::Attachment, text, name.as_deref().or(Some(kind)));
    message.attachments.push(Attachment { name, ..Default::default() });
}

/// Threads before version 0.3: a role, segments, and tools beside them.
fn segments(node: &Node<'_>, notes: &mut Notes) -> Message {
    let role = draft::role(node.get("role").str().unwrap_or("assistant"), notes);
    let mut message = Message::new(role, Vec::new());
    message.external_id = node.get("id").id();
    message.hidden = node.get("is_hidden").is_true();
    for segment in node.get("segments").items() {
        match segment.get("type").str().unwrap_or("text") {
            "redacted_thinking" => {}
            _ => content::add(&mut message, segment, notes),
        }
    }
    content::add(&mut message, node.first(&["text", "content"]), notes);
    for call in node.get("tool_uses").items() {
        let name = call.get("name").text().unwrap_or_default();
        content::add_call(
            &mut message,
            call.get("id").id(),
            &name,
            &content::shown_or_empty(call.get("input")),
        );
    }
    for result in node.get("tool_results").items() {
        content::add_labelled(&mut message, BlockKind::ToolResult, &tool_text(result), None);
    }
    let context = node.get("context").str().unwrap_or_default();
    content::add_labelled(&mut message, BlockKind::Attachment, context, Some("context"));
    message
}

fn tool_text(result: &Node<'_>) -> String {
    let body = result.get("content");
    let text_of = |node: &Node<'_>| node.get("Text").text().or_else(|| node.text());
    let pieces: Vec<String> = body.items().iter().filter_map(text_of).collect();
    match pieces.is_empty() {
        false => pieces.join("\n"),
        true => text_of(body).unwrap_or_else(|| content::result_text(body)),
    }
}

/// Reads a text thread: `{text, messages: [{id, start, metadata}], summary}`; `stem` is the file's name.
pub(crate) fn text_thread(file: &Node<'_>, stem: &str, notes: &mut Notes) -> Conversation {
    let stem = stem.strip_suffix(".zed").unwrap_or(stem);
    let mut conversation =
        Conversation::new(Provider::ZED, file.get("id").id().unwrap_or_else(|| stem.to_owned()));
    conversation.title = file.get("summary").text().or_else(|| file.get("summary").get("text").text());
    let model = file.get("model");
    conversation.model = model.text().or_else(|| model.get("model").text());
    let text = file.get("text").str().unwrap_or_default();
    let starts: Vec<usize> = file.get("messages").items().iter().map(|node| start(node, text)).collect();
    let mut messages = Vec::new();
    for (index, node) in file.get("messages").items().iter().enumerate() {
        let from = starts[index].min(text.len());
        let to = starts.get(index + 1).copied().unwrap_or(text.len()).clamp(from, text.len());
        let metadata = metadata(file, node);
        let role = draft::role(metadata.get("role").str().unwrap_or("user"), notes);
        let mut message = Message::new(role, Vec::new());
        message.external_id =
            node.get("id").id().or_else(|| Some(node.get("id").raw().to_owned()).filter(|id| id != "null"));
        let said = text.get(text.floor_char_boundary(from)..text.floor_char_boundary(to)).unwrap_or_default();
        let said = said.strip_suffix('\n').unwrap_or(said);
        content::add_text(&mut message, BlockKind::Text, said);
        message.finish_reason = metadata.get("status").get("Error").text();
        messages.push(message);
    }
    conversation.messages = draft::linear(messages);
    conversation.raw_json = file.raw().to_owned();
    conversation
}

fn start(node: &Node<'_>, text: &str) -> usize {
    let start = node.get("start").int().and_then(|start| usize::try_from(start).ok()).unwrap_or(0);
    start.min(text.len())
}

/// Version 0.1 keeps the messages' data apart, by id.
fn metadata<'n, 'a>(file: &'n Node<'a>, node: &'n Node<'a>) -> &'n Node<'a> {
    match node.get("metadata") {
        metadata if metadata.is_object() => metadata,
        _ => file.get("message_metadata").get(&node.get("id").id().unwrap_or_default()),
    }
}
