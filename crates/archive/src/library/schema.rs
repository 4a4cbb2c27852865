//! The tables of `library.db`. What each column holds is told in `docs/formats/library-db.md`.

use crate::store::schema::Schema;

/// The mark is "Athl".
pub(super) static LIBRARY: Schema = Schema {
    file: "library.db",
    search: "search-library",
    version: 4,
    application_id: 0x4174_686c,
    create: CREATE,
    upgrades: &[COUNTS, ROOMS, SESSIONS],
};

/// A text lies in pieces, so that a passage of a book is read without the book. Large columns stand last, so that lists never read their overflow pages. `AUTOINCREMENT` keeps row ids from being
/// used twice: the search index is keyed by them.
const CREATE: &str = "
CREATE TABLE documents (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        BLOB NOT NULL UNIQUE,
    tenant     TEXT NOT NULL,
    hash       BLOB NOT NULL,
    read_as    BLOB NOT NULL,
    format     TEXT NOT NULL,
    title      TEXT,
    bytes      INTEGER NOT NULL,
    covered    INTEGER NOT NULL,
    parts      INTEGER NOT NULL,
    added_at   INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    chunks     INTEGER NOT NULL,
    problems   TEXT NOT NULL,
    UNIQUE (tenant, hash)
) STRICT;
CREATE INDEX documents_in_order ON documents (tenant, id);

CREATE TABLE texts (
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    begins      INTEGER NOT NULL,
    text        TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX texts_by_document ON texts (document_id, begins);

CREATE TABLE files (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant      TEXT NOT NULL,
    path        TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    modified_at INTEGER,
    state       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    tries       INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    document_id INTEGER REFERENCES documents (id),
    UNIQUE (tenant, path)
) STRICT;
CREATE INDEX files_by_state ON files (tenant, state, path);
CREATE INDEX files_by_document ON files (document_id) WHERE document_id IS NOT NULL;

CREATE TABLE chunks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    uid         BLOB NOT NULL UNIQUE,
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    begins      INTEGER NOT NULL,
    ends        INTEGER NOT NULL,
    hash        BLOB NOT NULL,
    source_begins INTEGER,
    source_ends INTEGER,
    heading     TEXT,
    place       TEXT
) STRICT;
CREATE INDEX chunks_by_document ON chunks (document_id, position);
";

/// How many there are is asked with every search by meaning; counting rows would take longer than the search.
const COUNTS: &str = "
CREATE TABLE counts (
    tenant    TEXT PRIMARY KEY,
    documents INTEGER NOT NULL,
    chunks    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counts SELECT tenant, count(*), sum(chunks) FROM documents GROUP BY tenant;
CREATE TRIGGER documents_came AFTER INSERT ON documents BEGIN
    INSERT INTO counts VALUES (new.tenant, 1, new.chunks)
    ON CONFLICT (tenant) DO UPDATE SET documents = documents + 1, chunks = chunks + excluded.chunks;
END;
CREATE TRIGGER documents_changed AFTER UPDATE OF chunks ON documents BEGIN
    UPDATE counts SET chunks = chunks + new.chunks - old.chunks WHERE tenant = new.tenant;
END;
CREATE TRIGGER documents_went AFTER DELETE ON documents BEGIN
    UPDATE counts SET documents = documents - 1, chunks = chunks - old.chunks WHERE tenant = old.tenant;
END;
";

/// What is put into a room is kept under the room's scope. Few documents ever expire: the others cost the index nothing.
const ROOMS: &str = "
CREATE TABLE rooms (
    id      INTEGER PRIMARY KEY,
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL UNIQUE,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    ttl     INTEGER,
    numbers INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, kind, name)
) STRICT;
ALTER TABLE documents ADD COLUMN expires_at INTEGER;
ALTER TABLE documents ADD COLUMN metadata TEXT;
CREATE INDEX documents_expiring ON documents (tenant, expires_at) WHERE expires_at IS NOT NULL;
";

/// What is known of a session; its texts lie in the room of the same id.
const SESSIONS: &str = "
CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY,
    uid         BLOB NOT NULL UNIQUE,
    tenant      TEXT NOT NULL,
    status      TEXT NOT NULL,
    made_at     INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    name        TEXT,
    description TEXT,
    tags        TEXT NOT NULL,
    metadata    TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_in_order ON sessions (tenant, id);
";
