//! Texts in, vectors out that lie near each other where texts mean the same.
//!
//! An [`Embedder`] is a model (an encoder, or a decoder that was trained for it), its tokenizer, and what its files say
//! about how the vectors of a text's tokens become one: [`Settings`]. Nothing is cut off silently: an [`Embedding`] says how
//! many tokens were, or [`Options::truncate`] asks for an error instead.

pub(crate) mod backbone;
mod base64;
mod frame;
mod settings;

pub use base64::base64;
pub use settings::{Prompt, Settings};

pub(crate) use backbone::Backbone;
pub(crate) use frame::Frame;

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// How many numbers a vector gets: its first ones, for models that were trained so that these stand for the whole
    /// (Kusupati et al., "Matryoshka Representation Learning", 2022). All where nothing is said.
    pub dimensions: Option<usize>,
    /// Whether vectors get the length 1; as the model's files say where nothing is said here.
    pub normalise: Option<bool>,
    /// What to do with texts that are too long.
    pub truncate: Truncate,
    /// What is put before each text.
    pub prompt: UsePrompt,
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
    /// The text's place in the space of meanings.
    pub vector: Vec<f32>,
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

    /// Makes a vector of each text, in their order.
    ///
    /// # Errors
    ///
    /// If a text is too long and nothing may be cut off, or the options ask for what the model does not have. All texts are
    /// looked at before the first is computed.
    pub fn embed(&self, texts: &[&str], options: &Options, pool: &Pool) -> Result<Vec<Embedding>, Error> {
        let dimensions = self.check_dimensions(options)?;
        let prompt = self.settings.prompt(&options.prompt)?;
        let prompt_tokens = self.tokenizer.encode(prompt, Special::Text).len();
        let room = self.settings.tokens_max.saturating_sub(self.frame.around());
        if prompt_tokens >= room && prompt_tokens > 0 {
            let what = "the prompt";
            return Err(Error::NoRoom { what, tokens: prompt_tokens, tokens_max: room });
        }
        let framed: Vec<(Vec<u32>, usize)> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| self.framed(index, text, prompt, options.truncate, room))
            .collect::<Result<_, _>>()?;
        let skipped = if self.settings.pools_prompt || prompt_tokens == 0 {
            0
        } else {
            prompt_tokens + usize::from(self.frame.before().is_some())
        };
        let tokens: Vec<&[u32]> = framed.iter().map(|(tokens, _)| tokens.as_slice()).collect();
        let pooling = self.settings.pooling;
        let mut vectors = Vec::with_capacity(texts.len());
        self.backbone.hidden(&tokens, pooling, pool, &mut |hidden| {
            let width = self.backbone.width();
            let rows = hidden.len() / width;
            let mut vector = vec![0.0; width];
            pooling.apply(&hidden[skipped.min(rows.saturating_sub(1)) * width..], &mut vector);
            vector.truncate(dimensions);
            if options.normalise.unwrap_or(self.settings.normalises) {
                normalise(&mut vector);
            }
            vectors.push(vector);
        });
        let embedding = |(vector, (tokens, cut_tokens)): (Vec<f32>, (Vec<u32>, usize))| Embedding {
            vector,
            tokens: tokens.len(),
            cut_tokens,
        };
        Ok(vectors.into_iter().zip(framed).map(embedding).collect())
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
}

/// Gives a vector the length 1; one without a direction stays as it is.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 && length.is_finite() {
        vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
    }
}

/// Which of a text's tokens a pooling looks at.
pub(crate) fn needs_all(pooling: Pooling) -> bool {
    pooling != Pooling::Last
}
