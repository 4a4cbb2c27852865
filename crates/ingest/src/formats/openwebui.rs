//! Open WebUI: `chat.history.messages` is a tree keyed by id, `currentId` the end of the current branch.
//!
//! Exports are an array of rows of its `chat` table, one row, or the inner chat object alone; its database keeps
//! the inner object as a JSON column. Older chats have only the list `messages`.

use std::path::Path;

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape},
    node::Node,
    sample::Sample,
    sqlite::{Database, Query},
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::OPENWEBUI),
    name: "Open WebUI export",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| {
        let chat = record.get("chat").filter(|chat| chat.is_object()).unwrap_or(record);
        let tree = chat.get("history").and_then(|history| history.get("messages"));
        tree.is_some_and(serde_json::Value::is_object)
            || (record.get("chat").is_some() && chat.get("messages").is_some())
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// The program's own database.
pub(crate) const DATABASE: Format = Format {
    provider: Some(Provider::OPENWEBUI),
    name: "Open WebUI database",
    shape: Shape::Sqlite { recognise: recognise_database, parse: parse_database },
};

fn recognise_database(tables: &[String]) -> Fit {
    let has = |name: &str| tables.iter().any(|table| table == name);
    Fit::strong(has("chat") && (has("user") || has("auth") || has("config") || has("chatidtag")))
        .max(Fit::weak(has("chat")))
}

fn parse_database(context: &mut Context<'_>, path: &Path) -> Result<(), Reject> {
    let database = Database::open(path, context.options.record_bytes_max)?;
    let columns = database.columns("chat")?;
    if !["id", "chat"].iter().all(|wanted| columns.iter().any(|column| column == wanted)) {
        return Err(Reject::new("its table 'chat' has no columns 'id' and 'chat'"));
    }
    database.each(Query::new("SELECT * FROM chat ORDER BY rowid"), &mut |row| {
        context.begin_record("");
        if let Err(Reject(reason)) = draft::emit_record(context, &row.json, conversation) {
            context.skipped(reason);
        }
        !context.cancelled()
    })
}

/// Reads one row of an export, or the chat object alone.
pub(crate) fn conversation(row: &Node<'_>, notes: &mut Notes) -> Conversation {
    let chat = if row.get("chat").is_object() { row.get("chat") } else { row };
    if row.has("chat") && !row.get("chat").is_object() {
        let title = draft::clip(row.get("title").str().unwrap_or_default());
        notes.skipped(format!("the messages of '{title}' are not JSON; the conversation was left out"));
    }
    let id = row.get("id").id().or_else(|| chat.get("id").id());
    let mut conversation = Conversation::new(Provider::OPENWEBUI, id.unwrap_or_default());
    conversation.title = row.get("title").text().or_else(|| chat.get("title").text());
    conversation.user_id = row.get("user_id").id().or_else(|| chat.get("userId").id());
    conversation.created_at = row.get("created_at").time().or_else(|| chat.get("timestamp").time());
    conversation.updated_at = row.get("updated_at").time();
    fill_from_chat(&mut conversation, chat, notes);
    conversation.raw_json = row.raw().to_owned();
    if conversation.external_id.is_empty() {
        let (title, messages) = (conversation.title.as_deref(), &conversation.messages);
        conversation.external_id = draft::id_from_beginning(title, messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

/// Fills in what the inner chat object holds: models, settings and messages.
pub(crate) fn fill_from_chat(conversation: &mut Conversation, chat: &Node<'_>, notes: &mut Notes) {
    conversation.model = chat.get("models").at(0).text();
    let params = chat.get("params");
    conversation.system_prompt = params.get("system").text().or_else(|| chat.get("system").text());
    conversation.temperature = params.get("temperature").float();
    conversation.max_tokens = params.get("max_tokens").int();
    let history = chat.get("history");
    let tree = history.get("messages");
    let mut turns: Vec<Turn> = Vec::new();
    for (key, node) in tree.fields() {
        if !node.is_object() {
            notes.notice("a message is not an object; it is only in the raw JSON");
            continue;
        }
        let message = message(node, notes);
        turns.push(Turn::new(Some(key.to_string()), node.get("parentId").id(), message));
    }
    conversation.messages = match turns.is_empty() {
        false => draft::tree(turns, history.get("currentId").str(), notes),
        true => list(chat.get("messages"), notes),
    };
}

fn list(messages: &Node<'_>, notes: &mut Notes) -> Vec<Message> {
    let mut turns = Vec::new();
    for node in messages.items().iter().filter(|node| node.is_object()) {
        turns.push(Turn::new(node.get("id").id(), node.get("parentId").id(), message(node, notes)));
    }
    let branching = turns.iter().any(|turn| turn.parent.is_some());
    match branching {
        true => {
            let last = turns.last().and_then(|turn| turn.key.clone());
            draft::tree(turns, last.as_deref(), notes)
        }
        false => draft::linear(turns.into_iter().map(|turn| turn.message).collect()),
    }
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let role = draft::role(node.get("role").str().unwrap_or("assistant"), notes);
    let mut message = Message::new(role, Vec::new());
    message.external_id = node.get("id").id();
    message.model = node.get("model").text();
    message.created_at = node.get("timestamp").time();
    message.tokens = node.get("usage").first(&["completion_tokens", "eval_count", "output_tokens"]).int();
    message.finish_reason = node.get("stopReason").text();
    if let Some(thought) = node.get("reasoning_content").str() {
        content::add_text(&mut message, BlockKind::Thinking, thought);
    }
    match node.get("content").str() {
        Some(text) => add_text(&mut message, text),
        None => content::add(&mut message, node.get("content"), notes),
    }
    if message.blocks.is_empty() && node.get("error").is_object() {
        content::add_text(
            &mut message,
            BlockKind::Text,
            &content::shown_or_empty(node.get("error").get("content")),
        );
    }
    content::add_openai_calls(&mut message, node);
    for file in node.get("files").items() {
        add_file(&mut message, file);
    }
    for source in node.first(&["sources", "citations"]).items() {
        add_source(&mut message, source);
    }
    message
}

/// Splits the folded reasoning and tool calls, which Open WebUI keeps as `<details>` inside the text, from what
/// was said.
fn add_text(message: &mut Message, text: &str) {
    let mut rest = text;
    while let Some(start) = rest.find("<details type=\"") {
        let Some(length) = rest[start..].find("</details>") else { break };
        let element = &rest[start..start + length];
        let kind = element["<details type=\"".len()..].split('"').next().unwrap_or_default();
        let Some((open, inner)) =
            element.split_once('>').filter(|_| matches!(kind, "reasoning" | "tool_calls"))
        else {
            break;
        };
        content::add_text(message, BlockKind::Text, rest[..start].trim());
        if kind == "reasoning" {
            let inner = inner.split_once("</summary>").map_or(inner, |(_, thought)| thought);
            content::add_text(message, BlockKind::Thinking, unquote(unescape(inner).trim()).trim());
        } else {
            let name = attribute(open, "name").unwrap_or_default();
            content::add_call(
                message,
                attribute(open, "id"),
                &name,
                &attribute(open, "arguments").unwrap_or_default(),
            );
            let result = attribute(open, "result").unwrap_or_default();
            content::add_labelled(message, BlockKind::ToolResult, &result, Some(&name));
        }
        rest = &rest[start + length + "</details>".len()..];
    }
    let rest = if rest.len() == text.len() { rest } else { rest.trim() };
    content::add_text(message, BlockKind::Text, rest);
}

/// Reasoning is stored as a Markdown quotation.
fn unquote(text: &str) -> String {
    let line = |line| str::strip_prefix(line, "> ").or_else(|| str::strip_prefix(line, ">")).unwrap_or(line);
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn attribute(open: &str, name: &str) -> Option<String> {
    let start = open.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = open[start..].split('"').next()?;
    Some(unescape(value)).filter(|value| !value.is_empty())
}

fn unescape(text: &str) -> String {
    crate::html::decode(text).into_owned()
}

fn add_file(message: &mut Message, file: &Node<'_>) {
    let inner = file.get("file");
    let meta = inner.get("meta");
    let url = file.get("url").str().unwrap_or_default();
    let name =
        file.get("name").text().or_else(|| inner.get("filename").text()).or_else(|| meta.get("name").text());
    let id = file.get("id").id().or_else(|| inner.get("id").id());
    let media_type = meta.get("content_type").text().or_else(|| content::data_media_type(url));
    let size =
        file.get("size").int().or_else(|| meta.get("size").int()).and_then(|size| u64::try_from(size).ok());
    if let Some(text) = inner.get("data").get("content").str() {
        content::add_labelled(message, BlockKind::Attachment, text, name.as_deref());
    }
    let id = id.or_else(|| (!url.is_empty() && !url.starts_with("data:")).then(|| url.to_owned()));
    message.attachments.push(Attachment { name, id, media_type, size, path: None });
}

fn add_source(message: &mut Message, source: &Node<'_>) {
    let name = source.get("source").get("name").text().unwrap_or_default();
    for document in source.get("document").items() {
        content::add_labelled(message, BlockKind::Quote, document.str().unwrap_or_default(), Some(&name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_reasoning_and_tools_are_unfolded() {
        let mut message = Message::new(athenaeum_core::Role::Assistant, Vec::new());
        add_text(
            &mut message,
            "<details type=\"reasoning\" done=\"true\" duration=\"3\">\n<summary>Thought for 3 seconds</summary>\n&gt; so\n&gt; so\n</details>\nFine.\n<details type=\"tool_calls\" done=\"true\" id=\"c1\" name=\"clock\" arguments=\"{&quot;z&quot;:1}\" result=\"&quot;noon&quot;\">\n<summary>x</summary>\n</details>",
        );
        let kinds: Vec<_> =
            message.blocks.iter().map(|block| (block.kind.as_str(), block.text.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("thinking", "so\nso"),
                ("text", "Fine."),
                ("tool_use", "{\"z\":1}"),
                ("tool_result", "\"noon\"")
            ]
        );
        assert_eq!(message.tool_calls[0].id.as_deref(), Some("c1"));
    }

    #[test]
    fn a_text_without_folds_stays_to_the_letter() {
        let mut message = Message::new(athenaeum_core::Role::Assistant, Vec::new());
        add_text(&mut message, " a <details> b\n");
        assert_eq!(message.content(), " a <details> b\n");
    }
}
