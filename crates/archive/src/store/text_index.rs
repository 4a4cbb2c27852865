//! Bringing SQLite's text index up to the messages of an import.

use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::{
    batch::{Insert, Inserts, inserts, write},
    error::{Error, database},
};
use crate::fts5::{self, Averages, HandOver, Structure};

/// Has FTS5 read the messages from row `first` to row `last`.
pub(crate) async fn read(connection: &mut SqliteConnection, first: i64, last: i64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO messages_fts (rowid, content)
         SELECT id, content FROM messages WHERE id BETWEEN ? AND ? ORDER BY id",
    )
    .bind(first)
    .bind(last)
    .execute(connection)
    .await
    .map_err(database("indexing messages"))?;
    Ok(())
}

/// Stores the segments, and has FTS5 read the other messages. Returns false, having done nothing, where the table
/// is not as this program makes it, or has no room for more segments.
pub(crate) async fn take(connection: &mut SqliteConnection, mut handed: HandOver) -> Result<bool, Error> {
    let failed = database("indexing messages");
    // FTS5 has in memory what triggers told it in this transaction, and the list of segments as it last read it.
    // Merging, be it nothing, has it write the one and forget the other; a savepoint does so with its counts. What
    // follows is then written after its records, not below them, and read when they are next needed.
    sqlx::query(MERGE).bind(0).execute(&mut *connection).await.map_err(&failed)?;
    sqlx::query("SAVEPOINT text_index").execute(&mut *connection).await.map_err(&failed)?;
    let unmerged = store(connection, &mut handed).await?;
    sqlx::query("RELEASE text_index").execute(&mut *connection).await.map_err(&failed)?;
    let Some(unmerged) = unmerged else { return Ok(false) };
    if !handed.others.is_empty() {
        let rows: Vec<String> = handed.others.iter().map(i64::to_string).collect();
        sqlx::query(
            "INSERT INTO messages_fts (rowid, content)
             SELECT id, content FROM messages WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        )
        .bind(format!("[{}]", rows.join(",")))
        .execute(&mut *connection)
        .await
        .map_err(&failed)?;
    }
    if unmerged >= UNMERGED_MAX {
        sqlx::query(MERGE).bind(i32::MAX).execute(connection).await.map_err(&failed)?;
    }
    Ok(true)
}

/// Returns how many segments wait to be merged now.
async fn store(connection: &mut SqliteConnection, handed: &mut HandOver) -> Result<Option<usize>, Error> {
    let failed = database("indexing messages");
    let (version, structure, averages): (Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>) = sqlx::query_as(
        "SELECT (SELECT v FROM messages_fts_config WHERE k = 'version'),
                (SELECT block FROM messages_fts_data WHERE id = ?),
                (SELECT block FROM messages_fts_data WHERE id = ?)",
    )
    .bind(Structure::ROW)
    .bind(Averages::ROW)
    .fetch_one(&mut *connection)
    .await
    .map_err(&failed)?;
    if version != Some(fts5::VERSION) {
        return Ok(None);
    }
    let structure = structure.and_then(|record| Structure::read(&record));
    let averages = averages.and_then(|record| Averages::read(&record, COLUMNS));
    let (Some(mut structure), Some(mut averages)) = (structure, averages) else { return Ok(None) };

    let (mut data, mut index) = (Vec::new(), Vec::new());
    for segment in handed.segments.iter().filter(|segment| segment.last_page() > 0) {
        let Some(number) = structure.add(segment.last_page()) else { return Ok(None) };
        let rows = (1..).map(|page| Structure::page_row(number, page));
        data.extend(rows.zip(segment.pages().map(<[u8]>::to_vec)));
        // The lowest bit would tell of an index of a long list.
        let first_terms = segment.first_terms().iter();
        index.extend(first_terms.map(|(term, page)| (number, term.clone(), i64::from(*page) << 1)));
    }
    let tokens = handed.lengths.iter().map(|(_, tokens)| u64::from(*tokens)).sum();
    averages.add(handed.lengths.len() as u64, tokens);
    write(connection, &DATA, &mut data, |insert, (row, block)| insert.bind(row).bind(block))
        .await
        .map_err(&failed)?;
    let bind = |insert: Insert, (segment, term, page)| insert.bind(segment).bind::<Vec<u8>>(term).bind(page);
    write(connection, &INDEX, &mut index, bind).await.map_err(&failed)?;
    let bind = |insert: Insert, (row, tokens)| insert.bind(row).bind(fts5::length_record(tokens, COLUMNS));
    write(connection, &LENGTHS, &mut handed.lengths, bind).await.map_err(&failed)?;
    for (row, record) in [(Structure::ROW, structure.to_record()), (Averages::ROW, averages.to_record())] {
        sqlx::query("UPDATE messages_fts_data SET block = ? WHERE id = ?")
            .bind(record)
            .bind(row)
            .execute(&mut *connection)
            .await
            .map_err(&failed)?;
    }
    Ok(Some(structure.unmerged()))
}

static DATA: Inserts = LazyLock::new(|| inserts("messages_fts_data (id, block)", 2));
static LENGTHS: Inserts = LazyLock::new(|| inserts("messages_fts_docsize (id, sz)", 2));
static INDEX: Inserts = LazyLock::new(|| inserts("messages_fts_idx (segid, term, pgno)", 3));

/// Has FTS5 merge segments, as many pages as are bound.
const MERGE: &str = "INSERT INTO messages_fts (messages_fts, rank) VALUES ('merge', ?)";

/// Of `messages_fts`.
const COLUMNS: usize = 3;

/// Segments that wait to be merged; FTS5 itself would merge them at its `crisismerge`.
const UNMERGED_MAX: usize = 256;
