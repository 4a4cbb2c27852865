//! Le Chat: one file a chat (`chat-<id>.json`), an array of its messages in no certain order.
//!
//! `content` is the text; `contentChunks`, where there are any, hold it again between tool calls and references.
//! Titles are not exported. Files lie beside it in `chat-<id>-files/`.

use athenaeum_core::{Attachment, Block, BlockKind, Conversation, Message, Provider};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Shape, has_keys},
    node::Node,
    records::Records,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::LECHAT),
    name: "Le Chat export",
    shape: Shape::Log { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| {
        has_keys(record, &["chatId", "role"])
            && ["contentChunks", "content"].into_iter().any(|key| record.get(key).is_some())
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut texts = Vec::new();
    while let Some(record) = records.next(context) {
        texts.push(record.text.to_owned());
    }
    let mut notes = Notes::default();
    let nodes = draft::parse_all(&texts, &mut notes);
    let raw = format!("[{}]", texts.join(",\n"));
    let conversation = conversation(&nodes, context.file_stem(), raw, &mut notes);
    draft::emit_all(context, vec![conversation], notes);
}

/// Reads the messages of one chat.
pub(crate) fn conversation(
    messages: &[Node<'_>],
    stem: &str,
    raw: String,
    notes: &mut Notes,
) -> Conversation {
    let id = messages.iter().find_map(|node| node.get("chatId").id());
    let id = id.or_else(|| stem.strip_prefix("chat-").map(str::to_owned)).unwrap_or_default();
    let mut turns: Vec<Turn> = Vec::new();
    for node in messages {
        if !node.is_object() {
            notes.notice("a message is not an object; it is only in the raw JSON");
            continue;
        }
        let parent = node.first(&["parentId", "parentMessageId"]).id();
        turns.push(Turn::new(node.get("id").id(), parent, message(node, &id, notes)));
    }
    // Stable: messages without a time stay beside their neighbours' order in the file.
    turns.sort_by_key(|turn| turn.message.created_at);
    let mut conversation = Conversation::new(Provider::LECHAT, id);
    conversation.messages = match turns.iter().any(|turn| turn.parent.is_some()) {
        true => draft::tree(turns, None, notes),
        false => draft::linear(turns.into_iter().map(|turn| turn.message).collect()),
    };
    conversation.raw_json = raw;
    draft::fill_times(&mut conversation);
    conversation
}

fn message(node: &Node<'_>, chat: &str, notes: &mut Notes) -> Message {
    let role = draft::role(node.get("role").str().unwrap_or("assistant"), notes);
    let mut message = Message::new(role, Vec::new());
    message.external_id = node.get("id").id();
    message.created_at = node.get("createdAt").time();
    message.model = node.first(&["model", "modelName"]).text();
    add_chunks(&mut message, node.get("contentChunks"), notes);
    let text = node.get("content");
    if !message.has(BlockKind::Text) {
        content::add(&mut message, text, notes);
    }
    for canvas in node.get("canvas").items() {
        let text = canvas.first(&["content", "text"]).shown();
        content::add_labelled(&mut message, BlockKind::Canvas, &text, canvas.get("title").str());
    }
    for quote in node.get("quotes").items() {
        let text = quote.str().map_or_else(|| quote.first(&["text", "content"]).shown(), str::to_owned);
        content::add_text(&mut message, BlockKind::Quote, &text);
    }
    for file in node.get("files").items() {
        let name = file.first(&["name", "fileName"]).text();
        let safe = name.as_deref().filter(|name| {
            !name.contains(['/', '\\']) && !name.starts_with("..") && !chat.contains(['/', '\\', '.'])
        });
        let path = safe.map(|name| format!("chat-{chat}-files/{name}"));
        let media_type = file
            .get("mimeType")
            .text()
            .or_else(|| (file.get("type").str() == Some("image")).then(|| "image/*".to_owned()));
        message.attachments.push(Attachment { name, id: file.get("id").id(), media_type, size: None, path });
    }
    message
}

/// Text is cut at every reference; what belongs together is put together again.
fn add_chunks(message: &mut Message, chunks: &Node<'_>, notes: &mut Notes) {
    let mut joins = false;
    for chunk in chunks.items() {
        let kind = chunk.get("type").str().unwrap_or_default();
        match kind {
            "text" => {
                let text = chunk.get("text").str().unwrap_or_default();
                match message.blocks.last_mut() {
                    Some(last) if joins && last.kind == BlockKind::Text => last.text.push_str(text),
                    _ => content::add_text(message, BlockKind::Text, text),
                }
                joins = true;
            }
            // Numbers that point into the results of a search.
            "reference" => {}
            "tool_call" => {
                joins = false;
                let name = chunk.first(&["name", "toolType"]).text().unwrap_or_default();
                let arguments = content::shown_or_empty(chunk.first(&["publicArguments", "arguments"]));
                content::add_call(message, chunk.get("id").id(), &name, &arguments);
                let result = content::result_text(chunk.first(&["publicResult", "result"]));
                if !result.is_empty() {
                    message.blocks.push(Block::new(BlockKind::ToolResult, result).labelled(name));
                }
            }
            _ => {
                joins = false;
                content::add(message, chunk, notes);
            }
        }
    }
}
