use std::{
    io,
    path::{Path, PathBuf},
};

use crate::model::{self, UnsafePath};

/// Why the folder of models was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Error {
    #[error(transparent)]
    Name(#[from] UnsafePath),
    #[error("there is no model {name} in {}; `athenaeum models list` tells what is there", folder.display())]
    NotFound { name: String, folder: PathBuf },
    #[error(
        "there is a model {name} already{}; give this one another name with --name, or remove that one first",
        came(from)
    )]
    Exists { name: String, from: Option<String> },
    #[error("somebody else is fetching {name} right now; wait for that to end")]
    Busy { name: String },
    #[error("it cannot be used as a model")]
    NotAModel(#[source] Box<model::Error>),
    #[error(
        "{} lacks room: {needed} bytes are needed and {free} are free; make room, or move the data folder",
        folder.display()
    )]
    NoRoom { folder: PathBuf, needed: u64, free: u64 },
    #[error("{} lies in Athenaeum's own folder already", .0.display())]
    Own(PathBuf),
    #[error("it was stopped")]
    Stopped,
    #[error("{what} {} failed", path.display())]
    Disk { what: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    /// Makes of a system's error one that says what was done to which file.
    pub(crate) fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { what, path, source }
    }
}

fn came(from: &Option<String>) -> String {
    from.as_ref().map_or_else(String::new, |from| format!(", from {from}"))
}
