//! A small library to look around in: conversations of our own making, in the shapes that providers export.

use std::path::{Path, PathBuf};

use athenaeum_archive::Filters;
use athenaeum_retrieval::{CancellationToken, ImportOptions, import};

use crate::{Athenaeum, Error};

/// Returns the folder of the sample library: beside a person's own archive, never in it.
pub fn folder(data: &Path) -> PathBuf {
    data.join("sample")
}

/// Imports the sample into a library that is still empty, the way that every export is imported.
///
/// The exports stay in `data/exports`, to be looked at.
///
/// # Errors
///
/// [`Error::Sample`] where the exports cannot be written, [`Error::SampleImport`] where they cannot be imported.
pub async fn fill(athenaeum: &Athenaeum, data: &Path) -> Result<(), Error> {
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
    for (name, text) in FILES {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| Error::Sample { path, source })?;
    }
    Ok(())
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../assets/sample/", $name)))),*]
    };
}

/// The exports, by their path in the sample's folder.
const FILES: &[(&str, &str)] = files![
    "aistudio/Haiku machine",
    "chatgpt/conversations.json",
    "claude-code/8dbb90fa-139f-5513-8d62-7dcc77f7e84d.jsonl",
    "claude/conversations.json",
    "deepseek/conversations.json",
    "gemini/Takeout/My Activity/Gemini Apps/MyActivity.json",
    "grok/prod-grok-backend.json",
    "sharegpt/conversations.json",
];
