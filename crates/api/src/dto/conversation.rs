use athenaeum_archive as archive;
use athenaeum_core as core;
use serde::Serialize;
use utoipa::ToSchema;

/// A conversation without its messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationSummary {
    /// Ours; a UUIDv7 of the conversation's beginning.
    #[schema(format = "uuid")]
    pub(crate) id: String,
    /// Who served it.
    #[schema(examples("chatgpt"))]
    pub(crate) provider: String,
    /// The source's own id.
    pub(crate) external_id: String,
    /// The title to the letter.
    pub(crate) title: Option<String>,
    /// The conversation's model.
    pub(crate) model: Option<String>,
    /// When it began, RFC 3339 in UTC with up to six sub-second digits.
    #[schema(format = "date-time")]
    pub(crate) created_at: Option<String>,
    /// When it last changed.
    #[schema(format = "date-time")]
    pub(crate) updated_at: Option<String>,
    /// The source's user.
    pub(crate) user_id: Option<String>,
    /// Messages kept, those of other branches included.
    pub(crate) message_count: u32,
}

/// A conversation whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversation {
    #[serde(flatten)]
    pub(crate) summary: ConversationSummary,
    /// Custom instructions that were in force.
    pub(crate) system_prompt: Option<String>,
    /// Sampling temperature.
    pub(crate) temperature: Option<f64>,
    /// Limit on generated tokens.
    pub(crate) max_tokens: Option<i64>,
    /// In stored order: the current branch in reading order, other branches flagged `off_branch`.
    pub(crate) messages: Vec<Message>,
    /// Where the conversation forks: edits and regenerations.
    pub(crate) branches: Vec<Branch>,
}

/// A place where a conversation was continued more than once.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Branch {
    /// Position of the message that was answered more than once; null where the first message has variants.
    pub(crate) after: Option<u32>,
    /// Positions of the continuations' first messages, oldest first.
    pub(crate) alternatives: Vec<u32>,
}

/// One turn of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Message {
    /// Ours.
    pub(crate) id: i64,
    /// Index in the conversation.
    pub(crate) position: u32,
    /// Position of the message before this one in its branch.
    pub(crate) parent: Option<u32>,
    /// The source's own id.
    pub(crate) external_id: Option<String>,
    /// Who speaks.
    pub(crate) role: Role,
    /// The speaker's name, a tool's name for tool messages.
    pub(crate) author: Option<String>,
    /// What was said, in order.
    pub(crate) blocks: Vec<Block>,
    /// The model that wrote it.
    pub(crate) model: Option<String>,
    /// When it was written.
    #[schema(format = "date-time")]
    pub(crate) created_at: Option<String>,
    /// Tokens counted by the source.
    pub(crate) tokens: Option<i64>,
    /// Why generation ended, in the source's words.
    pub(crate) finish_reason: Option<String>,
    /// Calls to tools that this message makes.
    pub(crate) tool_calls: Vec<ToolCall>,
    /// Files and images that belong to it.
    pub(crate) attachments: Vec<Attachment>,
    /// The source does not show it to its user.
    pub(crate) hidden: bool,
    /// Belongs to an edited-away or regenerated branch.
    pub(crate) off_branch: bool,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    User,
    Assistant,
    System,
    Tool,
}

/// One piece of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Block {
    /// What kind of text it is: text (Markdown), code, thinking, tool_use, tool_result, attachment, canvas,
    /// transcript, quote, unknown. Later versions may add kinds.
    #[schema(examples("text"))]
    pub(crate) kind: &'static str,
    /// The text to the letter.
    pub(crate) text: String,
    /// Language of code, name of a tool or file, title of a canvas, source type of an unknown block.
    pub(crate) label: Option<String>,
}

/// A call that a model made to a tool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToolCall {
    /// The source's id of the call.
    pub(crate) id: Option<String>,
    /// The tool's name.
    pub(crate) name: String,
    /// The arguments as the source has them, mostly JSON.
    pub(crate) arguments: String,
}

/// A file that belongs to a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attachment {
    /// The name that the person gave or saw.
    pub(crate) name: Option<String>,
    /// The source's id or pointer.
    pub(crate) id: Option<String>,
    /// The media type.
    pub(crate) media_type: Option<String>,
    /// Size in bytes.
    pub(crate) size: Option<u64>,
    /// The file's path inside the export.
    pub(crate) path: Option<String>,
}

/// A part of the list of conversations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationPage {
    /// The conversations.
    pub(crate) conversations: Vec<ConversationSummary>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// A part of a conversation's messages, in stored order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessagePage {
    /// The messages.
    pub(crate) messages: Vec<Message>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// Where a message stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessagePlace {
    /// The message.
    pub(crate) id: i64,
    /// Its conversation.
    #[schema(format = "uuid")]
    pub(crate) conversation_id: String,
    /// Its index there.
    pub(crate) position: u32,
}

impl From<&archive::ConversationSummary> for ConversationSummary {
    fn from(summary: &archive::ConversationSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            provider: summary.provider.to_string(),
            external_id: summary.external_id.clone(),
            title: summary.title.clone(),
            model: summary.model.clone(),
            created_at: time(summary.created_at),
            updated_at: time(summary.updated_at),
            user_id: summary.user_id.clone(),
            message_count: summary.message_count,
        }
    }
}

impl From<archive::Conversation> for Conversation {
    fn from(conversation: archive::Conversation) -> Self {
        let branches = branches(&conversation.messages);
        Self {
            summary: (&conversation.summary).into(),
            system_prompt: conversation.system_prompt,
            temperature: conversation.temperature,
            max_tokens: conversation.max_tokens,
            messages: (0..).zip(conversation.messages).map(|(at, stored)| message(at, stored)).collect(),
            branches,
        }
    }
}

impl From<archive::Page<archive::ConversationSummary>> for ConversationPage {
    fn from(page: archive::Page<archive::ConversationSummary>) -> Self {
        Self {
            conversations: page.items.iter().map(Into::into).collect(),
            next_cursor: page.next.map(|cursor| cursor.0),
        }
    }
}

impl From<core::Role> for Role {
    fn from(role: core::Role) -> Self {
        match role {
            core::Role::User => Self::User,
            core::Role::Assistant => Self::Assistant,
            core::Role::System => Self::System,
            core::Role::Tool => Self::Tool,
        }
    }
}

pub(crate) fn message(position: u32, stored: archive::StoredMessage) -> Message {
    let message = stored.message;
    let block =
        |block: core::Block| Block { kind: block.kind.as_str(), text: block.text, label: block.label };
    let call = |call: core::ToolCall| ToolCall { id: call.id, name: call.name, arguments: call.arguments };
    let attachment = |file: core::Attachment| Attachment {
        name: file.name,
        id: file.id,
        media_type: file.media_type,
        size: file.size,
        path: file.path,
    };
    Message {
        id: stored.id.0,
        position,
        parent: message.parent,
        external_id: message.external_id,
        role: message.role.into(),
        author: message.author,
        blocks: message.blocks.into_iter().map(block).collect(),
        model: message.model,
        created_at: time(message.created_at),
        tokens: message.tokens,
        finish_reason: message.finish_reason,
        tool_calls: message.tool_calls.into_iter().map(call).collect(),
        attachments: message.attachments.into_iter().map(attachment).collect(),
        hidden: message.hidden,
        off_branch: message.off_branch,
    }
}

pub(crate) fn time(time: Option<core::Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

/// Finds every message that was followed by more than one.
fn branches(messages: &[archive::StoredMessage]) -> Vec<Branch> {
    let mut children: Vec<(Option<u32>, u32)> =
        (0..).zip(messages).map(|(at, stored)| (stored.message.parent, at)).collect();
    children.sort_unstable();
    children
        .chunk_by(|left, right| left.0 == right.0)
        .filter(|siblings| siblings.len() > 1)
        .map(|siblings| Branch {
            after: siblings[0].0,
            alternatives: siblings.iter().map(|(_, at)| *at).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_are_found() {
        let stored = |parent| archive::StoredMessage {
            id: core::MessageId(1),
            message: core::Message { parent, ..core::Message::new(core::Role::User, Vec::new()) },
        };
        let line = [stored(None), stored(Some(0)), stored(Some(1))];
        assert_eq!(branches(&line), []);
        let fork = [stored(None), stored(Some(0)), stored(Some(0)), stored(None)];
        let expected = [
            Branch { after: None, alternatives: vec![0, 3] },
            Branch { after: Some(0), alternatives: vec![1, 2] },
        ];
        assert_eq!(branches(&fork), expected);
    }
}
