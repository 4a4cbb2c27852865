use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{Error, Kept, PARTIAL, Shelf};
use crate::model::{self, Model, RECORD_FILE, Record, RecordedFile, SafePath};

/// A model that is coming, in a folder that nobody else touches.
#[derive(Debug)]
pub(crate) struct Staging {
    name: SafePath,
    folder: PathBuf,
    models: PathBuf,
    lock_path: PathBuf,
    /// Held as long as this is; the system gives it back when the program ends, however it ends.
    _lock: File,
    /// Files that are whole and were checked.
    done: Vec<RecordedFile>,
    /// What they are of.
    of: String,
}

// === impl Staging ===

impl Staging {
    /// Takes up what has come of a model before, or begins anew.
    pub(crate) fn open(shelf: &Shelf, name: &SafePath) -> Result<Self, Error> {
        let partial = shelf.folder.join(PARTIAL);
        let folder = name.within(&partial);
        std::fs::create_dir_all(&folder).map_err(Error::disk("making", &folder))?;
        let lock_path = partial.join(format!("{name}.lock"));
        let lock = File::create(&lock_path).map_err(Error::disk("making", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { name: name.to_string() }),
            Err(TryLockError::Error(error)) => return Err(Error::disk("locking", &lock_path)(error)),
        }
        // Whoever held the lock before may have taken the folder away just now.
        std::fs::create_dir_all(&folder).map_err(Error::disk("making", &folder))?;
        // A record that cannot be read counts nothing: its files are fetched again.
        let record = Record::read(&folder).ok().flatten();
        let (of, done) = record.map(|record| (record.source, record.files)).unwrap_or_default();
        let done = done.into_iter().filter(|file| {
            file.path
                .within(&folder)
                .metadata()
                .is_ok_and(|there| there.is_file() && there.len() == file.bytes)
        });
        let done = done.collect();
        let (name, models) = (name.clone(), shelf.folder.clone());
        Ok(Self { name, folder, models, lock_path, _lock: lock, done, of })
    }

    /// Returns where its files come.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lists the files that are whole.
    pub(crate) fn done(&self) -> &[RecordedFile] {
        &self.done
    }

    /// Returns what these are of, as it was given to [`Staging::add_done`].
    pub(crate) fn of(&self) -> &str {
        &self.of
    }

    /// Remembers that a file is whole, and what it is of.
    pub(crate) fn add_done(&mut self, of: &str, file: RecordedFile) -> Result<(), Error> {
        self.done.retain(|done| done.path != file.path);
        self.done.push(file);
        of.clone_into(&mut self.of);
        let record = Record::new(self.of.clone(), None, self.done.clone());
        record.write(&self.folder).map_err(Error::disk("writing into", &self.folder))
    }

    /// Removes what is there and belongs to none of `files`: of another source that was to have the same name, or left
    /// by a crash.
    pub(crate) fn keep_only(&mut self, files: &[SafePath]) -> Result<(), Error> {
        self.done.retain(|done| files.contains(&done.path));
        self.sweep(|path| {
            files.iter().any(|file| {
                path.strip_prefix(file.as_str())
                    .is_some_and(|rest| ["", ".part", ".part.json"].contains(&rest))
            })
        })
    }

    /// Removes files that are not to be kept; a path has `/` between its parts.
    fn sweep(&self, keep: impl Fn(&str) -> bool) -> Result<(), Error> {
        let mut folders = vec![(self.folder.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(Error::disk("reading", &folder))? {
                let entry = entry.map_err(Error::disk("reading", &folder))?;
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.file_type().map_err(Error::disk("reading", &folder))?.is_dir() {
                    folders.push((entry.path(), format!("{path}/")));
                } else if path != RECORD_FILE && !keep(&path) {
                    std::fs::remove_file(entry.path()).map_err(Error::disk("removing", &entry.path()))?;
                }
            }
        }
        Ok(())
    }

    /// Checks what has come as a model. `main` is the file to open it by, or `None` for the folder.
    pub(crate) fn check(&self, main: Option<&SafePath>) -> Result<Model, Error> {
        let path = main.map_or_else(|| self.folder.clone(), |main| main.within(&self.folder));
        model::open(&path).map_err(|error| Error::NotAModel(Box::new(error)))
    }

    /// Makes a model of what has come, by one renaming.
    pub(crate) fn finish(self, record: Record) -> Result<Kept, Error> {
        let path = self.name.within(&self.models);
        let failed = || Error::disk("making", &path);
        self.sweep(|path| record.files.iter().any(|file| file.path.as_str() == path))?;
        record.write(&self.folder).map_err(Error::disk("writing into", &self.folder))?;
        sync_folder(&self.folder).map_err(failed())?;
        if path.symlink_metadata().is_ok() {
            return Err(self.exists());
        }
        std::fs::rename(&self.folder, &path).map_err(failed())?;
        sync_folder(&self.models).map_err(failed())?;
        self.release();
        Ok(Kept { name: self.name.to_string(), path, record: Some(record) })
    }

    /// Says that the place is taken.
    pub(crate) fn exists(&self) -> Error {
        let there = Record::read(&self.name.within(&self.models)).ok().flatten();
        Error::Exists { name: self.name.to_string(), from: there.map(|record| record.source) }
    }

    /// Removes the files that are there.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        let failed = || Error::disk("removing", &self.folder);
        for entry in std::fs::read_dir(&self.folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            match entry.file_type().map_err(failed())?.is_dir() {
                true => std::fs::remove_dir_all(entry.path()).map_err(failed())?,
                false => std::fs::remove_file(entry.path()).map_err(failed())?,
            }
        }
        Ok(())
    }

    /// Removes all that has come.
    pub(crate) fn discard(self) -> Result<(), Error> {
        std::fs::remove_dir_all(&self.folder).map_err(Error::disk("removing", &self.folder))?;
        self.release();
        Ok(())
    }

    /// Leaves nothing behind where nothing has come.
    pub(crate) fn leave(self) {
        let is_empty = |path: &Path| path.metadata().is_ok_and(|there| there.is_file() && there.len() == 0);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "part") && is_empty(&path) {
                // What cannot be removed stays, and does no harm.
                let _ = std::fs::remove_file(path.with_added_extension("json"));
                let _ = std::fs::remove_file(path);
            }
        }
        if std::fs::remove_dir(&self.folder).is_ok() {
            self.release();
        }
    }

    /// Takes the lock's file away; one that stays behind does no harm.
    fn release(&self) {
        let _ = std::fs::remove_file(&self.lock_path);
        let _ = std::fs::remove_dir(self.models.join(PARTIAL));
    }
}

/// Checks that `needed` more bytes have room in `folder`, with some to spare for others.
pub(crate) fn room(folder: &Path, needed: u64) -> Result<(), Error> {
    match free(folder).map_err(Error::disk("looking at", folder))? {
        Some(free) if needed > 0 && needed.saturating_add(SPARE_BYTES) > free => {
            Err(Error::NoRoom { folder: folder.to_owned(), needed, free })
        }
        _ => Ok(()),
    }
}

/// Enough for journals, records, and the database beside.
const SPARE_BYTES: u64 = 64 << 20;

/// Returns how many bytes we may still write where `folder` is; `None` where the system does not say.
#[cfg(unix)]
fn free(folder: &Path) -> io::Result<Option<u64>> {
    let there = rustix::fs::statvfs(folder)?;
    Ok(Some(there.f_bavail.saturating_mul(there.f_frsize)))
}

#[cfg(not(unix))]
fn free(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

/// Waits until names made in `folder` are on the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
