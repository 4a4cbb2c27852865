use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Answer, Counts, Keeping, Limits, Loaded, Talk,
    calling::{self, Calling, Conversing},
    models::in_background,
    room::{Cut, Room},
};
use crate::{
    failure::sentence,
    parameters::Read,
    problem::{Kind, Problem},
};
use athenaeum_inference::{
    constraint::{self, Grammar},
    decoder::GIVEN,
    engine::{Pictured, Refused, Request},
    local::{PromptError, Seat},
    sampling::Sampling,
    template::Change,
};
use athenaeum_providers::Setting;
use serde_json::Value;

/// What a request asks of a model, whichever dialect it came in.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What to go on from.
    pub(crate) input: Input,
    /// Further prompts, each answered alike: its choices come after those of the ones before.
    pub(crate) more: Vec<Input>,
    /// How tokens are chosen. Further choices take the seeds after this one.
    pub(crate) sampling: Sampling,
    /// What of that the request says itself, for engines that have usual values of their own.
    pub(crate) chosen: Vec<(Setting, Value)>,
    /// What the answer must look like.
    pub(crate) form: Option<Grammar>,
    /// What it does with tools, in conversations.
    pub(crate) calling: Calling,
    /// The answer ends before the first of these, in conversations where they are said to whoever asked.
    pub(crate) stops: Vec<String>,
    /// Tokens of each answer at most.
    pub(crate) tokens_max: Option<usize>,
    /// How many answers to each prompt.
    pub(crate) choices: usize,
    /// Probabilities of each token, with so many of the likeliest beside it.
    pub(crate) logprobs: Option<usize>,
    /// The same for the prompt's.
    pub(crate) prompt_logprobs: Option<usize>,
    /// Takes the probabilities of the answer's tokens from what was drawn from, not from the model.
    pub(crate) logprobs_as_drawn: bool,
    /// Tells how far the prompt is read.
    pub(crate) progress: bool,
    /// Goes on after tokens that end an answer.
    pub(crate) ignore_ends: bool,
    /// Tokens that are guessed at once.
    pub(crate) guesses: Option<usize>,
    /// What is done with a prompt that does not fit.
    pub(crate) truncation: Truncation,
    /// Tokens of prompt and answer together at most, where that is to be less than what the model's context has.
    pub(crate) context_tokens: Option<usize>,
    /// Tokens that stand before those of each input, as an earlier answer left them.
    pub(crate) before: Vec<u32>,
    /// How long the answer may take.
    pub(crate) time: Duration,
    /// Higher goes first.
    pub(crate) priority: i32,
    /// Whose it is: see [`Request::owner`].
    pub(crate) owner: u64,
    /// Where it is counted.
    pub(crate) counts: Arc<Counts>,
    /// How much of pictures is taken.
    pub(crate) pictures: Limits,
    /// Where the conversation is kept, if it is.
    pub(crate) keeping: Option<Keeping>,
}

/// What a model goes on from.
#[derive(Debug)]
pub(crate) enum Input {
    /// Text, as it is. Control tokens that are spelled out in it are those tokens.
    Text(String),
    /// The same in tokens.
    Tokens(Vec<u32>),
    /// A conversation; the model's template makes it a prompt.
    Conversation(Box<Talk>),
}

impl Input {
    /// A conversation.
    pub(crate) fn talk(talk: impl Into<Talk>) -> Self {
        Self::Conversation(Box::new(talk.into()))
    }
}

/// What is done with a prompt that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Truncation {
    /// It is refused.
    #[default]
    Refuse,
    /// Its oldest part is left out, and the answer says how much.
    Oldest,
}

/// How a prompt came out.
pub(super) struct Prompt {
    pub(super) tokens: Vec<u32>,
    /// Where pictures are among them.
    pub(super) seats: Vec<Seat>,
    /// What was seen in them.
    pub(super) pictures: Vec<Pictured>,
    /// Tokens of an answer at most.
    pub(super) tokens_max: Option<usize>,
    pub(super) changes: Vec<Change>,
    pub(super) reply: Option<athenaeum_inference::reply::Reply>,
    pub(super) cut: Option<Cut>,
    pub(super) conversing: Option<Conversing>,
}

impl Prompt {
    pub(super) fn of(tokens: Vec<u32>) -> Self {
        Self {
            tokens,
            seats: Vec::new(),
            pictures: Vec::new(),
            tokens_max: None,
            changes: Vec::new(),
            reply: None,
            cut: None,
            conversing: None,
        }
    }
}

impl Truncation {
    /// Reads it as OpenAI's Responses name it, which all dialects take: `truncation` is `auto` or `disabled`.
    pub(crate) fn of(read: &Read) -> Self {
        if read.text("truncation") == Some("auto") { Self::Oldest } else { Self::Refuse }
    }
}

impl Ask {
    /// Asks for one answer, with everything else as usual.
    pub(crate) fn new(input: Input) -> Self {
        Self {
            input,
            more: Vec::new(),
            sampling: Sampling::default(),
            chosen: Vec::new(),
            form: None,
            calling: Calling::default(),
            stops: Vec::new(),
            tokens_max: None,
            choices: 1,
            logprobs: None,
            prompt_logprobs: None,
            logprobs_as_drawn: false,
            progress: false,
            ignore_ends: false,
            guesses: None,
            truncation: Truncation::Refuse,
            context_tokens: None,
            before: Vec::new(),
            time: Duration::from_secs(3600),
            priority: 0,
            owner: 0,
            counts: Arc::default(),
            pictures: Limits::default(),
            keeping: None,
        }
    }
}

impl Loaded {
    /// Has a request answered. What it gives is one token after another, as they come.
    pub(crate) async fn ask(self, ask: Ask) -> Result<Answer, Problem> {
        in_background(move || self.begin(ask)).await?
    }

    /// Blocks while the prompt is made and the form is compiled.
    fn begin(self, ask: Ask) -> Result<Answer, Problem> {
        let deadline = Instant::now().checked_add(ask.time);
        let show_special = matches!(ask.input, Input::Conversation(_));
        let mut prompts = Vec::with_capacity(1 + ask.more.len());
        let context_tokens = self.model.engine().settings().context_tokens;
        let room = Room {
            context_tokens: ask.context_tokens.map_or(context_tokens, |asked| asked.min(context_tokens)),
            tokens_max: ask.tokens_max,
            truncation: ask.truncation,
            pictures: ask.pictures,
        };
        let temperature = Some(f64::from(ask.sampling.temperature));
        let begin =
            |keeping: Keeping| keeping.begin(&ask.input, &self.entry.name, temperature, ask.tokens_max);
        let kept = ask.keeping.and_then(begin);
        for input in std::iter::once(ask.input).chain(ask.more) {
            prompts.push(room.prompt(&self.model, input, &ask.before)?);
        }
        let vocabulary = self.model.tokenizer().len();
        for Prompt { tokens, seats, pictures, tokens_max, .. } in &mut prompts {
            if let Some(token) = unknown(tokens, seats, vocabulary) {
                return Err(Refused::UnknownToken { token, vocabulary }.into());
            }
            match tokens.len() {
                0 => return Err(Refused::EmptyPrompt.into()),
                tokens if tokens >= context_tokens => {
                    return Err(Refused::TooLong { tokens, context_tokens }.into());
                }
                tokens if room.context_tokens < context_tokens => {
                    *tokens_max = Some(room.left(tokens)?.min(ask.tokens_max.unwrap_or(usize::MAX)));
                }
                _ => *tokens_max = ask.tokens_max,
            }
            *pictures = self.model.see(seats)?;
        }
        let conversing = prompts.iter().find_map(|prompt| prompt.conversing.as_ref());
        let (form, warnings) = match conversing {
            Some(conversing) => calling::held(ask.form, &ask.calling, conversing)?,
            None => (ask.form, Vec::new()),
        };
        let constraint = form.as_ref().map(|form| self.model.constraint(form)).transpose();
        let about = match &form {
            Some(form) if calling::calls(form) => "tools",
            _ => "response_format",
        };
        let constraint = constraint.map_err(|error| Problem::from(error).about(about))?;
        let request = Request {
            sampling: ask.sampling,
            constraint,
            stops: ask.stops,
            ignore_ends: ask.ignore_ends,
            show_special,
            logprobs: ask.logprobs,
            prompt_logprobs: ask.prompt_logprobs,
            logprobs_as_drawn: ask.logprobs_as_drawn,
            progress: ask.progress,
            guesses: ask.guesses,
            owner: ask.owner,
            priority: ask.priority,
            deadline,
            ..Request::new(Vec::new())
        };
        Ok(Answer::here(self, prompts, ask.choices, request, ask.calling.once, warnings, (ask.counts, kept))?)
    }
}

/// Finds a token that stands for nothing: beyond the vocabulary, and for no row of a picture.
fn unknown(tokens: &[u32], seats: &[Seat], vocabulary: usize) -> Option<u32> {
    let given = tokens.iter().filter(|&&token| token >= GIVEN).count();
    let rows: usize = seats.iter().map(|seat| seat.count).sum();
    let beyond = |&token: &u32| token as usize >= vocabulary && (token < GIVEN || given != rows);
    tokens.iter().copied().find(beyond)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match &refused {
            Refused::TooLong { tokens, context_tokens } => {
                Self::context_length(*tokens, *context_tokens, sentence(&refused))
            }
            Refused::Busy { retry_after, .. } => {
                Self::new(Kind::QueueFull, sentence(&refused)).retry_after(*retry_after)
            }
            Refused::Closed => Self::new(Kind::Busy, sentence(&refused)).retry_after(Duration::from_secs(1)),
            _ => Self::new(Kind::BadRequest, sentence(&refused)),
        }
    }
}

impl From<PromptError> for Problem {
    fn from(error: PromptError) -> Self {
        let mut text = sentence(&error);
        if let Some(cause) = std::error::Error::source(&error) {
            text = format!("{} {}", text, sentence(cause));
        }
        Self::new(Kind::BadRequest, text).about("messages")
    }
}

impl From<constraint::Error> for Problem {
    fn from(error: constraint::Error) -> Self {
        Self::new(Kind::BadRequest, sentence(&error)).about("response_format")
    }
}
