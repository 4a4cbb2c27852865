//! Reading, and deleting, what has an id.

use std::{collections::HashMap, ops::Range, sync::Arc};

use athenaeum_core::{ConversationId, MessageId};
use athenaeum_tenancy::Scope;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, SqliteConnection};

use super::{
    builder::{Builder, PATIENCE},
    error::{Error, database},
    open::Files,
    raw, row,
};
use crate::{Conversation, ConversationSummary, Said, StoredMessage};

pub(crate) async fn conversation(
    files: &Files,
    scope: &Scope,
    id: ConversationId,
) -> Result<Conversation, Error> {
    let mut reader = files.readers.begin().await.map_err(database("reading a conversation"))?;
    let (key, mut conversation) = head_of(&mut reader, scope, id).await?;
    let expected = conversation.summary.message_count as usize;
    conversation.messages = messages_of(&mut reader, key, 0..u32::MAX, expected).await?;
    Ok(conversation)
}

pub(crate) async fn head(files: &Files, scope: &Scope, id: ConversationId) -> Result<Conversation, Error> {
    let mut reader = files.readers.begin().await.map_err(database("reading a conversation"))?;
    Ok(head_of(&mut reader, scope, id).await?.1)
}

/// Reads a conversation's own row: its key, and the conversation still without messages.
async fn head_of(
    reader: &mut SqliteConnection,
    scope: &Scope,
    id: ConversationId,
) -> Result<(i64, Conversation), Error> {
    let failed = database("reading a conversation");
    let sql = format!(
        "SELECT {}, c.system_prompt, c.temperature, c.max_tokens, c.id
         FROM conversations c WHERE c.uid = ? AND c.tenant = ?",
        row::SUMMARY
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(&id.as_bytes()[..])
        .bind(scope.tenant().as_str())
        .fetch_optional(reader)
        .await
        .map_err(&failed)?
        .ok_or_else(|| Error::not_found("conversation", id))?;
    let conversation = Conversation {
        summary: row::summary(&found)?,
        system_prompt: found.try_get(9).map_err(&failed)?,
        temperature: found.try_get(10).map_err(&failed)?,
        max_tokens: found.try_get(11).map_err(&failed)?,
        messages: Vec::new(),
    };
    Ok((found.try_get(12).map_err(&failed)?, conversation))
}

pub(crate) async fn messages(
    files: &Files,
    scope: &Scope,
    id: ConversationId,
    positions: Range<u32>,
) -> Result<Vec<StoredMessage>, Error> {
    let failed = database("reading a conversation");
    let mut reader = files.readers.begin().await.map_err(&failed)?;
    let key = sqlx::query_scalar("SELECT id FROM conversations WHERE uid = ? AND tenant = ?")
        .bind(&id.as_bytes()[..])
        .bind(scope.tenant().as_str())
        .fetch_optional(&mut *reader)
        .await
        .map_err(&failed)?
        .ok_or_else(|| Error::not_found("conversation", id))?;
    messages_of(&mut reader, key, positions, 0).await
}

/// Reads the messages at `positions` of the conversation in row `key`; about `expected` are.
async fn messages_of(
    reader: &mut SqliteConnection,
    key: i64,
    positions: Range<u32>,
    expected: usize,
) -> Result<Vec<StoredMessage>, Error> {
    let failed = database("reading a conversation");
    let sql = format!(
        "SELECT {} FROM messages m
         WHERE m.conversation_id = ? AND m.position >= ? AND m.position < ? ORDER BY m.position",
        row::MESSAGE
    );
    let mut messages = Vec::with_capacity(expected);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(key).bind(positions.start).bind(positions.end);
    let mut rows = rows.fetch(reader);
    while let Some(found) = rows.try_next().await.map_err(&failed)? {
        messages.push(row::message(&found)?);
    }
    Ok(messages)
}

pub(crate) async fn messages_by_id(
    files: &Files,
    scope: &Scope,
    ids: &[MessageId],
) -> Result<Vec<Said>, Error> {
    let failed = database("reading messages");
    let mut conversations: HashMap<i64, Arc<ConversationSummary>> = HashMap::new();
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(format!(
            "SELECT {}, m.position, c.id, {} FROM messages m JOIN conversations c ON c.id = m.conversation_id
             WHERE m.id IN (",
            row::MESSAGE,
            row::SUMMARY
        ));
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.0);
        }
        sql.push(") AND c.tenant = ").push_bind(scope.tenant().as_str());
        for found_row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            let stored = row::message(&found_row)?;
            let position = found_row.try_get(row::MESSAGE_COLUMNS).map_err(&failed)?;
            let key: i64 = found_row.try_get(row::MESSAGE_COLUMNS + 1).map_err(&failed)?;
            let conversation = match conversations.get(&key) {
                Some(conversation) => Arc::clone(conversation),
                None => {
                    let conversation = Arc::new(row::summary_at(&found_row, row::MESSAGE_COLUMNS + 2)?);
                    conversations.insert(key, Arc::clone(&conversation));
                    conversation
                }
            };
            found.push(Said { conversation, position, stored });
        }
    }
    Ok(found)
}

pub(crate) async fn locate(
    files: &Files,
    scope: &Scope,
    id: MessageId,
) -> Result<(ConversationId, u32), Error> {
    let failed = database("looking for a message");
    let found = sqlx::query(
        "SELECT c.uid, m.position FROM messages m JOIN conversations c ON c.id = m.conversation_id
         WHERE m.id = ? AND c.tenant = ?",
    )
    .bind(id.0)
    .bind(scope.tenant().as_str())
    .fetch_optional(&files.readers)
    .await
    .map_err(&failed)?
    .ok_or_else(|| Error::not_found("message", id))?;
    Ok((ConversationId::from_bytes(row::uid(&found, 0)?), found.try_get(1).map_err(&failed)?))
}

pub(crate) async fn raw_json(files: &Files, scope: &Scope, id: ConversationId) -> Result<String, Error> {
    let failed = database("reading a conversation's source");
    // One transaction: the source decodes only against the messages that it was kept with.
    let mut reader = files.readers.begin().await.map_err(&failed)?;
    let found = sqlx::query("SELECT id, raw_json FROM conversations WHERE uid = ? AND tenant = ?")
        .bind(&id.as_bytes()[..])
        .bind(scope.tenant().as_str())
        .fetch_optional(&mut *reader)
        .await
        .map_err(&failed)?
        .ok_or_else(|| Error::not_found("conversation", id))?;
    let Some(stored) = found.try_get::<Option<&[u8]>, _>(1).map_err(&failed)? else {
        return Ok(String::new());
    };
    let key: i64 = found.try_get(0).map_err(&failed)?;
    let damaged = || Error::damaged(format!("the source of conversation {id}"));
    let mut prefix = raw::Prefix::of(stored).ok_or_else(damaged)?;
    let mut rows =
        sqlx::query("SELECT external_id, content FROM messages WHERE conversation_id = ? ORDER BY position")
            .bind(key)
            .fetch(&mut *reader);
    while let Some(message) = rows.try_next().await.map_err(&failed)? {
        let content = message.try_get(1).map_err(&failed)?;
        prefix.push(row::external_id(&message, 0)?.as_deref(), content);
    }
    raw::decode(stored, &prefix).ok_or_else(damaged)
}

pub(crate) async fn delete(files: &Files, scope: &Scope, id: ConversationId) -> Result<(), Error> {
    let mut held = files.writer().await?;
    held.begin().await?;
    let deleted: Option<i64> =
        sqlx::query_scalar("DELETE FROM conversations WHERE uid = ? AND tenant = ? RETURNING id")
            .bind(&id.as_bytes()[..])
            .bind(scope.tenant().as_str())
            .fetch_optional(held.connection())
            .await
            .map_err(database("deleting a conversation"))?;
    let Some(deleted) = deleted else {
        held.rollback().await?;
        return Err(Error::not_found("conversation", id));
    };
    held.commit().await?;
    drop(held);
    // While an import has the index, the entries stay in it; searches pass over those without a row.
    if let Some(mut builder) = Builder::open(files, scope, PATIENCE).await {
        builder.remove_conversation(deleted).await;
        builder.publish_and_wait(0).await;
    }
    Ok(())
}

/// Ids in one statement.
const IDS_MAX: usize = 500;
