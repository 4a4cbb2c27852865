//! A model of this machine behind the port that whoever needs vectors asks ([`athenaeum_core::Embed`]).

use std::{fmt, io, path::PathBuf, sync::Arc};

use athenaeum_core::{EmbedError, Embedded, Embedding, EmbeddingModel, TextKind};

use crate::{
    batched::{self, Batched},
    embedder::{Embedder, Input, LoadError, Options, UsePrompt},
    engine::Refused,
    model,
    processor::Processor,
    tokenizer::Special,
};

/// An embedder at work, under a name. Cheap to clone; the model goes with the last one.
#[derive(Clone)]
pub struct LocalEmbedder {
    model: EmbeddingModel,
    batched: Arc<Batched<Embedder>>,
    /// What is put before questions, and before what answers them.
    prompts: [UsePrompt; 2],
    owner: u64,
}

/// Why an embedder cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its file is not taken as a model.
    #[error("the embedder cannot be opened")]
    Model(#[from] model::Error),
    /// Its numbers or its tokenizer cannot be used.
    #[error("the embedder cannot be loaded")]
    Load(#[source] LoadError),
    /// Its file cannot be read.
    #[error("the embedder's file {} cannot be read", path.display())]
    Unread {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no thread for it.
    #[error("the system gives no thread for the embedder; close other programs and try again")]
    Thread(#[source] io::Error),
}

impl LocalEmbedder {
    /// Puts a model to work. `fingerprint` stands for its weights ([`Stamp::fingerprint`](model::Stamp::fingerprint) of its
    /// files); `requests_max` are taken at once, those that wait included.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn start(
        name: &str,
        fingerprint: u128,
        model: Embedder,
        processor: &Processor,
        requests_max: usize,
    ) -> io::Result<Self> {
        let of = |names: &[&str]| {
            let named = |prompt: &&crate::embedder::Prompt| names.contains(&prompt.name.as_str());
            let prompt = model.settings().prompts.iter().find(named);
            prompt.map_or(UsePrompt::Usual, |prompt| UsePrompt::Named(prompt.name.clone()))
        };
        let prompts = [of(&["query"]), of(&["passage", "document"])];
        let about = EmbeddingModel {
            name: name.to_owned(),
            fingerprint,
            dimensions: model.dimensions(),
            tokens_max: model.settings().tokens_max,
        };
        let batched = Arc::new(Batched::start(model, processor, requests_max)?);
        Ok(Self { model: about, batched, prompts, owner: 0 })
    }

    /// Returns the same for somebody else: texts of different owners are computed in turn, so that who has many does not
    /// keep others waiting.
    #[must_use]
    pub fn for_owner(&self, owner: u64) -> Self {
        Self { owner, ..self.clone() }
    }
}

impl athenaeum_core::Embed for LocalEmbedder {
    fn model(&self) -> &EmbeddingModel {
        &self.model
    }

    fn tokens(&self, text: &str) -> usize {
        self.batched.tokenizer().encode(text, Special::Text).len()
    }

    fn embed<'a>(&'a self, texts: &'a [String], kind: TextKind) -> Embedding<'a> {
        let [query, passage] = &self.prompts;
        let prompt = match kind {
            TextKind::Query => query,
            TextKind::Passage => passage,
        };
        let options = Options { prompt: prompt.clone(), owner: self.owner, ..Options::default() };
        let inputs = texts.iter().map(|text| Input::Text(text.clone())).collect();
        Box::pin(async move {
            let embeddings = self.batched.embed(inputs, options).await.map_err(refused)?;
            let embedded =
                |one: crate::embedder::Embedding| Embedded { vector: one.vector, cut_tokens: one.cut_tokens };
            Ok(embeddings.into_iter().map(embedded).collect())
        })
    }
}

impl fmt::Debug for LocalEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalEmbedder").field(&self.model).finish()
    }
}

fn refused(error: batched::Error) -> EmbedError {
    match error {
        batched::Error::Refused(Refused::Busy { retry_after, .. }) => EmbedError::Busy { retry_after },
        batched::Error::Texts(_) => EmbedError::Text(Box::new(error)),
        _ => EmbedError::Failed(Box::new(error)),
    }
}
