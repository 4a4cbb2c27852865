//! Rooms: parts of a tenant's library that stand apart. What is in one is kept under a scope of its own; here stands which there
//! are, and how long each keeps what is put into it.

use std::time::Duration;

use athenaeum_core::{ChunkId, Timestamp};
use athenaeum_tenancy::{Room, Scope};
use sqlx::{AssertSqlSafe, Row, SqliteConnection, sqlite::SqliteRow};

use super::{keep, view::RoomEntry};
use crate::{
    Error,
    store::{error::database, open::Files},
};

/// Returns a room, and whether it was made now. A `ttl` that is given is the room's from now on, also for what is in it.
pub(super) async fn open(
    files: &Files,
    scope: &Scope,
    room: &Room,
    ttl: Option<Duration>,
) -> Result<(RoomEntry, bool), Error> {
    let failed = database("opening a room");
    let own = scope_of(scope, room)?;
    if ttl.is_none()
        && let Some(found) = find(files, scope, room).await?
    {
        return Ok((found, false));
    }
    let ttl = ttl.map(micros);
    let mut held = files.writer().await?;
    held.begin().await?;
    let connection = held.connection();
    let made = sqlx::query(
        "INSERT INTO rooms (tenant, scope, kind, name, made_at, ttl) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO NOTHING",
    );
    let made = made.bind(scope.tenant().as_str()).bind(own.tenant().as_str()).bind(room.kind());
    let made = made.bind(room.id()).bind(Timestamp::now().as_micros()).bind(ttl);
    let made = made.execute(&mut *connection).await.map_err(&failed)?.rows_affected() > 0;
    if let Some(ttl) = ttl.filter(|_| !made) {
        let set = sqlx::query("UPDATE rooms SET ttl = ? WHERE scope = ?").bind(ttl);
        set.bind(own.tenant().as_str()).execute(&mut *connection).await.map_err(&failed)?;
        let set =
            sqlx::query("UPDATE documents SET expires_at = changed_at + ?1 WHERE tenant = ?2").bind(ttl);
        set.bind(own.tenant().as_str()).execute(&mut *connection).await.map_err(&failed)?;
    }
    held.commit().await?;
    let found = find(files, scope, room).await?;
    // Somebody may remove it this moment.
    found.map(|found| (found, made)).ok_or_else(|| Error::not_found("room", room.id()))
}

pub(super) async fn find(files: &Files, scope: &Scope, room: &Room) -> Result<Option<RoomEntry>, Error> {
    let sql = format!("{ROOMS} WHERE r.tenant = ? AND r.kind = ? AND r.name = ?");
    let found =
        sqlx::query(AssertSqlSafe(sql)).bind(scope.tenant().as_str()).bind(room.kind()).bind(room.id());
    let found = found.fetch_optional(&files.readers).await.map_err(database("looking for a room"))?;
    found.map(|row| entry(scope, &row)).transpose()
}

/// Lists a tenant's rooms, by kind and id.
pub(super) async fn list(files: &Files, scope: &Scope) -> Result<Vec<RoomEntry>, Error> {
    let sql = format!("{ROOMS} WHERE r.tenant = ? ORDER BY r.kind, r.name");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(scope.tenant().as_str());
    let rows = rows.fetch_all(&files.readers).await.map_err(database("listing rooms"))?;
    rows.iter().map(|row| entry(scope, row)).collect()
}

/// Returns the next number of a room: 1, 2, and so on, none of them twice.
pub(super) async fn number(files: &Files, scope: &Scope, room: &Room) -> Result<u64, Error> {
    let own = scope_of(scope, room)?;
    let mut held = files.writer().await?;
    held.begin().await?;
    let sql = "UPDATE rooms SET numbers = numbers + 1 WHERE scope = ? RETURNING numbers";
    let given: Option<i64> = sqlx::query_scalar(sql)
        .bind(own.tenant().as_str())
        .fetch_optional(held.connection())
        .await
        .map_err(database("numbering in a room"))?;
    held.commit().await?;
    given.map(i64::cast_unsigned).ok_or_else(|| Error::not_found("room", room.id()))
}

/// Lists the rooms in which something has expired by `now`.
pub(super) async fn expiring(files: &Files, scope: &Scope, now: Timestamp) -> Result<Vec<Scope>, Error> {
    let sql = "SELECT scope FROM rooms r WHERE tenant = ? AND EXISTS \
         (SELECT 1 FROM documents d WHERE d.tenant = r.scope AND d.expires_at <= ?)";
    let names = sqlx::query_scalar::<_, String>(sql).bind(scope.tenant().as_str()).bind(now.as_micros());
    let names = names.fetch_all(&files.readers).await.map_err(database("looking for what has expired"))?;
    let damaged = || Error::damaged("a room of the library");
    names.iter().map(|name| scope.room_named(name).ok_or_else(damaged)).collect()
}

/// Takes out of a room what has expired by `now`: how many documents, and their chunks.
pub(super) async fn expire(files: &Files, own: &Scope, now: Timestamp) -> Result<(u64, Vec<ChunkId>), Error> {
    let failed = database("looking for what has expired");
    let sql = "SELECT id FROM documents WHERE tenant = ? AND expires_at <= ?";
    let expired = || sqlx::query_scalar::<_, i64>(sql).bind(own.tenant().as_str()).bind(now.as_micros());
    if expired().fetch_optional(&files.readers).await.map_err(&failed)?.is_none() {
        return Ok((0, Vec::new()));
    }
    let mut held = files.writer().await?;
    let mut writing = keep::Writing::begin(files, own, &mut held).await?;
    let documents = expired().fetch_all(&mut *writing.connection).await.map_err(&failed)?;
    let chunks = writing.drop_documents(&documents).await?;
    let follower = writing.into_follower();
    held.commit().await?;
    follower.publish().await;
    Ok((documents.len() as u64, chunks))
}

/// Removes a room and all that is in it; returns how many documents that were, `None` where there is no such room.
pub(super) async fn remove(files: &Files, scope: &Scope, room: &Room) -> Result<Option<u64>, Error> {
    let failed = database("removing a room");
    let own = scope_of(scope, room)?;
    let name = own.tenant().as_str();
    let mut held = files.writer().await?;
    held.begin().await?;
    let connection = held.connection();
    let gone = sqlx::query("DELETE FROM rooms WHERE scope = ?").bind(name);
    let there = gone.execute(&mut *connection).await.map_err(&failed)?.rows_affected() > 0;
    let files_gone = sqlx::query("DELETE FROM files WHERE tenant = ?").bind(name);
    files_gone.execute(&mut *connection).await.map_err(&failed)?;
    let documents = sqlx::query("DELETE FROM documents WHERE tenant = ?").bind(name);
    let documents = documents.execute(&mut *connection).await.map_err(&failed)?.rows_affected();
    // Kept by triggers: with the documents it came to nothing.
    let counted = sqlx::query("DELETE FROM counts WHERE tenant = ?").bind(name);
    counted.execute(&mut *connection).await.map_err(&failed)?;
    held.commit().await?;
    let index = files.index_dir(&own);
    // Derived: what stays of it is taken up by nobody, for there are no chunks.
    let removed = tokio::task::spawn_blocking(move || match std::fs::remove_dir_all(&index) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    });
    if let Ok(Err(error)) = removed.await {
        tracing::warn!(%error, "the search index of a room that was removed stays");
    }
    Ok(there.then_some(documents))
}

/// Returns from when on what is kept now is there no longer; `None` where it stays, and for what is no room.
pub(super) async fn expiry(
    connection: &mut SqliteConnection,
    scope: &Scope,
    now: Timestamp,
) -> Result<Option<i64>, Error> {
    if !scope.is_room() {
        return Ok(None);
    }
    let ttl: Option<Option<i64>> = sqlx::query_scalar("SELECT ttl FROM rooms WHERE scope = ?")
        .bind(scope.tenant().as_str())
        .fetch_optional(connection)
        .await
        .map_err(database("looking for a room"))?;
    let ttl = ttl.ok_or_else(|| Error::not_found("room", scope.tenant()))?;
    Ok(ttl.map(|ttl| now.as_micros().saturating_add(ttl)))
}

fn scope_of(scope: &Scope, room: &Room) -> Result<Scope, Error> {
    let nested = || Error::Invalid { reason: "a room has no rooms of its own".into() };
    scope.room(room).ok_or_else(nested)
}

fn entry(scope: &Scope, row: &SqliteRow) -> Result<RoomEntry, Error> {
    let failed = database("reading a room");
    let damaged = || Error::damaged("a room of the library");
    let name: &str = row.try_get(0).map_err(&failed)?;
    let (kind, id): (&str, &str) = (row.try_get(1).map_err(&failed)?, row.try_get(2).map_err(&failed)?);
    let count = |column: usize| row.try_get::<i64, _>(column).map(i64::cast_unsigned).map_err(&failed);
    let ttl: Option<i64> = row.try_get(4).map_err(&failed)?;
    Ok(RoomEntry {
        room: Room::new(kind, id).map_err(|_| damaged())?,
        scope: scope.room_named(name).ok_or_else(damaged)?,
        made_at: Timestamp::from_micros(row.try_get(3).map_err(&failed)?),
        ttl: ttl.map(|ttl| Duration::from_micros(ttl.max(0).cast_unsigned())),
        documents: count(5)?,
        chunks: count(6)?,
    })
}

fn micros(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

const ROOMS: &str = "SELECT r.scope, r.kind, r.name, r.made_at, r.ttl, coalesce(c.documents, 0), coalesce(c.chunks, 0) \
     FROM rooms r LEFT JOIN counts c ON c.tenant = r.scope";
