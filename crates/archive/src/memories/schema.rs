//! The table of `memories.db`. What each column holds is told in `docs/formats/memories-db.md`.

use crate::store::schema::Schema;

/// The mark is "Athm".
pub(super) static MEMORIES: Schema = Schema {
    file: "memories.db",
    // Nothing is derived: there are few memories, and each is read.
    search: "search-memories",
    version: 2,
    application_id: 0x4174_686d,
    create: CREATE,
    upgrades: &[WARM],
};

/// What is read with every memory stands in one row.
const CREATE: &str = "
CREATE TABLE memories (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uid           BLOB NOT NULL UNIQUE,
    tenant        TEXT NOT NULL,
    tier          TEXT NOT NULL,
    remembered_at INTEGER NOT NULL,
    used_at       INTEGER NOT NULL,
    uses          INTEGER NOT NULL,
    asked_for     INTEGER NOT NULL,
    perplexity    REAL,
    distance      REAL NOT NULL,
    score         REAL NOT NULL,
    conversation  BLOB,
    message       INTEGER,
    hash          BLOB NOT NULL,
    text          TEXT NOT NULL,
    UNIQUE (tenant, hash)
) STRICT;
CREATE INDEX memories_by_use ON memories (tenant, tier, used_at);
CREATE INDEX memories_in_order ON memories (tenant, id);
";

/// Between hot and cold there is `warm`, which programs of format 1 take for damage. The nights that come sort what is there;
/// who lists one tier reads no rows of the others.
const WARM: &str = "
DROP INDEX memories_by_use;
CREATE INDEX memories_by_use ON memories (tenant, tier, used_at, id);
";
