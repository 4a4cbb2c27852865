//! Writing: one transaction for each batch.

use athenaeum_core::{
    Timestamp,
    vector::{Entry, Key, Spec},
};
use rustc_hash::FxHashMap;
use sqlx::{Connection as _, QueryBuilder, Sqlite, SqliteConnection, Transaction};

use super::{
    Database,
    changes::{State, spec as read_spec, state},
};
use crate::{Error, error::database, pack::pack, rows::write_tags};

const WRITING: &str = "writing them";

impl Database {
    pub(crate) async fn find_or_make(&self, tenant: &str, spec: &Spec) -> Result<State, Error> {
        check_spec(spec)?;
        let found =
            find(&mut *self.readers.acquire().await.map_err(database(WRITING))?, tenant, spec).await?;
        if let Some(found) = found {
            return Ok(found);
        }
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        let mut uid = [0; 16];
        getrandom::fill(&mut uid).map_err(|_| Error::invalid("the system gives no random bytes"))?;
        sqlx::query(
            "INSERT INTO collections (tenant, name, model, dimensions, metric, uid) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (tenant, name) DO NOTHING",
        )
        .bind(tenant)
        .bind(&spec.name)
        .bind(&spec.model)
        .bind(spec.dimensions as i64)
        .bind(spec.metric.as_str())
        .bind(&uid[..])
        .execute(&mut *writing)
        .await
        .map_err(database(WRITING))?;
        let state = find(&mut writing, tenant, spec).await?;
        commit(writing).await?;
        state.ok_or_else(|| Error::Damaged { what: "the list of collections in vectors.db".into() })
    }

    /// Stores a batch; `entries` were checked. `now` is when it is learnt, where an entry does not say.
    pub(crate) async fn store(&self, id: i64, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        let mut last = FxHashMap::default();
        for (index, entry) in entries.iter().enumerate() {
            last.insert(entry.key, index);
        }
        let entries: Vec<&Entry> = entries
            .iter()
            .enumerate()
            .filter(|(index, entry)| last[&entry.key] == *index)
            .map(|(_, e)| e)
            .collect();
        let keys: Vec<Key> = entries.iter().map(|entry| entry.key).collect();
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        let connection = &mut *writing;
        let mut removal = 0;
        let mut removed = 0;
        for keys in keys.chunks(KEYS) {
            let (count, last) = remove(connection, id, keys).await?;
            removed += count;
            removal = last.max(removal);
        }
        let mut last_row = 0;
        for entries in entries.chunks(ROWS) {
            last_row = insert(connection, id, entries, now).await?;
        }
        let added = entries.len() as i64 - removed as i64;
        note(connection, id, added, last_row, removal).await?;
        commit(writing).await
    }

    pub(crate) async fn delete(&self, id: i64, keys: &[Key]) -> Result<u64, Error> {
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        let (mut removed, mut removal) = (0, 0);
        for keys in keys.chunks(KEYS) {
            let (count, last) = remove(&mut writing, id, keys).await?;
            removed += count;
            removal = last.max(removal);
        }
        if removed > 0 {
            note(&mut writing, id, -(removed as i64), 0, removal).await?;
        }
        commit(writing).await?;
        Ok(removed)
    }

    pub(crate) async fn expire(&self, id: i64, now: Timestamp) -> Result<u64, Error> {
        let failed = database(WRITING);
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        let connection = &mut *writing;
        let listed = sqlx::query(
            "INSERT INTO removals (collection, row) SELECT collection, id FROM vectors \
             WHERE collection = ?1 AND expires_at IS NOT NULL AND expires_at <= ?2",
        )
        .bind(id)
        .bind(now.as_micros())
        .execute(&mut *connection)
        .await
        .map_err(&failed)?;
        let removed = listed.rows_affected();
        if removed > 0 {
            sqlx::query(
                "DELETE FROM vectors WHERE collection = ?1 AND expires_at IS NOT NULL AND expires_at <= ?2",
            )
            .bind(id)
            .bind(now.as_micros())
            .execute(&mut *connection)
            .await
            .map_err(&failed)?;
            note(connection, id, -(removed as i64), 0, listed.last_insert_rowid()).await?;
        }
        commit(writing).await?;
        Ok(removed)
    }

    pub(crate) async fn clear(&self, id: i64) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        for statement in [
            "DELETE FROM sources WHERE collection = ?1",
            "DELETE FROM vectors WHERE collection = ?1",
            "DELETE FROM removals WHERE collection = ?1",
            "UPDATE collections SET generation = generation + 1, vectors = 0, last_row = 0, last_removal = 0, \
             forgotten_removals = 0 WHERE id = ?1",
        ] {
            let query = sqlx::query(statement).bind(id);
            query.execute(&mut *writing).await.map_err(database(WRITING))?;
        }
        commit(writing).await
    }

    /// Forgets removals that every segment knows.
    pub(crate) async fn forget_removals(&self, id: i64, generation: u64, through: u64) -> Result<(), Error> {
        let failed = database(WRITING);
        let mut writer = self.writer.lock().await;
        let mut writing = begin(&mut writer).await?;
        let changed = sqlx::query(
            "UPDATE collections SET forgotten_removals = ?3 \
             WHERE id = ?1 AND generation = ?2 AND forgotten_removals < ?3",
        )
        .bind(id)
        .bind(generation.cast_signed())
        .bind(through.cast_signed())
        .execute(&mut *writing)
        .await
        .map_err(&failed)?;
        if changed.rows_affected() > 0 {
            sqlx::query("DELETE FROM removals WHERE collection = ?1 AND id <= ?2")
                .bind(id)
                .bind(through.cast_signed())
                .execute(&mut *writing)
                .await
                .map_err(&failed)?;
        }
        commit(writing).await
    }

    pub(crate) async fn contains(&self, id: i64, keys: &[Key]) -> Result<Vec<bool>, Error> {
        let failed = database("reading them");
        let mut there = std::collections::HashSet::new();
        let mut connection = self.readers.acquire().await.map_err(&failed)?;
        for keys in keys.chunks(KEYS) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT key FROM vectors WHERE collection = ");
            query.push_bind(id);
            push_keys(&mut query, keys);
            let found: Vec<Vec<u8>> =
                query.build_query_scalar().fetch_all(&mut *connection).await.map_err(&failed)?;
            there.extend(found);
        }
        Ok(keys.iter().map(|key| there.contains(&key.0[..])).collect())
    }

    /// Returns vectors as they are kept, in the order of their keys.
    pub(crate) async fn vectors(&self, id: i64, keys: &[Key]) -> Result<Vec<Option<Vec<f32>>>, Error> {
        let failed = database("reading them");
        let mut found: FxHashMap<Vec<u8>, Vec<f32>> = FxHashMap::default();
        for keys in keys.chunks(KEYS) {
            let mut query =
                QueryBuilder::<Sqlite>::new("SELECT key, scale, vector FROM vectors WHERE collection = ");
            query.push_bind(id);
            push_keys(&mut query, keys);
            let rows: Vec<(Vec<u8>, f64, Vec<u8>)> =
                query.build_query_as().fetch_all(&self.readers).await.map_err(&failed)?;
            for (key, scale, bytes) in rows {
                let vector = bytes.iter().map(|byte| f32::from(*byte as i8) * scale as f32).collect();
                found.insert(key, vector);
            }
        }
        Ok(keys.iter().map(|key| found.remove(&key.0[..])).collect())
    }
}

/// Rows in one statement: each statement is a way to the connection's thread and back.
const ROWS: usize = 250;
/// Keys in one statement.
const KEYS: usize = 1_000;

/// Begins to write. Where it is dropped before [`commit`], all of it is taken back at once, and nobody waits for it.
pub(super) async fn begin(writer: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, Error> {
    writer.begin_with("BEGIN IMMEDIATE").await.map_err(database(WRITING))
}

pub(super) async fn commit(writing: Transaction<'_, Sqlite>) -> Result<(), Error> {
    writing.commit().await.map_err(database(WRITING))
}

async fn find(connection: &mut SqliteConnection, tenant: &str, spec: &Spec) -> Result<Option<State>, Error> {
    let failed = database("looking for a collection");
    let row = sqlx::query(
        "SELECT id, name, model, dimensions, metric FROM collections WHERE tenant = ?1 AND name = ?2",
    )
    .bind(tenant)
    .bind(&spec.name)
    .fetch_optional(&mut *connection)
    .await
    .map_err(&failed)?;
    let Some(row) = row else { return Ok(None) };
    let found = read_spec(&row)?;
    if found != *spec {
        let tell = |spec: &Spec| {
            format!("{} dimensions of {} by {}", spec.dimensions, spec.model, spec.metric.as_str())
        };
        return Err(Error::Differs { name: spec.name.clone(), found: tell(&found), wanted: tell(spec) });
    }
    let id = sqlx::Row::try_get(&row, "id").map_err(failed)?;
    state(connection, id).await.map(Some)
}

async fn insert(
    connection: &mut SqliteConnection,
    id: i64,
    entries: &[&Entry],
    now: Timestamp,
) -> Result<i64, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO vectors (collection, key, scale, vector, tags, valid_from, valid_until, learnt_at, expires_at) ",
    );
    query.push_values(entries, |mut row, entry| {
        let mut values = Vec::with_capacity(entry.vector.len());
        let scale = pack(&entry.vector, &mut values);
        row.push_bind(id)
            .push_bind(entry.key.0.to_vec())
            .push_bind(f64::from(scale))
            .push_bind(values)
            .push_bind(write_tags(&entry.tags))
            .push_bind(entry.valid.from.map(Timestamp::as_micros))
            .push_bind(entry.valid.until.map(Timestamp::as_micros))
            .push_bind(entry.learnt.unwrap_or(now).as_micros())
            .push_bind(entry.expires.map(Timestamp::as_micros));
    });
    let done = query.build().execute(connection).await.map_err(database(WRITING))?;
    Ok(done.last_insert_rowid())
}

/// Removes rows; returns how many, and the last removal's number.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    id: i64,
    keys: &[Key],
) -> Result<(u64, i64), Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO removals (collection, row) SELECT collection, id FROM vectors WHERE collection = ",
    );
    query.push_bind(id);
    push_keys(&mut query, keys);
    let listed = query.build().execute(&mut *connection).await.map_err(database(WRITING))?;
    if listed.rows_affected() == 0 {
        return Ok((0, 0));
    }
    let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM vectors WHERE collection = ");
    query.push_bind(id);
    push_keys(&mut query, keys);
    query.build().execute(connection).await.map_err(database(WRITING))?;
    Ok((listed.rows_affected(), listed.last_insert_rowid()))
}

fn push_keys(query: &mut QueryBuilder<Sqlite>, keys: &[Key]) {
    query.push(" AND key IN (");
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind(key.0.to_vec());
    }
    query.push(")");
}

pub(super) async fn note(
    connection: &mut SqliteConnection,
    id: i64,
    added: i64,
    last_row: i64,
    last_removal: i64,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE collections SET vectors = vectors + ?2, last_row = max(last_row, ?3), \
         last_removal = max(last_removal, ?4) WHERE id = ?1",
    )
    .bind(id)
    .bind(added)
    .bind(last_row)
    .bind(last_removal)
    .execute(connection)
    .await
    .map(drop)
    .map_err(database(WRITING))
}

fn check_spec(spec: &Spec) -> Result<(), Error> {
    if spec.name.is_empty() || spec.name.len() > 200 {
        return Err(Error::invalid("a collection's name has 1 to 200 bytes"));
    }
    if !(1..=crate::segment::DIMENSIONS_MAX).contains(&spec.dimensions) {
        let most = crate::segment::DIMENSIONS_MAX;
        return Err(Error::invalid(format!("vectors have 1 to {most} dimensions, not {}", spec.dimensions)));
    }
    Ok(())
}
