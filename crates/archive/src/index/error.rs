use std::{io, path::PathBuf};

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files do not hold what they promise. The index is a derived cache: clear it and build it anew.
    #[error("the search index is damaged ({what} in {path}); rebuild it from the database")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part that does not add up.
        what: &'static str,
    },
    /// The files were written by another version of this program. Clear the index and build it anew.
    #[error("the search index in {path} has format {found}, this program reads {known}; rebuild it")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that the file names.
        found: u32,
        /// The version that this program writes.
        known: u32,
    },
    /// Another process, or another writer of this one, is writing. Try again when it is done.
    #[error("another process is writing to the search index in {path}; try again later")]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `read`, `write`, `open`, …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A limit of the format was met: more than 4,294,967,294 documents, or 4 GiB for one term.
    #[error("the search index is full: {what}")]
    Full {
        /// What does not fit.
        what: &'static str,
    },
}

impl Error {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, what: &'static str) -> Self {
        Self::Damaged { path: path.into(), what }
    }
}

/// What the operations of this module return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
