//! Writes the synthetic model of late interaction in each layout, for the reference implementation to compute.
//!
//! `cargo run -p athenaeum-inference --features testing --example synthetic_late -- FOLDER`

use std::{io, path::PathBuf};

use athenaeum_inference::synthetic::late::{self, Layout};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name a folder to write to"))?;
    late::write(Layout::Stanford, &folder.join("stanford"))?;
    late::write(Layout::PyLate, &folder.join("pylate"))
}
