//! Vectors of what is kept, made in the background by one model.
//!
//! [`Meaning`] puts together where vectors are kept and what makes them. [`Meaning::fill`] goes through the chunks that
//! have no vector yet, the newest first, and may be stopped anywhere: what it made stays, and the next run begins with what
//! is missing. Vectors of two models never meet: each has a collection of its own.

mod fill;

use std::sync::Arc;

use athenaeum_archive::{ErrorKind, library::Library};
use athenaeum_core::{
    ChunkId, Embed, EmbedError, TextKind,
    vector::{Filter, Key, Metric, Query, Spec, Stats, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Vectors};

use crate::search::Coverage;

pub use fill::{Filled, Filling};

/// Where vectors are kept, and what makes them. Cheap to clone.
#[derive(Clone)]
pub struct Meaning {
    vectors: Vectors,
    embedder: Arc<dyn Embed>,
}

/// Why nothing could be done by meaning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeaningError {
    /// The model made no vector.
    #[error("the embedding model made no vector")]
    Model(#[from] EmbedError),
    /// The vectors could not be read or written.
    #[error("the vectors could not be read or written")]
    Vectors(#[from] athenaeum_vector::Error),
    /// What is to have vectors could not be read.
    #[error("what is to have vectors could not be read")]
    Library(#[from] athenaeum_archive::Error),
}

impl MeaningError {
    /// Says what can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Model(EmbedError::Busy { .. }) => ErrorKind::Busy,
            Self::Model(EmbedError::Text(_)) => ErrorKind::InvalidRequest,
            Self::Library(error) => error.kind(),
            Self::Vectors(error) => match error.kind() {
                athenaeum_vector::ErrorKind::Busy => ErrorKind::Busy,
                athenaeum_vector::ErrorKind::Damaged => ErrorKind::Damaged,
                athenaeum_vector::ErrorKind::Io => ErrorKind::Io,
                _ => ErrorKind::Internal,
            },
            Self::Model(_) => ErrorKind::Internal,
        }
    }
}

impl Meaning {
    /// Keeps the vectors that `embedder` makes in `vectors`.
    pub fn new(vectors: Vectors, embedder: Arc<dyn Embed>) -> Self {
        Self { vectors, embedder }
    }

    /// Returns the vector of what somebody looks for.
    ///
    /// # Errors
    /// [`MeaningError::Model`].
    pub async fn of_query(&self, text: &str) -> Result<Vec<f32>, MeaningError> {
        let texts = [text.to_owned()];
        let made = self.embedder.embed(&texts, TextKind::Query).await?;
        Ok(made.into_iter().next().map(|embedded| embedded.vector).unwrap_or_default())
    }

    /// Returns the cosine of a question with each of some texts.
    ///
    /// # Errors
    /// [`MeaningError::Model`].
    pub async fn near_to(&self, question: &str, texts: &[String]) -> Result<Vec<f64>, MeaningError> {
        let question = self.of_query(question).await?;
        let made = self.embedder.embed(texts, TextKind::Passage).await?;
        Ok(made.iter().map(|made| f64::from(Metric::Cosine.score(&question, &made.vector))).collect())
    }

    /// Returns the chunks nearest to a vector with the cosine of each, the nearest first.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn chunks_near(
        &self,
        scope: &Scope,
        vector: &[f32],
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<(ChunkId, f64)>, MeaningError> {
        let query = Query { filter, ..Query::new(vector.to_vec(), limit) };
        let near = self.chunks(scope).await?.search(&query).await?;
        Ok(near.into_iter().map(|near| (ChunkId::from_bytes(near.key.0), f64::from(near.score))).collect())
    }

    /// Takes the vectors of chunks away that went.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn remove_chunks(&self, scope: &Scope, chunks: &[ChunkId]) -> Result<(), MeaningError> {
        if chunks.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = chunks.iter().map(|id| Key(*id.as_bytes())).collect();
        self.chunks(scope).await?.delete(&keys).await?;
        Ok(())
    }

    /// Counts how much can be found by meaning.
    ///
    /// # Errors
    /// What disk and database say.
    pub async fn coverage(&self, scope: &Scope, library: Option<&Library>) -> Result<Coverage, MeaningError> {
        let Some(library) = library else { return Ok(Coverage::default()) };
        let Stats { vectors, .. } = self.chunks(scope).await?.stats().await?;
        let total = library.chunk_count(scope).await?;
        // Chunks that went may leave theirs behind for a while.
        Ok(Coverage { embedded: vectors.min(total), total })
    }

    async fn chunks(&self, scope: &Scope) -> Result<Collection, MeaningError> {
        let model = self.embedder.model();
        let spec = Spec {
            name: format!("chunks {model}"),
            model: model.to_string(),
            dimensions: model.dimensions,
            metric: Metric::Cosine,
        };
        Ok(self.vectors.collection(scope, &spec).await?)
    }
}
