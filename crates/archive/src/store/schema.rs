//! The tables, and how an older file becomes a newer one.

use sqlx::{Connection, Executor, SqliteConnection};

use super::error::{Error, database};

/// A file of ours in the data directory.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Its name.
    pub(crate) file: &'static str,
    /// The folder beside it with the search indexes, one for each tenant.
    pub(crate) search: &'static str,
    /// Format that this version writes, kept in `PRAGMA user_version`.
    pub(crate) version: i64,
    /// Marks the file as ours in its header (`PRAGMA application_id`).
    pub(crate) application_id: i64,
    /// What makes the tables of format 1.
    pub(crate) create: &'static str,
    /// What makes of each format the next one, from 1 on.
    pub(crate) upgrades: &'static [&'static str],
}

/// Conversations. The mark is "Athn".
pub(crate) static ARCHIVE: Schema = Schema {
    file: "archive.db",
    search: "search",
    version: 1,
    application_id: 0x4174_686e,
    create: CREATE,
    upgrades: &[],
};

/// Brings the file to the format of its schema, in one transaction; does nothing when it is there already.
pub(crate) async fn migrate(connection: &mut SqliteConnection, schema: &'static Schema) -> Result<(), Error> {
    if check(connection, schema).await? == schema.version {
        return Ok(());
    }
    let failed = database("preparing the tables");
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
    // Another process may have been faster between the look above and the lock.
    let found = check(&mut transaction, schema).await?;
    if found == 0 {
        transaction.execute(schema.create).await.map_err(&failed)?;
    }
    for upgrade in schema.upgrades.iter().skip((found - 1).max(0) as usize) {
        transaction.execute(*upgrade).await.map_err(&failed)?;
    }
    if found < schema.version {
        let Schema { application_id, version, .. } = schema;
        let marks = format!("PRAGMA application_id = {application_id}; PRAGMA user_version = {version};");
        transaction.execute(sqlx::AssertSqlSafe(marks)).await.map_err(&failed)?;
    }
    transaction.commit().await.map_err(&failed)
}

/// Returns the file's format: 0 for an empty file.
///
/// # Errors
/// [`Error::Newer`] for a format from the future.
pub(crate) async fn check(connection: &mut SqliteConnection, schema: &Schema) -> Result<i64, Error> {
    let failed = database("reading the format of the file");
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    if found > schema.version {
        return Err(Error::Newer { found, known: schema.version });
    }
    Ok(found)
}

/// All times are microseconds since 1970 in UTC. What each column holds is told in `docs/formats/archive-db.md`.
///
/// Large columns stand last, so that lists never read their overflow pages. `AUTOINCREMENT` keeps row ids from
/// being used twice: the search index is keyed by them.
///
/// Indexes hold what someone looks for: half of all messages are a user's, so an index finds only the other roles;
/// exports come newest first, so the times descend, and pages fill up instead of splitting in halves.
///
/// The triggers keep the text index in step with whoever writes. FTS5 writes out what it has gathered at the end
/// of every statement that fires one, which makes an import half again as slow; so imports mark their rows
/// ([`row::INDEXED_IN_BULK`](super::row::INDEXED_IN_BULK)) and index them once per transaction.
const CREATE: &str = "
CREATE TABLE conversations (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uid           BLOB NOT NULL UNIQUE,
    tenant        TEXT NOT NULL,
    provider      TEXT NOT NULL,
    external_id   TEXT NOT NULL,
    title         TEXT,
    model         TEXT,
    created_at    INTEGER,
    updated_at    INTEGER,
    began_at      INTEGER NOT NULL,
    temperature   REAL,
    max_tokens    INTEGER,
    user_id       TEXT,
    message_count INTEGER NOT NULL,
    content_hash  BLOB NOT NULL,
    system_prompt TEXT,
    raw_json      BLOB,
    UNIQUE (tenant, provider, external_id)
);
CREATE INDEX conversations_by_time ON conversations (tenant, began_at, id);
CREATE INDEX conversations_by_provider ON conversations (tenant, provider, began_at, id, message_count);
CREATE INDEX conversations_by_model ON conversations (tenant, model) WHERE model IS NOT NULL;
CREATE INDEX conversations_by_user ON conversations (tenant, user_id, began_at, id) WHERE user_id IS NOT NULL;
CREATE INDEX conversations_by_title ON conversations (tenant, title COLLATE NOCASE);

CREATE TABLE messages (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    parent          INTEGER,
    flags           INTEGER NOT NULL,
    role            TEXT NOT NULL,
    author          TEXT,
    model           TEXT,
    created_at      INTEGER,
    tokens          INTEGER,
    finish_reason   TEXT,
    external_id     BLOB,
    layout          BLOB,
    tool_calls      TEXT,
    attachments     TEXT,
    content         TEXT NOT NULL
);
CREATE INDEX messages_by_conversation ON messages (conversation_id, position);
CREATE INDEX messages_by_time ON messages (created_at DESC);
CREATE INDEX messages_by_role ON messages (role) WHERE role = 'system' OR role = 'tool';

CREATE VIRTUAL TABLE messages_fts USING fts5 (
    content, conversation_id UNINDEXED, role UNINDEXED,
    content = 'messages', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2', detail = 'none'
);
INSERT INTO messages_fts (messages_fts, rank) VALUES ('hashsize', 16777216);
INSERT INTO messages_fts (messages_fts, rank) VALUES ('automerge', 0);
INSERT INTO messages_fts (messages_fts, rank) VALUES ('crisismerge', 256);

CREATE TRIGGER messages_inserted AFTER INSERT ON messages WHEN new.flags & 256 = 0 BEGIN
    INSERT INTO messages_fts (rowid, content) VALUES (new.id, new.content);
END;
CREATE TRIGGER messages_deleted AFTER DELETE ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.id, old.content);
END;
CREATE TRIGGER messages_updated AFTER UPDATE OF id, content ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.id, old.content);
    INSERT INTO messages_fts (rowid, content) VALUES (new.id, new.content);
END;

CREATE TABLE import_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        BLOB NOT NULL UNIQUE,
    tenant     TEXT NOT NULL,
    event_type TEXT NOT NULL,
    provider   TEXT,
    file_path  TEXT NOT NULL,
    status     TEXT NOT NULL,
    error      TEXT,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    stats      TEXT
);
CREATE INDEX import_events_by_time ON import_events (tenant, created_at, id);
CREATE INDEX import_events_by_provider ON import_events (tenant, provider);
CREATE INDEX import_events_running ON import_events (status) WHERE status = 'in_progress';
";
