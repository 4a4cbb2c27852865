use std::{sync::Arc, time::Duration};

use athenaeum_inference::{
    catalog::Entry,
    sampling::Sampling,
    tokenizer::{Special, Tokenizer},
};
use athenaeum_providers::Remote;

use super::{Answer, Ask, Loaded, Models, elsewhere};
use crate::{
    parameters::Read,
    problem::{Kind, Problem},
    sampling,
};

/// Who answers.
#[derive(Debug)]
pub(crate) enum Writer {
    /// A model of this server, in memory for as long as this is held.
    Here(Box<Loaded>),
    /// A model of another engine. Its tokens are not known here.
    Elsewhere(Remote),
}

impl Models {
    /// Brings in who answers to a name: a model on another engine that the settings call so, or else one of this server, which
    /// is loaded; see [`Models::load`].
    pub(crate) async fn writer(
        &self,
        name: Option<&str>,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<Writer, Problem> {
        match self.elsewhere(name).await? {
            Some(remote) => Ok(Writer::Elsewhere(remote)),
            None => self
                .load(name, keep_alive)
                .await
                .map(|loaded| Writer::Here(Box::new(loaded)))
                .map_err(|problem| self.with_others(problem)),
        }
    }
}

impl Models {
    /// Tells whoever asks for a model that nobody knows of those on other engines as well.
    fn with_others(&self, problem: Problem) -> Problem {
        if problem.kind() != Kind::UnknownModel || self.remotes().is_empty() {
            return problem;
        }
        let names: Vec<&str> = self.remotes().iter().map(|remote| remote.settings().name.as_str()).collect();
        let detail = format!("{} On other engines there are: {}.", problem.detail(), names.join(", "));
        Problem::new(Kind::UnknownModel, detail).about("model")
    }
}

impl Writer {
    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Here(loaded) => &loaded.entry.name,
            Self::Elsewhere(remote) => &remote.settings().name,
        }
    }

    /// The model, where it is one of this server.
    pub(crate) fn here(&self) -> Option<&Loaded> {
        match self {
            Self::Here(loaded) => Some(loaded),
            Self::Elsewhere(_) => None,
        }
    }

    /// What is known of its file, where it is one of this server.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.here().map(|loaded| &loaded.entry)
    }

    /// What makes its tokens, where it is one of this server.
    pub(crate) fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        self.here().map(|loaded| loaded.model.tokenizer())
    }

    /// Tokens of prompt and answer together, where that is known.
    pub(crate) fn context_tokens(&self) -> Option<usize> {
        match self {
            Self::Here(loaded) => Some(loaded.model.engine().settings().context_tokens),
            Self::Elsewhere(remote) => remote.settings().context_tokens,
        }
    }

    /// What a token stands for; nothing for tokens that are not known here.
    pub(crate) fn bytes(&self, token: u32) -> &[u8] {
        self.tokenizer().map_or(&[], |tokenizer| tokenizer.bytes(token))
    }

    /// Whether a token ends an answer; not where it is not known here.
    pub(crate) fn ends_generation(&self, token: Option<u32>) -> bool {
        token.zip(self.tokenizer()).is_some_and(|(token, tokenizer)| tokenizer.ends_generation(token))
    }

    /// Counts the tokens of a text; roughly, and rather too many than too few, where they are not known here.
    pub(crate) fn tokens(&self, text: &str) -> usize {
        match self.tokenizer() {
            Some(tokenizer) => tokenizer.encode(text, Special::Text).len(),
            None => text.len().div_ceil(elsewhere::BYTES_OF_A_TOKEN),
        }
    }

    /// Reads how tokens are chosen; `defaults` is for what is not said.
    pub(crate) fn sampling(&self, read: &Read, defaults: Sampling) -> Result<Sampling, Problem> {
        let logit_bias = match self.tokenizer() {
            Some(tokenizer) => sampling::logit_bias(read, |text| tokenizer.encode(text, Special::Text))?,
            // Biases go to the engine as they came.
            None => Vec::new(),
        };
        Ok(Sampling { logit_bias, ..sampling::of(read, defaults)? })
    }

    /// Has a request answered. What it gives is one piece after another, as they come.
    pub(crate) async fn ask(self, ask: Ask) -> Result<Answer, Problem> {
        match self {
            Self::Here(loaded) => loaded.ask(ask).await,
            Self::Elsewhere(remote) => elsewhere::ask(remote, ask).await,
        }
    }
}
