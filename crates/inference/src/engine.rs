//! Several requests at once on one model: the scheduler.
//!
//! ```text
//! submit ─► queue (bounded; priority, then owners in turn) ─► up to `sequences_max` running
//!                                                               │ each round, one batch:
//!                                                               │   a token of every sequence that generates, and
//!                                                               │   what was guessed to follow it
//!                                                               │   a piece of every prompt still to be read
//!                                                               ▼
//!                                   Decoder::forward ─► sampler ─► events to whoever asked
//! ```
//!
//! One thread does all of it and owns the cache; [`Engine`] is the door to it. Whoever drops the receiving end of a
//! [`Generation`] ends it at the next round. Sequences share the pages of what they have in common, within one
//! owner. When pages run out, the youngest sequence of the lowest priority gives up its own, and reads itself again
//! later.
//!
//! **Invariant:** with the same model, prompt, settings and seed the text is the same, whatever runs beside it,
//! whatever is in the cache, with or without speculation.

mod backend;
mod choice;
mod draft;
mod keep;
mod pictures;
mod queue;
mod sequence;
mod speculate;
mod step;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

pub use backend::{Backend, Cpu, UnfitFormat};
pub use draft::Draft;
pub use pictures::{Pictured, Rows};

use athenaeum_kernels::Format;
use tokio::sync::mpsc as events;

use crate::{
    cache::{PAGE, Shape, disk},
    constraint::Constraint,
    decoder::{Config, GIVEN},
    sampling::{self, Breakers, LogProbs, Sampler, Sampling},
    tokenizer::Tokenizer,
};

use self::{keep::Keep, sequence::Sequence, step::Rounds};

/// A model at work.
#[derive(Debug)]
pub struct Engine {
    commands: mpsc::Sender<Sequence>,
    counts: Arc<Counts>,
    tokenizer: Arc<Tokenizer>,
    settings: Settings,
    vocabulary: usize,
    /// Of the last request that asked for some: texts, and what they are in this vocabulary.
    breakers: Mutex<Option<(Vec<String>, Breakers)>>,
}

/// How an engine runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Tokens of one sequence, prompt and answer together.
    pub context_tokens: usize,
    /// Sequences that run at once.
    pub sequences_max: usize,
    /// Requests that may wait for their turn.
    pub waiting_max: usize,
    /// Tokens of a batch; prompts are read in pieces of at most so many.
    pub batch_tokens: usize,
    /// Bytes for keys and values; at least one sequence of `context_tokens` has room, whatever is said here.
    pub cache_bytes: usize,
    /// How keys and values are stored: `F16`, `Q8_0` or `F32`.
    pub cache_format: Format,
    /// Where beginnings outlive the program, if they are to.
    pub disk: Option<disk::Settings>,
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// How long choosing one token may take by a form that is worked on beside the batch. Forms are bounded by steps
    /// first, the same on every machine.
    pub choice_max: Duration,
}

/// What is asked of a model.
#[derive(Debug, Clone)]
pub struct Request {
    /// The prompt, at least one token.
    pub prompt: Vec<u32>,
    /// What the prompt's tokens from [`GIVEN`] on stand for, in its order.
    pub pictures: Vec<Pictured>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// What the answer must look like.
    pub constraint: Option<Constraint>,
    /// The answer ends before the first of these.
    pub stops: Vec<String>,
    /// Tokens of the answer at most; what the context leaves where it is `None`.
    pub tokens_max: Option<usize>,
    /// Goes on after tokens that end an answer.
    pub ignore_ends: bool,
    /// Shows special tokens in the text.
    pub show_special: bool,
    /// Probabilities of each token, with so many of the likeliest beside it.
    pub logprobs: Option<usize>,
    /// The same for the tokens of the prompt.
    pub prompt_logprobs: Option<usize>,
    /// Takes the probabilities of an answer's tokens from what was drawn from, when the sampling had done its part,
    /// instead of from the model.
    pub logprobs_as_drawn: bool,
    /// Tells how far the prompt is read.
    pub progress: bool,
    /// Tokens that are guessed at once at most, from what was said before or by the draft; the text stays the same. Where
    /// nothing is said, up to 15 of what was said before, as long as that comes true, or else 4 of the draft.
    pub guesses: Option<usize>,
    /// Whose request it is: a number that stands for everyone who may share a cache.
    pub owner: u64,
    /// Higher goes first.
    pub priority: i32,
    /// When the answer ends at the latest.
    pub deadline: Option<Instant>,
}

/// An answer that is being given. Dropping it ends the work on it.
#[derive(Debug)]
pub struct Generation {
    events: events::UnboundedReceiver<Event>,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// So much of the prompt was read, where that was asked for: once before it is begun, and after each batch.
    Progress {
        /// Tokens of it that need not be computed any more.
        read: usize,
        /// Those of them that were in the cache.
        cached: usize,
        /// Since the request came.
        time: Duration,
    },
    /// The prompt was read, with the probabilities that were asked for: nothing for its first token.
    Prompt {
        /// Tokens of it that were in the cache.
        cached_tokens: usize,
        /// One for every token but the first and those of pictures.
        logprobs: Vec<LogProbs>,
    },
    /// A token was chosen. Text may be empty: characters come whole, and what may become a stop is held back.
    Token {
        /// Which.
        token: u32,
        /// What it adds to the text.
        text: String,
        /// Its probability, where asked for.
        logprobs: Option<LogProbs>,
    },
    /// It is over. Nothing follows.
    End(End),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Why.
    pub reason: Reason,
    /// Text that had been held back.
    pub text: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that were in the cache.
    pub cached_tokens: usize,
    /// Tokens of the answer, one that ended it included.
    pub generated_tokens: usize,
    /// From the request to the first token.
    pub first_token: Option<Duration>,
    /// From the request to the end.
    pub whole: Duration,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The model ended it.
    Ended,
    /// One of the stops came; this one.
    Stop(String),
    /// As many tokens as were asked for, or as fit.
    Length,
    /// Its time was over.
    Deadline,
    /// Something went wrong, in words for people.
    Failed(String),
}

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is nothing to go on from.
    #[error("the prompt is empty; give at least one token")]
    EmptyPrompt,
    /// The prompt alone fills the context.
    #[error(
        "the prompt has {tokens} tokens, and the maximum context length is {context_tokens}; shorten it, or enlarge the context"
    )]
    TooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens of prompt and answer together.
        context_tokens: usize,
    },
    /// A token that the model does not know.
    #[error("the prompt's token {token} is not among the model's {vocabulary}")]
    UnknownToken {
        /// The token.
        token: u32,
        /// How many there are.
        vocabulary: usize,
    },
    /// Pictures are not where the prompt has their tokens.
    #[error("the prompt's pictures do not fit its tokens; please report it")]
    Pictures,
    /// Too many wait already.
    #[error("{waiting} requests are waiting already; try again in {} s", retry_after.as_secs())]
    Busy {
        /// How many.
        waiting: usize,
        /// When there may be room.
        retry_after: Duration,
    },
    /// A setting of the sampling makes no sense.
    #[error(transparent)]
    Sampling(#[from] sampling::Error),
    /// The engine has ended.
    #[error("the model is being unloaded; try again")]
    Closed,
}

/// What an engine is doing and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Requests that wait.
    pub waiting: usize,
    /// Sequences that run.
    pub running: usize,
    /// Pages of the cache.
    pub pages: usize,
    /// Pages that running sequences hold.
    pub pages_in_use: usize,
    /// Pages of the draft's cache that running sequences hold.
    pub draft_pages_in_use: usize,
    /// Tokens of prompts that were computed.
    pub prompt_tokens: u64,
    /// Tokens of prompts that the cache spared.
    pub cached_tokens: u64,
    /// Tokens that were generated.
    pub generated_tokens: u64,
    /// Guessed tokens that came true.
    pub guessed_tokens: u64,
    /// Sequences that gave up their pages for others.
    pub preemptions: u64,
}

/// The same, as both threads see it.
#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    running: AtomicUsize,
    pages: AtomicUsize,
    pages_in_use: AtomicUsize,
    draft_pages_in_use: AtomicUsize,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    generated_tokens: AtomicU64,
    guessed_tokens: AtomicU64,
    preemptions: AtomicU64,
    /// Milliseconds that requests take from start to end, lately.
    request_ms: AtomicU64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            context_tokens: 4096,
            sequences_max: 16,
            waiting_max: 64,
            batch_tokens: 256,
            cache_bytes: 0,
            cache_format: Format::F16,
            disk: None,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            choice_max: Duration::from_secs(2),
        }
    }
}

impl Settings {
    /// Returns the bytes that keys and values of a model take when they are all in use.
    pub fn cache_bytes(&self, config: &Config, context_tokens: usize) -> usize {
        let page_bytes = self.page_bytes(config);
        self.pages(page_bytes, context_tokens) * page_bytes
    }

    /// Returns the bytes of a page of a model's keys and values; 0 where the format does not fit it.
    pub fn page_bytes(&self, config: &Config) -> usize {
        let Config { layers, kv_heads, head_size, .. } = *config;
        let shape = Shape { layers, kv_heads, head_size, format: self.cache_format };
        shape.page_bytes().unwrap_or(0)
    }

    /// Returns how many pages of so many bytes there are to be: as many as fit `cache_bytes`, and at least what one
    /// sequence needs.
    pub fn pages(&self, page_bytes: usize, context_tokens: usize) -> usize {
        let least = context_tokens.div_ceil(PAGE) + 1;
        (self.cache_bytes / page_bytes.max(1)).max(least)
    }
}

impl Request {
    /// Asks for an answer to a prompt, with everything else as usual.
    pub fn new(prompt: Vec<u32>) -> Self {
        Self {
            prompt,
            pictures: Vec::new(),
            sampling: Sampling::default(),
            constraint: None,
            stops: Vec::new(),
            tokens_max: None,
            ignore_ends: false,
            show_special: false,
            logprobs: None,
            prompt_logprobs: None,
            logprobs_as_drawn: false,
            progress: false,
            guesses: None,
            owner: 0,
            priority: 0,
            deadline: None,
        }
    }
}

impl Engine {
    /// Starts the thread that schedules. It ends when the engine is dropped and everything it was asked is done. A
    /// `draft` guesses for requests that want guesses.
    ///
    /// # Errors
    ///
    /// If the system gives no thread, or the folder for beginnings cannot be made.
    pub fn start(
        backend: Box<dyn Backend>,
        draft: Option<Draft>,
        tokenizer: Arc<Tokenizer>,
        settings: Settings,
    ) -> Result<Self, std::io::Error> {
        let (commands, inbox) = mpsc::channel();
        let counts = Arc::new(Counts::default());
        let vocabulary = backend.vocabulary();
        let keep = Keep::open(&settings, &*backend)?;
        let rounds =
            Rounds::new(backend, draft, keep, Arc::clone(&tokenizer), settings.clone(), Arc::clone(&counts));
        thread::Builder::new().name("inference".to_owned()).spawn(move || rounds.run(&inbox))?;
        Ok(Self { commands, counts, tokenizer, settings, vocabulary, breakers: Mutex::default() })
    }

    /// Takes a request into the queue.
    ///
    /// # Errors
    ///
    /// If it cannot be honoured as it is, or too many wait already.
    pub fn submit(&self, request: Request) -> Result<Generation, Refused> {
        let context_tokens = self.settings.context_tokens;
        let vocabulary = self.vocabulary;
        if request.prompt.is_empty() {
            return Err(Refused::EmptyPrompt);
        }
        if request.prompt.len() >= context_tokens {
            return Err(Refused::TooLong { tokens: request.prompt.len(), context_tokens });
        }
        let unknown = |token: u32| token < GIVEN && token as usize >= vocabulary;
        if let Some(&token) = request.prompt.iter().find(|&&token| unknown(token)) {
            return Err(Refused::UnknownToken { token, vocabulary });
        }
        if !pictures::fit(&request.pictures, &request.prompt) {
            return Err(Refused::Pictures);
        }
        let sampler = self.sampler(&request.sampling)?;
        let waiting = self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= self.settings.waiting_max {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Busy { waiting, retry_after: self.retry_after(waiting) });
        }
        let (sender, events) = events::unbounded_channel();
        let sequence = Sequence::new(request, sampler, context_tokens, sender);
        self.commands.send(sequence).map_err(|_| Refused::Closed)?;
        Ok(Generation { events })
    }

    /// Says what is going on.
    pub fn stats(&self) -> Stats {
        let Counts { waiting, running, pages, pages_in_use, draft_pages_in_use, .. } = &*self.counts;
        let Counts { prompt_tokens, cached_tokens, generated_tokens, guessed_tokens, preemptions, .. } =
            &*self.counts;
        Stats {
            waiting: waiting.load(Ordering::Relaxed),
            running: running.load(Ordering::Relaxed),
            pages: pages.load(Ordering::Relaxed),
            pages_in_use: pages_in_use.load(Ordering::Relaxed),
            draft_pages_in_use: draft_pages_in_use.load(Ordering::Relaxed),
            prompt_tokens: prompt_tokens.load(Ordering::Relaxed),
            cached_tokens: cached_tokens.load(Ordering::Relaxed),
            generated_tokens: generated_tokens.load(Ordering::Relaxed),
            guessed_tokens: guessed_tokens.load(Ordering::Relaxed),
            preemptions: preemptions.load(Ordering::Relaxed),
        }
    }

    /// Returns how it runs.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns what turns text into the model's tokens.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    fn sampler(&self, sampling: &Sampling) -> Result<Sampler, sampling::Error> {
        let tokenizer = &self.tokenizer;
        let dry = sampling.dry_multiplier > 0.0;
        let breakers = if dry { self.breakers(&sampling.dry_sequence_breakers) } else { Breakers::default() };
        Sampler::new(sampling, self.vocabulary, tokenizer.generation_ends(), breakers)
    }

    /// Returns the tokens that break sequences. Finding them goes through the whole vocabulary, and most requests ask for
    /// the same ones as the last.
    fn breakers(&self, texts: &[String]) -> Breakers {
        let mut last = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, breakers)) = last.as_ref().filter(|(known, _)| known == texts) {
            return breakers.clone();
        }
        let tokenizer = &self.tokenizer;
        let encode = |text: &str| tokenizer.encode(text, crate::tokenizer::Special::Text);
        let breakers = Breakers::new(texts, tokenizer.len(), |token| tokenizer.bytes(token), encode);
        *last = Some((texts.to_vec(), breakers.clone()));
        breakers
    }

    /// Guesses when one of those that wait will have been taken.
    fn retry_after(&self, waiting: usize) -> Duration {
        let each = self.counts.request_ms.load(Ordering::Relaxed).max(1_000);
        let turns = (waiting / self.settings.sequences_max.max(1) + 1) as u64;
        Duration::from_millis(each * turns).clamp(Duration::from_secs(1), Duration::from_secs(120))
    }
}

// === impl Generation ===

impl Generation {
    /// Waits for what happens next; `None` after [`Event::End`].
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The same for callers outside of an asynchronous runtime.
    pub fn next_blocking(&mut self) -> Option<Event> {
        self.events.blocking_recv()
    }

    /// Waits for the whole answer: its text, and how it ended. `None` if the engine went away.
    pub async fn text(mut self) -> Option<(String, End)> {
        let mut text = String::new();
        loop {
            match self.next().await? {
                Event::Progress { .. } | Event::Prompt { .. } => {}
                Event::Token { text: piece, .. } => text.push_str(&piece),
                Event::End(end) => {
                    text.push_str(&end.text);
                    return Some((text, end));
                }
            }
        }
    }
}
