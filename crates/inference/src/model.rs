//! What a model file says about itself, checked.

pub mod gguf;
pub mod safetensors;

mod checksum;
mod find;
mod fit;
mod folder;
pub(crate) mod json;
mod record;
mod safe_path;
mod source;
mod stamp;
mod summary;
mod verify;

use std::{
    io,
    path::{Path, PathBuf},
};

use athenaeum_kernels::Bytes;

pub(crate) use checksum::Hasher;
pub use checksum::{InvalidSha256, Sha256};
pub(crate) use find::ollama::projectors as ollama_projectors;
pub use find::{Found, Limits, Place, Places, Root, RootKind, Search, find, known_roots, locate};
pub use fit::{Fit, FitVerdict};
pub use folder::{Folder, Refusal as FolderRefusal};
pub(crate) use record::write_whole;
pub use record::{FILE_NAME as RECORD_FILE, Record, RecordedFile};
pub use safe_path::{SafePath, UnsafePath};
pub use stamp::Stamp;
pub use summary::{Format, Summary};
pub use verify::{Checked, Verdict, VerifyError, lengths_hold, verify};

/// A model as it lies on the disk, sound as far as its header goes.
#[derive(Debug)]
pub struct Model {
    /// The file or folder that was named.
    pub path: PathBuf,
    /// What was found there.
    pub files: Files,
}

/// The files of a model.
#[derive(Debug)]
pub enum Files {
    /// One GGUF file, or all parts of a split one.
    Gguf(gguf::Model),
    /// Safetensors with a configuration beside them, or a single such file without.
    Safetensors(Folder),
}

/// A tensor of either format, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRow {
    /// Its name, unique in the model.
    pub name: String,
    /// How its numbers are stored: `Q4_K`, `BF16`.
    pub tensor_type: String,
    /// In the format's own order: `[columns, rows]` in GGUF, `[rows, columns]` in safetensors.
    pub shape: Vec<u64>,
    /// How many numbers.
    pub elements: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// Why something is not taken as a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing, or it may not be looked at.
    #[error("{} cannot be opened; check the path and its permissions", path.display())]
    Open {
        /// What was named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A GGUF file is not sound.
    #[error("{} is not taken as a model", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<gguf::Refusal>,
    },
    /// A safetensors file is not sound.
    #[error("{} is not taken as a model", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<safetensors::Refusal>,
    },
    /// A folder is not laid out as a model's.
    #[error("{} is not taken as a model", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: folder::Refusal,
    },
}

/// Opens a GGUF file (with all parts of a split one), a safetensors file, or a folder with either, and checks what it
/// says about itself. Reads headers only, never weights. Blocks.
///
/// # Errors
///
/// An [`Error`] whose source says what is wrong and what can be done.
pub fn open(path: &Path) -> Result<Model, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    let files = if std::fs::metadata(path).map_err(failed)?.is_dir() {
        folder::open(path)?
    } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        Files::Safetensors(folder::single(path)?)
    } else {
        // Ollama's files have no ending.
        let model = gguf::Model::open(path);
        Files::Gguf(model.map_err(|source| Error::Gguf { path: path.to_owned(), source: Box::new(source) })?)
    };
    Ok(Model { path: path.to_owned(), files })
}

/// Takes a GGUF file that is in memory, and checks what it says about itself; `name` stands for it in errors.
///
/// # Errors
///
/// [`Error::Gguf`] with what is wrong with it.
pub fn from_gguf_bytes(name: &str, bytes: Bytes) -> Result<Model, Error> {
    let path = PathBuf::from(name);
    let model = gguf::Model::from_bytes(&path, bytes);
    match model {
        Ok(model) => Ok(Model { path, files: Files::Gguf(model) }),
        Err(source) => Err(Error::Gguf { path, source: Box::new(source) }),
    }
}

impl Model {
    /// Says what one wants to know before loading it.
    pub fn summary(&self) -> Summary {
        summary::of(self)
    }

    /// Lists the tensors, in the order of the files.
    pub fn tensors(&self) -> Vec<TensorRow> {
        match &self.files {
            Files::Gguf(model) => model
                .tensors()
                .map(|tensor| TensorRow {
                    name: tensor.name.clone(),
                    tensor_type: tensor.tensor_type.to_string(),
                    shape: tensor.dims().to_vec(),
                    elements: tensor.elements,
                    bytes: tensor.bytes,
                })
                .collect(),
            Files::Safetensors(folder) => folder
                .tensors()
                .map(|tensor| TensorRow {
                    name: tensor.name.clone(),
                    tensor_type: tensor.dtype.to_string(),
                    shape: tensor.shape.clone(),
                    elements: tensor.elements,
                    bytes: tensor.bytes,
                })
                .collect(),
        }
    }

    /// Lists what the files say about the model, as names and values to read; long lists by their length only.
    pub fn metadata(&self) -> Vec<(String, String)> {
        match &self.files {
            Files::Gguf(model) => {
                model.metadata().iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect()
            }
            Files::Safetensors(folder) => folder.metadata(),
        }
    }

    /// Returns what the files say about the model as JSON; long lists of a GGUF file by their length only.
    pub fn metadata_json(&self) -> serde_json::Map<String, serde_json::Value> {
        match &self.files {
            Files::Gguf(model) => {
                model.metadata().iter().map(|(key, value)| (key.to_owned(), value.to_json())).collect()
            }
            Files::Safetensors(folder) => folder.metadata_json(),
        }
    }
}
