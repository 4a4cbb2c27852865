use sqlx::{Row, SqliteConnection};

use crate::{Error, error::database};

/// Brings a database to this version's format (`docs/formats/vectors.md`).
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), Error> {
    let failed = database("looking at their format");
    let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(&failed)?;
    let found: i64 = row.try_get(0).map_err(&failed)?;
    match found {
        KNOWN => Ok(()),
        0 => {
            sqlx::raw_sql(FIRST).execute(&mut *connection).await.map_err(&failed)?;
            sqlx::raw_sql(SECOND).execute(connection).await.map(drop).map_err(failed)
        }
        1 => sqlx::raw_sql(SECOND).execute(connection).await.map(drop).map_err(failed),
        _ => Err(Error::Newer { found, known: KNOWN }),
    }
}

const KNOWN: i64 = 2;

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

/// What the vectors are of, and how much of it is there; counted with every change, since every search tells it.
const SECOND: &str = "
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS sources (
    collection INTEGER NOT NULL REFERENCES collections (id),
    source BLOB NOT NULL,
    version BLOB NOT NULL,
    weight INTEGER NOT NULL,
    PRIMARY KEY (collection, source)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources_counted (
    collection INTEGER PRIMARY KEY REFERENCES collections (id),
    sources INTEGER NOT NULL,
    weight INTEGER NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS source_came AFTER INSERT ON sources BEGIN
    INSERT INTO sources_counted VALUES (new.collection, 1, new.weight)
    ON CONFLICT (collection) DO UPDATE SET sources = sources + 1, weight = weight + excluded.weight;
END;
CREATE TRIGGER IF NOT EXISTS source_changed AFTER UPDATE OF weight ON sources BEGIN
    UPDATE sources_counted SET weight = weight + new.weight - old.weight WHERE collection = new.collection;
END;
CREATE TRIGGER IF NOT EXISTS source_went AFTER DELETE ON sources BEGIN
    UPDATE sources_counted SET sources = sources - 1, weight = weight - old.weight WHERE collection = old.collection;
END;
PRAGMA user_version = 2;
COMMIT;
";
