//! Vectors of what is kept, made in the background by one model.
//!
//! [`Meaning`] puts together where vectors are kept and what makes them. [`Meaning::fill`] goes through the chunks of documents
//! that have no vector yet, [`Meaning::fill_conversations`] through the messages, the newest first; both may be stopped
//! anywhere: what they made stays, and the next run begins with what is missing; up to where nothing is, it remembers
//! (`marks`). However many programs are asked to, one at a
//! time makes a tenant's vectors.
//!
//! Vectors of two models never meet: each model has collections of its own. Where another model is to make them from now on,
//! the ones that are there go on answering ([`Former`]) until the new ones are whole; then the old ones go.

mod check;
mod collections;
mod conversations;
mod fill;
mod grouped;
mod making;
mod marks;
mod memories;
mod pieces;
mod restored;
mod rooms;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use athenaeum_archive::{Archive, ErrorKind, library::Library};
use athenaeum_core::{
    ChunkId, Embed, EmbedError, MessageId, TextKind,
    vector::{Filter, Key, Metric, Query, VectorStorage as _},
};
use athenaeum_tenancy::{Scope, TenantId};
use athenaeum_vector::{Collection, Vectors};

use crate::search::Coverage;

pub use check::Checked;
pub use collections::Kind;
pub(crate) use conversations::flag_name;
pub use conversations::{remove_chunks, remove_conversations};
pub use fill::{Filled, Filling};
pub(crate) use grouped::{Grouped, Passage};
pub use memories::clear_memories;
pub(crate) use pieces::piece;
pub use restored::follow_restored;

/// Where vectors are kept, and what makes them. Cheap to clone.
#[derive(Clone)]
pub struct Meaning {
    vectors: Vectors,
    embedder: Arc<dyn Embed>,
    former: Option<Arc<dyn Former>>,
    /// Those that were opened: an open one knows what it has read.
    opened: Arc<Mutex<HashMap<(TenantId, String), Collection>>>,
    formers: Arc<tokio::sync::Mutex<Formers>>,
}

/// Models that made vectors before, as far as they were asked for; `None` where one is gone.
type Formers = HashMap<String, Option<Arc<dyn Embed>>>;

/// Opens models that made vectors before, for as long as these answer.
pub trait Former: Send + Sync {
    /// Returns the model that is called so by [`EmbeddingModel`](athenaeum_core::EmbeddingModel)'s text; `None` where it is not
    /// there any more.
    fn open(&self, model: &str) -> Opened;
}

/// What [`Former`] will give.
pub type Opened = Pin<Box<dyn Future<Output = Option<Arc<dyn Embed>>> + Send>>;

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
        Self { vectors, embedder, former: None, opened: Arc::default(), formers: Arc::default() }
    }

    /// Lets vectors of other models answer until those of this one are whole.
    #[must_use]
    pub fn with_former(mut self, former: Arc<dyn Former>) -> Self {
        self.former = Some(former);
        self
    }

    /// Returns the model that makes vectors.
    pub fn embedder(&self) -> &dyn Embed {
        &*self.embedder
    }

    /// Returns the vector of what somebody looks for, by the model that makes vectors now.
    ///
    /// # Errors
    /// [`MeaningError::Model`].
    pub async fn of_query(&self, text: &str) -> Result<Vec<f32>, MeaningError> {
        of_query(&*self.embedder, text).await
    }

    /// Returns the cosine of a question with each of some texts.
    ///
    /// # Errors
    /// [`MeaningError::Model`].
    pub async fn near_to(&self, question: &str, texts: &[String]) -> Result<Vec<f64>, MeaningError> {
        let question = of_query(&*self.embedder, question).await?;
        let made = self.embedder.embed(texts, TextKind::Passage).await?;
        Ok(made.iter().map(|made| f64::from(Metric::Cosine.score(&question, &made.vector))).collect())
    }

    /// Makes a question ready to be looked for among vectors of these kinds. No model is asked where there are none.
    ///
    /// # Errors
    /// What model and vectors say.
    pub async fn question(
        &self,
        scope: &Scope,
        words: &str,
        kinds: &[Kind],
    ) -> Result<Question, MeaningError> {
        let mut question = Question::default();
        let mut made: HashMap<String, Vec<f32>> = HashMap::new();
        for kind in kinds {
            let Some((embedder, collection)) = self.answering(scope, *kind).await? else { continue };
            let model = embedder.model().to_string();
            let vector = match made.get(&model) {
                Some(vector) => vector.clone(),
                None => of_query(&*embedder, words).await?,
            };
            made.insert(model, vector.clone());
            let asked = Some(Asked { collection, vector });
            match kind {
                Kind::Chunks => question.chunks = asked,
                Kind::Messages => question.messages = asked,
                Kind::Memories => {}
            }
        }
        Ok(question)
    }

    /// Takes the vectors of chunks away that went. Needs no model.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn remove_chunks(&self, scope: &Scope, chunks: &[ChunkId]) -> Result<(), MeaningError> {
        if chunks.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = chunks.iter().map(|id| Key(*id.as_bytes())).collect();
        for (collection, _) in self.held(scope, Kind::Chunks).await? {
            collection.delete(&keys).await?;
        }
        Ok(())
    }

    /// Chunks that went may leave their vectors behind for a while. Reads a number and no vectors.
    async fn of_chunks(
        &self,
        scope: &Scope,
        collection: Option<Collection>,
        total: u64,
    ) -> Result<Coverage, MeaningError> {
        let Some(collection) = collection else { return Ok(Coverage { embedded: 0, total }) };
        let holdings = self.vectors.holdings(scope).await?;
        let vectors =
            holdings.iter().find(|(spec, _)| spec == collection.spec()).map_or(0, |(_, held)| *held);
        Ok(Coverage { embedded: vectors.min(total), total })
    }

    /// Counts how much can be found by meaning, of what is given. No model is asked.
    ///
    /// # Errors
    /// What disk and database say.
    pub async fn coverage(
        &self,
        scope: &Scope,
        library: Option<&Library>,
        archive: Option<&Archive>,
    ) -> Result<Coverage, MeaningError> {
        self.counted(scope, library, archive, Which::Answering).await
    }

    /// Tells whether another program or task is making vectors, and how long that will take, where it knows.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub fn elsewhere(&self, scope: &Scope) -> Result<Option<Option<Duration>>, MeaningError> {
        let said = self.vectors.said(scope)?;
        Ok(said.map(|said| said.parse().ok().map(Duration::from_secs)))
    }

    /// Counts how much has a vector of the model that makes them now, whichever answers.
    ///
    /// # Errors
    /// What disk and database say.
    pub async fn progress(
        &self,
        scope: &Scope,
        library: Option<&Library>,
        archive: Option<&Archive>,
    ) -> Result<Coverage, MeaningError> {
        self.counted(scope, library, archive, Which::Own).await
    }

    async fn counted(
        &self,
        scope: &Scope,
        library: Option<&Library>,
        archive: Option<&Archive>,
        which: Which,
    ) -> Result<Coverage, MeaningError> {
        let collection = async |kind, total| match which {
            Which::Answering => self.collection(scope, kind, total).await,
            Which::Own => self.own(scope, kind).await.map(Some),
        };
        let mut coverage = Coverage::default();
        if let Some(library) = library {
            let total = library.chunk_count(scope).await?;
            coverage = self.of_chunks(scope, collection(Kind::Chunks, total).await?, total).await?;
        }
        if let Some(archive) = archive {
            let (_, total) = archive.count(scope).await?;
            let messages = of_messages(collection(Kind::Messages, total).await?, total).await?;
            coverage.embedded += messages.embedded;
            coverage.total += messages.total;
        }
        Ok(coverage)
    }
}

/// Whose vectors are counted.
#[derive(Clone, Copy)]
enum Which {
    /// Of the model that answers now.
    Answering,
    /// Of the model that makes vectors.
    Own,
}

/// A question, made ready by [`Meaning::question`].
#[derive(Default)]
pub struct Question {
    chunks: Option<Asked>,
    messages: Option<Asked>,
}

struct Asked {
    collection: Collection,
    vector: Vec<f32>,
}

/// A message that is near, by the part of it that is nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearMessage {
    /// The message.
    pub id: MessageId,
    /// Which of its parts, from 0.
    pub piece: u32,
    /// The cosine.
    pub score: f64,
}

impl Question {
    /// Returns the chunks nearest to it with the cosine of each, the nearest first.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn chunks_near(
        &self,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<(ChunkId, f64)>, MeaningError> {
        let Some(Asked { collection, vector }) = &self.chunks else { return Ok(Vec::new()) };
        let query = Query { filter, ..Query::new(vector.clone(), limit) };
        let near = collection.search(&query).await?;
        Ok(near.into_iter().map(|near| (ChunkId::from_bytes(near.key.0), f64::from(near.score))).collect())
    }

    /// Returns the question moved towards these chunks: it means a little of what they mean (pseudo-relevance feedback
    /// with vectors; Rocchio's formula as Li et al. take it in "Pseudo Relevance Feedback with Deep Language Models and
    /// Dense Retrievers: Successes and Pitfalls", 2021).
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn toward(&self, chunks: &[ChunkId]) -> Result<Self, MeaningError> {
        let Some(Asked { collection, vector }) = &self.chunks else { return Ok(Self::default()) };
        let keys: Vec<Key> = chunks.iter().map(|id| Key(*id.as_bytes())).collect();
        let mut middle = vec![0.0; vector.len()];
        for near in collection.vectors(&keys).await?.into_iter().flatten() {
            add_unit(&mut middle, &near, 1.0);
        }
        let mut moved = vec![0.0; vector.len()];
        add_unit(&mut moved, vector, 1.0 - MOVED);
        add_unit(&mut moved, &middle, MOVED);
        let chunks = Some(Asked { collection: collection.clone(), vector: moved });
        Ok(Self { chunks, messages: None })
    }

    /// Returns the messages of the `limit` pieces nearest to it, the nearest first, each once; and whether there may be more
    /// behind them.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn messages_near(
        &self,
        filter: Filter,
        limit: usize,
    ) -> Result<(Vec<NearMessage>, bool), MeaningError> {
        let Some(Asked { collection, vector }) = &self.messages else { return Ok((Vec::new(), false)) };
        let query = Query { filter, ..Query::new(vector.clone(), limit) };
        let near = collection.search(&query).await?;
        let more = near.len() >= limit;
        let mut seen = std::collections::HashSet::with_capacity(near.len());
        let near = near.into_iter().filter_map(|near| {
            let (id, piece) = pieces::read_key(near.key);
            seen.insert(id).then_some(NearMessage { id, piece, score: f64::from(near.score) })
        });
        Ok((near.collect(), more))
    }

    /// Returns the keys of the vectors of a conversation's messages.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn keys_of(
        &self,
        conversation: athenaeum_core::ConversationId,
    ) -> Result<std::collections::HashSet<Key>, MeaningError> {
        let Some(Asked { collection, .. }) = &self.messages else { return Ok(Default::default()) };
        Ok(collection.keys_of(Key(*conversation.as_bytes()), KEYS_MAX).await?)
    }
}

/// Adds a vector as if it were `part` long; one of zeros adds nothing.
fn add_unit(to: &mut [f32], vector: &[f32], part: f32) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        to.iter_mut().zip(vector).for_each(|(to, value)| *to += part * value / length);
    }
}

async fn of_messages(collection: Option<Collection>, total: u64) -> Result<Coverage, MeaningError> {
    let Some(collection) = collection else { return Ok(Coverage { embedded: 0, total }) };
    let weight = collection.settled().await?.weight;
    Ok(Coverage { embedded: weight.min(total), total })
}

async fn of_query(embedder: &dyn Embed, text: &str) -> Result<Vec<f32>, MeaningError> {
    let texts = [text.to_owned()];
    let made = embedder.embed(&texts, TextKind::Query).await?;
    Ok(made.into_iter().next().map(|embedded| embedded.vector).unwrap_or_default())
}

/// How far a question is moved: what is moved further forgets what was asked.
const MOVED: f32 = 0.2;

/// Pieces of one conversation that are looked at.
const KEYS_MAX: usize = 65_536;
