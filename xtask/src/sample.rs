//! The documents of the sample library that are not text themselves, made of texts.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

mod office;
mod pdf;
mod text;

/// Write them into `assets/documents`.
#[derive(Debug, Args)]
pub(crate) struct Sample {}

impl Sample {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        for (name, bytes) in documents() {
            let path = folder().join(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn documents() -> [(&'static str, Vec<u8>); 3] {
    [
        ("house/lease.pdf", pdf::pdf(include_str!("sample/lease.txt"))),
        ("house/rain-barrel.docx", office::docx(include_str!("sample/rain-barrel.txt"))),
        ("kyoto.odt", office::odt(include_str!("sample/kyoto.txt"))),
    ]
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/documents")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_what_is_made() {
        for (name, bytes) in documents() {
            assert!(std::fs::read(folder().join(name)).unwrap() == bytes, "run `cargo xtask sample`: {name}");
        }
    }
}
