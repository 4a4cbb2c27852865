//! Objects that outlive the request that made them, such as answers that a client wants to come back to: JSON under a
//! kind and an id, in a file of their own (`state.db`), because the archive's is for conversations alone.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_archive::State;
//!
//! let folder = tempfile::tempdir()?;
//! let (state, scope) = (State::in_folder(folder.path()), athenaeum_tenancy::local());
//! state.put(&scope, "answer", "a-1", "{}").await?;
//! assert_eq!(state.get(&scope, "answer", "a-1").await?.as_deref(), Some("{}"));
//! # Ok(()) }
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use athenaeum_core::Timestamp;
use athenaeum_tenancy::Scope;
use sqlx::{
    ConnectOptions as _, Executor as _, Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::OnceCell;

use crate::Error;

/// The objects of one data folder. Cheap to clone; the file is opened, and made, when something is asked of it.
#[derive(Debug, Clone)]
pub struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    pool: OnceCell<SqlitePool>,
}

/// An object, as [`State::list`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its id.
    pub id: String,
    /// When it was first put there.
    pub created_at: Timestamp,
    /// What it says.
    pub json: String,
}

/// Format of the file that this version writes, kept in `PRAGMA user_version`.
const VERSION: i64 = 1;

/// Marks the file as ours in its header: "Aths".
const APPLICATION_ID: i64 = 0x4174_6873;

const CREATE: &str = "
    CREATE TABLE objects (
        id INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        json TEXT NOT NULL,
        UNIQUE (tenant, kind, name)
    ) STRICT;
    CREATE INDEX objects_in_order ON objects (tenant, kind, id);";

impl State {
    /// Returns the objects of a data folder. Nothing is read or made yet.
    pub fn in_folder(folder: &Path) -> Self {
        Self(Arc::new(Inner { path: folder.join("state.db"), pool: OnceCell::new() }))
    }

    /// Puts an object there, in place of one of the same kind and id.
    ///
    /// # Errors
    ///
    /// If the file cannot be written; what was there before is there still.
    pub async fn put(&self, scope: &Scope, kind: &str, id: &str, json: &str) -> Result<(), Error> {
        let sql = "INSERT INTO objects (tenant, kind, name, created_at, json) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (tenant, kind, name) DO UPDATE SET json = excluded.json";
        let query = sqlx::query(sql).bind(scope.tenant().as_str()).bind(kind).bind(id);
        let query = query.bind(Timestamp::now().as_micros()).bind(json);
        query.execute(self.pool().await?).await.map_err(failed("keeping an object"))?;
        Ok(())
    }

    /// Returns what an object says; `None` where nothing of this kind and id belongs to this scope.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn get(&self, scope: &Scope, kind: &str, id: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT json FROM objects WHERE tenant = ? AND kind = ? AND name = ?";
        let query = sqlx::query_scalar(sql).bind(scope.tenant().as_str()).bind(kind).bind(id);
        query.fetch_optional(self.pool().await?).await.map_err(failed("reading an object"))
    }

    /// Removes an object, and says whether it was there.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn delete(&self, scope: &Scope, kind: &str, id: &str) -> Result<bool, Error> {
        let sql = "DELETE FROM objects WHERE tenant = ? AND kind = ? AND name = ?";
        let query = sqlx::query(sql).bind(scope.tenant().as_str()).bind(kind).bind(id);
        let done = query.execute(self.pool().await?).await.map_err(failed("removing an object"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Lists objects of a kind, at most `limit`, the oldest first or, `newest_first`, the other way round; after the
    /// object `after`, where that is there.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn list(
        &self,
        scope: &Scope,
        kind: &str,
        after: Option<&str>,
        newest_first: bool,
        limit: u32,
    ) -> Result<Vec<Object>, Error> {
        let sql = if newest_first {
            "SELECT name, created_at, json FROM objects WHERE tenant = ?1 AND kind = ?2 AND id < coalesce(\
             (SELECT id FROM objects WHERE tenant = ?1 AND kind = ?2 AND name = ?3), 9223372036854775807) \
             ORDER BY id DESC LIMIT ?4"
        } else {
            "SELECT name, created_at, json FROM objects WHERE tenant = ?1 AND kind = ?2 AND id > coalesce(\
             (SELECT id FROM objects WHERE tenant = ?1 AND kind = ?2 AND name = ?3), 0) ORDER BY id LIMIT ?4"
        };
        let query = sqlx::query(sql).bind(scope.tenant().as_str()).bind(kind).bind(after).bind(limit);
        let rows = query.fetch_all(self.pool().await?).await.map_err(failed("listing objects"))?;
        let object = |row: &sqlx::sqlite::SqliteRow| {
            let created_at = Timestamp::from_micros(row.try_get("created_at")?);
            Ok(Object { id: row.try_get("name")?, created_at, json: row.try_get("json")? })
        };
        rows.iter().map(object).collect::<Result<_, _>>().map_err(failed("listing objects"))
    }

    /// Removes the oldest objects of a kind beyond the newest `keep`, and says how many.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn trim(&self, scope: &Scope, kind: &str, keep: u32) -> Result<u64, Error> {
        let sql = "DELETE FROM objects WHERE tenant = ?1 AND kind = ?2 AND id <= (\
             SELECT id FROM objects WHERE tenant = ?1 AND kind = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)";
        let query = sqlx::query(sql).bind(scope.tenant().as_str()).bind(kind).bind(keep);
        let done = query.execute(self.pool().await?).await.map_err(failed("removing old objects"))?;
        Ok(done.rows_affected())
    }

    /// Closes the file.
    pub async fn close(&self) {
        if let Some(pool) = self.0.pool.get() {
            pool.close().await;
        }
    }

    async fn pool(&self) -> Result<&SqlitePool, Error> {
        self.0.pool.get_or_try_init(|| open(&self.0.path)).await
    }
}

async fn open(path: &Path) -> Result<SqlitePool, Error> {
    make_private(path).map_err(|source| Error::Io { doing: "make", path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10))
        .thread_name(|_| "state".into())
        .disable_statement_logging();
    let opening = "opening the file of kept objects";
    // One connection: objects are few, and whoever waits for another's waits a millisecond.
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(Duration::from_secs(60));
    let pool = pool.connect_with(options).await.map_err(failed(opening))?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed(opening))?;
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction);
    match version.await.map_err(failed(opening))? {
        0 => {
            transaction.execute(CREATE).await.map_err(failed(opening))?;
            let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
            transaction.execute(sqlx::AssertSqlSafe(marks)).await.map_err(failed(opening))?;
        }
        VERSION => {}
        found => return Err(Error::Newer { found, known: VERSION }),
    }
    transaction.commit().await.map_err(failed(opening))?;
    Ok(pool)
}

/// Makes the file, so that nobody else on the machine can look into it even for a moment.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn objects_are_found_again_by_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (mine, theirs) = (athenaeum_tenancy::local(), athenaeum_tenancy::for_test("stranger"));
        let state = State::in_folder(folder.path());
        for id in ["a", "b", "c"] {
            state.put(&mine, "answer", id, id).await.unwrap();
        }
        state.put(&mine, "answer", "a", "changed").await.unwrap();
        state.close().await;

        let state = State::in_folder(folder.path());
        assert_eq!(state.get(&mine, "answer", "a").await.unwrap().as_deref(), Some("changed"));
        for (scope, kind) in [(&theirs, "answer"), (&mine, "other")] {
            assert_eq!(state.get(scope, kind, "a").await.unwrap(), None);
            assert!(!state.delete(scope, kind, "a").await.unwrap());
            assert!(state.list(scope, kind, None, false, 9).await.unwrap().is_empty());
            assert_eq!(state.trim(scope, kind, 0).await.unwrap(), 0);
        }
        let ids = async |after, newest, limit| {
            let list = state.list(&mine, "answer", after, newest, limit).await.unwrap();
            list.into_iter().map(|object| object.id).collect::<String>()
        };
        assert_eq!(ids(None, false, 9).await, "abc");
        assert_eq!(ids(None, true, 2).await, "cb");
        assert_eq!(ids(Some("b"), true, 9).await, "a");
        assert_eq!(ids(Some("b"), false, 9).await, "c");
        assert_eq!(state.trim(&mine, "answer", 2).await.unwrap(), 1);
        assert_eq!(ids(None, false, 9).await, "bc");
        assert!(state.delete(&mine, "answer", "b").await.unwrap());
    }
}
