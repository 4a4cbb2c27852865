//! The ledger: what became of every file.

use std::collections::HashMap;

use athenaeum_core::{DocumentId, Timestamp};
use athenaeum_tenancy::Scope;
use sqlx::{QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    keep::bytes,
    view::{Coverage, File, FileState, LibraryStats, NewFile},
};
use crate::{
    Cursor, Error, Page,
    store::{cursor, error::database, open::Files},
};

/// A file that the ledger knows.
pub(super) struct FileRow {
    pub(super) id: i64,
    pub(super) document: Option<i64>,
}

pub(super) async fn row(
    connection: &mut SqliteConnection,
    scope: &Scope,
    path: &str,
) -> Result<Option<FileRow>, Error> {
    let found: Option<(i64, Option<i64>)> =
        sqlx::query_as("SELECT id, document_id FROM files WHERE tenant = ? AND path = ?")
            .bind(scope.tenant().as_str())
            .bind(path)
            .fetch_optional(connection)
            .await
            .map_err(database("looking for a file"))?;
    Ok(found.map(|(id, document)| FileRow { id, document }))
}

/// Enters a file, in place of what was said of it before.
pub(super) async fn enter(
    connection: &mut SqliteConnection,
    scope: &Scope,
    file: &NewFile,
    state: FileState,
    reason: &str,
    document: Option<i64>,
    now: Timestamp,
) -> Result<(), Error> {
    let sql =
        "INSERT INTO files (tenant, path, bytes, modified_at, state, reason, tries, seen_at, document_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5 <> 'waiting', ?7, ?8)
         ON CONFLICT (tenant, path) DO UPDATE SET bytes = excluded.bytes, modified_at = excluded.modified_at,
             state = excluded.state, reason = excluded.reason, seen_at = excluded.seen_at,
             document_id = excluded.document_id,
             tries = excluded.tries + CASE WHEN files.bytes = excluded.bytes
                 AND files.modified_at IS excluded.modified_at THEN files.tries ELSE 0 END";
    let enter =
        sqlx::query(sql).bind(scope.tenant().as_str()).bind(&file.path).bind(file.bytes.cast_signed());
    let enter = enter.bind(file.modified_at.map(Timestamp::as_micros)).bind(state.as_str()).bind(reason);
    let enter = enter.bind(now.as_micros()).bind(document);
    enter.execute(connection).await.map_err(database("writing the ledger"))?;
    Ok(())
}

pub(super) async fn file(files: &Files, scope: &Scope, path: &str) -> Result<Option<File>, Error> {
    let sql = format!("{FILES} WHERE f.tenant = ? AND f.path = ?");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(scope.tenant().as_str()).bind(path);
    let found = found.fetch_optional(&files.readers).await.map_err(database("reading the ledger"))?;
    found.as_ref().map(read).transpose()
}

/// Returns what the ledger says of files, by their names; those that it does not have are left out.
pub(super) async fn files(
    files: &Files,
    scope: &Scope,
    paths: &[&str],
) -> Result<HashMap<String, File>, Error> {
    let failed = database("reading the ledger");
    let mut found = HashMap::with_capacity(paths.len());
    for paths in paths.chunks(PATHS_MAX) {
        let mut sql = QueryBuilder::new(FILES);
        sql.push(" WHERE f.tenant = ").push_bind(scope.tenant().as_str()).push(" AND f.path IN (");
        let mut list = sql.separated(", ");
        for path in paths {
            list.push_bind(*path);
        }
        sql.push(")");
        for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            let file = read(&row)?;
            found.insert(file.found.path.clone(), file);
        }
    }
    Ok(found)
}

pub(super) async fn list(
    files: &Files,
    scope: &Scope,
    under: &str,
    state: Option<FileState>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<File>, Error> {
    let limit = cursor::limit(limit);
    // A cursor is the last path: the order is that of paths.
    let after = after.map(|Cursor(path)| path.as_str());
    // Nothing sorts between a beginning and the beginning with the greatest letter behind it.
    let sql = format!(
        "{FILES} WHERE f.tenant = ?1 AND f.path >= ?2 AND f.path < ?2 || char(1114111) AND (?3 IS NULL OR f.state = ?3)
         AND (?4 IS NULL OR f.path > ?4) ORDER BY f.path LIMIT ?5"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(scope.tenant().as_str()).bind(under);
    let rows = rows.bind(state.map(FileState::as_str)).bind(after).bind(limit as i64 + 1);
    let rows = rows.fetch_all(&files.readers).await.map_err(database("reading the ledger"))?;
    let items: Vec<File> = rows.iter().take(limit).map(read).collect::<Result<_, _>>()?;
    let next = items.last().filter(|_| rows.len() > limit).map(|file| Cursor(file.found.path.clone()));
    Ok(Page { items, next })
}

pub(super) async fn stats(files: &Files, scope: &Scope) -> Result<LibraryStats, Error> {
    let failed = database("counting the library");
    let tenant = scope.tenant().as_str();
    let states: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM files WHERE tenant = ? GROUP BY state")
            .bind(tenant)
            .fetch_all(&files.readers)
            .await
            .map_err(&failed)?;
    let formats: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT format, count(*) AS n, sum(chunks) FROM documents WHERE tenant = ? GROUP BY format ORDER BY n DESC, format",
    )
    .bind(tenant)
    .fetch_all(&files.readers)
    .await
    .map_err(&failed)?;
    let text_bytes: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(octet_length(t.text)), 0) FROM texts t JOIN documents d ON d.id = t.document_id
         WHERE d.tenant = ?",
    )
    .bind(tenant)
    .fetch_one(&files.readers)
    .await
    .map_err(&failed)?;
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let state =
        |name: &str| FileState::named(name).ok_or_else(|| Error::damaged("a file's state in the ledger"));
    Ok(LibraryStats {
        documents: formats.iter().map(|(_, documents, _)| count(*documents)).sum(),
        chunks: formats.iter().map(|(_, _, chunks)| count(*chunks)).sum(),
        text_bytes: count(text_bytes),
        files: states.iter().map(|(name, n)| Ok((state(name)?, count(*n)))).collect::<Result<_, Error>>()?,
        formats: formats.into_iter().map(|(format, documents, _)| (format, count(documents))).collect(),
    })
}

pub(super) async fn chunk_count(files: &Files, scope: &Scope) -> Result<u64, Error> {
    let count: Option<i64> = sqlx::query_scalar("SELECT chunks FROM counts WHERE tenant = ?")
        .bind(scope.tenant().as_str())
        .fetch_optional(&files.readers)
        .await
        .map_err(database("counting chunks"))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

fn read(row: &SqliteRow) -> Result<File, Error> {
    let failed = database("reading the ledger");
    let state: &str = row.try_get(3).map_err(&failed)?;
    let document: Option<&[u8]> = row.try_get(7).map_err(&failed)?;
    let document = document.map(|_| bytes(row, 7).map(DocumentId::from_bytes)).transpose()?;
    let coverage = match document {
        Some(_) => Some(Coverage {
            covered: row.try_get(8).map_err(&failed)?,
            parts: row.try_get(9).map_err(&failed)?,
        }),
        None => None,
    };
    let modified_at: Option<i64> = row.try_get(2).map_err(&failed)?;
    Ok(File {
        found: NewFile {
            path: row.try_get(0).map_err(&failed)?,
            bytes: row.try_get::<i64, _>(1).map_err(&failed)?.cast_unsigned(),
            modified_at: modified_at.map(Timestamp::from_micros),
        },
        state: FileState::named(state).ok_or_else(|| Error::damaged("a file's state in the ledger"))?,
        reason: row.try_get(4).map_err(&failed)?,
        tries: row.try_get(5).map_err(&failed)?,
        seen_at: Timestamp::from_micros(row.try_get(6).map_err(&failed)?),
        document,
        coverage,
    })
}

const FILES: &str =
    "SELECT f.path, f.bytes, f.modified_at, f.state, f.reason, f.tries, f.seen_at, d.uid, d.covered, d.parts
     FROM files f LEFT JOIN documents d ON d.id = f.document_id";

/// Files in one question.
const PATHS_MAX: usize = 1_000;
