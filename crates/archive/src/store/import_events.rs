//! The record of every import.

use athenaeum_core::{ImportId, Provider, Timestamp};
use athenaeum_tenancy::Scope;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    cursor,
    error::{Error, database},
    open::Files,
    row,
};
use crate::{Cursor, ImportEvent, ImportStatus, Page};

const COLUMNS: &str = "uid, provider, file_path, status, stats, error, created_at, id";

pub(crate) async fn list(
    files: &Files,
    scope: &Scope,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<ImportEvent>, Error> {
    let limit = cursor::limit(limit);
    let (time, id) = cursor::decode_place(after)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM import_events WHERE tenant = ? AND (created_at, id) < (?, ?)
         ORDER BY created_at DESC, id DESC LIMIT ?"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().as_str())
        .bind(time)
        .bind(id)
        .bind(limit as i64 + 1)
        .fetch_all(&files.readers)
        .await
        .map_err(database("listing imports"))?;
    let mut items = rows.iter().take(limit).map(event).collect::<Result<Vec<_>, _>>()?;
    let mut next = None;
    if rows.len() > limit
        && let (Some(row), Some(last)) = (rows.get(limit - 1), items.last_mut())
    {
        let id: i64 = row.try_get(7).map_err(database("listing imports"))?;
        next = Some(cursor::encode_place(last.created_at.as_micros(), id));
    }
    Ok(Page { items, next })
}

pub(crate) async fn one(files: &Files, scope: &Scope, id: ImportId) -> Result<ImportEvent, Error> {
    let sql = format!("SELECT {COLUMNS} FROM import_events WHERE uid = ? AND tenant = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&id.as_bytes()[..])
        .bind(scope.tenant().as_str())
        .fetch_optional(&files.readers)
        .await
        .map_err(database("reading an import"))?;
    row.map_or_else(|| Err(Error::not_found("import", id)), |row| event(&row))
}

/// Records that an import begins.
pub(crate) async fn begin(
    connection: &mut SqliteConnection,
    scope: &Scope,
    id: ImportId,
    file_path: &str,
    provider: Option<&Provider>,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO import_events (uid, tenant, event_type, provider, file_path, status, created_at)
         VALUES (?, ?, 'import_start', ?, ?, 'in_progress', ?)",
    )
    .bind(&id.as_bytes()[..])
    .bind(scope.tenant().as_str())
    .bind(provider.map(Provider::as_str))
    .bind(file_path)
    .bind(now.as_micros())
    .execute(connection)
    .await
    .map_err(database("recording the import"))?;
    Ok(())
}

/// How an import ended.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) error: Option<&'a str>,
    pub(crate) stats: Option<&'a str>,
    pub(crate) provider: Option<&'a Provider>,
}

/// Records how an import ended.
pub(crate) async fn end(connection: &mut SqliteConnection, id: ImportId, end: End<'_>) -> Result<(), Error> {
    sqlx::query(
        "UPDATE import_events
         SET status = ?, error = ?, stats = coalesce(?, stats), provider = coalesce(provider, ?), ended_at = ?
         WHERE uid = ? AND status = 'in_progress'",
    )
    .bind(if end.error.is_some() { "failed" } else { "completed" })
    .bind(end.error)
    .bind(end.stats)
    .bind(end.provider.map(Provider::as_str))
    .bind(Timestamp::now().as_micros())
    .bind(&id.as_bytes()[..])
    .execute(connection)
    .await
    .map_err(database("recording the end of the import"))?;
    Ok(())
}

/// Lists imports, of any tenant, that have not ended.
pub(crate) async fn running(files: &Files) -> Result<Vec<ImportId>, Error> {
    let rows = sqlx::query("SELECT uid FROM import_events WHERE status = 'in_progress'")
        .fetch_all(&files.readers)
        .await
        .map_err(database("looking for interrupted imports"))?;
    rows.iter().map(|row| row::uid(row, 0).map(ImportId::from_bytes)).collect()
}

fn event(row: &SqliteRow) -> Result<ImportEvent, Error> {
    let failed = database("reading an import");
    let provider: Option<&str> = row.try_get(1).map_err(&failed)?;
    let created_at: i64 = row.try_get(6).map_err(&failed)?;
    Ok(ImportEvent {
        id: ImportId::from_bytes(row::uid(row, 0)?),
        provider: provider.map(row::provider).transpose()?,
        file_path: row.try_get(2).map_err(&failed)?,
        status: match row.try_get(3).map_err(&failed)? {
            "completed" => ImportStatus::Completed,
            "failed" => ImportStatus::Failed,
            _ => ImportStatus::InProgress,
        },
        stats: row.try_get(4).map_err(&failed)?,
        error: row.try_get(5).map_err(&failed)?,
        created_at: Timestamp::from_micros(created_at),
    })
}
