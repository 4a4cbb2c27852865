//! The ledger beside the disk.

use std::path::Path;

use athenaeum_archive::library::{File, FileState, Library};
use athenaeum_tenancy::Scope;

use super::{LISTED, walk};

/// How a file stands that is not as the ledger has it, or needs somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ailment {
    /// What was read of it is in the library, and it is no longer there.
    Missing,
    /// It was written since it was read.
    Changed,
    /// It is there, and this person may not read it.
    Unreadable,
    /// It could not be read.
    Failed,
    /// It was seen and never read.
    Waiting,
}

impl Ailment {
    /// All of them, the most pressing first.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Changed, Self::Unreadable, Self::Failed, Self::Waiting];

    /// Returns the name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
        }
    }
}

/// Compares every file of the ledger with the disk: what it holds is not read, only looked at and opened. `found` is called with
/// each that ails, by path. Returns how many files there are, those that are gone aside.
///
/// # Errors
/// What the library says.
pub async fn check(
    library: &Library,
    scope: &Scope,
    mut found: impl FnMut(Ailment, &File),
) -> Result<u64, athenaeum_archive::Error> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = library.list(scope, "", None, after.as_ref(), LISTED).await?;
        let files: Vec<File> = page.items.into_iter().filter(|file| file.state != FileState::Gone).collect();
        count += files.len() as u64;
        let looked = tokio::task::spawn_blocking(move || {
            files.into_iter().map(|file| (ailment(&file), file)).collect::<Vec<_>>()
        });
        for (ailment, file) in looked.await.unwrap_or_default() {
            if let Some(ailment) = ailment {
                found(ailment, &file);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

fn ailment(file: &File) -> Option<Ailment> {
    let path = Path::new(&file.found.path);
    let Ok(metadata) = path.metadata() else { return Some(Ailment::Missing) };
    let modified_at = metadata.modified().ok().map(walk::timestamp);
    if (metadata.len(), modified_at) != (file.found.bytes, file.found.modified_at) {
        return Some(Ailment::Changed);
    }
    match file.state {
        FileState::Failed => Some(Ailment::Failed),
        FileState::Waiting => Some(Ailment::Waiting),
        FileState::Kept if std::fs::File::open(path).is_err() => Some(Ailment::Unreadable),
        _ => None,
    }
}
