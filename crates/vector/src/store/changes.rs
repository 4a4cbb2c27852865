//! What was written since somebody last looked.

use std::ops::Range;

use athenaeum_core::{
    Timestamp,
    vector::{Span, Spec},
};
use futures_util::TryStreamExt;
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};

use super::Database;
use crate::{
    Error,
    error::database,
    rows::{Rows, Times},
};

/// Where a collection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) id: i64,
    pub(crate) uid: [u8; 16],
    pub(crate) vectors: u64,
    pub(crate) mark: Mark,
    /// Removals up to this one are no longer listed.
    pub(crate) forgotten: u64,
}

/// How far somebody has seen a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// Clearing begins another one.
    pub(crate) generation: u64,
    /// The last row.
    pub(crate) row: u64,
    /// The last removal.
    pub(crate) removal: u64,
}

/// What came after a [`Mark`].
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) state: State,
    pub(crate) rows: Rows,
    /// Sequence numbers of rows that were removed, among them such as were never seen.
    pub(crate) removed: Vec<u64>,
}

impl Database {
    /// Reads where a collection stands.
    pub(crate) async fn state(&self, id: i64) -> Result<State, Error> {
        let mut connection = self.readers.acquire().await.map_err(database("reading them"))?;
        state(&mut connection, id).await
    }

    /// Reads what came since: rows after `mark.row`, removals after `mark.removal`.
    pub(crate) async fn changes(&self, id: i64, mark: Mark, dimensions: usize) -> Result<Changes, Error> {
        let failed = database("reading them");
        let mut connection = self.readers.acquire().await.map_err(&failed)?;
        let mut reading = connection.begin().await.map_err(&failed)?;
        let state = state(&mut reading, id).await?;
        let removed = removed(&mut reading, &state, mark).await?;
        let rows = rows(&mut reading, id, mark.row..state.mark.row, usize::MAX >> 1, dimensions).await?;
        reading.rollback().await.map_err(failed)?;
        Ok(Changes { state, rows, removed })
    }

    /// Counts the rows that came since, and reads what else changed.
    pub(crate) async fn news(
        &self,
        id: i64,
        mark: Mark,
        dimensions: usize,
    ) -> Result<(usize, Changes), Error> {
        let failed = database("counting them");
        let mut connection = self.readers.acquire().await.map_err(&failed)?;
        let mut reading = connection.begin().await.map_err(&failed)?;
        let state = state(&mut reading, id).await?;
        let removed = removed(&mut reading, &state, mark).await?;
        let newer: i64 =
            sqlx::query_scalar("SELECT count(*) FROM vectors WHERE collection = ?1 AND id > ?2 AND id <= ?3")
                .bind(id)
                .bind(mark.row.cast_signed())
                .bind(state.mark.row.cast_signed())
                .fetch_one(&mut *reading)
                .await
                .map_err(&failed)?;
        reading.rollback().await.map_err(failed)?;
        let newer = usize::try_from(newer).unwrap_or_default();
        Ok((newer, Changes { state, rows: Rows::new(dimensions), removed }))
    }

    /// Reads at most `count` rows after the range's start, up to its end, which is one of them.
    pub(crate) async fn page(
        &self,
        id: i64,
        after: Range<u64>,
        count: usize,
        dimensions: usize,
    ) -> Result<Rows, Error> {
        let mut connection = self.readers.acquire().await.map_err(database("reading them"))?;
        rows(&mut connection, id, after, count, dimensions).await
    }

    /// Lists whose collections hold something, sorted.
    pub(crate) async fn tenants(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT DISTINCT tenant FROM collections WHERE vectors > 0 ORDER BY tenant";
        sqlx::query_scalar(sql).fetch_all(&self.readers).await.map_err(database("listing collections"))
    }

    /// Lists a tenant's collections by name, with how many vectors each has.
    pub(crate) async fn holdings(&self, tenant: &str) -> Result<Vec<(Spec, u64)>, Error> {
        let failed = database("listing collections");
        let rows = sqlx::query(
            "SELECT name, model, dimensions, metric, vectors FROM collections WHERE tenant = ?1 ORDER BY name",
        )
        .bind(tenant)
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        let holding = |row: &SqliteRow| {
            let vectors: i64 = row.try_get("vectors").map_err(&failed)?;
            Ok((spec(row)?, vectors.cast_unsigned()))
        };
        rows.iter().map(holding).collect()
    }
}

pub(super) fn spec(row: &SqliteRow) -> Result<Spec, Error> {
    let failed = database("listing collections");
    let damaged = || Error::Damaged { what: "the list of collections in vectors.db".into() };
    let dimensions: i64 = row.try_get("dimensions").map_err(&failed)?;
    let metric: &str = row.try_get("metric").map_err(&failed)?;
    Ok(Spec {
        name: row.try_get("name").map_err(&failed)?,
        model: row.try_get("model").map_err(&failed)?,
        dimensions: usize::try_from(dimensions).map_err(|_| damaged())?,
        metric: metric.parse().map_err(|_| damaged())?,
    })
}

pub(super) async fn state(connection: &mut SqliteConnection, id: i64) -> Result<State, Error> {
    let failed = database("reading them");
    let row = sqlx::query(
        "SELECT uid, vectors, generation, last_row, last_removal, forgotten_removals FROM collections WHERE id = ?1",
    )
    .bind(id)
    .fetch_one(connection)
    .await
    .map_err(&failed)?;
    let number = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned).map_err(&failed);
    let uid: &[u8] = row.try_get("uid").map_err(&failed)?;
    Ok(State {
        id,
        uid: uid
            .try_into()
            .map_err(|_| Error::Damaged { what: "the list of collections in vectors.db".into() })?,
        vectors: number("vectors")?,
        mark: Mark {
            generation: number("generation")?,
            row: number("last_row")?,
            removal: number("last_removal")?,
        },
        forgotten: number("forgotten_removals")?,
    })
}

async fn removed(connection: &mut SqliteConnection, state: &State, mark: Mark) -> Result<Vec<u64>, Error> {
    if state.mark.removal <= mark.removal {
        return Ok(Vec::new());
    }
    let removed = sqlx::query_scalar("SELECT row FROM removals WHERE collection = ?1 AND id > ?2")
        .bind(state.id)
        .bind(mark.removal.cast_signed())
        .fetch_all(connection)
        .await
        .map_err(database("reading them"))?;
    Ok(removed.into_iter().map(i64::cast_unsigned).collect())
}

/// Reads rows after the range's start, up to its end, which is one of them.
async fn rows(
    connection: &mut SqliteConnection,
    id: i64,
    after: Range<u64>,
    count: usize,
    dimensions: usize,
) -> Result<Rows, Error> {
    let mut rows = Rows::new(dimensions);
    if after.is_empty() {
        return Ok(rows);
    }
    let failed = database("reading them");
    let mut found = sqlx::query(
        "SELECT id, key, scale, vector, tags, valid_from, valid_until, learnt_at, expires_at FROM vectors \
         WHERE collection = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4",
    )
    .bind(id)
    .bind(after.start.cast_signed())
    .bind(after.end.cast_signed())
    .bind(count as i64)
    .fetch(connection);
    while let Some(row) = found.try_next().await.map_err(&failed)? {
        add(&mut rows, &row)?;
    }
    Ok(rows)
}

fn add(rows: &mut Rows, row: &SqliteRow) -> Result<(), Error> {
    let failed = database("reading them");
    let damaged = || Error::Damaged { what: "a row of vectors.db".into() };
    let time = |index: usize| {
        row.try_get::<Option<i64>, _>(index).map(|micros| micros.map(Timestamp::from_micros)).map_err(&failed)
    };
    let sequence: i64 = row.try_get(0).map_err(&failed)?;
    let key: &[u8] = row.try_get(1).map_err(&failed)?;
    let scale: f64 = row.try_get(2).map_err(&failed)?;
    let vector: &[u8] = row.try_get(3).map_err(&failed)?;
    let tags: &str = row.try_get(4).map_err(&failed)?;
    let valid = Span { from: time(5)?, until: time(6)? };
    let learnt = time(7)?.ok_or_else(damaged)?;
    if vector.len() != rows.dimensions || !(scale as f32).is_finite() {
        return Err(damaged());
    }
    rows.keys.push(key.try_into().map_err(|_| damaged())?);
    rows.sequences.push(sequence.cast_unsigned());
    rows.scales.push(scale as f32);
    rows.values.extend_from_slice(vector);
    rows.times.push(Times::new(valid, learnt, time(8)?));
    let tags = rows.tag_sets.number(tags)?;
    rows.tags.push(tags);
    Ok(())
}
