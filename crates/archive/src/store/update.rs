//! Replacing a conversation that changed: unchanged messages keep their rows, and with them their ids.

use std::{collections::HashMap, sync::Arc};

use athenaeum_core::Conversation;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{
    batch::{Batch, MessageRow},
    builder::{About, Entry},
    error::{Error, database},
    import::{about, content, conversation_row},
    raw, row,
};

/// What a replacement changed.
#[derive(Debug)]
pub(crate) struct Replaced {
    /// Message rows written.
    pub(crate) written: u64,
    /// What the index must take in: the messages of these rows, and the unchanged ones where what they are filtered
    /// by has changed.
    pub(crate) entries: Vec<Entry>,
    /// Rows of messages that the index must forget first.
    pub(crate) removed: Vec<i64>,
    /// The title, changed or not.
    pub(crate) title: Option<Entry>,
}

/// A message row that is there, and where it stands.
struct Stored {
    id: i64,
    position: u32,
    parent: Option<u32>,
}

/// Writes `conversation` over the stored one with row id `id`; returns what the search index must learn.
///
/// A message that changed gets a new row and so a new id: the search index only ever adds.
pub(crate) async fn replace(
    connection: &mut SqliteConnection,
    id: i64,
    next_message: &mut i64,
    conversation: Conversation,
    hash: [u8; 16],
) -> Result<Replaced, Error> {
    let failed = database("replacing a conversation");
    let mut stored = stored_messages(connection, id).await?;
    let stored_about = stored_about(connection, id).await?;
    let contents: Vec<Arc<str>> = conversation.messages.iter().map(content).collect();
    let about = about(&conversation);
    let (row, messages) = conversation_row(id, &Arc::from(""), conversation, &contents, hash);
    let raw_json = raw::encode_all([&row.source])?.pop().flatten();
    let mut batch = Batch::default();
    let filters_changed = stored_about != *about;
    let (mut entries, mut removed, mut written) = (Vec::new(), Vec::new(), 0);
    for (position, (message, content)) in (0_u32..).zip(messages.into_iter().zip(contents)) {
        let twin = stored.get_mut(&row::message_hash(&message)).and_then(Vec::pop);
        if let Some(twin) = twin {
            if (twin.position, twin.parent) != (position, message.parent) {
                move_to(connection, twin.id, position, message.parent).await?;
            }
            if filters_changed {
                removed.push(twin.id);
                let flags = row::flags(&message);
                entries.push(Entry::message(twin.id, id, flags, &message, &content, &about));
            }
            continue;
        }
        let flags = row::flags(&message);
        entries.push(Entry::message(*next_message, id, flags, &message, &content, &about));
        batch.push_message(MessageRow {
            id: *next_message,
            conversation_id: id,
            position,
            flags,
            content,
            message,
        });
        *next_message += 1;
        written += 1;
        if batch.is_full() {
            batch.flush(connection).await?;
        }
    }
    batch.index(connection, None).await?;
    for gone in stored.into_values().flatten() {
        removed.push(gone.id);
        sqlx::query("DELETE FROM messages WHERE id = ?")
            .bind(gone.id)
            .execute(&mut *connection)
            .await
            .map_err(&failed)?;
    }
    let title = row.title.as_deref().map(|title| Entry::title(id, &about, title));
    sqlx::query(
        "UPDATE conversations SET title = ?, model = ?, created_at = ?, updated_at = ?, began_at = ?, temperature = ?,
         max_tokens = ?, user_id = ?, message_count = ?, content_hash = ?, system_prompt = ?, raw_json = ? WHERE id = ?",
    )
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
    .bind(id)
    .execute(connection)
    .await
    .map_err(&failed)?;
    Ok(Replaced { written, entries, removed, title })
}

/// Reads what the index was told of the conversation beside its texts.
async fn stored_about(connection: &mut SqliteConnection, id: i64) -> Result<About, Error> {
    let failed = database("reading a conversation");
    let found =
        sqlx::query("SELECT provider, user_id, model, nullif(began_at, 0) FROM conversations WHERE id = ?")
            .bind(id)
            .fetch_one(connection)
            .await
            .map_err(&failed)?;
    Ok(About {
        provider: row::provider(found.try_get(0).map_err(&failed)?)?,
        user: found.try_get(1).map_err(&failed)?,
        model: found.try_get::<Option<String>, _>(2).map_err(&failed)?.map(Arc::from),
        began_at: found.try_get(3).map_err(&failed)?,
    })
}

/// Finds the stored messages by what they say; equal ones stand in reverse order, so that the first is popped
/// first.
async fn stored_messages(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<HashMap<u128, Vec<Stored>>, Error> {
    let failed = database("reading a conversation's messages");
    let sql = format!(
        "SELECT {}, m.position FROM messages m WHERE m.conversation_id = ? ORDER BY m.position DESC",
        row::MESSAGE
    );
    let mut rows = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch(connection);
    let mut stored: HashMap<u128, Vec<Stored>> = HashMap::new();
    while let Some(found) = rows.try_next().await.map_err(&failed)? {
        let message = row::message(&found)?;
        let position = found.try_get(14).map_err(&failed)?;
        let place = Stored { id: message.id.0, position, parent: message.message.parent };
        stored.entry(row::message_hash(&message.message)).or_default().push(place);
    }
    Ok(stored)
}

async fn move_to(
    connection: &mut SqliteConnection,
    id: i64,
    position: u32,
    parent: Option<u32>,
) -> Result<(), Error> {
    sqlx::query("UPDATE messages SET position = ?, parent = ? WHERE id = ?")
        .bind(position)
        .bind(parent)
        .bind(id)
        .execute(connection)
        .await
        .map_err(database("moving a message"))?;
    Ok(())
}
