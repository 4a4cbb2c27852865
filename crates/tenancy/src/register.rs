//! The file of keys, `tenancy.db`: what the command line adds to and takes from, and the server reads.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use athenaeum_core::Timestamp;
use sqlx::{
    ConnectOptions, Connection, Executor, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};

use crate::{
    Error, Scope, local,
    secret::{self, Hash, MARK},
};

/// The keys of one data folder. Cheap: it holds a path, and opens the file for each call.
#[derive(Debug, Clone)]
pub struct Register {
    path: PathBuf,
}

/// A key as it can be shown: everything but the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What its owner calls it.
    pub name: String,
    /// Its first ten characters, to recognise it by.
    pub beginning: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last opened something, to the minute; `None` for never.
    pub last_used_at: Option<Timestamp>,
    /// From when on it opens nothing; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked; `None` where it was not.
    pub revoked_at: Option<Timestamp>,
}

/// Whether a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

/// A key that was just made. This is the only time its secret can be seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Added {
    /// What is kept.
    pub key: Key,
    /// What its owner keeps, `ath_…`.
    pub secret: String,
}

/// A row as [`crate::Keys`] need it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) hash: Hash,
    pub(crate) scope: Scope,
}

/// Name of the file in the data folder.
const FILE: &str = "tenancy.db";

/// Format of the file that this version writes, kept in `PRAGMA user_version`.
const VERSION: i64 = 1;

/// Marks the file as ours in its header: "Athk".
const APPLICATION_ID: i64 = 0x4174_686b;

const CREATE: &str = "
    CREATE TABLE keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        beginning TEXT NOT NULL,
        hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
        created_at INTEGER NOT NULL,
        last_used_at INTEGER,
        expires_at INTEGER,
        revoked_at INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX keys_by_name ON keys (name) WHERE revoked_at IS NULL;";

impl Register {
    /// Returns the register of a data folder. Nothing is read or made yet.
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(FILE) }
    }

    /// Returns where the file is, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a key for this installation's one tenant, and the file where there is none, for its owner's eyes only.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] and [`Error::NameTaken`] for names that cannot be had.
    pub async fn add(&self, name: &str, expires_at: Option<Timestamp>) -> Result<Added, Error> {
        if !secret::is_name(name) {
            return Err(Error::Name(name.chars().take(80).collect()));
        }
        let secret = secret::fresh()?;
        let key = Key {
            name: name.to_owned(),
            beginning: secret::beginning(&secret),
            created_at: Timestamp::now(),
            last_used_at: None,
            expires_at,
            revoked_at: None,
        };
        self.make_private()?;
        let mut connection = self.connect().await?;
        self.migrate(&mut connection).await?;
        let insert = "INSERT INTO keys (tenant, name, beginning, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)";
        let inserted = sqlx::query(insert)
            .bind(local().tenant().as_str())
            .bind(&key.name)
            .bind(&key.beginning)
            .bind(secret::hash(&secret).as_slice())
            .bind(key.created_at.as_micros())
            .bind(expires_at.map(Timestamp::as_micros))
            .execute(&mut connection)
            .await;
        match inserted {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(Error::NameTaken(key.name))
            }
            Err(source) => Err(self.failed(source)),
            Ok(_) => {
                self.close(connection).await?;
                Ok(Added { key, secret })
            }
        }
    }

    /// Lists all keys, also those that no longer open, in the order in which they were made.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] and [`Error::Newer`]; no file is no keys.
    pub async fn list(&self) -> Result<Vec<Key>, Error> {
        Ok(self.entries().await?.into_iter().map(|entry| entry.key).collect())
    }

    /// Takes back the key that has this name, or begins so. What runs for it ends within a second or two.
    ///
    /// Taking back one that was taken back does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] and [`Error::Ambiguous`].
    pub async fn revoke(&self, named: &str) -> Result<Key, Error> {
        let mut key = self.find(named).await?.key;
        if key.revoked_at.is_none() {
            let now = Timestamp::now();
            let update =
                "UPDATE keys SET revoked_at = ? WHERE name = ? AND beginning = ? AND revoked_at IS NULL";
            self.change(sqlx::query(update).bind(now.as_micros()).bind(&key.name).bind(&key.beginning))
                .await?;
            key.revoked_at = Some(now);
        }
        Ok(key)
    }

    /// Removes what is kept of a key that no longer opens.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] for one that opens, [`Error::Unknown`] and [`Error::Ambiguous`].
    pub async fn forget(&self, named: &str) -> Result<Key, Error> {
        let Entry { key, hash, .. } = self.find(named).await?;
        if key.standing(Timestamp::now()) == Standing::Active {
            return Err(Error::InUse(key.name));
        }
        self.change(sqlx::query("DELETE FROM keys WHERE hash = ?").bind(hash.to_vec())).await?;
        Ok(key)
    }

    /// Notes that a key was used.
    pub(crate) async fn touch(&self, hash: &Hash, at: Timestamp) -> Result<(), Error> {
        let update = "UPDATE keys SET last_used_at = ? WHERE hash = ?";
        self.change(sqlx::query(update).bind(at.as_micros()).bind(hash.to_vec())).await
    }

    /// Reads everything. No file is no keys.
    pub(crate) async fn entries(&self) -> Result<Vec<Entry>, Error> {
        match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::Io { doing: "read", path: self.path.clone(), source }),
            Ok(_) => {}
        }
        let mut connection = self.connect().await?;
        if self.version(&mut connection).await? == 0 {
            return Ok(Vec::new());
        }
        let select = "SELECT name, beginning, hash, created_at, last_used_at, expires_at, revoked_at FROM keys \
             WHERE tenant = ? ORDER BY id";
        let select = sqlx::query(select).bind(local().tenant().as_str().to_owned());
        let rows = select.fetch_all(&mut connection).await.map_err(|source| self.failed(source))?;
        self.close(connection).await?;
        rows.iter().map(entry).collect::<Result<_, _>>().map_err(|source| self.failed(source))
    }

    /// Finds the one key that `named` means: by its name those that are not revoked first, then by its beginning.
    async fn find(&self, named: &str) -> Result<Entry, Error> {
        let told: String = named.chars().take(80).collect();
        let entries = self.entries().await?;
        let called = entries.iter().rev().filter(|entry| entry.key.name == named);
        if let Some(entry) = called.min_by_key(|entry| entry.key.revoked_at.is_some()) {
            return Ok(entry.clone());
        }
        // Whoever pastes the whole key means it, too.
        let begins = |entry: &&Entry| {
            named.len() > MARK.len()
                && (entry.key.beginning.starts_with(named)
                    || secret::equal(&entry.hash, &secret::hash(named)))
        };
        let mut found = entries.iter().filter(begins);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry.clone()),
            (Some(_), Some(_)) => Err(Error::Ambiguous(told)),
            (None, _) => Err(Error::Unknown(told)),
        }
    }

    async fn change(&self, query: Statement<'_>) -> Result<(), Error> {
        let mut connection = self.connect().await?;
        query.execute(&mut connection).await.map_err(|source| self.failed(source))?;
        self.close(connection).await
    }

    /// A rollback journal, not a log: what is committed is in the file itself, whose time of change tells others that
    /// there is something to read. A revocation that was told is on the disk.
    async fn connect(&self) -> Result<SqliteConnection, Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .thread_name(|_| "tenancy".into())
            .disable_statement_logging();
        options.connect().await.map_err(|source| self.failed(source))
    }

    async fn close(&self, connection: SqliteConnection) -> Result<(), Error> {
        connection.close().await.map_err(|source| self.failed(source))
    }

    /// Brings the file to [`VERSION`]; does nothing where it is there already.
    async fn migrate(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        if self.version(&mut transaction).await? == 0 {
            transaction.execute(CREATE).await.map_err(failed)?;
            let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
            transaction.execute(sqlx::AssertSqlSafe(marks)).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Returns the file's format: 0 for an empty file.
    async fn version(&self, connection: &mut SqliteConnection) -> Result<i64, Error> {
        let found = sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await;
        match found.map_err(|source| self.failed(source))? {
            found if found > VERSION => Err(Error::Newer { path: self.path.clone(), found, known: VERSION }),
            found => Ok(found),
        }
    }

    /// Makes folder and file, so that nobody else on the machine can look into them even for a moment.
    fn make_private(&self) -> Result<(), Error> {
        let failed = |doing| move |source| Error::Io { doing, path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            let mut builder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder).map_err(failed("make the folder of"))?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path).map(drop).map_err(failed("make"))
    }

    fn failed(&self, source: sqlx::Error) -> Error {
        Error::Database { path: self.path.clone(), source }
    }
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let time = |name| row.try_get::<Option<i64>, _>(name).map(|time| time.map(Timestamp::from_micros));
    let hash: Vec<u8> = row.try_get("hash")?;
    let hash = hash.try_into().map_err(|_| sqlx::Error::Decode("a hash has not 32 bytes".into()))?;
    let key = Key {
        name: row.try_get("name")?,
        beginning: row.try_get("beginning")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        last_used_at: time("last_used_at")?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
    };
    Ok(Entry { key, hash, scope: local() })
}

/// How long a call waits for another program's.
const PATIENCE: Duration = Duration::from_secs(5);

impl Key {
    /// Tells whether it opens at the moment `now`.
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.revoked_at.is_some() {
            Standing::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Standing::Expired
        } else {
            Standing::Active
        }
    }
}

impl std::fmt::Debug for Added {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Added").field("key", &self.key).finish_non_exhaustive()
    }
}
