//! Reading documents and parts of them back.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    sync::Arc,
};

use athenaeum_core::{ChunkId, DocumentId, Timestamp};
use athenaeum_tenancy::Scope;
use serde_json::Value;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    keep::bytes,
    view::{Chunk, Coverage, Document, DocumentSummary, Having, Mark},
};
use crate::{
    Cursor, Error, Page,
    store::{cursor, error::database, open::Files},
};

pub(super) async fn document(files: &Files, scope: &Scope, id: DocumentId) -> Result<Document, Error> {
    let failed = database("reading a document");
    // One moment for all of it: a file that changes in between would give half of each.
    let mut reader = files.readers.begin().await.map_err(&failed)?;
    let sql = format!("SELECT {SUMMARY}, d.id, d.problems FROM documents d WHERE d.uid = ? AND d.tenant = ?");
    let found = sqlx::query(AssertSqlSafe(sql)).bind(id.as_bytes().to_vec()).bind(scope.tenant().as_str());
    let row = found.fetch_optional(&mut *reader).await.map_err(&failed)?;
    let row = row.ok_or_else(|| Error::not_found("document", id))?;
    let number: i64 = row.try_get(SUMMARY_COLUMNS).map_err(&failed)?;
    let pieces: Vec<String> =
        sqlx::query_scalar("SELECT text FROM texts WHERE document_id = ? ORDER BY begins")
            .bind(number)
            .fetch_all(&mut *reader)
            .await
            .map_err(&failed)?;
    let paths = sqlx::query_scalar("SELECT path FROM files WHERE document_id = ? ORDER BY path LIMIT ?")
        .bind(number)
        .bind(PATHS_MAX)
        .fetch_all(&mut *reader)
        .await
        .map_err(&failed)?;
    Ok(Document {
        summary: summary(&row)?,
        paths,
        problems: row.try_get(SUMMARY_COLUMNS + 1).map_err(&failed)?,
        text: pieces.concat(),
    })
}

pub(super) async fn documents(
    files: &Files,
    scope: &Scope,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<DocumentSummary>, Error> {
    let failed = database("listing documents");
    let limit = cursor::limit(limit);
    let (_, before) = cursor::decode_place(after)?;
    let sql = format!(
        "SELECT {SUMMARY}, d.id FROM documents d WHERE d.tenant = ? AND d.id < ? ORDER BY d.id DESC LIMIT ?"
    );
    let rows =
        sqlx::query(AssertSqlSafe(sql)).bind(scope.tenant().as_str()).bind(before).bind(limit as i64 + 1);
    let rows = rows.fetch_all(&files.readers).await.map_err(&failed)?;
    let items = rows.iter().take(limit).map(summary).collect::<Result<_, _>>()?;
    let next = match rows.get(limit.saturating_sub(1)).filter(|_| rows.len() > limit) {
        Some(last) => Some(cursor::encode_place(0, last.try_get(SUMMARY_COLUMNS).map_err(&failed)?)),
        None => None,
    };
    Ok(Page { items, next })
}

pub(super) async fn chunks(
    files: &Files,
    scope: &Scope,
    ids: &[ChunkId],
) -> Result<Vec<Option<Chunk>>, Error> {
    let mut found = HashMap::new();
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(CHUNKS);
        sql.push(" WHERE c.uid IN (");
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.as_bytes().to_vec());
        }
        sql.push(") AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        found.extend(read(files, sql).await?.into_iter().map(|(_, chunk)| (chunk.id, chunk)));
    }
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

/// Returns the ids of chunks by row, in no order; those of another scope are left out.
pub(super) async fn ids_by_row(
    files: &Files,
    scope: &Scope,
    rows: &[i64],
) -> Result<HashMap<i64, ChunkId>, Error> {
    let failed = database("reading chunks");
    let mut found = HashMap::new();
    for rows in rows.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(IDS);
        sql.push("c.id IN (");
        let mut list = sql.separated(", ");
        for row in rows {
            list.push_bind(*row);
        }
        sql.push(") AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            found.insert(row.try_get(0).map_err(&failed)?, ChunkId::from_bytes(bytes(&row, 1)?));
        }
    }
    Ok(found)
}

/// Tells which of these chunks are there.
pub(super) async fn known(files: &Files, scope: &Scope, ids: &[ChunkId]) -> Result<HashSet<ChunkId>, Error> {
    let failed = database("reading chunks");
    let mut found = HashSet::new();
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(IDS);
        sql.push("c.uid IN (");
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.as_bytes().to_vec());
        }
        sql.push(") AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            found.insert(ChunkId::from_bytes(bytes(&row, 1)?));
        }
    }
    Ok(found)
}

/// Tells which documents chunks are of; those of another scope are left out.
pub(super) async fn documents_of(
    files: &Files,
    scope: &Scope,
    ids: &[ChunkId],
) -> Result<HashMap<ChunkId, DocumentId>, Error> {
    let failed = database("reading chunks");
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(
            "SELECT c.uid, d.uid FROM chunks c JOIN documents d ON d.id = c.document_id WHERE c.uid IN (",
        );
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.as_bytes().to_vec());
        }
        sql.push(") AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            found.insert(ChunkId::from_bytes(bytes(&row, 0)?), DocumentId::from_bytes(bytes(&row, 1)?));
        }
    }
    Ok(found)
}

/// Returns chunks by row, in no order.
pub(super) async fn chunks_by_row(
    files: &Files,
    scope: &Scope,
    rows: &[i64],
) -> Result<HashMap<i64, Chunk>, Error> {
    let mut found = HashMap::new();
    for rows in rows.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(CHUNKS);
        sql.push(" WHERE c.id IN (");
        let mut list = sql.separated(", ");
        for row in rows {
            list.push_bind(*row);
        }
        sql.push(") AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        found.extend(read(files, sql).await?);
    }
    Ok(found)
}

pub(super) async fn chunks_at(
    files: &Files,
    scope: &Scope,
    document: DocumentId,
    positions: RangeInclusive<u32>,
) -> Result<Vec<Chunk>, Error> {
    let mut sql = QueryBuilder::new(CHUNKS);
    sql.push(" WHERE d.uid = ").push_bind(document.as_bytes().to_vec());
    sql.push(" AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
    sql.push(" AND c.position BETWEEN ").push_bind(*positions.start());
    sql.push(" AND ")
        .push_bind(*positions.end())
        .push(" ORDER BY c.position LIMIT ")
        .push_bind(IDS_MAX as i64);
    Ok(read(files, sql).await?.into_iter().map(|(_, chunk)| chunk).collect())
}

pub(super) async fn chunks_before(
    files: &Files,
    scope: &Scope,
    before: Option<&Cursor>,
    after: Option<&Mark>,
    limit: usize,
) -> Result<Page<Chunk>, Error> {
    let (_, before) = cursor::decode_place(before)?;
    let limit = limit.clamp(1, IDS_MAX);
    let mut sql = QueryBuilder::new(if scope.is_room() { CHUNKS_OF_ROOM } else { CHUNKS });
    sql.push(" WHERE c.id < ").push_bind(before);
    sql.push(" AND c.id > ").push_bind(after.map_or(0, |mark| mark.row));
    sql.push(" AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
    sql.push(" ORDER BY c.id DESC LIMIT ").push_bind(limit as i64);
    let rows = read(files, sql).await?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|(row, _)| cursor::encode_place(0, *row));
    Ok(Page { items: rows.into_iter().map(|(_, chunk)| chunk).collect(), next })
}

pub(super) async fn mark(files: &Files, scope: &Scope) -> Result<Option<Mark>, Error> {
    let failed = database("reading chunks");
    let ids = if scope.is_room() { IDS_OF_ROOM } else { IDS };
    let sql = format!("{ids} d.tenant = ? ORDER BY c.id DESC LIMIT 1");
    let newest = sqlx::query(AssertSqlSafe(sql)).bind(scope.tenant().as_str());
    let Some(row) = newest.fetch_optional(&files.readers).await.map_err(&failed)? else { return Ok(None) };
    Ok(Some(Mark { row: row.try_get(0).map_err(&failed)?, chunk: ChunkId::from_bytes(bytes(&row, 1)?) }))
}

pub(super) async fn newer_than(files: &Files, scope: &Scope, mark: &Mark) -> Result<Option<u64>, Error> {
    let failed = database("counting chunks");
    // One moment for both.
    let mut reader = files.readers.begin().await.map_err(&failed)?;
    let sql = format!("{IDS} c.id = ? AND c.uid = ? AND d.tenant = ?");
    let there = sqlx::query(AssertSqlSafe(sql)).bind(mark.row).bind(mark.chunk.as_bytes().to_vec());
    let there = there.bind(scope.tenant().as_str()).fetch_optional(&mut *reader).await.map_err(&failed)?;
    if there.is_none() {
        return Ok(None);
    }
    let sql = match scope.is_room() {
        true => {
            "SELECT count(*) FROM documents d CROSS JOIN chunks c ON c.document_id = d.id WHERE c.id > ? AND d.tenant = ?"
        }
        false => {
            "SELECT count(*) FROM chunks c JOIN documents d ON d.id = c.document_id WHERE c.id > ? AND d.tenant = ?"
        }
    };
    let count = sqlx::query_scalar::<_, i64>(sql).bind(mark.row).bind(scope.tenant().as_str());
    let count = count.fetch_one(&mut *reader).await.map_err(&failed)?;
    Ok(Some(count.cast_unsigned()))
}

/// Reads the chunks that a statement finds, with their text and what they are a part of.
async fn read(files: &Files, mut sql: QueryBuilder<sqlx::Sqlite>) -> Result<Vec<(i64, Chunk)>, Error> {
    let failed = database("reading chunks");
    let mut reader = files.readers.begin().await.map_err(&failed)?;
    let rows = sql.build().fetch_all(&mut *reader).await.map_err(&failed)?;
    let ids = rows.iter().map(|row| row.try_get(SUMMARY_COLUMNS + 1)).collect::<Result<Vec<i64>, _>>();
    let mut texts = texts(&mut reader, &ids.map_err(&failed)?).await?;
    let mut documents: HashMap<i64, Arc<DocumentSummary>> = HashMap::new();
    let mut chunks = Vec::with_capacity(rows.len());
    for row in &rows {
        let at = |column: usize| SUMMARY_COLUMNS + column;
        let number: i64 = row.try_get(at(0)).map_err(&failed)?;
        let document = match documents.get(&number) {
            Some(document) => Arc::clone(document),
            None => {
                let document = Arc::new(summary(row)?);
                documents.insert(number, Arc::clone(&document));
                document
            }
        };
        let (begins, ends): (i64, i64) =
            (row.try_get(at(4)).map_err(&failed)?, row.try_get(at(5)).map_err(&failed)?);
        let source: (Option<i64>, Option<i64>) =
            (row.try_get(at(8)).map_err(&failed)?, row.try_get(at(9)).map_err(&failed)?);
        let id: i64 = row.try_get(at(1)).map_err(&failed)?;
        let text = texts.remove(&id).unwrap_or_default();
        let text = String::from_utf8(text).ok().filter(|text| text.len() as i64 == ends - begins);
        let chunk = Chunk {
            id: ChunkId::from_bytes(bytes(row, at(2))?),
            document,
            position: row.try_get(at(3)).map_err(&failed)?,
            range: begins as usize..ends as usize,
            heading: row.try_get(at(6)).map_err(&failed)?,
            place: row.try_get(at(7)).map_err(&failed)?,
            source: source.0.zip(source.1).map(|(begins, ends)| begins.cast_unsigned()..ends.cast_unsigned()),
            text: text.ok_or_else(|| Error::damaged("a chunk of the library"))?,
        };
        chunks.push((id, chunk));
    }
    Ok(chunks)
}

/// Reads the texts of chunks: of each the bytes that are its own, out of the pieces that hold them.
async fn texts(connection: &mut SqliteConnection, chunks: &[i64]) -> Result<HashMap<i64, Vec<u8>>, Error> {
    let failed = database("reading a text");
    let mut texts: HashMap<i64, Vec<u8>> = HashMap::with_capacity(chunks.len());
    for chunks in chunks.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(
            "SELECT c.id, substr(CAST(t.text AS BLOB), max(c.begins - t.begins, 0) + 1, c.ends - max(c.begins, t.begins))
             FROM chunks c JOIN texts t ON t.document_id = c.document_id AND t.begins < c.ends AND t.begins >=
             (SELECT max(begins) FROM texts WHERE document_id = c.document_id AND begins <= c.begins)
             WHERE c.id IN (",
        );
        let mut list = sql.separated(", ");
        for chunk in chunks {
            list.push_bind(*chunk);
        }
        sql.push(") ORDER BY c.id, t.begins");
        for row in sql.build().fetch_all(&mut *connection).await.map_err(&failed)? {
            let part: &[u8] = row.try_get(1).map_err(&failed)?;
            texts.entry(row.try_get(0).map_err(&failed)?).or_default().extend_from_slice(part);
        }
    }
    Ok(texts)
}

pub(super) async fn part(
    files: &Files,
    scope: &Scope,
    id: DocumentId,
    range: std::ops::Range<usize>,
) -> Result<String, Error> {
    let failed = database("reading a text");
    let mut reader = files.readers.begin().await.map_err(&failed)?;
    let document: Option<i64> = sqlx::query_scalar("SELECT id FROM documents WHERE uid = ? AND tenant = ?")
        .bind(id.as_bytes().to_vec())
        .bind(scope.tenant().as_str())
        .fetch_optional(&mut *reader)
        .await
        .map_err(&failed)?;
    let document = document.ok_or_else(|| Error::not_found("document", id))?;
    let at = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
    text(&mut reader, document, at(range.start), at(range.end)).await.map_err(|error| match error {
        Error::Damaged { .. } => Error::Invalid {
            reason: format!("bytes {} to {} are not a part of the document's text", range.start, range.end),
        },
        error => error,
    })
}

/// Returns the rows of documents; those of another scope are left out.
pub(super) async fn rows_of<'d>(
    files: &Files,
    scope: &Scope,
    ids: impl IntoIterator<Item = &'d DocumentId>,
) -> Result<HashSet<i64>, Error> {
    let failed = database("looking for documents");
    let ids: Vec<&DocumentId> = ids.into_iter().collect();
    let mut found = HashSet::with_capacity(ids.len());
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new("SELECT d.id FROM documents d WHERE d.uid IN (");
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.as_bytes().to_vec());
        }
        sql.push(") AND d.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        found.extend(sql.build_query_scalar::<i64>().fetch_all(&files.readers).await.map_err(&failed)?);
    }
    Ok(found)
}

/// Returns the documents whose metadata meets every condition.
pub(super) async fn having(
    files: &Files,
    scope: &Scope,
    conditions: &[Having],
) -> Result<HashSet<DocumentId>, Error> {
    let failed = database("looking through metadata");
    let mut sql =
        QueryBuilder::new("SELECT d.uid FROM documents d WHERE d.metadata IS NOT NULL AND d.tenant = ");
    sql.push_bind(scope.tenant().as_str().to_owned());
    for Having { key, values } in conditions {
        sql.push(" AND EXISTS (SELECT 1 FROM json_each(d.metadata) e WHERE e.key = ").push_bind(key.clone());
        sql.push(" AND (FALSE");
        for value in values {
            match value {
                Value::Null => sql.push(" OR e.type = 'null'"),
                Value::Bool(true) => sql.push(" OR e.type = 'true'"),
                Value::Bool(false) => sql.push(" OR e.type = 'false'"),
                Value::String(text) => sql.push(" OR e.type = 'text' AND e.atom = ").push_bind(text.clone()),
                Value::Number(number) => {
                    sql.push(" OR e.type IN ('integer', 'real') AND e.atom = ");
                    match number.as_i64() {
                        Some(whole) => sql.push_bind(whole),
                        None => sql.push_bind(number.as_f64().unwrap_or(f64::NAN)),
                    }
                }
                Value::Array(_) | Value::Object(_) => &mut sql,
            };
        }
        sql.push("))");
    }
    let rows = sql.build().fetch_all(&files.readers).await.map_err(&failed)?;
    rows.iter().map(|row| Ok(DocumentId::from_bytes(bytes(row, 0)?))).collect()
}

/// Reads a part of a text: the pieces that hold it and no others.
pub(super) async fn text(
    connection: &mut SqliteConnection,
    document: i64,
    begins: i64,
    ends: i64,
) -> Result<String, Error> {
    let pieces: Vec<(i64, String)> = sqlx::query_as(
        "SELECT begins, text FROM texts WHERE document_id = ?1 AND begins < ?3
         AND begins >= (SELECT max(begins) FROM texts WHERE document_id = ?1 AND begins <= ?2) ORDER BY begins",
    )
    .bind(document)
    .bind(begins)
    .bind(ends)
    .fetch_all(connection)
    .await
    .map_err(database("reading a text"))?;
    let first = pieces.first().map_or(0, |(first, _)| *first);
    let joined: String = pieces.into_iter().map(|(_, piece)| piece).collect();
    let range = (begins - first) as usize..(ends - first) as usize;
    joined.get(range).map(ToOwned::to_owned).ok_or_else(|| Error::damaged("a chunk of the library"))
}

fn summary(row: &SqliteRow) -> Result<DocumentSummary, Error> {
    let failed = database("reading a document");
    let time = |column| row.try_get(column).map(Timestamp::from_micros).map_err(&failed);
    Ok(DocumentSummary {
        id: DocumentId::from_bytes(bytes(row, 0)?),
        hash: bytes(row, 1)?,
        format: row.try_get(2).map_err(&failed)?,
        title: row.try_get(3).map_err(&failed)?,
        bytes: row.try_get::<i64, _>(4).map_err(&failed)?.cast_unsigned(),
        coverage: Coverage {
            covered: row.try_get(5).map_err(&failed)?,
            parts: row.try_get(6).map_err(&failed)?,
        },
        added_at: time(7)?,
        changed_at: time(8)?,
        chunks: row.try_get(9).map_err(&failed)?,
        path: row.try_get(10).map_err(&failed)?,
        modified_at: row.try_get::<Option<i64>, _>(11).map_err(&failed)?.map(Timestamp::from_micros),
        expires_at: row.try_get::<Option<i64>, _>(12).map_err(&failed)?.map(Timestamp::from_micros),
        metadata: row.try_get(13).map_err(&failed)?,
    })
}

/// Of a document `d`.
macro_rules! summary_columns {
    () => {
        "d.uid, d.hash, d.format, d.title, d.bytes, d.covered, d.parts, d.added_at, d.changed_at, d.chunks, \
         (SELECT min(f.path) FROM files f WHERE f.document_id = d.id), \
         (SELECT max(f.modified_at) FROM files f WHERE f.document_id = d.id), d.expires_at, d.metadata"
    };
}

const SUMMARY: &str = summary_columns!();

const SUMMARY_COLUMNS: usize = 14;

/// Of a chunk `c`.
macro_rules! chunk_columns {
    () => {
        ", c.document_id, c.id, c.uid, c.position, c.begins, c.ends, c.heading, c.place, c.source_begins, c.source_ends"
    };
}

const CHUNKS: &str = concat!(
    "SELECT ",
    summary_columns!(),
    chunk_columns!(),
    " FROM chunks c JOIN documents d ON d.id = c.document_id"
);

/// The same, for what asks for chunks of any document: a room has few of all that there are, so its documents are gone through
/// and not all chunks. (`CROSS JOIN` holds SQLite to the order that is written.)
const CHUNKS_OF_ROOM: &str = concat!(
    "SELECT ",
    summary_columns!(),
    chunk_columns!(),
    " FROM documents d CROSS JOIN chunks c ON c.document_id = d.id"
);

/// The row and the id of chunks.
const IDS: &str = "SELECT c.id, c.uid FROM chunks c JOIN documents d ON d.id = c.document_id WHERE ";

/// As [`CHUNKS_OF_ROOM`].
const IDS_OF_ROOM: &str =
    "SELECT c.id, c.uid FROM documents d CROSS JOIN chunks c ON c.document_id = d.id WHERE ";

/// Ids in one statement, and chunks in one answer.
const IDS_MAX: usize = 1_000;

/// Files named with a document.
const PATHS_MAX: i64 = 100;
