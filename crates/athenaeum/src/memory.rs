use std::path::Path;

use athenaeum_archive::memories::Memories;
use athenaeum_retrieval::{
    meaning::Meaning,
    memory::{self, Memorizer},
};

use crate::{Error, archive_settings, compose::make_private, settings::Settings};

/// Opens the memories in `data`, and makes both where they are absent; `meaning` has them found by more than their words.
///
/// # Errors
///
/// [`Error::Folder`], [`Error::Open`] where the folder or the file cannot be opened.
pub async fn open_memory(
    data: &Path,
    settings: &Settings,
    meaning: Option<Meaning>,
) -> Result<Memorizer, Error> {
    make_private(data).map_err(|source| Error::Folder { path: data.to_owned(), source })?;
    let opened = Memories::open(data, &archive_settings(settings)).await;
    let memories = opened.map_err(|source| Error::Open { path: data.to_owned(), source })?;
    Ok(Memorizer::new(memories, meaning, memory_settings(settings)))
}

/// Returns how memories are kept by these settings.
pub fn memory_settings(settings: &Settings) -> memory::Settings {
    let memory = &settings.memory;
    let cold_after_days = u32::try_from(memory.cold_after_days).unwrap_or(u32::MAX);
    memory::Settings {
        threshold: memory.surprise_percent as f64 / 100.0,
        half_life_days: Some(memory.half_life_days as f64).filter(|days| *days > 0.0),
        // A week where a month makes cold.
        warm_after_days: (cold_after_days / 4).max(1),
        cold_after_days,
        kept_hot: usize::try_from(memory.kept_hot).unwrap_or(usize::MAX),
    }
}
