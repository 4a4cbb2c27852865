//! Writes a synthetic reranker of Qwen3's kind into a folder, for the reference implementation to compute.
//!
//! `cargo run -p athenaeum-inference --features testing --example synthetic_reranker -- FOLDER`

use std::{io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name a folder to write to"))?;
    athenaeum_inference::synthetic::reranker(&folder)
}
