//! A model of this machine behind the port that whoever orders texts asks ([`athenaeum_core::Rerank`]).

use std::{fmt, io, path::Path, sync::Arc};

use athenaeum_core::{RerankError, Scoring};

use crate::{
    batched::{self, Batched},
    engine::Refused,
    local_embedder::OpenError,
    model,
    processor::Processor,
    reranker::{Options, Reranker},
    weights::Access,
};

/// A reranker at work, under a name. Cheap to clone; the model goes with the last one.
#[derive(Clone)]
pub struct LocalReranker {
    name: String,
    batched: Arc<Batched<Reranker>>,
}

impl LocalReranker {
    /// Opens the model in a file or folder and puts it to work.
    ///
    /// # Errors
    ///
    /// If it is no model that scores texts, or the system gives no thread.
    pub fn open(name: &str, path: &Path, processor: &Processor) -> Result<Self, OpenError> {
        let model = Reranker::load(&model::open(path)?, Access::Map).map_err(OpenError::Load)?;
        Self::start(name, model, processor).map_err(OpenError::Thread)
    }

    /// Puts a model to work.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn start(name: &str, model: Reranker, processor: &Processor) -> io::Result<Self> {
        let batched = Arc::new(Batched::start(model, processor, REQUESTS_MAX)?);
        Ok(Self { name: name.to_owned(), batched })
    }
}

impl athenaeum_core::Rerank for LocalReranker {
    fn name(&self) -> &str {
        &self.name
    }

    fn score<'a>(&'a self, question: &'a str, texts: &'a [String]) -> Scoring<'a> {
        let scored = self.batched.rerank(question.to_owned(), texts.to_vec(), Options::default());
        Box::pin(async move {
            let scores = scored.await.map_err(refused)?;
            Ok(scores.into_iter().map(|score| score.logit).collect())
        })
    }
}

impl fmt::Debug for LocalReranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalReranker").field(&self.name).finish()
    }
}

fn refused(error: batched::Error) -> RerankError {
    match error {
        batched::Error::Refused(Refused::Busy { retry_after, .. }) => RerankError::Busy { retry_after },
        _ => RerankError::Failed(Box::new(error)),
    }
}

/// Searches that wait at most.
const REQUESTS_MAX: usize = 64;
