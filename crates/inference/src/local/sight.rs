//! What a model sees with, where it does.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use xxhash_rust::xxh3::Xxh3;

use super::{Error, PromptError, Settings, filled::Piece};
use crate::{
    decoder::GIVEN,
    device::Device,
    engine::{Pictured, Rows},
    model::{self, Stamp},
    processor::Processor,
    vision::{self, Picture, Vision, beside},
    weights::Access,
};

/// A projector, loaded when the first picture comes.
#[derive(Debug)]
pub(super) struct Sight {
    model: PathBuf,
    /// Looked for again with every picture while there is none: people put it there when they learn that it is missing.
    projector: OnceLock<PathBuf>,
    /// Numbers of the model's tokens.
    width: usize,
    access: Access,
    device: Device,
    processor: Processor,
    loaded: OnceLock<Result<Loaded, String>>,
    /// What was seen lately, the latest last: a conversation shows its pictures again with each turn.
    seen: Mutex<Vec<(u128, Arc<Rows>)>>,
}

#[derive(Debug, Clone)]
struct Loaded {
    vision: Arc<Vision>,
    /// Stands for its weights.
    fingerprint: u128,
}

/// Where a picture is in a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// The first of its tokens.
    pub at: usize,
    /// How many it has: one for each of its rows.
    pub count: usize,
    /// What is shown.
    pub picture: Arc<Picture>,
}

/// Pictures whose rows are kept; some megabytes each.
const SEEN_MAX: usize = 16;

/// Finds the projector of a model.
pub(super) fn projector(path: &Path, width: usize, settings: &Settings) -> Option<PathBuf> {
    settings.projector.clone().or_else(|| beside::find(path, width as u64))
}

impl Sight {
    /// Finds the projector of a model whose tokens have so many numbers. One that the settings name is loaded at once, so
    /// that nobody waits for a picture to learn that it does not fit.
    pub(super) fn of(
        (path, width): (&Path, usize),
        processor: &Processor,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let sight = Self {
            model: path.to_owned(),
            projector: projector(path, width, settings).map(OnceLock::from).unwrap_or_default(),
            width,
            access: settings.access,
            device: settings.device,
            processor: processor.clone(),
            loaded: OnceLock::new(),
            seen: Mutex::default(),
        };
        if let Some(path) = &settings.projector {
            let failed = |source| Error::Projector { path: path.clone(), source: Box::new(source) };
            let _ = sight.loaded.set(Ok(sight.load(path).map_err(failed)?));
        }
        Ok(sight)
    }

    pub(super) fn projector(&self) -> Option<&Path> {
        if self.projector.get().is_none()
            && let Some(found) = beside::find(&self.model, self.width as u64)
        {
            let _ = self.projector.set(found);
        }
        self.projector.get().map(PathBuf::as_path)
    }

    /// Returns the encoder, loading it where it is not.
    pub(super) fn vision(&self) -> Result<Arc<Vision>, PromptError> {
        self.loaded().map(|loaded| Arc::clone(&loaded.vision))
    }

    /// Puts pieces of a prompt together: tokens, and where pictures are among them.
    pub(super) fn seated(&self, vision: &Vision, pieces: Vec<Piece>) -> (Vec<u32>, Vec<Seat>) {
        let fingerprint = self.loaded().map_or(0, |loaded| loaded.fingerprint);
        let (mut tokens, mut seats, count) = (Vec::new(), Vec::new(), vision.rows());
        for piece in pieces {
            match piece {
                Piece::Tokens(piece) => tokens.extend(piece),
                Piece::Picture(picture) => {
                    let at = tokens.len();
                    tokens.extend((0..count).map(|row| token(&picture, fingerprint, row)));
                    seats.push(Seat { at, count, picture });
                }
            }
        }
        (tokens, seats)
    }

    /// Looks at pictures that were not seen lately.
    pub(super) fn see(&self, seats: &[Seat]) -> Result<Vec<Pictured>, PromptError> {
        let mut pictures = Vec::with_capacity(seats.len());
        for Seat { at, picture, .. } in seats {
            let rows = match self.known(picture.hash()) {
                Some(rows) => rows,
                None => self.look(picture)?,
            };
            pictures.push(Pictured { at: *at, rows });
        }
        Ok(pictures)
    }

    fn look(&self, picture: &Picture) -> Result<Arc<Rows>, PromptError> {
        let vision = self.vision()?;
        let started = std::time::Instant::now();
        let numbers = vision.see(picture, &self.processor);
        let rows = Rows { numbers, count: vision.rows(), see_one_another: vision.kind().sees_itself };
        let (ms, rows) = (started.elapsed().as_millis(), Arc::new(rows));
        tracing::debug!("{picture:?} was seen in {ms} ms, as {} rows", rows.count);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.remove(0);
        }
        seen.push((picture.hash(), Arc::clone(&rows)));
        Ok(rows)
    }

    fn known(&self, hash: u128) -> Option<Arc<Rows>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let index = seen.iter().position(|(known, _)| *known == hash)?;
        let found = seen.remove(index);
        let rows = Arc::clone(&found.1);
        seen.push(found);
        Some(rows)
    }

    fn loaded(&self) -> Result<&Loaded, PromptError> {
        let path = self.projector().ok_or(PromptError::Blind)?;
        if self.device != Device::Processor {
            return Err(PromptError::Device { device: self.device });
        }
        let loaded = self.loaded.get_or_init(|| self.load(path).map_err(|error| reasons(&error)));
        loaded.as_ref().map_err(|reason| PromptError::Projector { reason: reason.clone() })
    }

    fn load(&self, path: &Path) -> Result<Loaded, vision::Error> {
        let vision = Vision::load(&model::open(path)?, self.access)?;
        if vision.width() != self.width {
            return Err(vision::Error::Width { rows: vision.width(), model: self.width });
        }
        let opened = |source| model::Error::Open { path: path.to_owned(), source };
        let fingerprint = Stamp::of(path).and_then(|stamp| stamp.fingerprint()).map_err(opened)?;
        tracing::info!("{} sees by {}, {} rows a picture", path.display(), vision.kind().name, vision.rows());
        Ok(Loaded { vision: Arc::new(vision), fingerprint })
    }
}

/// The token that stands for a row of a picture, as seen by a projector: what else is the same is the same beginning.
fn token(picture: &Picture, projector: u128, row: usize) -> u32 {
    let mut hash = Xxh3::new();
    hash.update(&picture.hash().to_le_bytes());
    hash.update(&projector.to_le_bytes());
    hash.update(&(row as u64).to_le_bytes());
    GIVEN | (hash.digest() as u32)
}

fn reasons(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
