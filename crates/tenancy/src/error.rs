use std::{io, path::PathBuf};

/// Why keys could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused the file.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused the file.
    #[error("the keys in {} cannot be used; another program may hold the file, or it is damaged", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A later version wrote the file.
    #[error("{} has format {found}, but this version knows up to {known}; use a newer Athenaeum", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that it has.
        found: i64,
        /// The newest format that this version reads.
        known: i64,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes, so no key can be made")]
    Randomness(#[source] getrandom::Error),
    /// The name cannot be one of a key.
    #[error(
        "'{0}' cannot be a key's name; it takes 1 to 64 letters, digits and . _ - @, and begins not with ath_"
    )]
    Name(String),
    /// Another key has the name.
    #[error("there is a key called '{0}' already; revoke it first, or choose another name")]
    NameTaken(String),
    /// No key has that name or beginning.
    #[error("no key is called '{0}' or begins so; `athenaeum keys list` shows them")]
    Unknown(String),
    /// Several keys begin so.
    #[error("several keys begin with '{0}'; type more of it, or the name")]
    Ambiguous(String),
    /// The key still opens.
    #[error("the key '{0}' is in use; revoke it first")]
    InUse(String),
    /// A key in the settings cannot be used. The text does not repeat it.
    #[error(
        "the {nth}. key in the settings {problem}; write NAME:SECRET, with a secret of at least 16 characters"
    )]
    Given {
        /// Which one, from 1.
        nth: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}
