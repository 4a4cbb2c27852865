use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Error, Files, RECORD_FILE, Record, Sha256, open};

/// A file of a model, held against what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// How it compares.
    pub verdict: Verdict,
}

/// How a file compares with what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is what it was.
    Same(Sha256),
    /// It has the length, but not the content.
    Different {
        /// What was recorded.
        expected: Sha256,
        /// What it is.
        found: Sha256,
    },
    /// It has another length, so it was not read.
    Length {
        /// Bytes that were recorded.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// It is not there.
    Missing,
    /// Nothing was recorded of it. This is its checksum now, to compare by hand.
    Unrecorded(Sha256),
}

/// Why files could not be held against anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum VerifyError {
    #[error(transparent)]
    Model(#[from] Error),
    #[error("what was recorded of {} cannot be read; fetch or add the model again", path.display())]
    Record { path: PathBuf, source: io::Error },
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("it was stopped")]
    Stopped,
}

/// Reads all files of the model at `path` and compares them with what is known: the record beside them, or the digest
/// by which Ollama and Hugging Face's cache name a file. `progress` hears the bytes read and those to read, and ends it
/// by `false`. Blocks, as long as reading the files takes.
///
/// # Errors
///
/// A [`VerifyError`] where there is nothing to compare; what differs is no error but a [`Verdict`].
pub fn verify(path: &Path, mut progress: impl FnMut(u64, u64) -> bool) -> Result<Vec<Checked>, VerifyError> {
    let files = expected(path)?;
    let length = |file: &Expected| {
        file.path.metadata().ok().filter(std::fs::Metadata::is_file).map(|there| there.len())
    };
    let bytes_total = files.iter().filter_map(length).fold(0_u64, u64::saturating_add);
    let mut bytes_read = 0_u64;
    let mut checked = Vec::new();
    for file in files {
        let verdict = match (length(&file), file.bytes) {
            (None, _) => Verdict::Missing,
            (Some(found), Some(expected)) if found != expected => Verdict::Length { expected, found },
            _ => {
                let read = |bytes| {
                    bytes_read += bytes;
                    progress(bytes_read, bytes_total)
                };
                let sum = Sha256::of_file(&file.path, read);
                let sum = sum.map_err(|source| VerifyError::Read { path: file.path.clone(), source })?;
                let found = sum.ok_or(VerifyError::Stopped)?;
                match file.sha256 {
                    None => Verdict::Unrecorded(found),
                    Some(expected) if expected == found => Verdict::Same(found),
                    Some(expected) => Verdict::Different { expected, found },
                }
            }
        };
        checked.push(Checked { path: file.path, verdict });
    }
    Ok(checked)
}

/// Whether checksums were recorded of the model at `path` when it came, and whether its files still have the recorded
/// lengths; `None` where nothing was recorded. Reads no weights.
pub fn lengths_hold(path: &Path) -> Option<bool> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    let record = Record::read(folder).ok()??;
    let is_of_it = |file: &super::RecordedFile| path.is_dir() || file.path.within(folder) == path;
    let holds = |file: &super::RecordedFile| {
        file.path.within(folder).metadata().is_ok_and(|there| there.len() == file.bytes)
    };
    record.files.iter().any(is_of_it).then(|| record.files.iter().all(holds))
}

/// A file, and what is known of it.
struct Expected {
    path: PathBuf,
    bytes: Option<u64>,
    sha256: Option<Sha256>,
}

fn expected(path: &Path) -> Result<Vec<Expected>, VerifyError> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let record = Record::read(folder)
        .map_err(|source| VerifyError::Record { path: folder.join(RECORD_FILE), source })?;
    let recorded = record.map(|record| record.files).unwrap_or_default();
    let recorded = recorded.into_iter().map(|file| Expected {
        path: file.path.within(folder),
        bytes: Some(file.bytes),
        sha256: Some(file.sha256),
    });
    let recorded: Vec<Expected> = recorded.collect();
    // All of a recorded folder, whether it can still be opened or not, and whichever of its files was named.
    if !recorded.is_empty() && (path.is_dir() || recorded.iter().any(|file| file.path == path)) {
        return Ok(recorded);
    }
    let files: Vec<PathBuf> = match open(path)?.files {
        Files::Gguf(model) => model.parts.into_iter().map(|part| part.path).collect(),
        Files::Safetensors(folder) => folder.shards.into_iter().map(|(path, _)| path).collect(),
    };
    Ok(files.into_iter().map(|path| Expected { sha256: of_name(&path), bytes: None, path }).collect())
}

/// Reads the digest out of a file's name: `blobs/sha256-…` is Ollama's, `blobs/…` the Hugging Face cache's, whose
/// snapshots are links to these.
fn of_name(path: &Path) -> Option<Sha256> {
    let path = path.canonicalize().ok()?;
    let is_blob = path.parent()?.file_name()? == "blobs";
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("sha256-").unwrap_or(name).parse().ok().filter(|_| is_blob)
}
