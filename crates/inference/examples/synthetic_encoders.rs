//! Writes every synthetic encoder into a folder, for the reference implementations to compute.
//!
//! `cargo run -p athenaeum-inference --example synthetic_encoders -- FOLDER`

#[path = "../tests/it/encoder/models.rs"]
#[allow(missing_docs, reason = "a module of the tests")]
mod models;

use std::{fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name a folder to write to"))?;
    fs::create_dir_all(&folder)?;
    let texts = serde_json::to_vec(&models::texts())?;
    fs::write(folder.join("texts.json"), texts)?;
    for recipe in models::ALL {
        if recipe.has_checkpoint() {
            recipe.folder(&folder.join(recipe.name))?;
        }
        if !recipe.gguf.is_empty() {
            fs::write(folder.join(format!("{}.gguf", recipe.name)), recipe.gguf()?)?;
        }
    }
    Ok(())
}
