use std::time::{Duration, Instant};

use athenaeum_inference::{
    constraint::{self, Grammar},
    engine::{Refused, Request},
    local::PromptError,
    sampling::Sampling,
    template::{Change, Conversation},
};
use futures_util::stream::FuturesUnordered;

use super::{
    Answer, Loaded,
    answer::Choice,
    models::in_background,
    room::{self, Cut},
};
use crate::{
    failure::sentence,
    problem::{Kind, Problem},
};

/// What a request asks of a model, whichever dialect it came in.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What to go on from.
    pub(crate) input: Input,
    /// How tokens are chosen. Further choices take the seeds after this one.
    pub(crate) sampling: Sampling,
    /// What the answer must look like.
    pub(crate) form: Option<Grammar>,
    /// The answer ends before the first of these.
    pub(crate) stops: Vec<String>,
    /// Tokens of each answer at most.
    pub(crate) tokens_max: Option<usize>,
    /// How many answers.
    pub(crate) choices: usize,
    /// Probabilities of each token, with so many of the likeliest beside it.
    pub(crate) logprobs: Option<usize>,
    /// The same for the prompt's.
    pub(crate) prompt_logprobs: Option<usize>,
    /// Goes on after tokens that end an answer.
    pub(crate) ignore_ends: bool,
    /// Tokens that are guessed at once.
    pub(crate) guesses: usize,
    /// What is done with a prompt that does not fit.
    pub(crate) truncation: Truncation,
    /// How long the answer may take.
    pub(crate) time: Duration,
    /// Higher goes first.
    pub(crate) priority: i32,
    /// Whose it is: see [`Request::owner`].
    pub(crate) owner: u64,
}

/// What a model goes on from.
#[derive(Debug)]
pub(crate) enum Input {
    /// Text, as it is. Control tokens that are spelled out in it are those tokens.
    Text(String),
    /// The same in tokens.
    Tokens(Vec<u32>),
    /// A conversation; the model's template makes it a prompt.
    Conversation(Box<Conversation>),
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
    pub(super) changes: Vec<Change>,
    pub(super) reply: Option<athenaeum_inference::reply::Reply>,
    pub(super) cut: Option<Cut>,
}

impl Ask {
    /// Asks for one answer, with everything else as usual.
    pub(crate) fn new(input: Input) -> Self {
        Self {
            input,
            sampling: Sampling::default(),
            form: None,
            stops: Vec::new(),
            tokens_max: None,
            choices: 1,
            logprobs: None,
            prompt_logprobs: None,
            ignore_ends: false,
            guesses: 0,
            truncation: Truncation::Refuse,
            time: Duration::from_secs(3600),
            priority: 0,
            owner: 0,
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
        let in_conversation = matches!(ask.input, Input::Conversation(_));
        let form = ask.form.as_ref().map(|form| self.model.constraint(form)).transpose()?;
        let mut prompt = room::prompt(&self.model, ask.input, ask.truncation, ask.tokens_max)?;
        let prompt_tokens = prompt.tokens.len();
        let running = FuturesUnordered::new();
        let mut prompts = vec![(std::mem::take(&mut prompt.tokens), prompt.reply.take())];
        // Replies are read each by its own reader; they start alike.
        while prompts.len() < ask.choices.max(1) {
            let Some((tokens, reply)) = prompts.first() else { break };
            let another = (tokens.clone(), reply.clone());
            prompts.push(another);
        }
        for (index, (tokens, reply)) in prompts.into_iter().enumerate() {
            let sampling =
                Sampling { seed: ask.sampling.seed.wrapping_add(index as u64), ..ask.sampling.clone() };
            let request = Request {
                sampling,
                constraint: form.clone(),
                stops: ask.stops.clone(),
                tokens_max: ask.tokens_max,
                ignore_ends: ask.ignore_ends,
                show_special: in_conversation,
                logprobs: ask.logprobs,
                prompt_logprobs: ask.prompt_logprobs.filter(|_| index == 0),
                guesses: ask.guesses,
                owner: ask.owner,
                priority: ask.priority,
                deadline,
                ..Request::new(tokens)
            };
            let generation = self.model.engine().submit(request)?;
            running.push(Choice::new(index, generation, reply).step());
        }
        Ok(Answer::new(self, running, prompt_tokens, prompt.changes, prompt.cut))
    }
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
