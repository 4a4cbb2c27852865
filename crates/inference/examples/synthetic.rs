//! Writes every synthetic model into a folder, for the reference implementations to compute.
//!
//! `cargo run -p athenaeum-inference --features testing --example synthetic -- FOLDER`

use std::{fs, io, path::PathBuf};

use athenaeum_inference::{model::safetensors::Dtype, synthetic, vision};

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
    for kind in vision::kind::ALL {
        let recipe = synthetic::find(if kind.name == "gemma3" { "gemma3" } else { "llama" });
        let width = recipe.map_or(0, |recipe| recipe.width);
        let file = folder.join(format!("mmproj-{}.gguf", kind.name));
        fs::write(file, synthetic::vision::projector(kind, width)?)?;
    }
    Ok(())
}
