//! A model of this machine, loaded: what one needs to chat with it, complete with it, measure it.

mod filled;
mod sight;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    cache::disk,
    constraint::{self, Constraint, Grammar, Lead, Vocabulary},
    decoder::{self, Decoder},
    device::{self, Device},
    encoder::Pooling,
    engine::{self, Backend, Cpu, Draft, Engine, UnfitFormat},
    model::{self, Model, Stamp, Summary},
    processor::Processor,
    reply::{Format, Reply},
    template::{self, Change, Conversation, Template},
    tokenizer::{self, Special, Tokenizer},
    vision::{self, Picture},
    weights::Access,
};

pub use sight::Seat;
use sight::Sight;

/// A model at work, with its tokenizer and its chat template.
#[derive(Debug)]
pub struct LocalModel {
    path: PathBuf,
    summary: Summary,
    decoder: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
    template: Option<Template>,
    engine: Engine,
    load_time: Duration,
    sight: Sight,
    /// Made when the first answer has to keep to a form.
    vocabulary: OnceLock<Result<Vocabulary, constraint::Error>>,
}

/// How a model is loaded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// How its files come into memory.
    pub access: Access,
    /// How it runs. `context_tokens` of 0 stands for what the model was made for, up to [`CONTEXT_TOKENS_USUAL`].
    pub engine: engine::Settings,
    /// A smaller model of the same vocabulary that guesses for it: see [`engine::Request::guesses`].
    pub draft: Option<PathBuf>,
    /// What computes both.
    pub device: Device,
    /// Where beginnings of prompts outlive the program, if they are to. What [`engine::Settings::disk`] needs to know of
    /// the model follows from its files.
    pub beginnings: Option<Beginnings>,
    /// A chat template instead of the model's own: one of [`Template::names`], or its text.
    pub template: Option<String>,
    /// What makes rows of pictures for it: an `mmproj-….gguf`; the one beside it where nothing is said.
    pub projector: Option<PathBuf>,
    /// How the vectors of a text's tokens become one where it makes vectors, instead of what its files say.
    pub pooling: Option<Pooling>,
}

/// A folder for beginnings of prompts, so that they need not be read again after a restart. It holds what people asked,
/// in a form that can be read: it is made for its owner's eyes only, and may be removed at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginnings {
    /// The folder; several models may share it.
    pub dir: PathBuf,
    /// Bytes that all may take together; those that were not used for longest go first.
    pub bytes_max: u64,
}

/// The context of models that were made for more, where nothing else is asked for.
pub const CONTEXT_TOKENS_USUAL: usize = 8192;

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its files are not sound.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// Its files are not those that came.
    #[error(
        "{} is not as long as it was when it came; `athenaeum models verify` tells which file, and pulling it again \
         brings it back",
        path.display()
    )]
    Changed {
        /// The model.
        path: PathBuf,
    },
    /// It cannot be computed.
    #[error("{} cannot be loaded", path.display())]
    Decoder {
        /// The model.
        path: PathBuf,
        /// Why.
        source: Box<decoder::Error>,
    },
    /// Its text cannot be turned into tokens.
    #[error("the tokenizer of {} cannot be used", path.display())]
    Tokenizer {
        /// The model.
        path: PathBuf,
        /// Why.
        source: Box<tokenizer::Error>,
    },
    /// The chat template that was asked for instead of the model's own cannot be used.
    #[error("the chat template that {} is to have cannot be used", path.display())]
    Template {
        /// The model.
        path: PathBuf,
        /// Why.
        source: template::Error,
    },
    /// Tokens and weights are not of the same model.
    #[error("{} has {tokens} tokens, but weights for {rows}; it is damaged, or its files are mixed up", path.display())]
    Vocabulary {
        /// The model.
        path: PathBuf,
        /// Tokens that the tokenizer knows.
        tokens: usize,
        /// Rows of the embeddings.
        rows: usize,
    },
    /// The draft speaks of other tokens.
    #[error(
        "{} cannot guess for {}: their vocabularies differ from token {token} on; choose a draft of the same family",
        draft.display(),
        path.display()
    )]
    OtherVocabulary {
        /// The model.
        path: PathBuf,
        /// The draft.
        draft: PathBuf,
        /// The first token that is not the same in both.
        token: usize,
    },
    /// Its keys and values cannot be stored as asked.
    #[error(transparent)]
    CacheFormat(#[from] UnfitFormat),
    /// The projector that was asked for cannot be used.
    #[error("{} cannot be used as a projector for pictures", path.display())]
    Projector {
        /// The projector.
        path: PathBuf,
        /// Why.
        source: Box<vision::Error>,
    },
    /// It cannot be computed where it is to be.
    #[error(transparent)]
    Device(#[from] device::Error),
    /// The system gives no thread.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
}

/// The prompt for a conversation's next message.
#[derive(Debug)]
pub struct ChatPrompt {
    /// What the model reads. Rows of pictures have tokens of their own, from [`decoder::GIVEN`] on.
    pub tokens: Vec<u32>,
    /// The same as text, a picture by its marker.
    pub text: String,
    /// Where pictures are, in order: [`LocalModel::see`] makes of them what an engine takes.
    pub pictures: Vec<Seat>,
    /// What was changed because the model's template has no place for it.
    pub changes: Vec<Change>,
    /// How the model writes reasoning and calls after this prompt.
    pub format: Format,
    /// What it says to itself before it answers.
    pub lead: Option<Lead>,
    /// Takes the model's words apart. It must see special tokens: [`engine::Request::show_special`].
    pub reply: Reply,
}

/// Why a conversation does not become a prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// There is nothing that says how.
    #[error("the model has no chat template; complete text with it, or name a template")]
    NoTemplate,
    /// The template refuses, or fails.
    #[error("the model's chat template cannot take this conversation")]
    Template(#[from] template::Error),
    /// It spells out control tokens, and there is no letter left to tell them by.
    #[error("the conversation spells out control tokens and uses all letters for private use; leave one out")]
    NoMark,
    /// It shows pictures, and the model reads text alone.
    #[error(
        "the model reads text only: no projector for pictures is beside it; put its mmproj-….gguf into its folder, or \
         choose a model that sees"
    )]
    Blind,
    /// It shows pictures, and the projector cannot be used.
    #[error("the model's projector for pictures cannot be used: {reason}")]
    Projector {
        /// Why, in words for people.
        reason: String,
    },
    /// It shows pictures, and is computed where none are taken.
    #[error("pictures are not computed on {device}; compute the model on the processor")]
    Device {
        /// What computes it.
        device: Device,
    },
    /// The template does not write all pictures once.
    #[error("the model's chat template has {places} places for {pictures} pictures; name another template")]
    Places {
        /// Those that it wrote.
        places: usize,
        /// Those that are shown.
        pictures: usize,
    },
}

impl LocalModel {
    /// Loads a model. Blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// If files, configuration, tokenizer or cache format stand against it. A chat template that cannot be read is
    /// not among the reasons: it is left out, with a warning.
    pub fn load(path: &Path, settings: &Settings) -> Result<Self, Error> {
        Self::load_by(&Processor::new(settings.engine.threads), path, settings)
    }

    /// The same, to be computed by these threads instead of as many of its own as the settings say.
    ///
    /// # Errors
    ///
    /// As of [`LocalModel::load`].
    pub fn load_by(processor: &Processor, path: &Path, settings: &Settings) -> Result<Self, Error> {
        let started = Instant::now();
        let model = opened(path)?;
        let summary = model.summary();
        let failed =
            |source: decoder::Error| Error::Decoder { path: path.to_owned(), source: Box::new(source) };
        let config = config(path, &model)?;
        let context_tokens = context_tokens(settings, &config);
        let disk = settings.engine.disk.clone().or_else(|| disk(settings, path, context_tokens));
        let engine_settings = engine::Settings { context_tokens, disk, ..settings.engine.clone() };
        let decoder = Decoder::with_config(&model, config, settings.access, engine_settings.context_tokens)
            .map_err(failed)?;
        let tokenizer = tokenizer(path, &model)?;
        let rows = decoder.config().vocabulary;
        if tokenizer.len() > rows {
            return Err(Error::Vocabulary { path: path.to_owned(), tokens: tokenizer.len(), rows });
        }
        let template = template(settings.template.as_deref(), &summary, &tokenizer)
            .map_err(|source| Error::Template { path: path.to_owned(), source })?;
        let sight = Sight::of((path, decoder.config().width), processor, settings)?;
        let (decoder, tokenizer) = (Arc::new(decoder), Arc::new(tokenizer));
        let pages = cache_pages(&engine_settings, &decoder);
        let threads = engine_settings.threads.get();
        let format = engine_settings.cache_format;
        let draft = |beside: &dyn Fn(Arc<Decoder>) -> Result<Box<dyn Backend>, Error>| {
            let at = settings.draft.as_deref();
            at.map(|at| draft((path, &tokenizer), at, settings.access, beside, &engine_settings)).transpose()
        };
        let (backend, draft): (Box<dyn Backend>, _) = match settings.device {
            Device::Processor => {
                let backend = Cpu::by(processor, Arc::clone(&decoder), format, pages)?;
                let draft = draft(&|decoder| Ok(Box::new(backend.beside(decoder, format, pages)?)))?;
                (Box::new(backend), draft)
            }
            device => {
                let on = |decoder| Ok(device::backend(device, decoder, format, pages, threads)?);
                (on(Arc::clone(&decoder))?, draft(&on)?)
            }
        };
        tracing::info!("{} is computed on {}, by {threads} threads", path.display(), settings.device);
        let engine = Engine::start(backend, draft, Arc::clone(&tokenizer), engine_settings);
        let engine = engine.map_err(Error::Thread)?;
        let load_time = started.elapsed();
        tracing::info!("{} is ready after {} ms", path.display(), load_time.as_millis());
        let (path, vocabulary) = (path.to_owned(), OnceLock::new());
        Ok(Self { path, summary, decoder, tokenizer, template, engine, load_time, sight, vocabulary })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What computes it.
    pub fn decoder(&self) -> &Arc<Decoder> {
        &self.decoder
    }

    /// What turns text into its tokens.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// How a conversation becomes its text, where it says so.
    pub fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    /// What serves requests.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How long it took to load.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// Turns a text to be gone on from into tokens, as the model was taught to see the beginning of a text. Special
    /// tokens that are spelled out in it are those tokens.
    pub fn completion_prompt(&self, text: &str) -> Vec<u32> {
        self.begun(self.tokenizer.encode(text, Special::Parse))
    }

    /// The same with pictures before the text; returns where they are as well, for [`LocalModel::see`].
    ///
    /// # Errors
    ///
    /// If the model sees none.
    pub fn completion_prompt_showing(
        &self,
        pictures: &[Arc<Picture>],
        text: &str,
    ) -> Result<(Vec<u32>, Vec<Seat>), PromptError> {
        if pictures.is_empty() {
            return Ok((self.completion_prompt(text), Vec::new()));
        }
        let vision = self.sight.vision()?;
        let pieces = filled::begun(&self.tokenizer, pictures, text, vision.kind())?;
        let (tokens, mut seats) = self.sight.seated(&vision, pieces);
        let before = tokens.len();
        let tokens = self.begun(tokens);
        seats.iter_mut().for_each(|seat| seat.at += tokens.len() - before);
        Ok((tokens, seats))
    }

    /// Turns a conversation into the prompt for its next message. What the template has no place for is put into words
    /// and told. Control tokens that are spelled out in messages, tools or documents are text, so that nobody speaks
    /// for another.
    ///
    /// # Errors
    ///
    /// If the model has no template, or its template refuses the conversation.
    pub fn chat_prompt(&self, conversation: &Conversation) -> Result<ChatPrompt, PromptError> {
        let template = self.template.as_ref().ok_or(PromptError::NoTemplate)?;
        let (prompt, tokens, mut pictures) = if conversation.shown().is_empty() {
            let (prompt, tokens) = filled::filled(template, &self.tokenizer, conversation)?;
            (prompt, tokens, Vec::new())
        } else {
            let vision = self.sight.vision()?;
            let filled = filled::pictured(template, &self.tokenizer, conversation, vision.kind())?;
            let (tokens, pictures) = self.sight.seated(&vision, filled.pieces);
            (filled.prompt, tokens, pictures)
        };
        let reply = prompt.format.reply(&prompt.text, &conversation.tools);
        let (format, lead) = (prompt.format, prompt.format.lead(&prompt.text));
        let before = tokens.len();
        let tokens = self.begun(tokens);
        pictures.iter_mut().for_each(|seat| seat.at += tokens.len() - before);
        Ok(ChatPrompt { tokens, text: prompt.text, pictures, changes: prompt.changes, format, lead, reply })
    }

    /// Looks at the pictures of a prompt, and returns what [`engine::Request::pictures`] takes. Blocks for as long as that
    /// takes, seconds for each picture with large encoders; of pictures that were seen lately, not at all.
    ///
    /// # Errors
    ///
    /// If the projector cannot be used.
    pub fn see(&self, pictures: &[Seat]) -> Result<Vec<engine::Pictured>, PromptError> {
        self.sight.see(pictures)
    }

    /// Returns the file that makes rows of pictures for it, if there is one.
    pub fn projector(&self) -> Option<&Path> {
        self.sight.projector()
    }

    /// Makes what holds an answer to a form.
    ///
    /// # Errors
    ///
    /// If the form cannot be kept to exactly; the error names what of it.
    pub fn constraint(&self, grammar: &Grammar) -> Result<Constraint, constraint::Error> {
        let vocabulary = self.vocabulary.get_or_init(|| {
            let tokenizer = &self.tokenizer;
            let known = |token: u32| (token as usize) < tokenizer.len() && !tokenizer.is_special(token);
            let bytes = |token: u32| known(token).then(|| tokenizer.bytes(token));
            let tokens = self.decoder.config().vocabulary;
            let vocabulary = Vocabulary::new(tokens, tokenizer.generation_ends(), bytes)?;
            let all = 0..u32::try_from(tokenizer.len()).unwrap_or(u32::MAX);
            let controls = all.filter(|token| tokenizer.is_special(*token));
            Ok(vocabulary.with_controls(controls.map(|token| (token, tokenizer.bytes(token)))))
        });
        Constraint::new(vocabulary.as_ref().map_err(Clone::clone)?, grammar)
    }

    /// Puts before a prompt what the model was taught to see first, unless it is there.
    fn begun(&self, mut tokens: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self.tokenizer.bos()
            && self.tokenizer.adds_bos()
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        tokens
    }
}

/// Returns the bytes that a model takes when it is loaded: its files, and keys and values.
///
/// # Errors
///
/// If its files are not sound, or it cannot be computed.
pub fn bytes_of(path: &Path, settings: &Settings) -> Result<u64, Error> {
    let model = model::open(path)?;
    let config = config(path, &model)?;
    let context_tokens = context_tokens(settings, &config);
    let cache = settings.engine.cache_bytes(&config, context_tokens);
    let mut bytes = model.summary().bytes.saturating_add(cache as u64);
    if let Some(projector) = sight::projector(path, config.width, settings) {
        let own = std::fs::metadata(projector).map_or(0, |metadata| metadata.len());
        bytes = bytes.saturating_add(own);
    }
    if let Some(draft) = &settings.draft {
        // Its cache has as many pages, of its own size.
        let model = model::open(draft)?;
        let pages = settings.engine.pages(settings.engine.page_bytes(&config), context_tokens);
        let page_bytes = settings.engine.page_bytes(&self::config(draft, &model)?);
        let cache = pages.saturating_mul(page_bytes);
        bytes = bytes.saturating_add(model.summary().bytes).saturating_add(cache as u64);
    }
    Ok(bytes)
}

/// Returns a number that stands for a model's weights, for [`disk::Settings::fingerprint`]: what
/// [`Stamp::fingerprint`] says, and the version of this program, which another one may not compute like.
///
/// # Errors
///
/// What the system says.
pub fn fingerprint(path: &Path) -> std::io::Result<u128> {
    let mut hash = Xxh3::new();
    hash.update(&Stamp::of(path)?.fingerprint()?.to_le_bytes());
    hash.update(env!("CARGO_PKG_VERSION").as_bytes());
    Ok(hash.digest128())
}

/// Finds the folder for a model's beginnings. Where its files cannot be told apart from others, it has none.
fn disk(settings: &Settings, path: &Path, context_tokens: usize) -> Option<disk::Settings> {
    let Beginnings { dir, bytes_max } = settings.beginnings.clone()?;
    match fingerprint(path) {
        Ok(fingerprint) => {
            // Some models turn positions in another way when they are to see more.
            let fingerprint = fingerprint.wrapping_add(context_tokens as u128);
            Some(disk::Settings { dir, bytes_max, fingerprint })
        }
        Err(error) => {
            tracing::warn!("beginnings of {} are not kept: {error}", path.display());
            None
        }
    }
}

/// Opens a model, unless it is not what came here. Reading all of it to compare checksums would take longer than loading
/// it; whoever wants that verifies it.
fn opened(path: &Path) -> Result<Model, Error> {
    let model = model::open(path)?;
    let held = match model::lengths_hold(path) {
        Some(false) => return Err(Error::Changed { path: path.to_owned() }),
        Some(true) => "as long as recorded",
        None => "nothing recorded to hold them against",
    };
    let bytes = model.summary().bytes;
    tracing::info!("{} is opened: headers are sound, {bytes} bytes, {held}", path.display());
    Ok(model)
}

/// Loads a draft, if it may guess for the model at `path`.
fn draft(
    (path, tokenizer): (&Path, &Tokenizer),
    draft: &Path,
    access: Access,
    beside: &dyn Fn(Arc<Decoder>) -> Result<Box<dyn Backend>, Error>,
    settings: &engine::Settings,
) -> Result<Draft, Error> {
    let model = opened(draft)?;
    if let Some(token) = first_difference(tokenizer, &self::tokenizer(draft, &model)?) {
        return Err(Error::OtherVocabulary { path: path.to_owned(), draft: draft.to_owned(), token });
    }
    let config = config(draft, &model)?;
    let context_tokens = settings.context_tokens.min(config.context_tokens);
    let decoder = Decoder::with_config(&model, config, access, context_tokens)
        .map_err(|source| Error::Decoder { path: draft.to_owned(), source: Box::new(source) })?;
    Ok(Draft { backend: beside(Arc::new(decoder))?, context_tokens })
}

/// Returns the first token that is not the same in both vocabularies. Models of one family may differ in how far
/// theirs are filled up to a round number.
fn first_difference(one: &Tokenizer, other: &Tokenizer) -> Option<usize> {
    const FILLING_MAX: usize = 128;
    let common = one.len().min(other.len());
    let is_same = |token: u32| {
        one.bytes(token) == other.bytes(token) && one.is_special(token) == other.is_special(token)
    };
    let different = (0..common).find(|&token| u32::try_from(token).is_ok_and(|token| !is_same(token)));
    different.or((one.len().abs_diff(other.len()) > FILLING_MAX).then_some(common))
}

fn config(path: &Path, model: &Model) -> Result<decoder::Config, Error> {
    decoder::Config::of(model)
        .map_err(|error| Error::Decoder { path: path.to_owned(), source: Box::new(error.into()) })
}

fn cache_pages(settings: &engine::Settings, decoder: &Decoder) -> usize {
    let page_bytes = decoder.cache_shape(settings.cache_format).page_bytes().unwrap_or(0);
    settings.pages(page_bytes, settings.context_tokens)
}

fn context_tokens(settings: &Settings, config: &decoder::Config) -> usize {
    match settings.engine.context_tokens {
        0 => config.context_tokens.min(CONTEXT_TOKENS_USUAL),
        asked => asked.min(config.context_tokens),
    }
}

fn tokenizer(path: &Path, model: &Model) -> Result<Tokenizer, Error> {
    Tokenizer::of(model)
        .map_err(|source| Error::Tokenizer { path: path.to_owned(), source: Box::new(source) })
}

fn template(
    asked: Option<&str>,
    summary: &Summary,
    tokenizer: &Tokenizer,
) -> Result<Option<Template>, template::Error> {
    let text = |id: Option<u32>| id.map(|id| String::from_utf8_lossy(tokenizer.bytes(id)).into_owned());
    let (bos, eos) = (text(tokenizer.bos()).unwrap_or_default(), text(tokenizer.eos()).unwrap_or_default());
    if let Some(asked) = asked {
        let is_named = Template::names().any(|name| name == asked);
        let make = if is_named { Template::named } else { Template::new };
        return make(asked, &bos, &eos).map(Some);
    }
    let Some(source) = summary.chat_template.as_deref() else { return Ok(None) };
    match Template::new(source, &bos, &eos) {
        Ok(template) => Ok(Some(template)),
        Err(error) => {
            tracing::warn!("the model's chat template is left out: {error}");
            Ok(None)
        }
    }
}
