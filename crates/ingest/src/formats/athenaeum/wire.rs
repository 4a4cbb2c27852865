use std::borrow::Cow;

use athenaeum_core::{
    Attachment, Block, BlockKind, Conversation, Message, Provider, Role, Timestamp, ToolCall,
};
use serde::{Deserialize, Serialize};

use crate::{
    context::{Context, derived_id},
    format::Reject,
};

/// The member that marks a line as ours; its value is the version of the format.
pub(super) const MARK: &str = "athenaeum";
pub(crate) const VERSION: u32 = 1;

/// A conversation as one line. Members that are absent, null or empty mean "none".
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    athenaeum: u32,
    #[serde(borrow)]
    provider: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_empty")]
    id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    system_prompt: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_tokens: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Cow<'a, str>>,
    messages: Vec<LineMessage<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LineMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    /// Index of the message before it; absent: the line before this one, null: none.
    #[serde(default = "absent", skip_serializing_if = "is_previous")]
    parent: Parent,
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author: Option<Cow<'a, str>>,
    /// Short for one text block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<LineBlock<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<LineToolCall<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<LineAttachment<'a>>,
    #[serde(default, skip_serializing_if = "is_false")]
    hidden: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    off_branch: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct LineBlock<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    text: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LineToolCall<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    arguments: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LineAttachment<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
}

/// RFC 3339 when written; a number of seconds is read too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Time {
    Text(String),
    Number(f64),
}

/// The message before a message, three-valued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Parent {
    At(u32),
    None(()),
    #[serde(skip)]
    Previous,
}

fn absent() -> Parent {
    Parent::Previous
}

fn is_previous(parent: &Parent) -> bool {
    *parent == Parent::Previous
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

// === Conversation to line ===

impl<'a> From<&'a Conversation> for Line<'a> {
    fn from(conversation: &'a Conversation) -> Self {
        Self {
            athenaeum: VERSION,
            provider: conversation.provider.as_str().into(),
            id: conversation.external_id.as_str().into(),
            title: borrowed(&conversation.title),
            model: borrowed(&conversation.model),
            created_at: conversation.created_at.map(Time::from),
            updated_at: conversation.updated_at.map(Time::from),
            system_prompt: borrowed(&conversation.system_prompt),
            temperature: conversation.temperature,
            max_tokens: conversation.max_tokens,
            user_id: borrowed(&conversation.user_id),
            messages: conversation.messages.iter().enumerate().map(line_message).collect(),
            raw: Some(conversation.raw_json.as_str().into()),
        }
    }
}

fn line_message((index, message): (usize, &Message)) -> LineMessage<'_> {
    let previous = index.checked_sub(1).and_then(|index| u32::try_from(index).ok());
    let parent = match message.parent {
        parent if parent == previous => Parent::Previous,
        Some(parent) => Parent::At(parent),
        None => Parent::None(()),
    };
    let line_block = |block: &'_ Block| LineBlock {
        kind: block.kind.as_str().into(),
        text: Cow::Owned(block.text.clone()),
        label: block.label.clone().map(Cow::Owned),
    };
    LineMessage {
        id: borrowed(&message.external_id),
        parent,
        role: message.role.as_str().into(),
        author: borrowed(&message.author),
        text: None,
        blocks: message.blocks.iter().map(line_block).collect(),
        model: borrowed(&message.model),
        created_at: message.created_at.map(Time::from),
        tokens: message.tokens,
        finish_reason: borrowed(&message.finish_reason),
        tool_calls: message.tool_calls.iter().map(line_tool_call).collect(),
        attachments: message.attachments.iter().map(line_attachment).collect(),
        hidden: message.hidden,
        off_branch: message.off_branch,
    }
}

fn line_tool_call(call: &ToolCall) -> LineToolCall<'_> {
    LineToolCall {
        id: borrowed(&call.id),
        name: call.name.as_str().into(),
        arguments: call.arguments.as_str().into(),
    }
}

fn line_attachment(attachment: &Attachment) -> LineAttachment<'_> {
    LineAttachment {
        name: borrowed(&attachment.name),
        id: borrowed(&attachment.id),
        media_type: borrowed(&attachment.media_type),
        size: attachment.size,
        path: borrowed(&attachment.path),
    }
}

fn borrowed(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self::Text(time.to_string())
    }
}

// === Line to conversation ===

impl Line<'_> {
    /// Turns a line that was read into a conversation; `text` is the line itself, which stands in for the raw
    /// JSON where the line brings none.
    pub(super) fn into_conversation(
        self,
        context: &mut Context<'_>,
        text: &str,
    ) -> Result<Conversation, Reject> {
        if self.athenaeum > VERSION {
            context.notice(format!(
                "written by a newer version (format {}); read as far as known",
                self.athenaeum
            ));
        }
        let provider: Provider = self.provider.parse().map_err(|error| Reject::new(format!("{error}")))?;
        let mut conversation = Conversation::new(provider, self.id);
        conversation.title = owned(self.title);
        conversation.model = owned(self.model);
        conversation.created_at = self.created_at.and_then(|time| time.read(context));
        conversation.updated_at = self.updated_at.and_then(|time| time.read(context));
        conversation.system_prompt = owned(self.system_prompt);
        conversation.temperature = self.temperature;
        conversation.max_tokens = self.max_tokens;
        conversation.user_id = owned(self.user_id);
        for (index, line) in self.messages.into_iter().enumerate() {
            conversation.messages.push(line.into_message(context, index));
        }
        if conversation.external_id.is_empty() {
            let first = conversation.messages.first().map(Message::content).unwrap_or_default();
            let begun = conversation.created_at.map(|time| time.to_string()).unwrap_or_default();
            conversation.external_id =
                derived_id(&[conversation.title.as_deref().unwrap_or(""), &begun, &first]);
        }
        conversation.raw_json = self.raw.map_or_else(|| text.to_owned(), Cow::into_owned);
        Ok(conversation)
    }
}

impl LineMessage<'_> {
    fn into_message(self, context: &mut Context<'_>, index: usize) -> Message {
        let role = Role::from_name(&self.role).unwrap_or_else(|| {
            context.notice(format!("unknown role '{}', kept as a tool's", self.role.escape_debug()));
            Role::Tool
        });
        let mut blocks: Vec<Block> = self.text.map(Block::text).into_iter().collect();
        blocks.extend(self.blocks.into_iter().map(|block| {
            let kind = BlockKind::from_name(&block.kind);
            if kind == BlockKind::Unknown && block.kind != BlockKind::Unknown.as_str() {
                context.notice(format!("unknown kind of block '{}'", block.kind.escape_debug()));
            }
            Block { kind, text: block.text.into_owned(), label: block.label.map(Cow::into_owned) }
        }));
        let mut message = Message::new(role, blocks);
        message.external_id = owned(self.id);
        message.parent = match self.parent {
            Parent::At(parent) => Some(parent),
            Parent::None(()) => None,
            Parent::Previous => index.checked_sub(1).and_then(|index| u32::try_from(index).ok()),
        };
        message.author = owned(self.author);
        message.model = owned(self.model);
        message.created_at = self.created_at.and_then(|time| time.read(context));
        message.tokens = self.tokens;
        message.finish_reason = owned(self.finish_reason);
        message.hidden = self.hidden;
        message.off_branch = self.off_branch;
        message.tool_calls = self.tool_calls.into_iter().map(LineToolCall::into_tool_call).collect();
        message.attachments = self.attachments.into_iter().map(LineAttachment::into_attachment).collect();
        message
    }
}

impl LineToolCall<'_> {
    fn into_tool_call(self) -> ToolCall {
        ToolCall { id: owned(self.id), name: self.name.into_owned(), arguments: self.arguments.into_owned() }
    }
}

impl LineAttachment<'_> {
    fn into_attachment(self) -> Attachment {
        Attachment {
            name: owned(self.name),
            id: owned(self.id),
            media_type: owned(self.media_type),
            size: self.size,
            path: owned(self.path).filter(|path| is_inside(path)),
        }
    }
}

impl Time {
    fn read(&self, context: &mut Context<'_>) -> Option<Timestamp> {
        let read = match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => Timestamp::from_number(*number),
        };
        if read.is_none() {
            context.notice("holds a time that cannot be read; it was left out");
        }
        read
    }
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}

/// Tells whether a path stays inside of the export.
fn is_inside(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    !drive
        && !path.starts_with(['/', '\\'])
        && !path.contains('\0')
        && !path.split(['/', '\\']).any(|part| part == "..")
}
