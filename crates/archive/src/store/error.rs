use std::{io, path::PathBuf};

/// Why the archive could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing with this id belongs to this scope.
    #[error("there is no {what} {id}")]
    NotFound {
        /// Which kind of thing was looked for.
        what: &'static str,
        /// The id as its owner would write it.
        id: String,
    },
    /// A cursor of another list, or of none.
    #[error("no page of this list begins at that cursor; start again without it")]
    NoPage,
    /// The request cannot be understood; the text says what to change.
    #[error("{reason}")]
    Invalid {
        /// One sentence.
        reason: String,
    },
    /// Another process or task is writing; try again.
    #[error("the archive is being written by someone else; try again in a moment ({doing})")]
    Busy {
        /// What was attempted.
        doing: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// Stored bytes are not what was written.
    #[error("{what} is damaged; run `athenaeum doctor`, and restore a backup if it confirms that")]
    Damaged {
        /// What cannot be read back.
        what: String,
    },
    /// The file was written by a newer version of this program.
    #[error("the archive has format {found}, this version knows {known}; update the program")]
    Newer {
        /// Format of the file.
        found: i64,
        /// Newest format that this version reads.
        known: i64,
    },
    /// A file could not be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused; a full disk and a damaged file come this way too.
    #[error("the database failed while {doing}")]
    Database {
        /// What was attempted.
        doing: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// This cannot happen; please report it.
    #[error("unexpected: {what}")]
    Internal {
        /// What was found to be so.
        what: String,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Ask for something else: it is not there, or not theirs.
    NotFound,
    /// Change the request.
    InvalidRequest,
    /// Try again later.
    Busy,
    /// Check the archive and restore a backup.
    Damaged,
    /// Look at the disk, the path and the rights.
    Io,
    /// Report a bug.
    Internal,
}

impl Error {
    /// Sorts the error by what can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::NoPage => ErrorKind::NotFound,
            Self::Invalid { .. } => ErrorKind::InvalidRequest,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Damaged { .. } => ErrorKind::Damaged,
            Self::Newer { .. } | Self::Io { .. } => ErrorKind::Io,
            Self::Database { source, .. } => database_kind(source),
            Self::Internal { .. } => ErrorKind::Internal,
        }
    }

    pub(crate) fn not_found(what: &'static str, id: impl std::fmt::Display + Copy) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

/// Wraps a database error together with what was being done.
pub(crate) fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| match code(&source) {
        Some(SQLITE_BUSY | SQLITE_LOCKED) => Error::Busy { doing, source },
        _ if matches!(source, sqlx::Error::PoolTimedOut) => Error::Busy { doing, source },
        _ => Error::Database { doing, source },
    }
}

/// Tells whether SQLite could not write what it needs beside the database to read it.
pub(crate) fn is_unwritable(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(SQLITE_READONLY | SQLITE_CANTOPEN))
}

/// Wraps an I/O error together with what was being done to which file.
pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { doing, path, source }
}

fn database_kind(source: &sqlx::Error) -> ErrorKind {
    match code(source) {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => ErrorKind::Damaged,
        Some(SQLITE_PERM | SQLITE_READONLY | SQLITE_IOERR | SQLITE_FULL | SQLITE_CANTOPEN) => ErrorKind::Io,
        _ if matches!(source, sqlx::Error::Io(_)) => ErrorKind::Io,
        _ => ErrorKind::Internal,
    }
}

/// Returns SQLite's primary result code: the low byte of the extended one.
fn code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

// https://sqlite.org/rescode.html
const SQLITE_PERM: u32 = 3;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_NOTADB: u32 = 26;
