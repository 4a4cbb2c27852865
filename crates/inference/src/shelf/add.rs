use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{Error, Kept, Shelf, Staging, room};
use crate::model::{self, Files, Hasher, Model, Record, RecordedFile, SafePath, Sha256};

/// How files come into the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// They are copied.
    Copy,
    /// They get a second name (a hard link), which takes no room: a change of the one is a change of the other.
    Link,
}

/// A model that was added.
#[derive(Debug)]
pub struct Added {
    /// The model as it is kept now.
    pub kept: Kept,
    /// What was left where it was, and why.
    pub left_out: Vec<String>,
}

impl Shelf {
    /// Takes the model at `path` (a file, any part of a split one, or the folder of one) into the folder, and records
    /// the checksums of its files. `progress` hears the bytes done and those to do, and ends it by `false`.
    ///
    /// # Errors
    ///
    /// [`Error::NotAModel`], [`Error::Exists`], [`Error::NoRoom`], or what the system says. Nothing stays behind then.
    pub fn add(
        &self,
        path: &Path,
        name: Option<&str>,
        how: How,
        mut progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<Added, Error> {
        let path = path.canonicalize().map_err(Error::disk("opening", path))?;
        if self.folder.canonicalize().is_ok_and(|folder| path.starts_with(folder)) {
            return Err(Error::Own(path));
        }
        let model = model::open(&path).map_err(|error| Error::NotAModel(Box::new(error)))?;
        let name = match name {
            Some(name) => SafePath::from_name(name)?,
            None => SafePath::from_name(&name_of(&path))?,
        };
        let (files, left_out) = files(&path, &model)?;
        let bytes_total = files.iter().fold(0, |sum: u64, (_, _, bytes)| sum.saturating_add(*bytes));
        let staging = Staging::open(self, &name)?;
        let result = (|| {
            if name.within(&self.folder).symlink_metadata().is_ok() {
                return Err(staging.exists());
            }
            staging.clear()?;
            if how == How::Copy {
                room(staging.folder(), bytes_total)?;
            }
            let mut bytes_done = 0;
            let mut read = |bytes| {
                bytes_done += bytes;
                progress(bytes_done, bytes_total)
            };
            let mut recorded = Vec::new();
            for (from, to, _) in &files {
                recorded.push(take(from, to, staging.folder(), how, &mut read)?);
            }
            let main = path.is_file().then(|| name_in(&path)).transpose()?;
            staging.check(main.as_ref())?;
            Ok(Record::new(path.display().to_string(), None, recorded))
        })();
        match result {
            Ok(record) => Ok(Added { kept: staging.finish(record)?, left_out }),
            Err(error) => {
                staging.discard()?;
                Err(error)
            }
        }
    }
}

impl Shelf {
    /// Makes another model of one that is here. Its files get second names (hard links) where the system can do that, which
    /// takes no room. `called` is what it is called where that is no name of a folder.
    ///
    /// # Errors
    ///
    /// As [`Shelf::get`] and [`Shelf::add`].
    pub fn copy(&self, name: &str, to: &str, called: Option<&str>) -> Result<Kept, Error> {
        let kept = self.get(name)?;
        let model = model::open(&kept.path).map_err(|error| Error::NotAModel(Box::new(error)))?;
        let to = SafePath::from_name(to)?;
        let staging = Staging::open(self, &to)?;
        let result = (|| {
            if to.within(&self.folder).symlink_metadata().is_ok() {
                return Err(staging.exists());
            }
            staging.clear()?;
            let mut record = match kept.record {
                Some(record) => {
                    for file in &record.files {
                        second(&file.path.within(&kept.path), &file.path.within(staging.folder()))?;
                    }
                    record
                }
                None => {
                    let (files, _) = files(&kept.path, &model)?;
                    let take = |(from, to, _): &(PathBuf, SafePath, u64)| {
                        take(from, to, staging.folder(), How::Link, &mut |_| true)
                    };
                    let files = files.iter().map(take).collect::<Result<_, _>>()?;
                    Record::new(kept.path.display().to_string(), None, files)
                }
            };
            record.name = called.map(str::to_owned);
            Ok(record)
        })();
        match result {
            Ok(record) => staging.finish(record),
            Err(error) => {
                staging.discard()?;
                Err(error)
            }
        }
    }
}

/// Gives a file a second name, or copies it.
fn second(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(Error::disk("making", parent))?;
    }
    if std::fs::hard_link(from, to).is_err() {
        copy(from, to, &mut |_| true).map_err(Error::disk("copying", from))?;
    }
    Ok(())
}

/// Brings one file in, and returns what it is.
fn take(
    from: &Path,
    to: &SafePath,
    folder: &Path,
    how: How,
    read: &mut dyn FnMut(u64) -> bool,
) -> Result<RecordedFile, Error> {
    let path = to.within(folder);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::disk("making", parent))?;
    }
    let sum = match how {
        How::Copy => copy(from, &path, read).map_err(Error::disk("copying", from))?,
        How::Link => {
            std::fs::hard_link(from, &path).map_err(Error::disk("linking", from))?;
            Sha256::of_file(&path, read).map_err(Error::disk("reading", from))?
        }
    };
    let sha256 = sum.ok_or(Error::Stopped)?;
    let bytes = path.metadata().map_err(Error::disk("reading", &path))?.len();
    Ok(RecordedFile { path: to.clone(), bytes, sha256 })
}

/// Copies a file, and returns the checksum of what was copied; `None` where `read` ended it.
fn copy(from: &Path, to: &Path, read: &mut dyn FnMut(u64) -> bool) -> io::Result<Option<Sha256>> {
    let (mut from, mut to) = (File::open(from)?, File::create_new(to)?);
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&buffer[..count])?;
        hasher.update(&buffer[..count]);
        if !read(count as u64) {
            return Ok(None);
        }
    }
    to.sync_all()?;
    Ok(Some(hasher.finish()))
}

/// Lists the files of a model: where each is, what it is called in the folder, and its length; and what is left out.
type Listed = (Vec<(PathBuf, SafePath, u64)>, Vec<String>);

fn files(path: &Path, model: &Model) -> Result<Listed, Error> {
    let mut listed = Vec::new();
    let mut left_out = Vec::new();
    if path.is_dir() {
        walk(path, "", &mut listed, &mut left_out)?;
    } else {
        let parts: Vec<&Path> = match &model.files {
            Files::Gguf(model) => model.parts.iter().map(|part| part.path.as_path()).collect(),
            Files::Safetensors(folder) => folder.shards.iter().map(|(path, _)| path.as_path()).collect(),
        };
        for part in parts {
            let bytes = part.metadata().map_err(Error::disk("reading", part))?.len();
            listed.push((part.to_owned(), name_in(part)?, bytes));
        }
    }
    Ok((listed, left_out))
}

/// Goes through a folder two levels deep, which is as deep as models are.
fn walk(
    folder: &Path,
    prefix: &str,
    listed: &mut Vec<(PathBuf, SafePath, u64)>,
    left_out: &mut Vec<String>,
) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(Error::disk("reading", folder))? {
        let path = entry.map_err(Error::disk("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let relative = format!("{prefix}{name}");
        // Files may be links, as in Hugging Face's cache.
        let there = path.metadata().map_err(Error::disk("reading", &path))?;
        match relative.parse::<SafePath>() {
            Ok(safe) if there.is_file() => listed.push((path, safe, there.len())),
            Ok(_) if there.is_dir() && prefix.is_empty() => {
                walk(&path, &format!("{relative}/"), listed, left_out)?;
            }
            Ok(_) => left_out.push(format!("{relative}: neither a file nor a folder of the model")),
            Err(error) => left_out.push(error.to_string()),
        }
    }
    Ok(())
}

/// What a model is called that lies at `path`: of a split one, without the number of the part.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_dir() {
        return name.into_owned();
    }
    let stem = model::gguf::part_name(&name).map(|(stem, ..)| stem);
    let stem = stem.or_else(|| name.strip_suffix(".gguf")).or_else(|| name.strip_suffix(".safetensors"));
    stem.unwrap_or(&name).to_owned()
}

fn name_in(path: &Path) -> Result<SafePath, Error> {
    Ok(path.file_name().unwrap_or_default().to_string_lossy().parse()?)
}
