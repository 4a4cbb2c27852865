//! Documents that are new, as most are when folders are added: looked up together, and written many rows to a statement.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::LazyLock,
};

use athenaeum_core::{ChunkId, DocumentId, Timestamp};
use sqlx::{QueryBuilder, Row};
use xxhash_rust::xxh3::xxh3_128;

use super::{Writing, bytes, read_as, reason, searched, source};
use crate::{
    Error,
    library::{
        follow::about,
        view::{FileState, Kept, NewChunk, NewDocument, NewFile, Outcome},
    },
    store::{
        batch::{Insert, Inserts, inserts, write},
        error::database,
    },
};

/// A document that is to have this row.
pub(super) struct New<'f> {
    pub(super) row: i64,
    pub(super) file: &'f NewFile,
    pub(super) document: NewDocument,
    pub(super) read_as: [u8; 16],
}

/// A row of `texts`: its document, where it begins, a piece.
type TextRow = (i64, i64, String);

/// A row of `chunks`.
pub(super) struct ChunkRow {
    id: i64,
    document: i64,
    position: u32,
    hash: [u8; 16],
    chunk: NewChunk,
}

impl Writing<'_> {
    /// Keeps a batch: what became of each, in the same order.
    pub(super) async fn keep_all(&mut self, batch: Vec<(NewFile, NewDocument)>) -> Result<Vec<Kept>, Error> {
        let are_new = self.are_new(&batch).await?;
        let mut kept: Vec<Option<Kept>> = vec![None; batch.len()];
        let (mut new, mut others) = (Vec::new(), Vec::new());
        for (place, (entry, is_new)) in batch.into_iter().zip(are_new).enumerate() {
            if is_new { &mut new } else { &mut others }.push((place, entry));
        }
        let (places, new): (Vec<usize>, Vec<_>) = new.into_iter().unzip();
        for (place, done) in places.into_iter().zip(self.keep_new(new).await?) {
            kept[place] = Some(done);
        }
        for (place, (file, document)) in others {
            kept[place] = Some(self.keep(&file, document).await?);
        }
        Ok(kept.into_iter().flatten().collect())
    }

    /// Tells of which files neither name nor bytes are known, nor come twice in the batch: what becomes of these does not
    /// depend on anything else.
    async fn are_new(&mut self, batch: &[(NewFile, NewDocument)]) -> Result<Vec<bool>, Error> {
        let paths = counted(batch.iter().map(|(file, _)| file.path.as_str()));
        let hashes = counted(batch.iter().map(|(_, document)| &document.hash));
        let failed = database("looking for documents");
        let tenant = self.scope.tenant().as_str();
        let mut known_paths = HashSet::new();
        let mut known_hashes = HashSet::new();
        for batch in batch.chunks(ASKED_AT_ONCE) {
            let mut sql = QueryBuilder::new("SELECT path FROM files WHERE tenant = ");
            sql.push_bind(tenant).push(" AND path IN (");
            let mut list = sql.separated(", ");
            for (file, _) in batch {
                list.push_bind(file.path.as_str());
            }
            sql.push(")");
            for row in sql.build().fetch_all(&mut *self.connection).await.map_err(&failed)? {
                known_paths.insert(row.try_get::<String, _>(0).map_err(&failed)?);
            }
            let mut sql = QueryBuilder::new("SELECT hash FROM documents WHERE tenant = ");
            sql.push_bind(tenant).push(" AND hash IN (");
            let mut list = sql.separated(", ");
            for (_, document) in batch {
                list.push_bind(&document.hash[..]);
            }
            sql.push(")");
            for row in sql.build().fetch_all(&mut *self.connection).await.map_err(&failed)? {
                known_hashes.insert(bytes::<32>(&row, 0)?);
            }
        }
        let is_new = |(file, document): &(NewFile, NewDocument)| {
            let is_once = paths[file.path.as_str()] == 1 && hashes[&document.hash] == 1;
            is_once && !known_paths.contains(&file.path) && !known_hashes.contains(&document.hash)
        };
        Ok(batch.iter().map(is_new).collect())
    }

    /// Keeps files whose names and bytes are new.
    async fn keep_new(&mut self, new: Vec<(NewFile, NewDocument)>) -> Result<Vec<Kept>, Error> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let mut files = Vec::with_capacity(new.len());
        let mut documents = Vec::with_capacity(new.len());
        for (row, (file, document)) in (self.next_document().await?..).zip(new) {
            let reason = reason(document.coverage);
            documents.push(document);
            files.push((row, file, reason));
        }
        let documents = files.iter().zip(documents).map(|((row, file, _), document)| {
            let read_as = read_as(&document);
            New { row: *row, file, document, read_as }
        });
        let kept = self.insert(documents.collect()).await?;
        let (tenant, now) = (self.scope.tenant().as_str().to_owned(), self.now.as_micros());
        let bind = |insert: Insert, (row, file, reason): (i64, NewFile, String)| {
            let insert = insert.bind(tenant.clone()).bind(file.path).bind(file.bytes.cast_signed());
            let insert = insert.bind(file.modified_at.map(Timestamp::as_micros));
            insert.bind(FileState::Kept.as_str()).bind(reason).bind(1).bind(now).bind(row)
        };
        write(self.connection, &FILES, &mut files, bind).await.map_err(database("writing the ledger"))?;
        Ok(kept)
    }

    /// Returns the row of the next document.
    pub(super) async fn next_document(&mut self) -> Result<i64, Error> {
        let last: Option<i64> =
            sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'documents'")
                .fetch_optional(&mut *self.connection)
                .await
                .map_err(database("keeping a document"))?;
        Ok(last.unwrap_or(0) + 1)
    }

    /// Writes documents with their texts and chunks, in order of their rows.
    pub(super) async fn insert(&mut self, new: Vec<New<'_>>) -> Result<Vec<Kept>, Error> {
        let mut kept = Vec::with_capacity(new.len());
        let mut documents = Vec::with_capacity(new.len());
        let (mut texts, mut chunks) = (Vec::new(), Vec::new());
        for New { row, file, document, read_as } in new {
            let uid = DocumentId::mint(self.now);
            let all = (0..).zip(&document.chunks).collect();
            let rows = self.chunk_rows(row, file, &document, all).await;
            let added = rows.len() as u32;
            kept.push(Kept { document: uid, outcome: Outcome::Added, added, removed: Vec::new() });
            chunks.extend(rows);
            let mut document = document;
            let text = std::mem::take(&mut document.text);
            if text.len() <= PIECE_BYTES && !text.is_empty() {
                texts.push((row, 0, text));
            } else {
                texts.extend(text_rows(row, &text));
            }
            documents.push((row, uid, document, read_as));
        }
        let (tenant, now) = (self.scope.tenant().as_str().to_owned(), self.now.as_micros());
        let expires_at = self.expires_at;
        let bind =
            |insert: Insert, (row, uid, document, read_as): (i64, DocumentId, NewDocument, [u8; 16])| {
                let insert = insert.bind(row).bind(uid.as_bytes().to_vec()).bind(tenant.clone());
                let insert = insert.bind(document.hash.to_vec()).bind(read_as.to_vec());
                let insert =
                    insert.bind(document.format).bind(document.title).bind(document.bytes.cast_signed());
                let insert = insert.bind(document.coverage.covered).bind(document.coverage.parts);
                let insert = insert.bind(now).bind(now).bind(document.chunks.len() as i64);
                insert.bind(document.problems).bind(expires_at).bind(document.metadata)
            };
        let failed = database("keeping documents");
        write(self.connection, &DOCUMENTS, &mut documents, bind).await.map_err(&failed)?;
        self.write_texts(texts).await?;
        self.write_chunks(chunks).await?;
        Ok(kept)
    }

    pub(super) async fn write_texts(&mut self, mut rows: Vec<TextRow>) -> Result<(), Error> {
        let bind = |insert: Insert, (document, begins, piece): TextRow| {
            insert.bind(document).bind(begins).bind(piece)
        };
        write(self.connection, &TEXTS, &mut rows, bind).await.map_err(database("keeping a text"))
    }

    /// Makes the rows of a document's chunks, and hands these to the search index.
    pub(super) async fn chunk_rows(
        &mut self,
        document_row: i64,
        file: &NewFile,
        document: &NewDocument,
        chunks: Vec<(u32, &NewChunk)>,
    ) -> Vec<ChunkRow> {
        let about = about(&document.format);
        let mut rows = Vec::with_capacity(chunks.len());
        for (position, chunk) in chunks {
            let text = &document.text[chunk.range.clone()];
            let searched = searched(document.title.as_deref(), chunk.heading.as_deref(), text);
            let hash = xxh3_128(searched.as_bytes()).to_le_bytes();
            let id = self.follower.next();
            let fields = self.follower.fields();
            let weighed = fields.weighed(document.title.as_deref(), chunk.heading.as_deref(), searched);
            self.follower.add(id, document_row, &about, file.modified_at, weighed).await;
            rows.push(ChunkRow { id, document: document_row, position, hash, chunk: chunk.clone() });
        }
        rows
    }

    pub(super) async fn write_chunks(&mut self, mut rows: Vec<ChunkRow>) -> Result<(), Error> {
        let now = self.now;
        let bind = |insert: Insert, ChunkRow { id, document, position, hash, chunk }: ChunkRow| {
            let (source_begins, source_ends) = source(&chunk);
            let insert = insert.bind(id).bind(ChunkId::mint(now).as_bytes().to_vec()).bind(document);
            let insert = insert.bind(position).bind(chunk.range.start as i64).bind(chunk.range.end as i64);
            let insert = insert.bind(hash.to_vec()).bind(chunk.heading).bind(chunk.place);
            insert.bind(source_begins).bind(source_ends)
        };
        write(self.connection, &CHUNKS, &mut rows, bind).await.map_err(database("keeping chunks"))
    }
}

/// Cuts a text into the rows that hold it.
pub(super) fn text_rows(document: i64, text: &str) -> impl Iterator<Item = TextRow> {
    let mut begins = 0;
    std::iter::from_fn(move || {
        let end = text.floor_char_boundary(begins + PIECE_BYTES);
        let piece = text.get(begins..end).filter(|piece| !piece.is_empty())?;
        let at = std::mem::replace(&mut begins, end);
        Some((document, at as i64, piece.to_owned()))
    })
}

fn counted<T: Eq + Hash>(items: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

static DOCUMENTS: Inserts = LazyLock::new(|| {
    inserts(
        "documents (id, uid, tenant, hash, read_as, format, title, bytes, covered, parts, added_at, changed_at, \
         chunks, problems, expires_at, metadata)",
        16,
    )
});

static TEXTS: Inserts = LazyLock::new(|| inserts("texts (document_id, begins, text)", 3));

static CHUNKS: Inserts = LazyLock::new(|| {
    inserts(
        "chunks (id, uid, document_id, position, begins, ends, hash, heading, place, source_begins, source_ends)",
        11,
    )
});

static FILES: Inserts = LazyLock::new(|| {
    inserts("files (tenant, path, bytes, modified_at, state, reason, tries, seen_at, document_id)", 9)
});

/// Two pages of the database: a passage costs little to read, and a text few rows.
const PIECE_BYTES: usize = 32 << 10;

/// Names and hashes in one question.
const ASKED_AT_ONCE: usize = 1_000;
