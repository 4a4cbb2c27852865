//! Texts in, vectors out that lie near each other where texts mean the same.
//!
//! An [`Embedder`] is a model (an encoder, or a decoder that was trained for it), its tokenizer, and what its files say
//! about how the vectors of a text's tokens become one: [`Settings`]. Nothing is cut off silently: an [`Embedding`] says how
//! many tokens were, or [`Options::truncate`] asks for an error instead.

pub(crate) mod backbone;
mod base64;
mod frame;
mod norm;
mod settings;

pub use base64::base64;
pub use norm::Norm;
pub use settings::{Prompt, Settings};

pub(crate) use backbone::{Asked, Backbone, working_bytes};
pub(crate) use frame::Frame;

use std::time::Instant;

use athenaeum_kernels::Pool;

use crate::{
    decoder,
    encoder::{self, Pooling},
    model::Model,
    tokenizer::{self as tokens, Special, Tokenizer},
    weights::Access,
};

/// A model that makes vectors of texts.
#[derive(Debug)]
pub struct Embedder {
    backbone: Backbone,
    tokenizer: Tokenizer,
    settings: Settings,
    frame: Frame,
}

/// How texts are to be embedded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// How many numbers a vector gets: its first ones, for models that were trained so that these stand for the whole
    /// (Kusupati et al., "Matryoshka Representation Learning", 2022). All where nothing is said.
    pub dimensions: Option<usize>,
    /// By which measure vectors get the length 1. Where nothing is said here: as the model's files say, and vectors of
    /// single tokens not at all.
    pub norm: Option<Norm>,
    /// What becomes of the vectors of a text's tokens.
    pub pooled: Pooled,
    /// What to do with texts that are too long.
    pub truncate: Truncate,
    /// What is put before each text. Tokens are taken as they are.
    pub prompt: UsePrompt,
    /// Whose texts they are, where several ask at once: see [`Batched`](crate::batched::Batched).
    pub owner: u64,
    /// When nobody wants the answer any more, there.
    pub deadline: Option<Instant>,
}

/// What becomes of the vectors of a text's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooled {
    /// One vector, as the model's files say.
    #[default]
    Usual,
    /// One vector, in this way.
    By(Pooling),
    /// They stay one for each token.
    Each,
}

/// What is to be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A text. What begins and ends texts for the model is added.
    Text(String),
    /// Tokens, as the model gets them; nothing is added.
    Tokens(Vec<u32>),
}

/// A text as the model takes it, and what is to become of it.
#[derive(Debug, Clone)]
pub struct Prepared {
    tokens: Vec<u32>,
    cut_tokens: usize,
    /// Tokens of a prompt that do not count.
    skipped: usize,
    /// `None` for each token's vector.
    pooling: Option<Pooling>,
    dimensions: usize,
    norm: Norm,
}

/// What to do with texts that are longer than the model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Truncate {
    /// Their ends are cut off, and the result says how much.
    #[default]
    End,
    /// They are an error.
    Refuse,
}

/// What is put before each text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UsePrompt {
    /// The one that the model's files name as the usual one, if any.
    #[default]
    Usual,
    /// Nothing.
    None,
    /// One of [`Settings::prompts`], such as `query`.
    Named(String),
    /// This.
    Text(String),
}

/// What a text became.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The text's place in the space of meanings; with [`Pooled::Each`] those of its tokens, one after the other.
    pub vector: Vec<f32>,
    /// How many vectors these are.
    pub vectors: usize,
    /// Tokens that were computed, those that begin and end a text and those of the prompt included.
    pub tokens: usize,
    /// Tokens of the text that were not, because it was too long.
    pub cut_tokens: usize,
}

/// Why a model cannot be loaded as an embedder or a reranker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is no encoder that is known.
    #[error("the model cannot be used to compare texts")]
    Encoder(#[source] encoder::Error),
    /// Nor a decoder.
    #[error("the model cannot be used to compare texts")]
    Decoder(#[source] decoder::Error),
    /// Its tokenizer is not understood.
    #[error("the model's tokenizer cannot be used")]
    Tokenizer(#[source] tokens::Error),
    /// A file beside the weights is missing or cannot be understood.
    #[error("{file} of the model cannot be read; download the whole repository again")]
    File {
        /// Its name.
        file: String,
        /// What the system or the reader says.
        source: std::io::Error,
    },
    /// The files ask for something that is not done.
    #[error("the model asks for {what}, which is not computed")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// It makes scores, not vectors; or the other way round.
    #[error("{0}")]
    OtherPurpose(&'static str),
}

/// Why texts were not embedded, or documents not scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is too long, and nothing may be cut off.
    #[error(
        "text {index} has {tokens} tokens and the model takes {tokens_max}; shorten it, or let its end be cut off"
    )]
    TooLong {
        /// Which, from 0.
        index: usize,
        /// With those that begin and end a text.
        tokens: usize,
        /// The most that fits.
        tokens_max: usize,
    },
    /// A token that the model does not know.
    #[error("token {token} of text {index} is not among the model's {vocabulary}")]
    UnknownToken {
        /// Which text, from 0.
        index: usize,
        /// The token.
        token: u32,
        /// How many there are.
        vocabulary: usize,
    },
    /// There is nothing in a text that the model could look at.
    #[error("text {index} is empty, and this model takes no empty texts")]
    Empty {
        /// Which, from 0.
        index: usize,
    },
    /// The prompt, or the query, leaves no room for a text.
    #[error("{what} has {tokens} tokens, and the model takes {tokens_max} together with a text; shorten it")]
    NoRoom {
        /// What is too long.
        what: &'static str,
        /// How long it is.
        tokens: usize,
        /// The most that fits.
        tokens_max: usize,
    },
    /// Vectors cannot get so many numbers.
    #[error("vectors of this model have 1 to {most} dimensions, not {asked}")]
    Dimensions {
        /// What was asked for.
        asked: usize,
        /// What the model computes.
        most: usize,
    },
    /// The model knows no such prompt.
    #[error("the model has no prompt called {name:?}; it has {known}")]
    UnknownPrompt {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl Embedder {
    /// Loads weights, tokenizer and settings.
    ///
    /// # Errors
    ///
    /// A [`LoadError`] that says which of them cannot be used, and why.
    pub fn load(model: &Model, access: Access) -> Result<Self, LoadError> {
        if crate::reranker::is_late(model) {
            let why = "the model compares texts token by token and makes no vectors of whole ones; use it to rerank";
            return Err(LoadError::OtherPurpose(why));
        }
        let backbone = Backbone::load(model, access)?;
        let settings = Settings::of(model, backbone.tokens_max(), matches!(backbone, Backbone::Encoder(_)))?;
        let tokenizer = Tokenizer::of(model).map_err(LoadError::Tokenizer)?;
        let frame = Frame::of(&tokenizer, backbone.vocabulary())?;
        Ok(Self { backbone, tokenizer, settings, frame })
    }

    /// Returns what the model's files say.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many numbers a vector has unless fewer are asked for.
    pub fn dimensions(&self) -> usize {
        self.backbone.width()
    }

    /// Takes no longer texts than this, with the tokens that begin and end them, even if the model could.
    pub fn limit_tokens(&mut self, tokens_max: usize) {
        self.settings.tokens_max = self.settings.tokens_max.min(tokens_max);
    }

    /// Makes one of the vectors of a text's tokens in this way, whatever the model's files say.
    pub fn pool_by(&mut self, pooling: Pooling) {
        self.settings.pooling = pooling;
    }

    /// Returns what turns text into the model's tokens.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Makes a vector of each text, in their order.
    ///
    /// # Errors
    ///
    /// If a text is too long and nothing may be cut off, or the options ask for what the model does not have. All texts are
    /// looked at before the first is computed.
    pub fn embed(&self, texts: &[&str], options: &Options, pool: &Pool) -> Result<Vec<Embedding>, Error> {
        let inputs: Vec<Input> = texts.iter().map(|text| Input::from(*text)).collect();
        let prepared = self.prepare(&inputs, options)?;
        Ok(self.compute(&prepared.iter().collect::<Vec<_>>(), pool))
    }

    /// Turns texts into what the model takes, in their order.
    ///
    /// # Errors
    ///
    /// As of [`Embedder::embed`].
    pub fn prepare(&self, inputs: &[Input], options: &Options) -> Result<Vec<Prepared>, Error> {
        let dimensions = self.check_dimensions(options)?;
        let prompt = self.settings.prompt(&options.prompt)?;
        let prompt_tokens = self.tokenizer.encode(prompt, Special::Text).len();
        let room = self.settings.tokens_max.saturating_sub(self.frame.around());
        if prompt_tokens >= room && prompt_tokens > 0 {
            let what = "the prompt";
            return Err(Error::NoRoom { what, tokens: prompt_tokens, tokens_max: room });
        }
        let skipped = if self.settings.pools_prompt || prompt_tokens == 0 {
            0
        } else {
            prompt_tokens + usize::from(self.frame.before().is_some())
        };
        let pooling = match options.pooled {
            Pooled::Usual => Some(self.settings.pooling),
            Pooled::By(pooling) => Some(pooling),
            Pooled::Each => None,
        };
        let usual = if pooling.is_some() && self.settings.normalises { Norm::Euclidean } else { Norm::None };
        let norm = options.norm.unwrap_or(usual);
        let prepare = |(index, input): (usize, &Input)| {
            let (tokens, cut_tokens, skipped) = match input {
                Input::Text(text) => {
                    let (tokens, cut) = self.framed(index, text, prompt, options.truncate, room)?;
                    (tokens, cut, skipped)
                }
                Input::Tokens(tokens) => {
                    let (tokens, cut) = self.taken(index, tokens, options.truncate)?;
                    (tokens, cut, 0)
                }
            };
            Ok(Prepared { tokens, cut_tokens, skipped, pooling, dimensions, norm })
        };
        inputs.iter().enumerate().map(prepare).collect()
    }

    /// Computes texts that [`Embedder::prepare`] made, in their order.
    pub fn compute(&self, texts: &[&Prepared], pool: &Pool) -> Vec<Embedding> {
        let width = self.backbone.width();
        let asked: Vec<Asked<'_>> = texts
            .iter()
            .map(|text| Asked { tokens: &text.tokens, last_alone: text.pooling == Some(Pooling::Last) })
            .collect();
        let mut embeddings = Vec::with_capacity(texts.len());
        self.backbone.hidden(&asked, pool, &mut |hidden| {
            let Some(text) = texts.get(embeddings.len()) else { return };
            let rows = hidden.len() / width;
            let counted = &hidden[text.skipped.min(rows.saturating_sub(1)) * width..];
            let mut vector = Vec::new();
            match text.pooling {
                Some(pooling) => {
                    vector.resize(width, 0.0);
                    pooling.apply(counted, &mut vector);
                    vector.truncate(text.dimensions);
                }
                None => {
                    let first = |row: &'_ [f32]| row[..text.dimensions].to_vec();
                    vector.extend(hidden.chunks_exact(width).flat_map(first));
                }
            }
            vector.chunks_exact_mut(text.dimensions).for_each(|vector| text.norm.apply(vector));
            embeddings.push(Embedding {
                vectors: vector.len() / text.dimensions,
                vector,
                tokens: text.tokens.len(),
                cut_tokens: text.cut_tokens,
            });
        });
        embeddings
    }

    /// Returns the tokens that a text takes room for.
    pub(crate) fn room(&self, text: &Prepared) -> usize {
        self.backbone.room(text.tokens.len())
    }

    fn check_dimensions(&self, options: &Options) -> Result<usize, Error> {
        let most = self.dimensions();
        match options.dimensions {
            None => Ok(most),
            Some(asked) if (1..=most).contains(&asked) => Ok(asked),
            Some(asked) => Err(Error::Dimensions { asked, most }),
        }
    }

    /// Returns a text's tokens as the model takes them, and how many were cut off.
    fn framed(
        &self,
        index: usize,
        text: &str,
        prompt: &str,
        truncate: Truncate,
        room: usize,
    ) -> Result<(Vec<u32>, usize), Error> {
        let mut text = format!("{prompt}{text}");
        if self.settings.lowers_case {
            text = text.to_lowercase();
        }
        let mut tokens = self.tokenizer.encode(&text, Special::Text);
        let cut = tokens.len().saturating_sub(room);
        if cut > 0 && truncate == Truncate::Refuse {
            let tokens_max = self.settings.tokens_max;
            return Err(Error::TooLong { index, tokens: tokens.len() + self.frame.around(), tokens_max });
        }
        tokens.truncate(room);
        let framed = self.frame.one(&tokens);
        if framed.is_empty() { Err(Error::Empty { index }) } else { Ok((framed, cut)) }
    }

    /// Returns tokens as they are, as far as they fit, and how many were cut off.
    fn taken(&self, index: usize, tokens: &[u32], truncate: Truncate) -> Result<(Vec<u32>, usize), Error> {
        let (tokens_max, vocabulary) = (self.settings.tokens_max, self.backbone.vocabulary());
        if let Some(&token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(Error::UnknownToken { index, token, vocabulary });
        }
        match tokens.len().saturating_sub(tokens_max) {
            _ if tokens.is_empty() => Err(Error::Empty { index }),
            cut if cut > 0 && truncate == Truncate::Refuse => {
                Err(Error::TooLong { index, tokens: tokens.len(), tokens_max })
            }
            cut => Ok((tokens[..tokens.len() - cut].to_vec(), cut)),
        }
    }
}

impl Prepared {
    /// How many tokens are computed.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
}

impl Embedding {
    /// Lists the vectors: one, or with [`Pooled::Each`] one for each token.
    pub fn each(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.vector.chunks_exact((self.vector.len() / self.vectors.max(1)).max(1))
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u32>> for Input {
    fn from(tokens: Vec<u32>) -> Self {
        Self::Tokens(tokens)
    }
}
