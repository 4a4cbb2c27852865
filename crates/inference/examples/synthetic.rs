//! Writes every synthetic model into a folder, for the reference implementations to compute.
//!
//! `cargo run -p athenaeum-inference --features testing --example synthetic -- FOLDER`

use std::{fs, io, path::PathBuf};

use athenaeum_inference::{model::safetensors::Dtype, synthetic};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name a folder to write to"))?;
    fs::create_dir_all(&folder)?;
    for recipe in synthetic::ALL {
        synthetic::folder(recipe, Dtype::F32, &folder.join(recipe.name))?;
        for (storage_name, storage) in synthetic::storages(recipe) {
            let file = folder.join(format!("{}.{storage_name}.gguf", recipe.name));
            fs::write(file, synthetic::gguf(recipe, *storage)?)?;
        }
    }
    Ok(())
}
