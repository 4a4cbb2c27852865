//! Athenaeum's own folder of models: each in a folder of its own, whole and checked, or not there at all.
//!
//! ```text
//! models/
//!   NAME/                    a model
//!     …                      its files
//!     athenaeum-model.json   where it came from, and the checksum of each file
//!   .partial/
//!     NAME/                  a model that is still coming
//!     NAME.lock              held by the one who fetches it
//! ```
//!
//! What comes is laid into `.partial`, checked there, and becomes a model by one renaming. So a crash at any moment
//! leaves a whole model or none, and what had come can be gone on with.

mod add;
mod error;
mod staging;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use add::{Added, How};
pub use error::Error;
pub(crate) use staging::{Staging, room};

use crate::model::{Record, SafePath};

/// The folder.
#[derive(Debug, Clone)]
pub struct Shelf {
    folder: PathBuf,
}

/// A model in the folder, or a file that somebody laid there.
#[derive(Debug)]
pub struct Kept {
    /// The name of its folder or file.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What was recorded when it came; `None` for what was laid there by hand.
    pub record: Option<Record>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// How many files.
    pub files: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// The folder of what is still coming.
pub(crate) const PARTIAL: &str = ".partial";

// === impl Shelf ===

impl Shelf {
    /// Takes `folder`, which need not be there yet.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds what is called `name`; the ending `.gguf` may be left out.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Name`] for what cannot be a name, or [`Error::Disk`].
    pub fn get(&self, name: &str) -> Result<Kept, Error> {
        let exact: SafePath = name.parse()?;
        let with_ending: SafePath = format!("{name}.gguf").parse()?;
        if !exact.is_name() {
            return Err(Error::NotFound { name: name.to_owned(), folder: self.folder.clone() });
        }
        for name in [exact, with_ending] {
            let path = name.within(&self.folder);
            // A link is what it is, not what it leads to.
            if path.symlink_metadata().is_ok() {
                let record = Record::read(&path).unwrap_or_default();
                return Ok(Kept { name: name.to_string(), path, record });
            }
        }
        Err(Error::NotFound { name: name.to_owned(), folder: self.folder.clone() })
    }

    /// Lists what is there, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Disk`] where the folder cannot be read; a folder that is not there is empty.
    pub fn models(&self) -> Result<Vec<Kept>, Error> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::disk("reading", &self.folder)(error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut kept: Vec<Kept> = names.filter_map(|name| self.get(&name).ok()).collect();
        kept.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(kept)
    }

    /// Says what [`Shelf::remove`] would remove: a model, or what has come of one that is not whole yet.
    ///
    /// # Errors
    ///
    /// As [`Shelf::get`].
    pub fn weigh(&self, name: &str) -> Result<(Kept, Removed), Error> {
        let kept = match self.get(name) {
            Err(not_found @ Error::NotFound { .. }) => self.partial(name).ok_or(not_found),
            other => other,
        }?;
        let mut weight = Removed { files: 0, bytes: 0 };
        weigh(&kept.path, &mut weight).map_err(Error::disk("reading", &kept.path))?;
        Ok((kept, weight))
    }

    /// Finds what has come of a model that is not whole yet.
    fn partial(&self, name: &str) -> Option<Kept> {
        let name: SafePath = name.parse().ok().filter(SafePath::is_name)?;
        let path = name.within(&self.folder.join(PARTIAL));
        path.symlink_metadata().is_ok().then(|| Kept { name: name.to_string(), path, record: None })
    }

    /// Removes a model and what had come of it. Links are removed, never what they lead to.
    ///
    /// # Errors
    ///
    /// As [`Shelf::get`], and [`Error::Busy`] while it is being fetched.
    pub fn remove(&self, name: &str) -> Result<Removed, Error> {
        let (kept, weight) = self.weigh(name)?;
        let staging = Staging::open(self, &kept.name.parse()?)?;
        let failed = || Error::disk("removing", &kept.path);
        if kept.path == staging.folder() {
            // It goes below.
        } else if kept.path.symlink_metadata().map_err(failed())?.is_dir() {
            // In one step out of sight, so that nobody meets half a model.
            staging.clear()?;
            let aside = staging.folder();
            std::fs::remove_dir(aside).map_err(failed())?;
            std::fs::rename(&kept.path, aside).map_err(failed())?;
        } else {
            std::fs::remove_file(&kept.path).map_err(failed())?;
        }
        staging.discard()?;
        Ok(weight)
    }
}

/// Counts files and their bytes, links not followed. A folder of models is shallow; deeper ones are not counted.
fn weigh(path: &Path, weight: &mut Removed) -> io::Result<()> {
    let mut left = vec![(path.to_owned(), 0)];
    while let Some((path, depth)) = left.pop() {
        let metadata = path.symlink_metadata()?;
        if !metadata.is_dir() {
            weight.files += 1;
            weight.bytes = weight.bytes.saturating_add(metadata.len());
        } else if depth < DEPTH_MAX {
            for entry in std::fs::read_dir(&path)? {
                left.push((entry?.path(), depth + 1));
            }
        }
    }
    Ok(())
}

const DEPTH_MAX: usize = 16;
