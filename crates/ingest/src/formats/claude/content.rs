use athenaeum_core::{Attachment, Block, BlockKind, Timestamp, ToolCall};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Body, ChatMessage, ContentBlock, File};
use crate::{
    context::Context,
    lenient::{Object, Text},
};

/// What the web application writes into `text` for a block that cannot be shown as text.
const PLACEHOLDER: &str = "This block is not supported on your current device yet.";

/// What a message holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) blocks: Vec<Block>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) author: Option<String>,
    pub(super) written: Option<Timestamp>,
}

/// Reads the content of the message at `index`; takes it out of `source`.
pub(super) fn body(
    context: &mut Context<'_>,
    source: &mut ChatMessage<'_>,
    index: usize,
    raw: &mut Raw<'_>,
) -> Content {
    let mut content = Content::default();
    let mut body = std::mem::take(&mut source.content);
    if let Body::Wrapped(wrapped) = body {
        content.author = wrapped.author_name.filled();
        content.written = wrapped.timestamp.0;
        body = wrapped.content;
    }
    match body {
        Body::Text(text) if !text.is_empty() => content.blocks.push(Block::text(text)),
        Body::Blocks(blocks) => {
            for (place, block) in blocks.into_iter().enumerate() {
                match block.0 {
                    Some(block) => read_block(context, block, (index, place), raw, &mut content),
                    None => context.notice("a block that is no object was left out"),
                }
            }
        }
        _ => {}
    }
    let text = std::mem::take(&mut source.text);
    if let Some(text) = text.filled().filter(|text| says_more(text, &content.blocks)) {
        content.blocks.push(Block::text(text));
    }
    files(context, source, &mut content);
    content
}

fn read_block(
    context: &mut Context<'_>,
    block: ContentBlock<'_>,
    place: (usize, usize),
    raw: &mut Raw<'_>,
    content: &mut Content,
) {
    match block.kind.as_str() {
        "text" | "" => content.blocks.extend(block.text.filled().map(Block::text)),
        "thinking" => content.blocks.extend(thinking(block)),
        "tool_use" | "server_tool_use" | "mcp_tool_use" => tool_use(block, content),
        "tool_result" | "mcp_tool_result" | "web_search_tool_result" => {
            tool_result(context, block, place, raw, content);
        }
        "voice_note" => {
            let title = block.title.filled_ref().unwrap_or_default().to_owned();
            let text = block.text.filled().or_else(|| block.transcript.filled());
            content.blocks.extend(text.map(|text| Block::new(BlockKind::Transcript, text).labelled(title)));
        }
        "image" | "document" | "file" if block.file_uuid.filled_ref().is_some() => {
            content.attachments.push(attachment(&block));
        }
        kind => {
            let shown: String = kind.chars().take(60).collect();
            context
                .notice(format!("a block of the unknown type '{}' was kept as it is", shown.escape_debug()));
            let text = raw.block(place).unwrap_or_default();
            content.blocks.push(Block::new(BlockKind::Unknown, text).labelled(kind));
        }
    }
}

fn thinking(block: ContentBlock<'_>) -> Option<Block> {
    let summaries = block.summaries.0.into_iter().filter_map(|summary| summary.0?.summary.filled());
    let summaries: Vec<String> = summaries.collect();
    match block.thinking.filled().or_else(|| block.text.filled()) {
        Some(text) => {
            let label = summaries.into_iter().next_back().unwrap_or_default();
            Some(Block::new(BlockKind::Thinking, text).labelled(label))
        }
        None => (!summaries.is_empty()).then(|| Block::new(BlockKind::Thinking, summaries.join("\n\n"))),
    }
}

/// A call is kept as a call, and shown as its arguments or as the document that it writes.
fn tool_use(block: ContentBlock<'_>, content: &mut Content) {
    let name = block.name.filled_ref().unwrap_or("tool").to_owned();
    let arguments = block.input.map(RawValue::get).unwrap_or_default().to_owned();
    match artifact(&name, &arguments) {
        Some(canvas) => content.blocks.push(canvas),
        None => content.blocks.push(Block::new(BlockKind::ToolUse, arguments.clone()).labelled(name.clone())),
    }
    content.tool_calls.push(ToolCall { id: block.id.filled(), name, arguments });
}

fn artifact(tool: &str, arguments: &str) -> Option<Block> {
    #[derive(Deserialize)]
    struct Input<'a> {
        #[serde(borrow, default)]
        title: Text<'a>,
        #[serde(borrow, default)]
        id: Text<'a>,
        #[serde(borrow, default)]
        content: Text<'a>,
        #[serde(borrow, default)]
        new_str: Text<'a>,
    }

    if !tool.contains("artifact") {
        return None;
    }
    let input: Input<'_> = serde_json::from_str(arguments).ok()?;
    let label = input.title.filled_ref().or(input.id.filled_ref()).unwrap_or_default().to_owned();
    let text = input.content.filled().or_else(|| input.new_str.filled())?;
    Some(Block::new(BlockKind::Canvas, text).labelled(label))
}

fn tool_result(
    context: &mut Context<'_>,
    block: ContentBlock<'_>,
    place: (usize, usize),
    raw: &mut Raw<'_>,
    content: &mut Content,
) {
    let name = block.name.filled_ref().unwrap_or_default().to_owned();
    let result = |text: String| Block::new(BlockKind::ToolResult, text).labelled(name.clone());
    let before = content.blocks.len() + content.attachments.len();
    match block.content {
        Body::Text(text) => content.blocks.push(result(text.into_owned())),
        Body::Blocks(items) => {
            let mut odd = false;
            for item in items {
                odd |= !result_item(item, &result, content);
            }
            if odd {
                context.notice("a tool's result has a part that is not text; it was kept as it is");
                content.blocks.extend(raw.block(place).map(|text| result(text.to_owned())));
            }
        }
        Body::Wrapped(_) => content.blocks.extend(raw.block(place).map(|text| result(text.to_owned()))),
        Body::None => {}
    }
    if content.blocks.len() + content.attachments.len() == before {
        content.blocks.extend(block.text.filled().or_else(|| block.message.filled()).map(result));
    }
    if block.is_error.0 && content.blocks.len() + content.attachments.len() == before {
        content.blocks.extend(raw.block(place).map(|text| result(text.to_owned())));
    }
}

/// Reads one part of a result; `false` where it is of an unknown kind and has no text.
fn result_item(
    item: Object<ContentBlock<'_>>,
    result: &impl Fn(String) -> Block,
    content: &mut Content,
) -> bool {
    let Some(item) = item.0 else { return true };
    if item.file_uuid.filled_ref().is_some() {
        content.attachments.push(attachment(&item));
        return true;
    }
    let source = item.title.filled_ref().or(item.url.filled_ref()).map(str::to_owned);
    match (item.text.filled(), source) {
        (Some(text), Some(source)) => {
            content.blocks.push(Block::new(BlockKind::Quote, text).labelled(source));
        }
        (Some(text), None) => content.blocks.push(result(text)),
        (None, Some(source)) => content.blocks.push(Block::new(BlockKind::Quote, source)),
        (None, None) => return item.kind.as_str() == "text",
    }
    true
}

fn attachment(block: &ContentBlock<'_>) -> Attachment {
    Attachment {
        name: block.file_name.filled_ref().or(block.name.filled_ref()).map(str::to_owned),
        id: block.file_uuid.filled_ref().map(str::to_owned),
        ..Attachment::default()
    }
}

fn files(context: &Context<'_>, source: &mut ChatMessage<'_>, content: &mut Content) {
    for file in std::mem::take(&mut source.attachments).0.into_iter().filter_map(|file| file.0) {
        let (attachment, text) = file_attachment(context, file);
        let label = attachment.name.clone().unwrap_or_default();
        content.blocks.extend(text.map(|text| Block::new(BlockKind::Attachment, text).labelled(label)));
        content.attachments.push(attachment);
    }
    let files = [std::mem::take(&mut source.files), std::mem::take(&mut source.files_v2)];
    for file in files.into_iter().flat_map(|files| files.0).filter_map(|file| file.0) {
        let (attachment, _) = file_attachment(context, file);
        let known = |known: &Attachment| match (&known.id, &attachment.id) {
            (Some(known), Some(new)) => known == new,
            _ => known.id == attachment.id && known.name == attachment.name && attachment.name.is_some(),
        };
        if !content.attachments.iter().any(known) {
            content.attachments.push(attachment);
        }
    }
}

fn file_attachment(context: &Context<'_>, file: File<'_>) -> (Attachment, Option<String>) {
    let id = file.file_uuid.filled().or_else(|| file.id.filled());
    let name = file.file_name.filled();
    let path = id
        .as_deref()
        .and_then(|id| context.assets.path(id))
        .or_else(|| context.assets.path(name.as_deref()?));
    let attachment = Attachment {
        path: path.map(str::to_owned),
        name,
        id,
        media_type: file.file_type.filled(),
        size: file.file_size.0.and_then(|size| u64::try_from(size).ok()),
    };
    (attachment, file.extracted_content.filled())
}

/// Tells whether the flattened text holds anything beside the blocks' texts and placeholders.
fn says_more(text: &str, blocks: &[Block]) -> bool {
    if let [block] = blocks
        && block.text == text
    {
        return false;
    }
    let mut rest = text.replace(PLACEHOLDER, "");
    let mut texts: Vec<&str> =
        blocks.iter().map(|block| block.text.trim()).filter(|text| !text.is_empty()).collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    for text in texts {
        rest = rest.replacen(text, "", 1);
    }
    rest.chars().any(|c| !c.is_whitespace() && c != '`')
}

/// The JSON of blocks, looked up only when one is not understood.
pub(super) struct Raw<'a> {
    text: &'a str,
    blocks: Option<Vec<Vec<&'a str>>>,
}

impl<'a> Raw<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, blocks: None }
    }

    /// The JSON of a block of a message.
    fn block(&mut self, (message, block): (usize, usize)) -> Option<&'a str> {
        let blocks = self.blocks.get_or_insert_with(|| find_blocks(self.text).unwrap_or_default());
        blocks.get(message)?.get(block).copied()
    }
}

fn find_blocks(text: &str) -> Option<Vec<Vec<&str>>> {
    #[derive(Deserialize)]
    struct Chat<'a> {
        #[serde(borrow, default)]
        chat_messages: Option<Vec<&'a RawValue>>,
        #[serde(borrow, default)]
        messages: Option<Vec<&'a RawValue>>,
    }
    let chat: Chat<'_> = serde_json::from_str(text).ok()?;
    let messages = chat.chat_messages.or(chat.messages)?;
    Some(messages.into_iter().map(|message| contents(message).unwrap_or_default()).collect())
}

fn contents(message: &RawValue) -> Option<Vec<&str>> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        content: Vec<&'a RawValue>,
    }

    let message: Message<'_> = serde_json::from_str(message.get()).ok()?;
    Some(message.content.into_iter().map(RawValue::get).collect())
}
