use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Error, Key, Status};
use crate::{
    batched::{Batched, Work},
    catalog::Purpose,
    embedder::{Embedder, LoadError, working_bytes},
    local::{self, LocalModel},
    model::{self, Model, Stamp},
    processor::Processor,
    reranker::Reranker,
};

/// A model that is in memory.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) model: Kept,
    pub(super) bytes: u64,
    pub(super) used: Instant,
    pub(super) keep_alive: Option<Duration>,
    /// Of its files, when they were loaded.
    pub(super) stamp: Stamp,
}

/// A model of any kind.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    Generating(Arc<LocalModel>),
    Embedding(Arc<Batched<Embedder>>),
    Reranking(Arc<Batched<Reranker>>),
}

/// A kind of model that can be kept.
pub(super) trait Seated: Sized {
    const PURPOSE: Purpose;

    /// Returns the bytes that it takes when it is loaded.
    fn bytes_of(path: &Path, settings: &local::Settings) -> Result<u64, Error>;

    fn load(processor: &Processor, path: &Path, settings: &local::Settings) -> Result<Self, Error>;

    fn keep(this: &Arc<Self>) -> Kept;

    fn of(kept: &Kept) -> Option<Arc<Self>>;
}

impl Here {
    /// Everybody but this entry itself.
    pub(super) fn users(&self) -> usize {
        let count = match &self.model {
            Kept::Generating(model) => Arc::strong_count(model),
            Kept::Embedding(model) => Arc::strong_count(model),
            Kept::Reranking(model) => Arc::strong_count(model),
        };
        count - 1
    }

    pub(super) fn leaves_in(&self) -> Option<Duration> {
        Some(self.keep_alive?.saturating_sub(self.used.elapsed()))
    }

    pub(super) fn status(&self, (path, purpose): &Key) -> Status {
        let users = self.users();
        Status {
            path: path.clone(),
            purpose: *purpose,
            bytes: self.bytes,
            users,
            loading: false,
            replaced: false,
            leaves_in: self.leaves_in().filter(|_| users == 0),
            stays: self.keep_alive,
            engine: match &self.model {
                Kept::Generating(model) => Some(model.engine().stats()),
                _ => None,
            },
        }
    }
}

impl Seated for LocalModel {
    const PURPOSE: Purpose = Purpose::Generate;

    fn bytes_of(path: &Path, settings: &local::Settings) -> Result<u64, Error> {
        Ok(local::bytes_of(path, settings).map_err(Box::new)?)
    }

    fn load(processor: &Processor, path: &Path, settings: &local::Settings) -> Result<Self, Error> {
        Ok(Self::load_by(processor, path, settings).map_err(Box::new)?)
    }

    fn keep(this: &Arc<Self>) -> Kept {
        Kept::Generating(Arc::clone(this))
    }

    fn of(kept: &Kept) -> Option<Arc<Self>> {
        match kept {
            Kept::Generating(model) => Some(Arc::clone(model)),
            _ => None,
        }
    }
}

impl Seated for Batched<Embedder> {
    const PURPOSE: Purpose = Purpose::Embed;

    fn bytes_of(path: &Path, settings: &local::Settings) -> Result<u64, Error> {
        texts_bytes(path, settings)
    }

    fn load(processor: &Processor, path: &Path, settings: &local::Settings) -> Result<Self, Error> {
        let model = open(path)?;
        let mut embedder = Embedder::load(&model, settings.access).map_err(texts(path))?;
        embedder.limit_tokens(tokens_max(settings));
        if let Some(pooling) = settings.pooling {
            embedder.pool_by(pooling);
        }
        start(embedder, processor, settings)
    }

    fn keep(this: &Arc<Self>) -> Kept {
        Kept::Embedding(Arc::clone(this))
    }

    fn of(kept: &Kept) -> Option<Arc<Self>> {
        match kept {
            Kept::Embedding(model) => Some(Arc::clone(model)),
            _ => None,
        }
    }
}

impl Seated for Batched<Reranker> {
    const PURPOSE: Purpose = Purpose::Rerank;

    fn bytes_of(path: &Path, settings: &local::Settings) -> Result<u64, Error> {
        texts_bytes(path, settings)
    }

    fn load(processor: &Processor, path: &Path, settings: &local::Settings) -> Result<Self, Error> {
        let model = open(path)?;
        let mut reranker = Reranker::load(&model, settings.access).map_err(texts(path))?;
        reranker.limit_tokens(tokens_max(settings));
        start(reranker, processor, settings)
    }

    fn keep(this: &Arc<Self>) -> Kept {
        Kept::Reranking(Arc::clone(this))
    }

    fn of(kept: &Kept) -> Option<Arc<Self>> {
        match kept {
            Kept::Reranking(model) => Some(Arc::clone(model)),
            _ => None,
        }
    }
}

fn start<M: Work>(model: M, processor: &Processor, settings: &local::Settings) -> Result<Batched<M>, Error> {
    let requests_max = settings.engine.waiting_max.saturating_add(settings.engine.sequences_max);
    Batched::start(model, processor, requests_max).map_err(Error::Thread)
}

/// Tokens of the longest text: what is asked for as context, as of models that generate.
fn tokens_max(settings: &local::Settings) -> usize {
    match settings.engine.context_tokens {
        0 => local::CONTEXT_TOKENS_USUAL,
        asked => asked,
    }
}

/// Adds up files, and what a batch takes while it is computed.
fn texts_bytes(path: &Path, settings: &local::Settings) -> Result<u64, Error> {
    let model = open(path)?;
    let working = working_bytes(&model, tokens_max(settings)).map_err(texts(path))?;
    Ok(model.summary().bytes.saturating_add(working))
}

fn open(path: &Path) -> Result<Model, Error> {
    Ok(model::open(path).map_err(|error| Box::new(error.into()))?)
}

fn texts(path: &Path) -> impl FnOnce(LoadError) -> Error {
    let path = path.to_owned();
    |source| Error::Texts { path, source: Box::new(source) }
}
