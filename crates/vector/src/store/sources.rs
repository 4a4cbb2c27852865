//! Which sources have all their vectors.

use std::collections::HashSet;

use athenaeum_core::vector::Key;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{
    Database,
    write::{begin, commit, note, remove},
};
use crate::{
    Error,
    error::database,
    sources::{Settled, Source},
};

const READING: &str = "reading what they are of";
const WRITING: &str = "writing what they are of";

impl Database {
    pub(crate) async fn settle(&self, id: i64, sources: &[(Source, Vec<Key>)]) -> Result<u64, Error> {
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        let mut removed = 0;
        for (source, keys) in sources {
            let kept: HashSet<&Key> = keys.iter().collect();
            let there = keys_of(&mut writing, id, source.id, i64::MAX).await?;
            let gone: Vec<Key> = there.into_iter().filter(|key| !kept.contains(key)).collect();
            remove_keys(&mut writing, id, &gone).await?;
            removed += gone.len() as u64;
            sqlx::query(
                "INSERT INTO sources (collection, source, version, weight) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (collection, source) DO UPDATE SET version = excluded.version, weight = excluded.weight",
            )
            .bind(id)
            .bind(&source.id.0[..])
            .bind(&source.version[..])
            .bind(source.weight.cast_signed())
            .execute(&mut *writing)
            .await
            .map_err(database(WRITING))?;
        }
        commit(writing).await?;
        Ok(removed)
    }

    pub(crate) async fn remove_sources(&self, id: i64, sources: &[Key]) -> Result<u64, Error> {
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        let mut removed = 0;
        for source in sources {
            let keys = keys_of(&mut writing, id, *source, i64::MAX).await?;
            remove_keys(&mut writing, id, &keys).await?;
            removed += keys.len() as u64;
            sqlx::query("DELETE FROM sources WHERE collection = ?1 AND source = ?2")
                .bind(id)
                .bind(&source.0[..])
                .execute(&mut *writing)
                .await
                .map_err(database(WRITING))?;
        }
        commit(writing).await?;
        Ok(removed)
    }

    pub(crate) async fn versions(&self, id: i64, sources: &[Key]) -> Result<Vec<Option<[u8; 16]>>, Error> {
        let failed = database(READING);
        let mut found = std::collections::HashMap::new();
        for sources in sources.chunks(SOURCES) {
            let mut query =
                QueryBuilder::<Sqlite>::new("SELECT source, version FROM sources WHERE collection = ");
            query.push_bind(id).push(" AND source IN (");
            let mut list = query.separated(", ");
            for source in sources {
                list.push_bind(source.0.to_vec());
            }
            query.push(")");
            for row in query.build().fetch_all(&self.readers).await.map_err(&failed)? {
                found.insert(key(&row, 0)?, key(&row, 1)?.0);
            }
        }
        Ok(sources.iter().map(|source| found.get(source).copied()).collect())
    }

    pub(crate) async fn sources_after(
        &self,
        id: i64,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        let rows = sqlx::query(
            "SELECT source FROM sources WHERE collection = ?1 AND source > ?2 ORDER BY source LIMIT ?3",
        )
        .bind(id)
        .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
        .bind(limit as i64);
        let rows = rows.fetch_all(&self.readers).await.map_err(database(READING))?;
        rows.iter().map(|row| key(row, 0)).collect()
    }

    pub(crate) async fn keys_of(&self, id: i64, source: Key, limit: usize) -> Result<HashSet<Key>, Error> {
        let mut connection = self.readers.acquire().await.map_err(database(READING))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(keys_of(&mut connection, id, source, limit).await?.into_iter().collect())
    }

    pub(crate) async fn keys_after(
        &self,
        id: i64,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        let rows =
            sqlx::query("SELECT key FROM vectors WHERE collection = ?1 AND key > ?2 ORDER BY key LIMIT ?3")
                .bind(id)
                .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = rows.fetch_all(&self.readers).await.map_err(database(READING))?;
        rows.iter().map(|row| key(row, 0)).collect()
    }

    pub(crate) async fn settled(&self, id: i64) -> Result<Settled, Error> {
        let failed = database(READING);
        let row = sqlx::query("SELECT sources, weight FROM sources_counted WHERE collection = ?1").bind(id);
        let Some(row) = row.fetch_optional(&self.readers).await.map_err(&failed)? else {
            return Ok(Settled::default());
        };
        let number = |column: usize| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
        Ok(Settled { sources: number(0).map_err(&failed)?, weight: number(1).map_err(&failed)? })
    }
}

/// Sources in one statement.
const SOURCES: usize = 500;

async fn keys_of(
    connection: &mut SqliteConnection,
    id: i64,
    source: Key,
    limit: i64,
) -> Result<Vec<Key>, Error> {
    let beginning = Source::beginning(source);
    let bound = |end: u8| [beginning, [end; 8]].concat();
    let rows =
        sqlx::query("SELECT key FROM vectors WHERE collection = ?1 AND key BETWEEN ?2 AND ?3 LIMIT ?4")
            .bind(id)
            .bind(bound(0))
            .bind(bound(u8::MAX))
            .bind(limit);
    let rows = rows.fetch_all(connection).await.map_err(database(READING))?;
    rows.iter().map(|row| key(row, 0)).collect()
}

async fn remove_keys(connection: &mut SqliteConnection, id: i64, keys: &[Key]) -> Result<(), Error> {
    let (mut removed, mut removal) = (0, 0);
    for keys in keys.chunks(SOURCES) {
        let (count, last) = remove(connection, id, keys).await?;
        removed += count;
        removal = last.max(removal);
    }
    if removed > 0 {
        note(connection, id, -removed.cast_signed(), 0, removal).await?;
    }
    Ok(())
}

fn key(row: &SqliteRow, column: usize) -> Result<Key, Error> {
    let bytes: &[u8] = row.try_get(column).map_err(database(READING))?;
    let damaged = |_| Error::Damaged { what: "a key in vectors.db".into() };
    bytes.try_into().map(Key).map_err(damaged)
}
