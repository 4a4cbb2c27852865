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
    "embedding_model",
    "dimensions",
    "vector_dimensions",
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
    let providers = [options.text(&["default_provider", "provider"])?, options.text(&["embedding_model"])?];
    let dimensions = options.whole(&["dimensions", "vector_dimensions"], 1, 1 << 20)?;
    if providers.iter().any(Option::is_some) || dimensions.is_some() {
        host.wait(async |rooms, _| {
            for provider in providers.iter().flatten() {
                check_provider(rooms, Some(provider))?;
            }
            check_dimensions(rooms, dimensions)
        })?;
    }
    Ok(defaults)
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

fn check_dimensions(rooms: &Rooms, wanted: Option<usize>) -> Result<(), Failed> {
    let there = rooms.meaning().map(|meaning| meaning.embedder().model().dimensions);
    match (wanted, there) {
        (Some(wanted), Some(there)) if wanted != there => Err(Failed::Said(format!(
            "vectors have {there} dimensions here, not {wanted}; leave that out, or name another model with the setting library.embedder"
        ))),
        _ => Ok(()),
    }
}
