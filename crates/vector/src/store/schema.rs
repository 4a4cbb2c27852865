use sqlx::{Row, SqliteConnection};

use crate::{Error, error::database};

/// Brings a database to this version's format (`docs/formats/vectors.md`).
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), Error> {
    let failed = database("looking at their format");
    let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(&failed)?;
    let found: i64 = row.try_get(0).map_err(&failed)?;
    match found {
        KNOWN => Ok(()),
        0 => sqlx::raw_sql(FIRST).execute(connection).await.map(drop).map_err(failed),
        _ => Err(Error::Newer { found, known: KNOWN }),
    }
}

const KNOWN: i64 = 1;

/// Several processes may come here at once; the first one makes the tables.
const FIRST: &str = "
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    metric TEXT NOT NULL,
    uid BLOB NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    vectors INTEGER NOT NULL DEFAULT 0,
    last_row INTEGER NOT NULL DEFAULT 0,
    last_removal INTEGER NOT NULL DEFAULT 0,
    forgotten_removals INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections (id),
    key BLOB NOT NULL,
    scale REAL NOT NULL,
    vector BLOB NOT NULL,
    tags TEXT NOT NULL DEFAULT '',
    valid_from INTEGER,
    valid_until INTEGER,
    learnt_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS vectors_by_key ON vectors (collection, key);
CREATE INDEX IF NOT EXISTS vectors_by_collection ON vectors (collection);
CREATE INDEX IF NOT EXISTS vectors_expiring ON vectors (collection, expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS removals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections (id),
    row INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS removals_by_collection ON removals (collection);
PRAGMA user_version = 1;
COMMIT;
";
