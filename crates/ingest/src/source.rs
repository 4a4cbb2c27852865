//! Where files come from: a folder or a zip archive, both as a list of entries that can be opened.

mod assets;
mod folder;
mod meter;
mod name;
mod tables;
mod zipped;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use athenaeum_core::Timestamp;

pub(crate) use self::{assets::Assets, meter::Meter, tables::tables, zipped::each_streamed};
use self::{meter::Metered, zipped::Zipped};
use crate::context::Context;

/// A file of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path inside the tree with `/`, never absolute and never with `..`.
    pub(crate) name: String,
    /// Bytes after unpacking, as far as the source says.
    pub(crate) size: u64,
    pub(crate) modified: Option<Timestamp>,
}

impl Entry {
    /// The name without folders.
    pub(crate) fn base(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// The extension in lower case; empty where there is none.
    pub(crate) fn extension(&self) -> String {
        self.base().rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
    }
}

/// The files that belong together: those of a folder, or those of one archive; sorted by name.
pub(crate) struct Tree {
    entries: Vec<Entry>,
    kind: Kind,
    meter: Rc<Meter>,
}

enum Kind {
    Disk(Vec<PathBuf>),
    Zip(Box<Zipped>),
}

impl Tree {
    /// A tree of one file.
    pub(crate) fn file(path: &Path, meter: &Rc<Meter>) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let entry = Entry { name, size: metadata.len(), modified: folder::modified(&metadata) };
        Ok(Self { entries: vec![entry], kind: Kind::Disk(vec![path.to_owned()]), meter: meter.clone() })
    }

    /// The files in and under a folder. Symbolic links that lead out of it are not followed; what cannot be
    /// listed is reported.
    pub(crate) fn folder(root: &Path, meter: &Rc<Meter>, context: &mut Context<'_>) -> io::Result<Self> {
        let found = folder::walk(root, context)?;
        let (entries, paths) = found.into_iter().unzip();
        Ok(Self { entries, kind: Kind::Disk(paths), meter: meter.clone() })
    }

    /// The entries of a zip archive. Names that would lead out of it are changed and reported.
    pub(crate) fn zip(file: File, meter: &Rc<Meter>, context: &mut Context<'_>) -> Result<Self, ZipFault> {
        let (zipped, entries) = Zipped::open(Metered::new(file, meter.clone()), context)?;
        Ok(Self { entries, kind: Kind::Zip(Box::new(zipped)), meter: meter.clone() })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Opens an entry for reading from its beginning.
    pub(crate) fn open(&mut self, index: usize) -> io::Result<Box<dyn Read + '_>> {
        match &mut self.kind {
            Kind::Disk(paths) => {
                let path = paths.get(index).ok_or(io::ErrorKind::NotFound)?;
                Ok(Box::new(Metered::new(File::open(path)?, self.meter.clone())))
            }
            Kind::Zip(zipped) => zipped.open_entry(index),
        }
    }

    /// Reads an entry whole, if it has at most `bytes_max` bytes.
    pub(crate) fn read(&mut self, index: usize, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(index)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            let reason = format!("larger than {bytes_max} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        Ok(bytes)
    }

    /// Returns a path on the disk where the entry can be opened: its own, or that of a copy that lives as long
    /// as the second value.
    pub(crate) fn on_disk(&mut self, index: usize) -> io::Result<(PathBuf, Option<tempfile::TempDir>)> {
        if let Kind::Disk(paths) = &self.kind {
            return Ok((paths.get(index).cloned().ok_or(io::ErrorKind::NotFound)?, None));
        }
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("entry");
        io::copy(&mut self.open(index)?, &mut File::create(&path)?)?;
        Ok((path, Some(folder)))
    }
}

/// Why an archive cannot be read by its directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZipFault {
    /// Its entries may still be found one after the other.
    #[error("the archive's directory is damaged ({reason}); what can be found without it is read")]
    Directory { reason: String, file: File },
    #[error("the archive cannot be read: {0}")]
    Io(#[source] io::Error),
}
