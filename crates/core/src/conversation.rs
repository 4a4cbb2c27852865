use crate::{Block, BlockKind, Provider, Timestamp};

/// A conversation as its source tells it.
///
/// `messages` holds the current branch in order and, flagged by [`Message::off_branch`], every other branch
/// too; [`Message::parent`] restores the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Who served it.
    pub provider: Provider,
    /// The source's own id, unique within the provider. Parsers of formats without ids derive one from the
    /// content, so that a second import finds the first.
    pub external_id: String,
    /// The title to the letter; `None` where the source has none or an empty one.
    pub title: Option<String>,
    /// The model of the conversation as a whole (`default_model_slug` and its like).
    pub model: Option<String>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// Custom instructions that were in force.
    pub system_prompt: Option<String>,
    /// Sampling temperature, where the source keeps it.
    pub temperature: Option<f64>,
    /// Limit on generated tokens, where the source keeps it.
    pub max_tokens: Option<i64>,
    /// The account or user that held it, in the source's own words.
    pub user_id: Option<String>,
    /// Parents before children; the current branch in reading order.
    pub messages: Vec<Message>,
    /// The source's bytes for this conversation, byte for byte where it was JSON.
    pub raw_json: String,
}

impl Conversation {
    /// Makes an empty conversation.
    pub fn new(provider: Provider, external_id: impl Into<String>) -> Self {
        Self {
            provider,
            external_id: external_id.into(),
            title: None,
            model: None,
            created_at: None,
            updated_at: None,
            system_prompt: None,
            temperature: None,
            max_tokens: None,
            user_id: None,
            messages: Vec::new(),
            raw_json: String::new(),
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The source's own id, where it has one.
    pub external_id: Option<String>,
    /// Index in [`Conversation::messages`] of the message before this one in its branch; always smaller than
    /// this message's own index. `None` for a first message.
    pub parent: Option<u32>,
    /// Who speaks.
    pub role: Role,
    /// The speaker's name, where the source has one (a tool's name for tool messages).
    pub author: Option<String>,
    /// What was said, in order. May be empty where a message only carries attachments or tool calls.
    pub blocks: Vec<Block>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// When it was written.
    pub created_at: Option<Timestamp>,
    /// Tokens counted by the source.
    pub tokens: Option<i64>,
    /// Why generation ended, in the source's words.
    pub finish_reason: Option<String>,
    /// Calls to tools that this message makes.
    pub tool_calls: Vec<ToolCall>,
    /// Files and images that belong to it.
    pub attachments: Vec<Attachment>,
    /// The source does not show it to its user (system context, custom instructions).
    pub hidden: bool,
    /// Belongs to an edited-away or regenerated branch, not to the current one.
    pub off_branch: bool,
}

impl Message {
    /// Makes a visible message of the current branch.
    pub fn new(role: Role, blocks: Vec<Block>) -> Self {
        Self {
            external_id: None,
            parent: None,
            role,
            author: None,
            blocks,
            model: None,
            created_at: None,
            tokens: None,
            finish_reason: None,
            tool_calls: Vec::new(),
            attachments: Vec::new(),
            hidden: false,
            off_branch: false,
        }
    }

    /// Returns all blocks' text, separated by a blank line: the text that is searched.
    pub fn content(&self) -> String {
        let texts: Vec<&str> = self.blocks.iter().map(|block| block.text.as_str()).collect();
        texts.join("\n\n")
    }

    /// Tells whether any block is of `kind`.
    pub fn has(&self, kind: BlockKind) -> bool {
        self.blocks.iter().any(|block| block.kind == kind)
    }
}

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A person.
    User,
    /// A model.
    Assistant,
    /// Instructions from whoever runs the chat.
    System,
    /// A program that the model called.
    Tool,
}

impl Role {
    /// Every role, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::User, Self::Assistant, Self::System, Self::Tool];

    /// Returns the stable lower-case name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
            Self::Tool => "tool",
        }
    }

    /// Finds the role by its stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// A call that a model made to a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The source's id of the call, which its result repeats.
    pub id: Option<String>,
    /// The tool's name.
    pub name: String,
    /// The arguments as the source has them, mostly JSON.
    pub arguments: String,
}

/// A file that belongs to a message. Its extracted text, if any, is a [`BlockKind::Attachment`] block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attachment {
    /// The name that the person gave or saw.
    pub name: Option<String>,
    /// The source's id or pointer (`file-service://…`, `sediment://…`).
    pub id: Option<String>,
    /// The media type, where known.
    pub media_type: Option<String>,
    /// Size in bytes, where known.
    pub size: Option<u64>,
    /// The file's path inside the export, relative and without `..`, where the bytes came along.
    pub path: Option<String>,
}
