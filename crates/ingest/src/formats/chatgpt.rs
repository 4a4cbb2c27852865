//! ChatGPT's export: `conversations.json`, one or in shards, with the files that belong to it.
//!
//! A conversation is a tree of nodes under `mapping`. The branch from `current_node` up to its root is what the
//! person sees; it comes first and in order, every other branch after it and flagged. A node without a message
//! is structure. So is a message from the system without any text: every conversation begins with one, it says
//! nothing, and ChatGPT does not show it.

mod assets;
mod canvas;
mod content;
mod tree;
mod wire;

use athenaeum_core::{Attachment, Block, BlockKind, Conversation, Message, Provider, Role, ToolCall};

pub(crate) use self::assets::read_companions;
use self::{
    content::{Raw, blocks},
    tree::Walk,
    wire::{Chat, Node},
};
use crate::{
    context::{Context, derived_id},
    format::{Fit, Format, Reject, Shape},
    lenient::Text,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::CHATGPT),
    name: "ChatGPT export",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    // The first records may be damaged or odd; any of them may speak for the file.
    sample.records.iter().map(fit).max().unwrap_or(Fit::No)
}

fn fit(record: &serde_json::Value) -> Fit {
    let Some(mapping) = record.get("mapping").and_then(|mapping| mapping.as_object()) else { return Fit::No };
    // A capture of another page that carries such a tree along.
    if record.pointer("/session/turns").is_some() {
        return Fit::No;
    }
    let is_node = |node: &serde_json::Value| {
        node.get("message").is_some() || node.get("parent").is_some() || node.get("children").is_some()
    };
    let named = ["current_node", "create_time", "conversation_id", "title"];
    let known = mapping.values().any(is_node)
        || (mapping.is_empty() && named.iter().any(|key| record.get(key).is_some()));
    match record.get("chat_messages").is_some() {
        true => Fit::weak(known),
        false => Fit::strong(known),
    }
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    let chat: Chat<'_> = serde_json::from_str(text)?;
    if !chat.has_mapping {
        return Err(Reject::new("a conversation without 'mapping'"));
    }
    let id = chat.conversation_id.filled_ref().or(chat.id.filled_ref()).unwrap_or_default().to_owned();
    if !id.is_empty() {
        context.begin_record(id.clone());
    }
    let mut conversation = Conversation::new(Provider::CHATGPT, id);
    conversation.title = chat.title.filled();
    conversation.model = chat.default_model_slug.filled();
    conversation.created_at = chat.create_time.0;
    conversation.updated_at = chat.update_time.0;
    conversation.user_id = chat.user_id.filled().or_else(|| context.account.clone());
    let mut raw = Raw::new(text);
    let walk = Walk::new(&chat.nodes, chat.current_node.as_str(), context);
    let mut nodes: Vec<Option<Node<'_>>> = chat.nodes.into_iter().map(Some).collect();
    let mut places: Vec<Option<u32>> = vec![None; nodes.len()];
    for step in &walk.steps {
        let above = walk.parent(step.node).and_then(|parent| places[parent]);
        let Some(node) = nodes[step.node].take() else { continue };
        let place = u32::try_from(conversation.messages.len()).ok();
        match message(context, node, &mut raw, &mut conversation.system_prompt) {
            Some(mut message) => {
                message.parent = above;
                message.off_branch = step.off_branch;
                conversation.messages.push(message);
                places[step.node] = place;
            }
            // Children of a node without a message hang on what is above it.
            None => places[step.node] = above,
        }
    }
    if conversation.external_id.is_empty() {
        let first = conversation.messages.first().map(Message::content).unwrap_or_default();
        let begun = conversation.created_at.map(|time| time.to_string()).unwrap_or_default();
        let title = conversation.title.as_deref().unwrap_or_default();
        conversation.external_id = derived_id(&[title, &begun, &first]);
    }
    text.clone_into(&mut conversation.raw_json);
    context.emit(conversation);
    Ok(())
}

/// Makes a message of a node; `None` where the node is only structure.
fn message(
    context: &mut Context<'_>,
    node: Node<'_>,
    raw: &mut Raw<'_>,
    system_prompt: &mut Option<String>,
) -> Option<Message> {
    let source = node.message.0?;
    let author = source.author;
    let role = role(context, author.role.filled_ref().unwrap_or(source.role.as_str()));
    let metadata = source.metadata.0.unwrap_or_default();
    let content = source.content.0.unwrap_or_default();
    let content_type = content.content_type.as_str().to_owned();
    let is_context = matches!(content_type.as_str(), "user_editable_context" | "model_editable_context");
    if content_type == "user_editable_context" && system_prompt.is_none() {
        *system_prompt = content::instructions(&content, &metadata);
    }
    let mut attachments = assets::attachments(context, &metadata);
    let author_name = author.name.filled();
    let mut blocks = blocks(context, content, &node.id, author_name.as_deref(), raw, &mut attachments);
    let mut tool_calls = Vec::new();
    let recipient = source.recipient.filled_ref().filter(|recipient| *recipient != "all");
    match (role, recipient) {
        (Role::Assistant, Some(recipient)) => tool_calls.push(call(recipient, &mut blocks)),
        (Role::Tool, _) => results(&mut blocks, author_name.as_deref()),
        _ => {}
    }
    if role == Role::System && is_empty(&blocks) && attachments.is_empty() {
        return None;
    }
    blocks.retain(|block| !block.text.is_empty());
    let mut message = Message::new(role, blocks);
    message.external_id = source.id.filled().or_else(|| (!node.id.is_empty()).then(|| node.id.into_owned()));
    message.author = author_name;
    message.model = metadata.model_slug.filled();
    message.created_at = source.create_time.0;
    message.finish_reason = metadata.finish_details.0.and_then(|details| details.kind.filled());
    message.hidden = metadata.is_visually_hidden_from_conversation.0 || is_context || role == Role::System;
    message.tool_calls = tool_calls;
    message.attachments = attachments;
    Some(message)
}

fn role(context: &mut Context<'_>, name: &str) -> Role {
    match name {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        "tool" | "function" => Role::Tool,
        "" => {
            context.notice("a message without a role was taken for the assistant's");
            Role::Assistant
        }
        other => {
            let shown: String = other.chars().take(40).collect();
            context.notice(format!("the role '{}' is not known; kept as a tool's", shown.escape_debug()));
            Role::Tool
        }
    }
}

/// What the assistant says to a tool is a call: its text are the arguments.
fn call(recipient: &str, blocks: &mut Vec<Block>) -> ToolCall {
    let is_said = |block: &Block| matches!(block.kind, BlockKind::Text | BlockKind::Code);
    let said: Vec<&str> =
        blocks.iter().filter(|block| is_said(block)).map(|block| block.text.as_str()).collect();
    let arguments = said.join("\n\n");
    for block in blocks.iter_mut().filter(|block| is_said(block)) {
        block.kind = BlockKind::ToolUse;
        block.label = Some(recipient.to_owned());
    }
    if recipient.starts_with("canmore.")
        && let Some(canvas) = canvas::blocks(&arguments)
    {
        blocks.retain(|block| block.kind != BlockKind::ToolUse);
        blocks.extend(canvas);
    }
    ToolCall { id: None, name: recipient.to_owned(), arguments }
}

/// What a tool says is a result.
fn results(blocks: &mut [Block], name: Option<&str>) {
    for block in blocks.iter_mut().filter(|block| block.kind == BlockKind::Text) {
        block.kind = BlockKind::ToolResult;
        block.label = name.map(str::to_owned);
    }
}

fn is_empty(blocks: &[Block]) -> bool {
    blocks.iter().all(|block| block.text.trim().is_empty())
}

/// Adds an attachment unless the message has the same file already; then what is new about it is added.
fn attach(attachments: &mut Vec<Attachment>, new: Attachment) {
    let bare = |attachment: &Attachment| attachment.id.as_deref().map(|id| assets::bare_id(id).to_owned());
    let known = attachments.iter_mut().find(|known| new.id.is_some() && bare(known) == bare(&new));
    match known {
        Some(known) => {
            known.name = known.name.take().or(new.name);
            known.media_type = known.media_type.take().or(new.media_type);
            known.size = known.size.or(new.size);
            known.path = known.path.take().or(new.path);
            known.id = new.id;
        }
        None => attachments.push(new),
    }
}

/// Joins texts of which any may be missing.
fn joined(texts: &[&Text<'_>]) -> Option<String> {
    let filled: Vec<&str> = texts.iter().filter_map(|text| text.filled_ref()).collect();
    (!filled.is_empty()).then(|| filled.join("\n\n"))
}
