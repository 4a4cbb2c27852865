//! Which projector belongs to a model: the one beside it.
//!
//! llama.cpp and LM Studio keep `mmproj-….gguf` in the model's folder; Ollama names it in the model's manifest. Where
//! several lie in one folder, those whose rows have another width than the model's are not meant; of the others it is the
//! one whose name begins most like the model's.

use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
};

use super::{Config, Error, projection::Projection};
use crate::model::{self, Model, ollama_projectors};

/// Finds the projector of a model whose tokens have so many numbers. `None`: it has none that is computed. Blocks; reads
/// headers only.
pub fn find(model: &Path, width: u64) -> Option<PathBuf> {
    candidates(model).into_iter().find(|path| width_of(path).is_ok_and(|found| found == width))
}

/// Says whether a model is a projector for pictures, and if so, whether it is of a kind that is computed.
///
/// # Errors
///
/// Why it is not.
pub fn check(model: &Model) -> Option<Result<(), Error>> {
    match Config::of(model) {
        Err(Error::NotAProjector) => None,
        other => Some(other.map(drop)),
    }
}

/// Numbers of the rows that a file's projector makes.
fn width_of(path: &Path) -> Result<u64, Error> {
    let model = model::open(path)?;
    let config = Config::of(&model)?;
    Projection::width_of(&model, config.kind.joint).ok_or(Error::NotAProjector)
}

/// Lists what is called a projector beside a model, the likeliest first.
fn candidates(model: &Path) -> Vec<PathBuf> {
    let Some(folder) = model.parent().filter(|_| !model.is_dir()) else { return Vec::new() };
    if folder.file_name().is_some_and(|name| name == "blobs")
        && let Some(root) = folder.parent().filter(|root| root.join("manifests").is_dir())
    {
        return ollama_projectors(root, model);
    }
    let Ok(reading) = std::fs::read_dir(folder) else { return Vec::new() };
    let named = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let own = named(model);
    let is_called = |path: &PathBuf| {
        let name = named(path);
        name.contains("mmproj") && name.ends_with(".gguf") && *path != model
    };
    let mut found: Vec<PathBuf> = reading.flatten().map(|entry| entry.path()).filter(is_called).collect();
    found.sort_by_key(|path| {
        let name = named(path);
        let name = name.trim_start_matches("mmproj").trim_start_matches(['-', '_', '.']).to_owned();
        let alike = name.bytes().zip(own.bytes()).take_while(|(one, other)| one == other).count();
        (Reverse(alike), name)
    });
    found.truncate(CANDIDATES_MAX);
    found
}

/// More than anybody keeps in one folder.
const CANDIDATES_MAX: usize = 64;
