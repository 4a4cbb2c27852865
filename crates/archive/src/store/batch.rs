//! Rows on their way into the database, many to a statement.
//!
//! A statement costs 11 to 16 µs of passing between threads however many rows it carries; hundreds of rows bring
//! that below a tenth of a microsecond each.

use std::sync::{Arc, LazyLock};

use athenaeum_core::{Message, Timestamp};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::{
    error::{Error, database},
    layout, raw,
    row::{self, ExternalId},
    text_index,
};
use crate::fts5::HandOver;

/// A row of `conversations`, ready to be written.
#[derive(Debug)]
pub(crate) struct ConversationRow {
    pub(crate) id: i64,
    pub(crate) uid: [u8; 16],
    pub(crate) tenant: Arc<str>,
    pub(crate) provider: String,
    pub(crate) external_id: String,
    pub(crate) title: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) created_at: Option<i64>,
    pub(crate) updated_at: Option<i64>,
    pub(crate) began_at: i64,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_tokens: Option<i64>,
    pub(crate) user_id: Option<String>,
    pub(crate) message_count: i64,
    pub(crate) content_hash: [u8; 16],
    pub(crate) system_prompt: Option<String>,
    pub(crate) source: raw::Source,
}

/// A row of `messages`, ready to be written.
#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) id: i64,
    pub(crate) conversation_id: i64,
    pub(crate) position: u32,
    pub(crate) flags: i64,
    pub(crate) content: Arc<str>,
    pub(crate) message: Message,
}

/// Collects rows and writes them in order: conversations before their messages.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    conversations: Vec<ConversationRow>,
    messages: Vec<MessageRow>,
    bytes: usize,
    /// Row ids of the first message written and not yet in the text index, and of the last.
    unindexed: Option<(i64, i64)>,
}

impl Batch {
    pub(crate) fn push_conversation(&mut self, row: ConversationRow) {
        self.bytes += row.source.size() + 256;
        self.conversations.push(row);
    }

    pub(crate) fn push_message(&mut self, row: MessageRow) {
        self.bytes += row.content.len() + 256;
        self.unindexed = Some((self.unindexed.map_or(row.id, |(first, _)| first), row.id));
        self.messages.push(row);
    }

    /// Tells whether enough has gathered to be worth a [`Batch::flush`].
    pub(crate) fn is_full(&self) -> bool {
        self.messages.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// Writes everything into the open transaction.
    pub(crate) async fn flush(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let failed = database("writing conversations and messages");
        let sources = raw::encode_all(self.conversations.iter().map(|row| &row.source))?;
        let mut rows: Vec<_> = self.conversations.drain(..).zip(sources).collect();
        write(connection, &CONVERSATIONS, &mut rows, bind_conversation).await.map_err(&failed)?;
        write(connection, &MESSAGES, &mut self.messages, bind_message).await.map_err(&failed)?;
        self.bytes = 0;
        Ok(())
    }

    /// Writes everything, and puts the messages written since the last call into the text index: those `handed` over
    /// as they are, all others by FTS5 itself.
    ///
    /// To be called before the transaction ends, and before any message of it is deleted: the index can only
    /// forget what it knows.
    pub(crate) async fn index(
        &mut self,
        connection: &mut SqliteConnection,
        handed: Option<HandOver>,
    ) -> Result<(), Error> {
        self.flush(connection).await?;
        let Some((first, last)) = self.unindexed.take() else { return Ok(()) };
        if let Some(handed) = handed
            && handed.messages() == (last - first + 1) as u64
            && text_index::take(connection, handed).await?
        {
            return Ok(());
        }
        text_index::read(connection, first, last).await
    }
}

/// An `INSERT` for each number of rows in [`SIZES`].
pub(crate) type Inserts = LazyLock<[Arc<str>; SIZES.len()]>;

static CONVERSATIONS: Inserts = LazyLock::new(|| {
    inserts(
        "conversations (id, uid, tenant, provider, external_id, title, model, created_at, updated_at, began_at, \
         temperature, max_tokens, user_id, message_count, content_hash, system_prompt, raw_json)",
        17,
    )
});

static MESSAGES: Inserts = LazyLock::new(|| {
    inserts(
        "messages (id, conversation_id, position, parent, flags, role, author, model, created_at, tokens, \
         finish_reason, external_id, layout, tool_calls, attachments, content)",
        16,
    )
});

pub(crate) fn inserts(into: &str, columns: usize) -> [Arc<str>; SIZES.len()] {
    let row = format!("({})", vec!["?"; columns].join(","));
    SIZES.map(|size| format!("INSERT INTO {into} VALUES {}", vec![row.as_str(); size].join(",")).into())
}

pub(crate) type Insert = Query<'static, Sqlite, SqliteArguments>;

/// Writes all rows, and leaves `rows` empty.
pub(crate) async fn write<R>(
    connection: &mut SqliteConnection,
    inserts: &Inserts,
    rows: &mut Vec<R>,
    bind: impl Fn(Insert, R) -> Insert,
) -> Result<(), sqlx::Error> {
    let mut left = rows.len();
    let mut rows = rows.drain(..);
    for (size, sql) in SIZES.into_iter().zip(inserts.iter()) {
        while left >= size {
            let insert = rows.by_ref().take(size).fold(sqlx::query(AssertSqlSafe(Arc::clone(sql))), &bind);
            insert.execute(&mut *connection).await?;
            left -= size;
        }
    }
    Ok(())
}

fn bind_conversation(insert: Insert, (row, raw_json): (ConversationRow, Option<Vec<u8>>)) -> Insert {
    insert
        .bind(row.id)
        .bind(row.uid.to_vec())
        .bind(row.tenant)
        .bind(row.provider)
        .bind(row.external_id)
        .bind(row.title)
        .bind(row.model)
        .bind(row.created_at)
        .bind(row.updated_at)
        .bind(row.began_at)
        .bind(row.temperature)
        .bind(row.max_tokens)
        .bind(row.user_id)
        .bind(row.message_count)
        .bind(row.content_hash.to_vec())
        .bind(row.system_prompt)
        .bind(raw_json)
}

fn bind_message(insert: Insert, row: MessageRow) -> Insert {
    let message = row.message;
    let insert = insert
        .bind(row.id)
        .bind(row.conversation_id)
        .bind(row.position)
        .bind(message.parent)
        .bind(row.flags | row::INDEXED_IN_BULK)
        .bind(message.role.as_str())
        .bind(message.author)
        .bind(message.model)
        .bind(message.created_at.map(Timestamp::as_micros))
        .bind(message.tokens)
        .bind(message.finish_reason);
    let insert = match message.external_id.as_deref().map(ExternalId::new) {
        Some(ExternalId::Uuid(bytes)) => insert.bind(bytes.to_vec()),
        Some(ExternalId::Text(text)) => insert.bind(text),
        None => insert.bind(None::<String>),
    };
    insert
        .bind(layout::encode(&message.blocks))
        .bind(row::tool_calls_json(&message.tool_calls))
        .bind(row::attachments_json(&message.attachments))
        .bind(row.content)
}

/// Rows per statement, largest first; whatever is left over goes in the smaller ones.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// Rows that wait at most.
const ROWS_MAX: usize = 1024;

/// Text that waits at most, in bytes.
const BYTES_MAX: usize = 4 << 20;
