//! Cursor: chats as its database keeps them (`composerData:<id>` with `bubbleId:<id>:<bubble>` entries), and as
//! exporters write them.

use std::{collections::HashMap, path::Path};

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Reject, Shape},
    node::Node,
    sqlite::{Database, Query},
};

pub(crate) const DATABASE: Format = Format {
    provider: Some(Provider::CURSOR),
    name: "Cursor database",
    shape: Shape::Sqlite { recognise, parse },
};

fn recognise(tables: &[String]) -> Fit {
    Fit::strong(tables.iter().any(|table| table == "cursordiskkv"))
}

fn parse(context: &mut Context<'_>, path: &Path) -> Result<(), Reject> {
    let database = Database::open(path, context.options.record_bytes_max)?;
    if database.columns("cursordiskkv")?.is_empty() {
        return Err(Reject::new("it has no table 'cursorDiskKV'"));
    }
    let composers =
        "SELECT CAST(value AS TEXT) AS value FROM cursorDiskKV WHERE key LIKE 'composerData:%' ORDER BY key";
    database.each(Query::new(composers), &mut |row| {
        context.begin_record("");
        let read = with_bubbles(&database, &row.json)
            .and_then(|json| draft::emit_record(context, &json, conversation));
        if let Err(Reject(reason)) = read {
            context.skipped(reason);
        }
        !context.cancelled()
    })
}

/// Looks up a composer's bubbles where they are kept apart.
fn with_bubbles(database: &Database, row: &str) -> Result<String, Reject> {
    let row = Node::parse(row).map_err(|error| Reject::new(error.to_string()))?;
    let composer = row.get("value");
    if composer.is_null() {
        return Ok("{\"composer\":{},\"bubbles\":[]}".to_owned());
    }
    if !composer.is_object() {
        return Err(Reject::new("a composer is not a JSON object"));
    }
    let id = composer.get("composerId").id().unwrap_or_default();
    let mut bubbles: Vec<String> =
        composer.get("conversation").items().iter().map(|bubble| bubble.raw().to_owned()).collect();
    let headers = composer.get("fullConversationHeadersOnly").items();
    if bubbles.is_empty() && !headers.is_empty() {
        let prefix = format!("bubbleId:{id}:");
        let query = "SELECT key, CAST(value AS TEXT) AS value FROM cursorDiskKV WHERE key >= ?1 AND key < ?2";
        let mut by_id: HashMap<String, String> = HashMap::new();
        for found in database.all(Query::new(query).bind(prefix.clone()).bind(format!("bubbleId:{id};")))? {
            let Ok(found) = Node::parse(&found.json) else { continue };
            let key = found
                .get("key")
                .str()
                .and_then(|key| key.strip_prefix(&prefix))
                .unwrap_or_default()
                .to_owned();
            if found.get("value").is_object() {
                by_id.insert(key, found.get("value").raw().to_owned());
            }
        }
        bubbles.extend(headers.iter().filter_map(|header| by_id.remove(&header.get("bubbleId").id()?)));
    }
    Ok(format!("{{\"composer\":{},\"bubbles\":[{}]}}", composer.raw(), bubbles.join(",")))
}

/// Reads `{composer, bubbles: [...]}`: a composer and its bubbles in order.
pub(crate) fn conversation(record: &Node<'_>, notes: &mut Notes) -> Conversation {
    let composer = record.get("composer");
    let mut conversation =
        Conversation::new(Provider::CURSOR, composer.get("composerId").id().unwrap_or_default());
    conversation.title = composer.first(&["name", "title"]).text();
    conversation.created_at = composer.get("createdAt").time();
    conversation.updated_at = composer.get("lastUpdatedAt").time();
    conversation.model = composer.get("modelConfig").get("modelName").text();
    let messages = record.get("bubbles").items().iter().map(|bubble| message(bubble, notes));
    // Bubbles that only carry the state of the editor say nothing.
    let messages =
        messages.filter(|message| !message.blocks.is_empty() || !message.attachments.is_empty()).collect();
    conversation.messages = draft::linear(messages);
    conversation.raw_json = record.raw().to_owned();
    draft::fill_times(&mut conversation);
    conversation
}

fn message(bubble: &Node<'_>, notes: &mut Notes) -> Message {
    let role = match bubble.get("type").int() {
        Some(1) => Role::User,
        Some(2) => Role::Assistant,
        _ => match bubble.first(&["type", "role"]).str() {
            Some(name) => draft::role(name, notes),
            None => {
                notes.notice("a bubble has no type; taken as the model's");
                Role::Assistant
            }
        },
    };
    let mut message = Message::new(role, Vec::new());
    message.external_id = bubble.get("bubbleId").id();
    message.created_at =
        bubble.get("createdAt").time().or_else(|| bubble.get("timingInfo").get("clientStartTime").time());
    message.model =
        bubble.get("modelInfo").get("modelName").text().or_else(|| bubble.get("modelType").text());
    message.tokens = bubble.get("tokenCount").get("outputTokens").int().filter(|count| *count > 0);
    let thought = bubble.get("thinking").first(&["text"]).str().or_else(|| bubble.get("thinking").str());
    content::add_text(&mut message, BlockKind::Thinking, thought.unwrap_or_default());
    let text = bubble.first(&["text", "rawText"]);
    content::add_text(&mut message, BlockKind::Text, text.str().unwrap_or_default());
    let tool = bubble.get("toolFormerData");
    if let Some(name) = tool.get("name").text() {
        let arguments = content::shown_or_empty(tool.first(&["rawArgs", "params"]));
        content::add_call(&mut message, tool.get("toolCallId").id(), &name, &arguments);
        let result = content::shown_or_empty(tool.get("result"));
        content::add_labelled(&mut message, BlockKind::ToolResult, &result, Some(&name));
    }
    for code in bubble.get("codeBlocks").items() {
        let text = code.first(&["content", "code"]).str().unwrap_or_default();
        if !message.content().contains(text) {
            content::add_labelled(
                &mut message,
                BlockKind::Code,
                text,
                code.first(&["languageId", "language"]).str(),
            );
        }
    }
    for file in bubble.get("context").get("fileSelections").items() {
        let uri = file.get("uri");
        let name = uri.first(&["fsPath", "path"]).text();
        message.attachments.push(Attachment { name, ..Default::default() });
    }
    message
}
