//! What changed in folders that are watched, into the library: no walk, only what is named.

use std::{
    collections::HashMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use athenaeum_archive::library::{File, FileState, Library};
use athenaeum_tenancy::Scope;
use tokio_util::sync::CancellationToken;

use super::{
    Error, LISTED, Options, Progress, Report, rules,
    taking::{BATCH_DOCUMENTS, Done, TAKEN_AT_ONCE, Taking},
    under, walk,
};

/// Something in a watched folder that may have come, changed or gone. What became of it is looked for when it is followed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The folder that is watched, absolute; its ignore files count.
    pub folder: PathBuf,
    /// A file in it, or a folder that is no longer there.
    pub path: PathBuf,
    /// What it was called before, where it was renamed.
    pub before: Option<PathBuf>,
}

/// Takes into the library what became of files in watched folders, by the rules of [`add`](super::add): those that came or
/// changed are read, those that are gone leave, those that were renamed stay what they were.
///
/// Where a folder itself is not there (a disk that was taken out), nothing of it leaves.
///
/// # Cancellation
/// As [`add`](super::add).
///
/// # Errors
/// [`Error::Library`], [`Error::Cancelled`].
pub async fn follow(
    library: &Library,
    scope: &Scope,
    changes: &[Change],
    options: &Options,
    progress: impl FnMut(&Progress) + Send,
    cancel: CancellationToken,
) -> Result<Report, Error> {
    let mut taking = Taking::begin(library, scope, options, progress, &cancel);
    let ended = taking.follow_all(changes).await;
    taking.end(ended)
}

impl<P: FnMut(&Progress) + Send> Taking<'_, P> {
    async fn follow_all(&mut self, changes: &[Change]) -> Done {
        self.rename(changes).await?;
        let (mut seen, mut gone) = (Vec::new(), Vec::new());
        for change in changes {
            if self.cancel.is_cancelled() {
                break;
            }
            match change.path.symlink_metadata() {
                Ok(metadata) if metadata.is_file() && self.lets_in(change) => {
                    match walk::seen(&change.path, Some(&change.folder)) {
                        Ok(found) => seen.push(found),
                        Err(problem) => self.report.problem(problem),
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    gone.push(change);
                }
                // A folder, which is gone through by whoever watches, or something to which there is no way now.
                _ => {}
            }
            if seen.len() >= TAKEN_AT_ONCE {
                self.take(std::mem::take(&mut seen)).await?;
            }
        }
        self.take(seen).await?;
        self.finish_reading().await?;
        if self.cancel.is_cancelled() {
            return Ok(());
        }
        // After all that came, as a file that was moved is there again with the same document.
        for change in gone.into_iter().filter(|change| change.folder.is_dir()) {
            for file in self.known_at(&change.path).await? {
                self.gone(file.found);
            }
        }
        self.keep_all().await
    }

    fn lets_in(&self, change: &Change) -> bool {
        rules::lets_in(&change.folder, &change.path, &self.options.passed_over)
    }

    /// Has the ledger know files by their new names, where nothing was known by these: they need not be read again then.
    async fn rename(&mut self, changes: &[Change]) -> Done {
        let mut names = HashMap::new();
        for change in changes {
            let Some(before) = &change.before else { continue };
            if before.symlink_metadata().is_ok() || !self.lets_in(change) {
                continue;
            }
            for file in self.known_at(before).await? {
                let Ok(below) = Path::new(&file.found.path).strip_prefix(before) else { continue };
                let to = match below.as_os_str().is_empty() {
                    true => change.path.clone(),
                    false => change.path.join(below),
                };
                let Some(to) = to.to_str() else { continue };
                // Programs save by renaming over what was there: that is a change of the file, and it stays itself.
                let there = self.library.file(self.scope, to).await?;
                if there.is_none_or(|there| there.document.is_none()) {
                    names.insert(file.found.path, to.to_owned());
                }
            }
        }
        let names: Vec<(String, String)> = names.into_iter().collect();
        for names in names.chunks(BATCH_DOCUMENTS) {
            let removed = self.library.rename(self.scope, names).await?;
            self.removed(removed);
        }
        Ok(())
    }

    /// Returns what the ledger has under a name: a file, or all of a folder, as far as it is not gone.
    async fn known_at(&self, path: &Path) -> Result<Vec<File>, athenaeum_archive::Error> {
        let (Some(name), Some(under)) = (path.to_str(), under(path)) else { return Ok(Vec::new()) };
        let mut known: Vec<File> = self.library.file(self.scope, name).await?.into_iter().collect();
        let mut after = None;
        loop {
            let page = self.library.list(self.scope, &under, None, after.as_ref(), LISTED).await?;
            known.extend(page.items);
            after = page.next;
            if after.is_none() {
                known.retain(|file| file.state != FileState::Gone);
                return Ok(known);
            }
        }
    }
}
