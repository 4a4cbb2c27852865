use std::collections::HashMap;

use athenaeum_core::{Attachment, Block, BlockKind};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    assets, attach, joined,
    wire::{Content, Metadata, Part, Pointer},
};
use crate::{context::Context, lenient::Text};

/// Turns the content of a node's message into blocks; files that it points to become attachments.
pub(super) fn blocks(
    context: &mut Context<'_>,
    content: Content<'_>,
    node: &str,
    author: Option<&str>,
    raw: &mut Raw<'_>,
    attachments: &mut Vec<Attachment>,
) -> Vec<Block> {
    let kind = content.content_type.as_str().to_owned();
    let blocks = match kind.as_str() {
        "text" | "" => parts(context, content, node, raw, attachments),
        "multimodal_text" => parts(context, content, node, raw, attachments),
        "code" | "tether_browsing_code" => code(content),
        "execution_output" => one(BlockKind::ToolResult, content.text.filled(), author),
        "citable_code_output" => one(BlockKind::ToolResult, content.output_str.filled(), author),
        "system_error" => {
            let name = content.name.filled();
            one(BlockKind::ToolResult, content.text.filled(), name.as_deref())
        }
        "tether_browsing_display" => {
            let text = joined(&[&content.result, &content.summary]);
            one(BlockKind::ToolResult, text, author)
        }
        "tether_quote" | "sonic_webpage" => {
            let label = content.title.filled_ref().or(content.url.filled_ref()).map(str::to_owned);
            let text = content.text.filled().or_else(|| content.snippet.filled());
            one(BlockKind::Quote, text, label.as_deref())
        }
        "thoughts" => thoughts(content),
        "reasoning_recap" => one(BlockKind::Thinking, joined_or_parts(content), None),
        "user_editable_context" => {
            let texts = [content.user_profile, content.user_instructions];
            texts.into_iter().filter_map(Text::filled).map(Block::text).collect()
        }
        "model_editable_context" => one(BlockKind::Text, content.model_set_context.filled(), None),
        "computer_output" => {
            if let Some(screenshot) = content.screenshot.0 {
                point(context, &screenshot, attachments);
            }
            one(BlockKind::ToolResult, raw.content(node).map(str::to_owned), author)
        }
        "super_widget" | "app_pairing_content" => {
            one(BlockKind::ToolResult, raw.content(node).map(str::to_owned), Some(&kind))
        }
        _ => {
            let shown: String = kind.chars().take(60).collect();
            context
                .notice(format!("content of the unknown type '{}' was kept as it is", shown.escape_debug()));
            let text = raw.content(node).unwrap_or_default();
            return vec![Block::new(BlockKind::Unknown, text).labelled(kind)];
        }
    };
    // A known type whose text is not where it belongs: kept whole rather than lost.
    if blocks.is_empty()
        && attachments.is_empty()
        && !matches!(kind.as_str(), "text" | "multimodal_text" | "")
    {
        return leftover(raw, node, &kind);
    }
    blocks
}

/// The custom instructions that a conversation was held under.
pub(super) fn instructions(content: &Content<'_>, metadata: &Metadata<'_>) -> Option<String> {
    let data = metadata.user_context_message_data.0.as_ref();
    let told = data.and_then(|data| joined(&[&data.about_user_message, &data.about_model_message]));
    told.or_else(|| joined(&[&content.user_profile, &content.user_instructions]))
}

/// The JSON of contents, looked up only when something in them is not understood.
pub(super) struct Raw<'a> {
    text: &'a str,
    contents: Option<HashMap<String, &'a str>>,
}

impl<'a> Raw<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, contents: None }
    }

    /// The JSON of the content of a node's message.
    fn content(&mut self, node: &str) -> Option<&'a str> {
        self.contents.get_or_insert_with(|| find_contents(self.text).unwrap_or_default()).get(node).copied()
    }

    /// The JSON of one part of it.
    fn part(&mut self, node: &str, index: usize) -> Option<&'a str> {
        #[derive(Deserialize)]
        struct Parts<'a> {
            #[serde(borrow)]
            parts: Vec<&'a RawValue>,
        }

        let parts: Parts<'a> = serde_json::from_str(self.content(node)?).ok()?;
        parts.parts.get(index).map(|part| part.get())
    }
}

fn find_contents(text: &str) -> Option<HashMap<String, &str>> {
    #[derive(Deserialize)]
    struct Chat<'a> {
        #[serde(borrow)]
        mapping: HashMap<String, Option<Node<'a>>>,
    }
    #[derive(Deserialize)]
    struct Node<'a> {
        #[serde(borrow, default)]
        message: Option<Message<'a>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
    }

    let chat: Chat<'_> = serde_json::from_str(text).ok()?;
    Some(
        chat.mapping.into_iter().filter_map(|(id, node)| Some((id, node?.message?.content?.get()))).collect(),
    )
}

fn parts(
    context: &mut Context<'_>,
    content: Content<'_>,
    node: &str,
    raw: &mut Raw<'_>,
    attachments: &mut Vec<Attachment>,
) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(content.parts.0.len());
    for (index, part) in content.parts.0.into_iter().enumerate() {
        match part {
            Part::Text(text) => blocks.push(Block::text(text)),
            Part::Object(pointer) => {
                blocks.extend(object(context, *pointer, raw, (node, index), attachments));
            }
            Part::Odd => {}
        }
    }
    if blocks.is_empty() {
        blocks.extend(content.text.filled().map(Block::text));
    }
    blocks
}

/// Reads a part that is an object: a transcript, or a pointer to a file.
fn object(
    context: &mut Context<'_>,
    part: Pointer<'_>,
    raw: &mut Raw<'_>,
    (node, index): (&str, usize),
    attachments: &mut Vec<Attachment>,
) -> Option<Block> {
    match part.content_type.as_str() {
        "audio_transcription" => part.text.filled().map(|text| Block::new(BlockKind::Transcript, text)),
        "text" => part.text.filled().map(Block::text),
        "image_asset_pointer"
        | "audio_asset_pointer"
        | "video_asset_pointer"
        | "video_container_asset_pointer"
        | "file_asset_pointer" => {
            point(context, &part, attachments);
            None
        }
        "real_time_user_audio_video_asset_pointer" => {
            let nested = [part.audio_asset_pointer.0, part.video_container_asset_pointer.0];
            for pointer in nested.iter().flatten() {
                point(context, pointer, attachments);
            }
            for frame in &part.frames_asset_pointers.0 {
                match frame {
                    Part::Text(id) => attach(attachments, assets::attachment(context, id)),
                    Part::Object(pointer) => point(context, pointer, attachments),
                    Part::Odd => {}
                }
            }
            None
        }
        kind => {
            let shown: String = kind.chars().take(60).collect();
            context
                .notice(format!("a part of the unknown type '{}' was kept as it is", shown.escape_debug()));
            if part.asset_pointer.filled_ref().is_some() {
                point(context, &part, attachments);
            }
            let text = raw.part(node, index).unwrap_or_default();
            Some(Block::new(BlockKind::Unknown, text).labelled(kind))
        }
    }
}

fn point(context: &mut Context<'_>, pointer: &Pointer<'_>, attachments: &mut Vec<Attachment>) {
    let Some(id) = pointer.asset_pointer.filled_ref() else { return };
    let mut attachment = assets::attachment(context, id);
    attachment.size = pointer.size_bytes.0.and_then(|size| u64::try_from(size).ok());
    attachment.media_type = pointer.mime_type.filled_ref().map(str::to_owned).or(attachment.media_type);
    if attachment.media_type.is_none() && pointer.content_type.as_str() == "audio_asset_pointer" {
        attachment.media_type = pointer.format.filled_ref().map(|format| format!("audio/{format}"));
    }
    attach(attachments, attachment);
}

fn code(content: Content<'_>) -> Vec<Block> {
    let language = content.language.filled_ref().filter(|language| *language != "unknown").map(str::to_owned);
    one(BlockKind::Code, joined_or_parts(content), language.as_deref())
}

fn thoughts(content: Content<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for thought in content.thoughts.0.into_iter().filter_map(|thought| thought.0) {
        let chunks: Vec<&str> = thought.chunks.0.iter().filter_map(|chunk| chunk.filled_ref()).collect();
        let chunks = (!chunks.is_empty()).then(|| chunks.join("\n\n"));
        let summary = thought.summary.filled();
        match (thought.content.filled().or(chunks), summary) {
            (Some(text), summary) => {
                blocks.push(Block::new(BlockKind::Thinking, text).labelled(summary.unwrap_or_default()));
            }
            (None, Some(summary)) => blocks.push(Block::new(BlockKind::Thinking, summary)),
            (None, None) => {}
        }
    }
    if blocks.is_empty() {
        let texts = content.parts.0.into_iter().filter_map(|part| match part {
            Part::Text(text) if !text.is_empty() => Some(Block::new(BlockKind::Thinking, text)),
            _ => None,
        });
        blocks.extend(texts);
    }
    blocks
}

/// The text of content that has it under `text`, under `content`, or as parts.
fn joined_or_parts(content: Content<'_>) -> Option<String> {
    let parts = content.parts.0.into_iter().filter_map(|part| match part {
        Part::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    });
    let parts: Vec<_> = parts.collect();
    let parts = (!parts.is_empty()).then(|| parts.join("\n\n"));
    content.text.filled().or_else(|| content.content.filled()).or(parts)
}

fn one(kind: BlockKind, text: Option<String>, label: Option<&str>) -> Vec<Block> {
    let block = |text| Block::new(kind, text).labelled(label.unwrap_or_default());
    text.map(block).into_iter().collect()
}

/// The JSON of content without any text of its own, unless it is empty throughout.
fn leftover(raw: &mut Raw<'_>, node: &str, kind: &str) -> Vec<Block> {
    let Some(text) = raw.content(node) else { return Vec::new() };
    let says_something = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => !text.is_empty(),
        serde_json::Value::Array(items) => !items.is_empty(),
        serde_json::Value::Object(members) => !members.is_empty(),
        _ => false,
    };
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(text) else { return Vec::new() };
    let known = ["content_type", "language", "response_format_name", "source_analysis_msg_id"];
    let any = members.iter().any(|(key, value)| !known.contains(&key.as_str()) && says_something(value));
    if any { vec![Block::new(BlockKind::Unknown, text).labelled(kind)] } else { Vec::new() }
}
