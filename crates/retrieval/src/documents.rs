//! Documents into the library: folders and files are looked at, what changed is read, cut into chunks and kept.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_archive::{Settings, library::Library};
//! use athenaeum_retrieval::{CancellationToken, documents::{self, Options}};
//!
//! let library = Library::open("library".as_ref(), &Settings::default()).await?;
//! let scope = athenaeum_tenancy::local();
//! let told = |progress: &documents::Progress| println!("{} files", progress.done());
//! let paths = ["/home/me/notes".into()];
//! let report = documents::add(&library, &scope, &paths, &Options::default(), told, CancellationToken::new()).await?;
//! println!("{} new, {} failed", report.added, report.failed);
//! # Ok(()) }
//! ```
//!
//! [`add`] may be stopped at any time and run again: what was kept stays, and is not read again. It walks, compares with
//! the ledger, reads on all cores and meanwhile writes what was read, many files to a question, to a task and to a
//! transaction; between them stand bounds of number and of bytes.
//!
//! **Invariant:** every file that was come upon stands in the ledger afterwards, with what became of it; one file that
//! cannot be read costs nothing but itself.

mod check;
mod follow;
mod place;
mod read;
mod report;
pub(crate) mod rules;
mod taking;
mod walk;

use std::path::{Path, PathBuf};

use athenaeum_archive::library::Library;
use athenaeum_tenancy::Scope;
use tokio_util::sync::CancellationToken;

pub use check::{Ailment, check};
pub use follow::{Change, follow};
pub use read::{Options, read};
pub(crate) use read::{TOKENS_MAX, tokens};
pub use report::{Progress, Report};
pub use walk::IGNORE_FILE;

use taking::Taking;

/// Why documents could not be taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that was named is not there.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// The library could not be read or written. What was kept until then stays.
    #[error("the library could not take in the documents")]
    Library {
        /// What was done until then.
        report: Box<Report>,
        /// Why.
        source: athenaeum_archive::Error,
    },
    /// Its person ended it. What was kept until then stays; adding again goes on.
    #[error("stopped; what was kept until then stays, and adding again goes on from there")]
    Cancelled(Box<Report>),
}

impl Error {
    /// Returns what was done before.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Missing(_) => None,
            Self::Library { report, .. } | Self::Cancelled(report) => Some(report),
        }
    }
}

/// Takes files, and folders with all that is in them, into the library.
///
/// Files that are as the ledger knows them are not read again; those of a folder that are no longer there leave the
/// library. What [`IGNORE_FILE`], `.gitignore` and `.ignore` name in a folder is passed over, and so is what begins
/// with a dot; links to other places are not followed. A file that is named itself is always read.
/// `progress` is called about ten times a second and once at the end.
///
/// # Cancellation
/// After `cancel`, what was read is kept and nothing more is read. Dropping the future gives up at most one batch.
///
/// # Errors
/// [`Error::Missing`] before anything was done; [`Error::Library`], [`Error::Cancelled`].
pub async fn add(
    library: &Library,
    scope: &Scope,
    paths: &[PathBuf],
    options: &Options,
    progress: impl FnMut(&Progress) + Send,
    cancel: CancellationToken,
) -> Result<Report, Error> {
    let mut roots = Vec::with_capacity(paths.len());
    for path in paths {
        let absolute = std::path::absolute(path).map_err(|_| Error::Missing(path.clone()))?;
        if absolute.symlink_metadata().is_err() {
            return Err(Error::Missing(path.clone()));
        }
        roots.push(absolute);
    }
    let mut taking = Taking::begin(library, scope, options, progress, &cancel);
    let ended = taking.take_all(&roots).await;
    taking.end(ended)
}

/// Returns how the names of all that lies in a folder begin; `None` where it is not Unicode, and the ledger has none of it.
fn under(folder: &Path) -> Option<String> {
    let folder = folder.to_str()?;
    Some(if folder.ends_with(std::path::MAIN_SEPARATOR) {
        folder.to_owned()
    } else {
        format!("{folder}{}", std::path::MAIN_SEPARATOR)
    })
}

/// Files of the ledger in one look.
const LISTED: usize = 200;
