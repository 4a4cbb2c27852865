//! Sessions: what is known of each. Their texts lie in rooms.

use athenaeum_core::{SessionId, Timestamp};
use athenaeum_tenancy::Scope;
use sqlx::{Row, sqlite::SqliteRow};

use super::view::{NewSession, Session, SessionStatus, SessionsWanted};
use crate::{
    Error,
    store::{error::database, open::Files},
};

pub(super) async fn add(files: &Files, scope: &Scope, about: NewSession) -> Result<Session, Error> {
    if scope.is_room() {
        return Err(Error::Invalid { reason: "a room has no sessions of its own".into() });
    }
    let failed = database("making a session");
    let now = Timestamp::now();
    let (id, status) = (SessionId::mint(now), SessionStatus::Active);
    let mut held = files.writer().await?;
    held.begin().await?;
    let sql = "INSERT INTO sessions (uid, tenant, status, made_at, changed_at, name, description, tags, metadata) \
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)";
    let NewSession { name, description, tags, metadata } = &about;
    let made = sqlx::query(sql).bind(id.as_bytes().to_vec()).bind(scope.tenant().as_str());
    let made = made.bind(status.as_str()).bind(now.as_micros()).bind(name).bind(description);
    let made = made.bind(serde_json::json!(tags).to_string());
    let made = made.bind(serde_json::Value::Object(metadata.clone()).to_string());
    made.execute(held.connection()).await.map_err(&failed)?;
    held.commit().await?;
    Ok(Session { id, status, made_at: now, changed_at: now, about })
}

pub(super) async fn find(files: &Files, scope: &Scope, id: SessionId) -> Result<Option<Session>, Error> {
    let found = sqlx::query(ONE).bind(id.as_bytes().to_vec()).bind(scope.tenant().as_str());
    let found = found.fetch_optional(&files.readers).await.map_err(database("looking for a session"))?;
    found.map(|row| session(&row)).transpose()
}

/// Lists a tenant's sessions, the newest first.
pub(super) async fn list(
    files: &Files,
    scope: &Scope,
    SessionsWanted { status, tags, limit }: &SessionsWanted,
) -> Result<Vec<Session>, Error> {
    let sql = "SELECT uid, status, made_at, changed_at, name, description, tags, metadata FROM sessions s \
         WHERE tenant = ?1 AND (?2 IS NULL OR status = ?2) AND NOT EXISTS (SELECT 1 FROM json_each(?3) w \
         WHERE w.value NOT IN (SELECT value FROM json_each(s.tags))) ORDER BY id DESC LIMIT ?4";
    let rows = sqlx::query(sql).bind(scope.tenant().as_str()).bind(status.map(SessionStatus::as_str));
    let rows = rows.bind(serde_json::json!(tags).to_string());
    let rows = rows.bind(i64::try_from(*limit).unwrap_or(i64::MAX));
    let rows = rows.fetch_all(&files.readers).await.map_err(database("listing sessions"))?;
    rows.iter().map(session).collect()
}

/// Gives a session another status where it has one of `from`; returns it as it is then, and whether it changed.
pub(super) async fn turn(
    files: &Files,
    scope: &Scope,
    id: SessionId,
    (from, to): (&[SessionStatus], SessionStatus),
) -> Result<Option<(Session, bool)>, Error> {
    let failed = database("changing a session");
    let mut held = files.writer().await?;
    held.begin().await?;
    let one = || sqlx::query(ONE).bind(id.as_bytes().to_vec()).bind(scope.tenant().as_str());
    let row = one().fetch_optional(held.connection()).await.map_err(&failed)?;
    let found = row.map(|row| session(&row)).transpose()?;
    let mut found = match found {
        Some(found) if from.contains(&found.status) => found,
        other => {
            held.rollback().await?;
            return Ok(other.map(|found| (found, false)));
        }
    };
    (found.status, found.changed_at) = (to, Timestamp::now());
    let set = sqlx::query("UPDATE sessions SET status = ?, changed_at = ? WHERE uid = ? AND tenant = ?");
    let set = set.bind(to.as_str()).bind(found.changed_at.as_micros());
    let set = set.bind(id.as_bytes().to_vec()).bind(scope.tenant().as_str());
    set.execute(held.connection()).await.map_err(&failed)?;
    held.commit().await?;
    Ok(Some((found, true)))
}

/// Removes what is known of a session; false where there is no such.
pub(super) async fn remove(files: &Files, scope: &Scope, id: SessionId) -> Result<bool, Error> {
    let mut held = files.writer().await?;
    held.begin().await?;
    let gone = sqlx::query("DELETE FROM sessions WHERE uid = ? AND tenant = ?");
    let gone = gone.bind(id.as_bytes().to_vec()).bind(scope.tenant().as_str());
    let gone = gone.execute(held.connection()).await.map_err(database("removing a session"))?;
    held.commit().await?;
    Ok(gone.rows_affected() > 0)
}

fn session(row: &SqliteRow) -> Result<Session, Error> {
    let failed = database("reading a session");
    let damaged = || Error::damaged("a session of the library");
    let uid: &[u8] = row.try_get(0).map_err(&failed)?;
    let status: &str = row.try_get(1).map_err(&failed)?;
    let time = |column: usize| row.try_get(column).map(Timestamp::from_micros).map_err(&failed);
    let (tags, metadata): (&str, &str) = (row.try_get(6).map_err(&failed)?, row.try_get(7).map_err(&failed)?);
    Ok(Session {
        id: SessionId::from_bytes(uid.try_into().map_err(|_| damaged())?),
        status: SessionStatus::named(status).ok_or_else(damaged)?,
        made_at: time(2)?,
        changed_at: time(3)?,
        about: NewSession {
            name: row.try_get(4).map_err(&failed)?,
            description: row.try_get(5).map_err(&failed)?,
            tags: serde_json::from_str(tags).map_err(|_| damaged())?,
            metadata: serde_json::from_str(metadata).map_err(|_| damaged())?,
        },
    })
}

const ONE: &str = "SELECT uid, status, made_at, changed_at, name, description, tags, metadata FROM sessions \
     WHERE uid = ? AND tenant = ?";
