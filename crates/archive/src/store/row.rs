//! Between rows and the words of the core: the one place that knows how each value is stored.

use athenaeum_core::{
    Attachment, BlockKind, Conversation, ConversationId, Message, MessageId, Provider, Role, Timestamp,
    ToolCall,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::{
    error::{Error, database},
    layout,
};
use crate::{ConversationSummary, StoredMessage};

/// `messages.flags`: the source hides it from its user.
pub(crate) const HIDDEN: i64 = 1;
/// `messages.flags`: stands in a branch that is not the current one.
pub(crate) const OFF_BRANCH: i64 = 2;
/// `messages.flags`: holds code.
pub(crate) const HAS_CODE: i64 = 4;
/// `messages.flags`: has a file or image.
pub(crate) const HAS_ATTACHMENT: i64 = 8;
/// `messages.flags`: calls a tool or is its result.
pub(crate) const HAS_TOOL: i64 = 16;

/// `messages.flags`: the import that wrote the row also put it into the text index; the trigger must not.
pub(crate) const INDEXED_IN_BULK: i64 = 256;

/// Columns that [`summary`] reads, in its order.
pub(crate) const SUMMARY: &str = "c.uid, c.provider, c.external_id, c.title, c.model, c.created_at, c.updated_at, c.user_id, c.message_count";

/// When a message (`m`) was written, or else its conversation (`c`) begun: what is filtered, ordered and counted by.
/// NULL where the source tells neither; what is shown of a message is `m.created_at` alone.
macro_rules! time_sql {
    () => {
        "coalesce(m.created_at, nullif(c.began_at, 0))"
    };
}
pub(crate) use time_sql;

/// Reads the columns [`SUMMARY`] from the front of a row.
pub(crate) fn summary(row: &SqliteRow) -> Result<ConversationSummary, Error> {
    summary_at(row, 0)
}

/// Reads the columns [`SUMMARY`] from a column of a row on.
pub(crate) fn summary_at(row: &SqliteRow, first: usize) -> Result<ConversationSummary, Error> {
    let failed = database("reading a conversation");
    Ok(ConversationSummary {
        id: ConversationId::from_bytes(uid(row, first)?),
        provider: provider(row.try_get(first + 1).map_err(&failed)?)?,
        external_id: row.try_get(first + 2).map_err(&failed)?,
        title: row.try_get(first + 3).map_err(&failed)?,
        model: row.try_get(first + 4).map_err(&failed)?,
        created_at: time(row, first + 5)?,
        updated_at: time(row, first + 6)?,
        user_id: row.try_get(first + 7).map_err(&failed)?,
        message_count: row.try_get(first + 8).map_err(&failed)?,
    })
}

/// Columns that [`message`] reads, in its order.
pub(crate) const MESSAGE: &str = "m.id, m.parent, m.flags, m.role, m.author, m.model, m.created_at, m.tokens, \
     m.finish_reason, m.external_id, m.layout, m.tool_calls, m.attachments, m.content";

/// How many columns [`MESSAGE`] are.
pub(crate) const MESSAGE_COLUMNS: usize = 14;

/// Reads the columns [`MESSAGE`] from the front of a row.
pub(crate) fn message(row: &SqliteRow) -> Result<StoredMessage, Error> {
    let failed = database("reading a message");
    let id = MessageId(row.try_get(0).map_err(&failed)?);
    let damaged = || Error::damaged(format!("message {id}"));
    let flags: i64 = row.try_get(2).map_err(&failed)?;
    let layout: Option<&[u8]> = row.try_get(10).map_err(&failed)?;
    let content: &str = row.try_get(13).map_err(&failed)?;
    let message = Message {
        external_id: external_id(row, 9)?,
        parent: row.try_get(1).map_err(&failed)?,
        role: role(row.try_get(3).map_err(&failed)?).ok_or_else(damaged)?,
        author: row.try_get(4).map_err(&failed)?,
        blocks: layout::decode(content, layout).ok_or_else(damaged)?,
        model: row.try_get(5).map_err(&failed)?,
        created_at: time(row, 6)?,
        tokens: row.try_get(7).map_err(&failed)?,
        finish_reason: row.try_get(8).map_err(&failed)?,
        tool_calls: tool_calls(row.try_get(11).map_err(&failed)?).ok_or_else(damaged)?,
        attachments: attachments(row.try_get(12).map_err(&failed)?).ok_or_else(damaged)?,
        hidden: flags & HIDDEN != 0,
        off_branch: flags & OFF_BRANCH != 0,
    };
    Ok(StoredMessage { id, message })
}

/// Reads a 16-byte id.
pub(crate) fn uid(row: &SqliteRow, column: usize) -> Result<[u8; 16], Error> {
    let bytes: &[u8] = row.try_get(column).map_err(database("reading an id"))?;
    bytes.try_into().map_err(|_| Error::damaged("an id"))
}

/// Reads a time that may be absent.
pub(crate) fn time(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, Error> {
    let micros: Option<i64> = row.try_get(column).map_err(database("reading a time"))?;
    Ok(micros.map(Timestamp::from_micros))
}

/// Reads a provider's name.
pub(crate) fn provider(name: &str) -> Result<Provider, Error> {
    name.parse().map_err(|_| Error::damaged(format!("the provider '{name}'")))
}

/// Reads a role's name.
pub(crate) fn role(name: &str) -> Option<Role> {
    Role::from_name(name)
}

/// Reads a message's id in its source: UUIDs are stored as 16 bytes, everything else as text.
pub(crate) fn external_id(row: &SqliteRow, column: usize) -> Result<Option<String>, Error> {
    let bytes: Option<&[u8]> = row.try_get_unchecked(column).map_err(database("reading a message's id"))?;
    Ok(bytes.map(|bytes| match Uuid::from_slice(bytes) {
        // A text of 16 bytes is stored as a text too; the type tells them apart.
        Ok(uuid) if is_blob(row, column) => uuid.hyphenated().to_string(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }))
}

fn is_blob(row: &SqliteRow, column: usize) -> bool {
    use sqlx::{TypeInfo, ValueRef};
    row.try_get_raw(column).is_ok_and(|value| value.type_info().name() == "BLOB")
}

/// A message's id in its source, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExternalId {
    Uuid([u8; 16]),
    Text(String),
}

impl ExternalId {
    /// Takes the short form only where the text comes back from it to the letter.
    pub(crate) fn new(text: &str) -> Self {
        if text.len() == 36
            && let Ok(uuid) = Uuid::try_parse(text)
            && uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text
        {
            return Self::Uuid(uuid.into_bytes());
        }
        Self::Text(text.to_owned())
    }
}

/// Computes `messages.flags`.
pub(crate) fn flags(message: &Message) -> i64 {
    let mut flags = 0;
    let mut set = |bit: i64, on: bool| flags |= if on { bit } else { 0 };
    set(HIDDEN, message.hidden);
    set(OFF_BRANCH, message.off_branch);
    set(HAS_CODE, message.blocks.iter().any(holds_code));
    set(HAS_ATTACHMENT, !message.attachments.is_empty() || message.has(BlockKind::Attachment));
    let uses_tool = message.has(BlockKind::ToolUse) || message.has(BlockKind::ToolResult);
    set(HAS_TOOL, uses_tool || !message.tool_calls.is_empty() || message.role == Role::Tool);
    flags
}

/// Tells whether a block is code or holds a fence: ``` or ~~~ at the start of a line, indented at most by three.
fn holds_code(block: &athenaeum_core::Block) -> bool {
    let fenced = |fence: &str| {
        memchr::memmem::find_iter(block.text.as_bytes(), fence).any(|at| {
            let before = block.text.as_bytes().get(..at).unwrap_or_default();
            let line = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
            before
                .get(line..)
                .is_some_and(|indent| indent.len() <= 3 && indent.iter().all(|byte| *byte == b' '))
        })
    };
    block.kind == BlockKind::Code || fenced("```") || fenced("~~~")
}

/// Hashes everything that the parser gave. Equal hashes mean: nothing to write.
pub(crate) fn content_hash(conversation: &Conversation) -> [u8; 16] {
    let mut hash = Hash::new();
    hash.text(Some(conversation.provider.as_str()));
    hash.text(Some(&conversation.external_id));
    hash.text(conversation.title.as_deref());
    hash.text(conversation.model.as_deref());
    hash.number(conversation.created_at.map(Timestamp::as_micros));
    hash.number(conversation.updated_at.map(Timestamp::as_micros));
    hash.text(conversation.system_prompt.as_deref());
    hash.number(conversation.temperature.map(|value| value.to_bits() as i64));
    hash.number(conversation.max_tokens);
    hash.text(conversation.user_id.as_deref());
    hash.text(Some(&conversation.raw_json));
    for message in &conversation.messages {
        hash.number(message.parent.map(i64::from));
        hash.message(message);
    }
    hash.finish()
}

/// Hashes a message without its place: what decides whether a stored row can stay.
pub(crate) fn message_hash(message: &Message) -> u128 {
    let mut hash = Hash::new();
    hash.message(message);
    u128::from_le_bytes(hash.finish())
}

/// Fields one after the other, each with its length, so that no two different values read the same.
struct Hash(Xxh3);

impl Hash {
    /// The number is the version of this hash: another order of fields takes another.
    fn new() -> Self {
        Self(Xxh3::with_seed(1))
    }

    fn text(&mut self, text: Option<&str>) {
        self.number(text.map(|text| text.len() as i64));
        self.0.update(text.unwrap_or_default().as_bytes());
    }

    fn number(&mut self, number: Option<i64>) {
        let mut bytes = [0; 9];
        bytes[0] = u8::from(number.is_some());
        bytes[1..].copy_from_slice(&number.unwrap_or_default().to_le_bytes());
        self.0.update(&bytes);
    }

    fn message(&mut self, message: &Message) {
        self.text(message.external_id.as_deref());
        let role = message.role as i64;
        self.number(Some(role << 2 | i64::from(message.hidden) << 1 | i64::from(message.off_branch)));
        self.text(message.author.as_deref());
        self.text(message.model.as_deref());
        self.number(message.created_at.map(Timestamp::as_micros));
        self.number(message.tokens);
        self.text(message.finish_reason.as_deref());
        self.number(Some(message.blocks.len() as i64));
        for block in &message.blocks {
            self.number(Some(block.kind as i64));
            self.text(Some(&block.text));
            self.text(block.label.as_deref());
        }
        self.number(Some(message.tool_calls.len() as i64));
        for call in &message.tool_calls {
            self.text(call.id.as_deref());
            self.text(Some(&call.name));
            self.text(Some(&call.arguments));
        }
        self.number(Some(message.attachments.len() as i64));
        for file in &message.attachments {
            self.text(file.name.as_deref());
            self.text(file.id.as_deref());
            self.text(file.media_type.as_deref());
            self.number(file.size.map(|size| size as i64));
            self.text(file.path.as_deref());
        }
    }

    fn finish(self) -> [u8; 16] {
        self.0.digest128().to_le_bytes()
    }
}

// === JSON columns ===

#[derive(Serialize, Deserialize)]
struct ToolCallJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    arguments: String,
}

#[derive(Serialize, Deserialize)]
struct AttachmentJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// Writes `messages.tool_calls`; `None` for no calls.
pub(crate) fn tool_calls_json(calls: &[ToolCall]) -> Option<String> {
    let rows: Vec<_> = calls
        .iter()
        .cloned()
        .map(|ToolCall { id, name, arguments }| ToolCallJson { id, name, arguments })
        .collect();
    json(&rows)
}

/// Writes `messages.attachments`; `None` for no attachments.
pub(crate) fn attachments_json(attachments: &[Attachment]) -> Option<String> {
    let rows: Vec<_> = attachments
        .iter()
        .cloned()
        .map(|Attachment { name, id, media_type, size, path }| AttachmentJson {
            name,
            id,
            media_type,
            size,
            path,
        })
        .collect();
    json(&rows)
}

fn json<T: Serialize>(rows: &[T]) -> Option<String> {
    // Structs of strings and numbers always serialise.
    (!rows.is_empty()).then(|| serde_json::to_string(rows).unwrap_or_default())
}

fn tool_calls(json: Option<&str>) -> Option<Vec<ToolCall>> {
    let Some(json) = json else { return Some(Vec::new()) };
    let rows: Vec<ToolCallJson> = serde_json::from_str(json).ok()?;
    Some(
        rows.into_iter()
            .map(|ToolCallJson { id, name, arguments }| ToolCall { id, name, arguments })
            .collect(),
    )
}

fn attachments(json: Option<&str>) -> Option<Vec<Attachment>> {
    let Some(json) = json else { return Some(Vec::new()) };
    let rows: Vec<AttachmentJson> = serde_json::from_str(json).ok()?;
    let attachment =
        |AttachmentJson { name, id, media_type, size, path }| Attachment { name, id, media_type, size, path };
    Some(rows.into_iter().map(attachment).collect())
}
