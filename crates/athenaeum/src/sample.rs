//! A small library to look around in: conversations of our own making, in the shapes that providers export, and documents that
//! go with them.

use std::path::{Path, PathBuf};

use athenaeum_archive::Filters;
use athenaeum_retrieval::{CancellationToken, ImportOptions, import};

use crate::{Athenaeum, Error};

/// Returns the folder of the sample library: beside a person's own archive, never in it.
pub fn folder(data: &Path) -> PathBuf {
    data.join("sample")
}

/// Returns the folder of the sample's documents: [`fill`] writes it, and whoever serves the sample watches it.
pub fn documents_folder(data: &Path) -> PathBuf {
    data.join("documents")
}

/// Writes the documents where there are none yet, and imports the conversations into a library that is still empty, the way that every export is imported.
///
/// Exports and documents stay in `data/exports` and `data/documents`, to be looked at.
///
/// # Errors
///
/// [`Error::Sample`] where the exports cannot be written, [`Error::SampleImport`] where they cannot be imported.
pub async fn fill(athenaeum: &Athenaeum, data: &Path) -> Result<(), Error> {
    let documents = documents_folder(data);
    if !documents.exists() {
        write(&documents, DOCUMENTS)?;
    }
    let archive = athenaeum.archive();
    let filled = archive.conversations(athenaeum.scope(), &Filters::default(), None, 1).await;
    if filled.is_ok_and(|page| !page.items.is_empty()) {
        return Ok(());
    }
    let exports = data.join("exports");
    write_exports(&exports)?;
    let options = ImportOptions { display_name: Some("sample".to_owned()), ..ImportOptions::default() };
    import(archive, athenaeum.scope(), &exports, options, |_| {}, CancellationToken::new())
        .await
        .map_err(Error::SampleImport)?;
    Ok(())
}

/// Writes the sample's exports into `folder`, one folder per provider.
///
/// # Errors
///
/// [`Error::Sample`] where the disk refuses.
pub fn write_exports(folder: &Path) -> Result<(), Error> {
    write(folder, EXPORTS)
}

fn write(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    for (name, bytes) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|source| Error::Sample { path, source })?;
    }
    Ok(())
}

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../assets/", $folder, "/", $name)))),*]
    };
}

/// The exports, by their path in the sample's folder.
const EXPORTS: &[(&str, &[u8])] = files!["sample":
    "aistudio/Haiku machine",
    "chatgpt/conversations.json",
    "claude-code/8dbb90fa-139f-5513-8d62-7dcc77f7e84d.jsonl",
    "claude/conversations.json",
    "deepseek/conversations.json",
    "gemini/Takeout/My Activity/Gemini Apps/MyActivity.json",
    "grok/prod-grok-backend.json",
    "sharegpt/conversations.json",
];

/// The documents, in the same way. Those that are no text are made by `cargo xtask sample`.
const DOCUMENTS: &[(&str, &[u8])] = files!["documents":
    "bread.md",
    "house/lease.pdf",
    "house/rain-barrel.docx",
    "kyoto.odt",
    "swifts.html",
    "water/boat.eml",
    "water/rain-2024.csv",
];
