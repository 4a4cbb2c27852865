//! Keeping the search index in step with the chunks.

use std::{sync::Arc, time::Duration};

use athenaeum_core::{Provider, Timestamp};
use athenaeum_tenancy::Scope;
use futures_util::TryStreamExt;
use sqlx::{Row, SqliteConnection};

use super::{Fields, keep, read};
use crate::{
    Error,
    index::{Kind, Writer},
    store::{
        builder::{About, Builder, Entry, PATIENCE},
        error::database,
        open::Files,
    },
};

/// The index while a transaction writes. Dropped without [`Follower::publish`], it forgets what the transaction did.
pub(super) struct Follower {
    /// `None` while someone else has it: it is caught up by whoever comes next.
    builder: Option<Builder>,
    last: i64,
    fields: Fields,
}

impl Follower {
    /// Takes the index for writing and brings it up to what was committed before. `connection` is in a transaction
    /// that writes.
    pub(super) async fn open(
        files: &Files,
        scope: &Scope,
        connection: &mut SqliteConnection,
    ) -> Result<Self, Error> {
        let mut builder = Builder::open(files, scope, PATIENCE).await;
        let (last, fields) = (last(connection).await?, files.settings.fields);
        if let Some(builder) = &mut builder {
            catch_up(builder, connection, scope, last, fields).await?;
        }
        Ok(Self { builder, last, fields })
    }

    /// Returns the row that the next chunk gets.
    pub(super) fn next(&self) -> i64 {
        self.last + 1
    }

    /// Returns how much title and headings count in what the index is told.
    pub(super) fn fields(&self) -> Fields {
        self.fields
    }

    pub(super) async fn add(
        &mut self,
        row: i64,
        document: i64,
        about: &Arc<About>,
        modified_at: Option<Timestamp>,
        weighed: String,
    ) {
        self.last = self.last.max(row);
        if let Some(builder) = &mut self.builder {
            let time = modified_at.map(Timestamp::as_micros);
            builder.add(vec![entry(row, document, about, time, weighed)]).await;
        }
    }

    pub(super) async fn remove(&mut self, rows: Vec<i64>) {
        if let Some(builder) = &mut self.builder {
            builder.remove_messages(rows).await;
        }
    }

    /// Shows searches what the transaction did. To be called after the commit.
    pub(super) async fn publish(self) {
        if let Some(mut builder) = self.builder {
            builder.publish_and_wait(self.last).await;
        }
    }
}

/// Brings the index up to the chunks that are there. Returns false while someone else has it.
pub(super) async fn follow(files: &Files, scope: &Scope) -> Result<bool, Error> {
    let Some(builder) = Builder::open(files, scope, Duration::ZERO).await else { return Ok(false) };
    fill(builder, files, scope).await?;
    Ok(true)
}

/// Throws the index away and makes it anew.
pub(super) async fn rebuild(files: &Files, scope: &Scope) -> Result<(), Error> {
    let Some(builder) = Builder::open_by(files, scope, PATIENCE, Writer::rebuild).await else {
        return Ok(());
    };
    fill(builder, files, scope).await
}

/// Returns the last chunk that was ever written.
pub(super) async fn last(connection: &mut SqliteConnection) -> Result<i64, Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'")
        .fetch_optional(connection)
        .await
        .map_err(database("looking for new chunks"))?;
    Ok(last.unwrap_or(0))
}

async fn fill(mut builder: Builder, files: &Files, scope: &Scope) -> Result<(), Error> {
    let mut reader = files.readers.acquire().await.map_err(database("reading chunks"))?;
    let last = last(&mut reader).await?;
    catch_up(&mut builder, &mut reader, scope, last, files.settings.fields).await?;
    builder.publish_and_wait(last).await;
    Ok(())
}

async fn catch_up(
    builder: &mut Builder,
    connection: &mut SqliteConnection,
    scope: &Scope,
    up_to: i64,
    fields: Fields,
) -> Result<(), Error> {
    let failed = database("reading chunks for the search index");
    while builder.last() < up_to {
        // A room has few of all chunks: its documents are gone through.
        let joined = match scope.is_room() {
            true => "documents d CROSS JOIN chunks c ON c.document_id = d.id",
            false => "chunks c JOIN documents d ON d.id = c.document_id",
        };
        let rows: Vec<_> = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT c.id, c.document_id, c.begins, c.ends, c.heading, d.title, d.format,
                    (SELECT max(f.modified_at) FROM files f WHERE f.document_id = d.id)
             FROM {joined} WHERE c.id > ? AND c.id <= ? AND d.tenant = ? ORDER BY c.id LIMIT ?",
        )))
        .bind(builder.last())
        .bind(up_to)
        .bind(scope.tenant().as_str())
        .bind(CATCH_UP_ROWS)
        .fetch(&mut *connection)
        .try_collect()
        .await
        .map_err(&failed)?;
        if rows.is_empty() {
            builder.passed(up_to);
            return Ok(());
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let document: i64 = row.try_get(1).map_err(&failed)?;
            let (begins, ends) = (row.try_get(2).map_err(&failed)?, row.try_get(3).map_err(&failed)?);
            let text = read::text(&mut *connection, document, begins, ends).await?;
            let (heading, title): (Option<&str>, Option<&str>) =
                (row.try_get(4).map_err(&failed)?, row.try_get(5).map_err(&failed)?);
            let about = about(row.try_get(6).map_err(&failed)?);
            let weighed = fields.weighed(title, heading, keep::searched(title, heading, &text));
            let time = row.try_get(7).map_err(&failed)?;
            entries.push(entry(row.try_get(0).map_err(&failed)?, document, &about, time, weighed));
        }
        builder.add(entries).await;
    }
    Ok(())
}

/// Returns what the index is told of a document's chunks.
pub(super) fn about(format: &str) -> Arc<About> {
    // A format is a name as providers are; what is not one is filed under none.
    let provider = format.parse().unwrap_or(Provider::LLM);
    Arc::new(About { provider, user: None, model: None, began_at: None })
}

fn entry(row: i64, document: i64, about: &Arc<About>, time: Option<i64>, weighed: String) -> Entry {
    Entry {
        kind: Kind::Message,
        message_id: row,
        conversation: document,
        time,
        role: None,
        flags: 0,
        model: None,
        about: Arc::clone(about),
        text: Arc::from(weighed),
        for_fts5: false,
    }
}

const CATCH_UP_ROWS: i64 = 512;
