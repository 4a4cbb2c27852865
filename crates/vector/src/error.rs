use std::{io, path::PathBuf};

/// Why vectors could not be kept or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be done as it stands; the text says what to change.
    #[error("{reason}")]
    Invalid {
        /// One sentence.
        reason: String,
    },
    /// There is such a collection, and its vectors cannot be compared with the ones meant.
    #[error("the collection '{name}' has {found}, not {wanted}; clear it away, or use another name")]
    Differs {
        /// The collection.
        name: String,
        /// What it was made with.
        found: String,
        /// What it was asked for with.
        wanted: String,
    },
    /// Another process or task is writing; try again.
    #[error("the vectors are being written by someone else; try again in a moment ({doing})")]
    Busy {
        /// What was attempted.
        doing: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// Stored bytes are not what was written.
    #[error("{what} is damaged; embed again what it was made of, or restore a backup")]
    Damaged {
        /// What cannot be read back.
        what: String,
    },
    /// A newer version of this program wrote the file.
    #[error("vectors.db has format {found}, this version knows {known}; update the program")]
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
    /// The database refused; a full disk comes this way too.
    #[error("the vectors' database failed while {doing}")]
    Database {
        /// What was attempted.
        doing: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Change the request.
    InvalidRequest,
    /// Try again later.
    Busy,
    /// Embed again, or restore a backup.
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
            Self::Invalid { .. } | Self::Differs { .. } => ErrorKind::InvalidRequest,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Damaged { .. } => ErrorKind::Damaged,
            Self::Newer { .. } | Self::Io { .. } => ErrorKind::Io,
            Self::Database { source, .. } => match code(source) {
                Some(SQLITE_CORRUPT | SQLITE_NOTADB) => ErrorKind::Damaged,
                Some(_) => ErrorKind::Io,
                None if matches!(source, sqlx::Error::Io(_)) => ErrorKind::Io,
                None => ErrorKind::Internal,
            },
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
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

/// Wraps an I/O error together with what was being done to which file.
pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { doing, path, source }
}

/// Returns SQLite's primary result code: the low byte of the extended one.
fn code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

// https://sqlite.org/rescode.html
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;
