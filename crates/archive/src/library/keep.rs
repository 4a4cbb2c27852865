//! Writing: documents and what the ledger says of their files, many in one transaction.

mod insert;

use std::collections::HashMap;

use athenaeum_core::{ChunkId, DocumentId, Timestamp};
use athenaeum_tenancy::Scope;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use super::{
    follow::Follower,
    ledger::{self, FileRow},
    rooms,
    view::{Coverage, FileState, Kept, NewChunk, NewDocument, NewFile, Outcome},
};
use crate::{
    Error,
    store::{
        error::database,
        open::{Files, Writer},
    },
};

pub(super) async fn keep(
    files: &Files,
    scope: &Scope,
    batch: Vec<(NewFile, NewDocument)>,
) -> Result<Vec<Kept>, Error> {
    for (file, document) in &batch {
        check(file, document)?;
    }
    let mut held = files.writer().await?;
    let mut writing = Writing::begin(files, scope, &mut held).await?;
    let kept = writing.keep_all(batch).await?;
    let follower = writing.follower;
    held.commit().await?;
    follower.publish().await;
    Ok(kept)
}

pub(super) async fn note(
    files: &Files,
    scope: &Scope,
    entries: Vec<(NewFile, FileState, String)>,
) -> Result<Vec<ChunkId>, Error> {
    let mut held = files.writer().await?;
    let mut writing = Writing::begin(files, scope, &mut held).await?;
    let mut removed = Vec::new();
    for (file, state, reason) in entries {
        let known = ledger::row(writing.connection, scope, &file.path).await?;
        let document = known.as_ref().and_then(|known| known.document);
        let keeps = if state == FileState::Gone { None } else { document };
        ledger::enter(writing.connection, scope, &file, state, &reason, keeps, writing.now).await?;
        if let (None, Some(document)) = (keeps, document) {
            removed.extend(writing.drop_unheld(document).await?);
        }
    }
    let follower = writing.follower;
    held.commit().await?;
    follower.publish().await;
    Ok(removed)
}

pub(super) async fn forget(files: &Files, scope: &Scope, paths: &[String]) -> Result<Vec<ChunkId>, Error> {
    let mut held = files.writer().await?;
    let mut writing = Writing::begin(files, scope, &mut held).await?;
    let mut removed = Vec::new();
    for path in paths {
        let Some(FileRow { id, document }) = ledger::row(writing.connection, scope, path).await? else {
            continue;
        };
        let gone =
            sqlx::query("DELETE FROM files WHERE id = ?").bind(id).execute(&mut *writing.connection).await;
        gone.map_err(database("forgetting a file"))?;
        if let Some(document) = document {
            removed.extend(writing.drop_unheld(document).await?);
        }
    }
    let follower = writing.follower;
    held.commit().await?;
    follower.publish().await;
    Ok(removed)
}

pub(super) async fn rename(
    files: &Files,
    scope: &Scope,
    names: &[(String, String)],
) -> Result<Vec<ChunkId>, Error> {
    let failed = database("renaming a file");
    let mut held = files.writer().await?;
    let mut writing = Writing::begin(files, scope, &mut held).await?;
    let mut removed = Vec::new();
    for (from, to) in names {
        let Some(from) = ledger::row(writing.connection, scope, from).await? else { continue };
        let old = ledger::row(writing.connection, scope, to).await?;
        if let Some(old) = old.filter(|old| old.id != from.id) {
            let sql = "DELETE FROM files WHERE id = ?";
            sqlx::query(sql).bind(old.id).execute(&mut *writing.connection).await.map_err(&failed)?;
            if let Some(document) = old.document {
                removed.extend(writing.drop_unheld(document).await?);
            }
        }
        let sql = "UPDATE files SET path = ? WHERE id = ?";
        sqlx::query(sql).bind(to).bind(from.id).execute(&mut *writing.connection).await.map_err(&failed)?;
    }
    let follower = writing.follower;
    held.commit().await?;
    follower.publish().await;
    Ok(removed)
}

/// Returns what of a chunk is searched.
pub(super) fn searched(title: Option<&str>, heading: Option<&str>, text: &str) -> String {
    let before = [title, heading].into_iter().flatten().filter(|line| !text.starts_with(line));
    let mut searched = String::with_capacity(text.len() + 80);
    for line in before {
        searched.push_str(line);
        searched.push('\n');
    }
    searched.push_str(text);
    searched
}

/// A transaction that writes, and the search index that follows it.
pub(super) struct Writing<'t> {
    pub(super) connection: &'t mut SqliteConnection,
    follower: Follower,
    scope: &'t Scope,
    now: Timestamp,
    /// From when on what is kept now is there no longer.
    expires_at: Option<i64>,
}

/// A document that is there.
struct Held {
    id: i64,
    uid: DocumentId,
    read_as: [u8; 16],
}

impl<'t> Writing<'t> {
    /// Begins a transaction, with the index brought up to what was committed before.
    pub(super) async fn begin(files: &Files, scope: &'t Scope, held: &'t mut Writer) -> Result<Self, Error> {
        held.begin().await?;
        let now = Timestamp::now();
        let expires_at = rooms::expiry(held.connection(), scope, now).await?;
        let follower = Follower::open(files, scope, held.connection()).await?;
        Ok(Self { connection: held.connection(), follower, scope, now, expires_at })
    }

    /// Returns what is to be published after the commit.
    pub(super) fn into_follower(self) -> Follower {
        self.follower
    }

    /// Lets what is there already stay as long as if it had been put there now.
    async fn stay(&mut self, document: i64) -> Result<(), Error> {
        let Some(expires_at) = self.expires_at else { return Ok(()) };
        let stay = sqlx::query("UPDATE documents SET expires_at = ?, changed_at = ? WHERE id = ?");
        let stay = stay.bind(expires_at).bind(self.now.as_micros()).bind(document);
        stay.execute(&mut *self.connection).await.map(drop).map_err(database("keeping a document"))
    }

    /// Removes documents with the files that hold them. Returns their chunks.
    pub(super) async fn drop_documents(&mut self, documents: &[i64]) -> Result<Vec<ChunkId>, Error> {
        let mut chunks = Vec::new();
        for document in documents {
            let gone = sqlx::query("DELETE FROM files WHERE document_id = ?").bind(document);
            gone.execute(&mut *self.connection).await.map_err(database("forgetting a file"))?;
            chunks.extend(self.drop_unheld(*document).await?);
        }
        Ok(chunks)
    }

    async fn keep(&mut self, file: &NewFile, document: NewDocument) -> Result<Kept, Error> {
        let read_as = read_as(&document);
        let reason = reason(document.coverage);
        let before = ledger::row(self.connection, self.scope, &file.path).await?.and_then(|row| row.document);
        let same_bytes = self.held_by_hash(&document.hash).await?;
        let (kept, row) = match (same_bytes, before) {
            (Some(held), _) if held.read_as == read_as => {
                self.stay(held.id).await?;
                let outcome = Outcome::Same;
                (Kept { document: held.uid, outcome, added: 0, removed: Vec::new() }, held.id)
            }
            // The same bytes, read otherwise than before: by a better reader, or cut into other chunks.
            (Some(held), _) => (self.replace(held.id, held.uid, file, &document, read_as).await?, held.id),
            (None, Some(before)) if self.holders(before).await? == 1 => {
                let uid = self.uid(before).await?;
                (self.replace(before, uid, file, &document, read_as).await?, before)
            }
            (None, _) => self.add(file, document, read_as).await?,
        };
        ledger::enter(self.connection, self.scope, file, FileState::Kept, &reason, Some(row), self.now)
            .await?;
        let mut kept = kept;
        if let Some(before) = before.filter(|before| *before != row) {
            kept.removed.extend(self.drop_unheld(before).await?);
        }
        Ok(kept)
    }

    async fn held_by_hash(&mut self, hash: &[u8; 32]) -> Result<Option<Held>, Error> {
        let failed = database("looking for a document");
        let found = sqlx::query("SELECT id, uid, read_as FROM documents WHERE tenant = ? AND hash = ?")
            .bind(self.scope.tenant().as_str())
            .bind(&hash[..])
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(&failed)?;
        let held = |row: SqliteRow| {
            Ok(Held {
                id: row.try_get(0).map_err(&failed)?,
                uid: DocumentId::from_bytes(bytes(&row, 1)?),
                read_as: bytes(&row, 2)?,
            })
        };
        found.map(held).transpose()
    }

    /// Counts the files that hold a document.
    async fn holders(&mut self, document: i64) -> Result<i64, Error> {
        let count = sqlx::query_scalar("SELECT count(*) FROM files WHERE document_id = ?").bind(document);
        count.fetch_one(&mut *self.connection).await.map_err(database("looking for a document's files"))
    }

    async fn uid(&mut self, document: i64) -> Result<DocumentId, Error> {
        let found = sqlx::query("SELECT uid FROM documents WHERE id = ?").bind(document);
        let row = found.fetch_one(&mut *self.connection).await.map_err(database("looking for a document"))?;
        Ok(DocumentId::from_bytes(bytes(&row, 0)?))
    }

    async fn add(
        &mut self,
        file: &NewFile,
        document: NewDocument,
        read_as: [u8; 16],
    ) -> Result<(Kept, i64), Error> {
        let row = self.next_document().await?;
        let new = insert::New { row, file, document, read_as };
        let mut kept = self.insert(vec![new]).await?;
        Ok((kept.remove(0), row))
    }

    /// Writes a document in the place of an older one. Chunks that are there already stay what they are.
    async fn replace(
        &mut self,
        row: i64,
        uid: DocumentId,
        file: &NewFile,
        document: &NewDocument,
        read_as: [u8; 16],
    ) -> Result<Kept, Error> {
        let failed = database("keeping a document");
        let update =
            "UPDATE documents SET hash = ?, read_as = ?, format = ?, title = ?, bytes = ?, covered = ?,
             parts = ?, changed_at = ?, chunks = ?, problems = ?, expires_at = ?, metadata = ? WHERE id = ?";
        let update = sqlx::query(update).bind(document.hash.to_vec()).bind(read_as.to_vec());
        let update = update.bind(&document.format).bind(&document.title).bind(document.bytes.cast_signed());
        let update = update.bind(document.coverage.covered).bind(document.coverage.parts);
        let update = update.bind(self.now.as_micros()).bind(document.chunks.len() as i64);
        let update = update.bind(&document.problems).bind(self.expires_at).bind(&document.metadata).bind(row);
        update.execute(&mut *self.connection).await.map_err(&failed)?;
        let clear = sqlx::query("DELETE FROM texts WHERE document_id = ?").bind(row);
        clear.execute(&mut *self.connection).await.map_err(&failed)?;
        self.write_texts(insert::text_rows(row, &document.text).collect()).await?;

        let mut old: HashMap<[u8; 16], Vec<(i64, ChunkId)>> = HashMap::new();
        for (id, uid, hash) in self.chunks_of(row).await? {
            old.entry(hash).or_default().push((id, uid));
        }
        let mut fresh = Vec::new();
        for (position, chunk) in (0_u32..).zip(&document.chunks) {
            let Some((id, _)) = old.get_mut(&chunk_hash(document, chunk)).and_then(Vec::pop) else {
                fresh.push((position, chunk));
                continue;
            };
            let update = "UPDATE chunks SET position = ?, begins = ?, ends = ?, heading = ?, place = ?,
                 source_begins = ?, source_ends = ? WHERE id = ?";
            let update = sqlx::query(update).bind(position);
            let update = update.bind(chunk.range.start as i64).bind(chunk.range.end as i64);
            let update = update.bind(&chunk.heading).bind(&chunk.place);
            let (begins, ends) = source(chunk);
            let update = update.bind(begins).bind(ends).bind(id);
            update.execute(&mut *self.connection).await.map_err(&failed)?;
        }
        let gone: Vec<(i64, ChunkId)> = old.into_values().flatten().collect();
        for (id, _) in &gone {
            let delete = sqlx::query("DELETE FROM chunks WHERE id = ?").bind(id);
            delete.execute(&mut *self.connection).await.map_err(&failed)?;
        }
        self.follower.remove(gone.iter().map(|(id, _)| *id).collect()).await;
        let added = fresh.len() as u32;
        let rows = self.chunk_rows(row, file, document, fresh).await;
        self.write_chunks(rows).await?;
        let removed = gone.into_iter().map(|(_, uid)| uid).collect();
        Ok(Kept { document: uid, outcome: Outcome::Updated, added, removed })
    }

    async fn chunks_of(&mut self, document: i64) -> Result<Vec<(i64, ChunkId, [u8; 16])>, Error> {
        let failed = database("reading chunks");
        let rows =
            sqlx::query("SELECT id, uid, hash FROM chunks WHERE document_id = ? ORDER BY id").bind(document);
        let rows = rows.fetch_all(&mut *self.connection).await.map_err(&failed)?;
        let chunk = |row: &SqliteRow| {
            Ok((row.try_get(0).map_err(&failed)?, ChunkId::from_bytes(bytes(row, 1)?), bytes(row, 2)?))
        };
        rows.iter().map(chunk).collect()
    }

    /// Removes a document that no file holds any more. Returns its chunks.
    async fn drop_unheld(&mut self, document: i64) -> Result<Vec<ChunkId>, Error> {
        if self.holders(document).await? > 0 {
            return Ok(Vec::new());
        }
        let (rows, chunks): (Vec<i64>, Vec<ChunkId>) =
            self.chunks_of(document).await?.into_iter().map(|(id, uid, _)| (id, uid)).unzip();
        let delete = sqlx::query("DELETE FROM documents WHERE id = ?").bind(document);
        delete.execute(&mut *self.connection).await.map_err(database("removing a document"))?;
        self.follower.remove(rows).await;
        Ok(chunks)
    }
}

fn check(file: &NewFile, document: &NewDocument) -> Result<(), Error> {
    let text = &document.text;
    for chunk in &document.chunks {
        if chunk.range.is_empty() || text.get(chunk.range.clone()).is_none() {
            let reason = format!(
                "bytes {} to {} are not a part of the text of {}; nothing was kept",
                chunk.range.start, chunk.range.end, file.path
            );
            return Err(Error::Invalid { reason });
        }
    }
    Ok(())
}

/// What the ledger says of a file whose text is not all of it.
fn reason(coverage: Coverage) -> String {
    if coverage.covered < coverage.parts {
        format!("{} of {} parts hold text", coverage.covered, coverage.parts)
    } else {
        String::new()
    }
}

/// Its bytes in the source, as they are stored.
fn source(chunk: &NewChunk) -> (Option<i64>, Option<i64>) {
    let stored = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    chunk.source.clone().map(|range| (stored(range.start), stored(range.end))).unzip()
}

/// Tells whether two readings of the same bytes are one: the text and its chunks with their places.
fn read_as(document: &NewDocument) -> [u8; 16] {
    let mut hash = Xxh3Default::new();
    let title = document.title.as_deref().unwrap_or_default();
    for part in [&document.format, title, &document.problems, &document.text] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    for chunk in &document.chunks {
        hash.update(&(chunk.range.start as u64).to_le_bytes());
        hash.update(&(chunk.range.end as u64).to_le_bytes());
        let source = chunk.source.clone().unwrap_or_default();
        hash.update(&source.start.to_le_bytes());
        hash.update(&source.end.to_le_bytes());
        for part in [&chunk.heading, &chunk.place].into_iter().flatten() {
            hash.update(part.as_bytes());
        }
    }
    if let Some(metadata) = &document.metadata {
        hash.update(b"metadata");
        hash.update(metadata.as_bytes());
    }
    hash.digest128().to_le_bytes()
}

/// Tells whether two chunks are one to searches.
fn chunk_hash(document: &NewDocument, chunk: &NewChunk) -> [u8; 16] {
    let text = &document.text[chunk.range.clone()];
    xxh3_128(searched(document.title.as_deref(), chunk.heading.as_deref(), text).as_bytes()).to_le_bytes()
}

pub(super) fn bytes<const N: usize>(row: &SqliteRow, column: usize) -> Result<[u8; N], Error> {
    let stored: &[u8] = row.try_get(column).map_err(database("reading the library"))?;
    stored.try_into().map_err(|_| Error::damaged("a stored id or hash of the library"))
}
