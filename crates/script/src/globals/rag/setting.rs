//! What holds for the rest of a script.

use std::time::Duration;

use athenaeum_retrieval::rooms::{Cutting, Rooms, RoomsError};
use athenaeum_tenancy::Room;

use super::{cutting, place::named};
use crate::{options::Options, run::Host, sandbox::Refused};

/// What a call means that does not say.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    pub(super) room: Option<Room>,
    pub(super) limit: usize,
    pub(super) cutting: Cutting,
    pub(super) session_ttl: Option<Duration>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { room: None, limit: 10, cutting: Cutting::default(), session_ttl: None }
    }
}

/// The options of `RAG.configure`.
pub(super) const CONFIGURE: &[&str] = &[
    "collection",
    "chunking",
    "chunk_size",
    "overlap",
    "chunk_overlap",
    "search_limit",
    "session_ttl",
    "default_provider",
    "provider",
    "embedding_provider",
    "embedding_model",
    "dimensions",
    "vector_dimensions",
    "backend",
    "enable_cache",
    "cache_ttl",
    "batch_size",
];

/// Reads what is to hold from now on, beside what held before. What cannot be set here is compared with what is.
pub(super) fn read(options: &Options<'_>, before: &Defaults, host: &Host) -> Result<Defaults, Refused> {
    let most = athenaeum_retrieval::search::Request::LIMIT_MAX as i64;
    let defaults = Defaults {
        room: named(options)?.unwrap_or_else(|| before.room.clone()),
        limit: options.whole(&["search_limit"], 1, most)?.unwrap_or(before.limit),
        cutting: cutting(options, before.cutting)?,
        session_ttl: options.seconds("session_ttl")?.or(before.session_ttl),
    };
    let providers = [
        options.text(&["default_provider", "provider", "embedding_provider"])?,
        options.text(&["embedding_model"])?,
    ];
    if providers.iter().any(Option::is_some) {
        host.wait(async |rooms, _| {
            providers.iter().flatten().try_for_each(|provider| check_provider(rooms, Some(provider)))
        })?;
    }
    hints(options, host)?;
    Ok(defaults)
}

/// Reads what can change no answer here: how vectors are stored and kept at hand elsewhere. A script that says so runs, and whoever
/// runs it is told.
fn hints(options: &Options<'_>, host: &Host) -> Result<(), Refused> {
    if let Some(wanted) = options.whole(&["dimensions", "vector_dimensions"], 1, 1 << 20)? {
        let there = host.wait(async |rooms, _| Ok::<_, Failed>(dimensions(rooms)))?;
        if let Some(there) = there.filter(|there| *there != wanted) {
            host.note("dimensions", &format!(
                "RAG.configure: vectors have {there} dimensions here, as their model makes them, and not {wanted}; the setting library.embedder names another model"
            ));
        }
    }
    if options.text(&["backend"])?.is_some() {
        host.note(
            "backend",
            "RAG.configure: 'backend' changes nothing; texts and vectors are kept by the library",
        );
    }
    let wants_cache = options.truth("enable_cache")? == Some(true);
    if options.number("cache_ttl", 0.0, 1e12)?.is_some() || wants_cache {
        host.note("cache", "RAG.configure: 'enable_cache' and 'cache_ttl' change nothing; vectors of texts are kept as long as the texts, and every search looks anew");
    }
    if options.whole(&["batch_size"], 1, i64::MAX)?.is_some() {
        host.note(
            "batch_size",
            "RAG.configure: 'batch_size' changes nothing; texts that come together are embedded together",
        );
    }
    Ok(())
}

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0}")]
    Said(String),
    #[error(transparent)]
    Rooms(#[from] RoomsError),
}

/// Names what makes vectors.
pub(super) fn providers(rooms: &Rooms) -> Vec<String> {
    rooms.meaning().map(|meaning| meaning.embedder().model().name.clone()).into_iter().collect()
}

/// Vectors of two models are not compared: one makes all, and the settings say which.
pub(super) fn check_provider(rooms: &Rooms, wanted: Option<&str>) -> Result<(), Failed> {
    let there = providers(rooms);
    match wanted.filter(|wanted| !there.iter().any(|name| name == wanted)) {
        None => Ok(()),
        Some(wanted) => {
            let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
            Err(Failed::Said(format!(
                "'{wanted}' makes no vectors here, {there} does; the setting library.embedder names another, for all of the library"
            )))
        }
    }
}

fn dimensions(rooms: &Rooms) -> Option<usize> {
    rooms.meaning().map(|meaning| meaning.embedder().model().dimensions)
}
