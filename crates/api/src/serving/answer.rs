use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_inference::{
    engine::{End, Generation, Refused, Request},
    reply,
    sampling::{LogProbs, Sampling},
    template::Change,
};
use athenaeum_providers::{Remote, Reply};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::sleep;
use tracing::Span;

use super::{
    Counts, Loaded, Writer,
    ask::Prompt,
    choice::{Choice, Happened, Step},
    counts::UnderWay,
    elsewhere::Requests,
    keeping::Kept,
    relayed::Relayed,
    room::Cut,
};
use crate::{parameters::Warning, problem::Kind};

/// An answer that is being given, or several side by side. Dropping it ends the work on it.
pub(crate) struct Answer {
    /// Who answers.
    pub(crate) model: Writer,
    /// Tokens of all prompts.
    pub(crate) prompt_tokens: usize,
    /// Those of them that were in the cache, of prompts that have been read.
    pub(crate) cached_tokens: usize,
    /// What of the conversation was put in other words.
    pub(crate) changes: Vec<Change>,
    /// What of it was left out.
    pub(crate) cut: Option<Cut>,
    /// What else is not done as asked.
    pub(crate) warnings: Vec<Warning>,
    prompts: Vec<Prompt>,
    /// What another engine is still to be asked.
    to_ask: Option<Requests>,
    /// Choices of each prompt.
    choices: usize,
    /// Texts that end what is said to whoever asked; in conversations it is not the engine that looks for them.
    stops: Vec<String>,
    /// Each calls one tool at most.
    calls_once: bool,
    /// What they have in common; it has no prompt.
    request: Request,
    /// Choices that were begun.
    begun: usize,
    /// Choices that were begun and have not ended.
    open: UnderWay,
    running: FuturesUnordered<Step>,
    /// What it is at, for who traces the request.
    step: Span,
    /// Where it is kept.
    kept: Option<Kept>,
    /// What was said last, told when all is kept: what a client has heard the end of is not lost.
    last: Option<(usize, Said)>,
}

/// What is said, by the choice of this number.
#[derive(Debug)]
pub(crate) enum Said {
    /// So much of the prompt was read, where that was asked for: see [`Event::Progress`].
    Progress { read: usize, cached: usize, time: Duration },
    /// The prompt was read.
    Begun {
        /// Tokens of it that were in the cache.
        cached_tokens: usize,
        /// For every token but the first, where asked for.
        logprobs: Vec<LogProbs>,
    },
    /// A token was chosen.
    Token {
        /// Which; `None` where it was another engine's.
        token: Option<u32>,
        /// What it adds; nothing while its meaning is not clear yet.
        events: Vec<reply::Event>,
        logprobs: Option<LogProbs>,
    },
    /// It is over; the choice says nothing more.
    Ended(Ended),
}

/// How an answer ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What had been held back.
    pub(crate) events: Vec<reply::Event>,
    pub(crate) end: End,
    /// Tokens of the answer that the model said to itself.
    pub(crate) reasoning_tokens: usize,
    /// It called tools.
    pub(crate) called: bool,
    /// What kind of failure it is, where it broke off.
    pub(crate) failure: Kind,
}

/// A request of many choices waits so long before it asks for room again.
const ROOM_AGAIN: Duration = Duration::from_millis(20);
/// Answers of one request that another engine is asked for at once.
const ASKED_AT_ONCE: usize = 8;

impl Answer {
    /// Begins as many choices as can run at once; the others follow as these end.
    pub(super) fn here(
        model: Loaded,
        prompts: Vec<Prompt>,
        choices: usize,
        mut request: Request,
        calls_once: bool,
        warnings: Vec<Warning>,
        (counts, kept): (Arc<Counts>, Option<Kept>),
    ) -> Result<Self, Refused> {
        let reads = prompts.iter().any(|prompt| prompt.reply.is_some());
        let stops = if reads { std::mem::take(&mut request.stops) } else { Vec::new() };
        let mut answer = Self {
            model: Writer::Here(Box::new(model)),
            prompt_tokens: prompts.iter().map(|prompt| prompt.tokens.len()).sum(),
            cached_tokens: 0,
            changes: prompts.iter().flat_map(|prompt| prompt.changes.iter().copied()).collect(),
            cut: prompts.iter().filter_map(|prompt| prompt.cut).reduce(Cut::and),
            warnings,
            prompts,
            to_ask: None,
            choices: choices.max(1),
            stops,
            calls_once,
            request,
            begun: 0,
            open: UnderWay::none(counts),
            running: FuturesUnordered::new(),
            step: tracing::debug_span!("queue"),
            kept,
            last: None,
        };
        answer.begin_next()?;
        // Refusals are for the first: once something runs, the rest waits.
        answer.begin_more();
        Ok(answer)
    }

    /// The same for answers of another engine, which has taken the first of them.
    pub(super) fn elsewhere(
        remote: Remote,
        (first, began, to_ask): (Reply, Instant, Requests),
        choices: usize,
        warnings: Vec<Warning>,
        (counts, kept): (Arc<Counts>, Option<Kept>),
    ) -> Self {
        let mut answer = Self {
            model: Writer::Elsewhere(remote),
            prompt_tokens: 0,
            cached_tokens: 0,
            changes: Vec::new(),
            cut: None,
            warnings,
            prompts: Vec::new(),
            to_ask: Some(to_ask),
            choices,
            stops: Vec::new(),
            calls_once: false,
            request: Request::new(Vec::new()),
            begun: 0,
            open: UnderWay::none(counts),
            running: FuturesUnordered::new(),
            step: tracing::debug_span!("elsewhere"),
            kept,
            last: None,
        };
        answer.relay(Relayed::taken(0, first, began));
        answer.begin_more();
        answer
    }

    /// Returns the tokens that a choice goes on from; none where they are another engine's.
    pub(crate) fn prompt(&self, choice: usize) -> &[u32] {
        self.prompts.get(choice / self.choices).map_or(&[], |prompt| &prompt.tokens)
    }

    /// Returns the tokens of each prompt; no prompts where they are another engine's.
    pub(crate) fn prompts(&self) -> impl Iterator<Item = &[u32]> {
        self.prompts.iter().map(|prompt| prompt.tokens.as_slice())
    }

    /// Says whether a choice is the first one of its prompt.
    pub(crate) fn is_first(&self, choice: usize) -> bool {
        choice.is_multiple_of(self.choices)
    }

    /// Waits for what is said next, by any of the choices; `None` when all have ended.
    pub(crate) async fn next(&mut self) -> Option<(usize, Said)> {
        loop {
            if self.last.is_some() {
                if let Some(kept) = &mut self.kept {
                    kept.written().await;
                }
                self.kept = None;
                return self.last.take();
            }
            let (index, said, next) = match self.running.next().await? {
                Happened::Said(mut choice, event) => (choice.index, choice.said(event), choice.step()),
                Happened::Relayed(mut relayed, came) => (relayed.index, relayed.said(came), relayed.step()),
                Happened::RoomPerhaps => {
                    self.begin_more();
                    continue;
                }
            };
            if let Said::Begun { cached_tokens, .. } = said {
                if self.is_first(index) {
                    self.cached_tokens += cached_tokens;
                }
                self.open.read();
                if self.step.metadata().is_some_and(|step| step.name() == "queue") {
                    self.step = tracing::debug_span!("infer");
                }
            }
            if let Said::Ended(ended) = &said {
                if self.model.here().is_none() && self.is_first(index) {
                    // Only now it has told.
                    self.prompt_tokens += ended.end.prompt_tokens;
                    self.cached_tokens += ended.end.cached_tokens;
                }
                self.open.end(&ended.end);
                self.begin_more();
                if self.running.is_empty() {
                    self.step = Span::none();
                }
            } else {
                self.running.push(next);
            }
            if let Some(kept) = &mut self.kept {
                kept.hear(index, &said);
                if self.running.is_empty() {
                    kept.write();
                    self.last = Some((index, said));
                    continue;
                }
            }
            return Some((index, said));
        }
    }

    fn begin_more(&mut self) {
        let Some(loaded) = self.model.here() else { return self.ask_more() };
        let engine = loaded.model.engine();
        let (at_once, waiting_max) = (engine.settings().sequences_max, engine.settings().waiting_max);
        while self.begun < self.prompts.len() * self.choices && self.open.answers() < at_once.max(1) {
            let full = self.waiting() >= waiting_max;
            match if full { None } else { Some(self.begin_next()) } {
                Some(Ok(())) => {}
                None | Some(Err(Refused::Busy { .. })) => {
                    // Ours will be told when one of its own ends; with none of its own, it asks again.
                    if self.open.answers() == 0 {
                        let again = async {
                            sleep(ROOM_AGAIN).await;
                            Happened::RoomPerhaps
                        };
                        self.running.push(Box::pin(again));
                    }
                    return;
                }
                Some(Err(_)) => self.push(None),
            }
        }
    }

    /// Requests that wait for the model's turn.
    fn waiting(&self) -> usize {
        self.model.here().map_or(0, |loaded| loaded.model.engine().stats().waiting)
    }

    fn ask_more(&mut self) {
        while self.open.answers() < ASKED_AT_ONCE
            && let Writer::Elsewhere(remote) = &self.model
            && let Some(request) = self.to_ask.as_mut().and_then(Iterator::next)
        {
            let relayed = Relayed::to_ask(self.begun, remote.clone(), request);
            self.relay(relayed);
        }
    }

    fn relay(&mut self, relayed: Relayed) {
        self.running.push(relayed.step());
        self.begun += 1;
        self.open.begin();
    }

    /// Begins the next choice.
    fn begin_next(&mut self) -> Result<(), Refused> {
        let (of, which) = (self.begun / self.choices, self.begun % self.choices);
        let Some(prompt) = self.prompts.get(of) else { return Ok(()) };
        let sampling = &self.request.sampling;
        let seed = sampling.seed.wrapping_add(which as u64);
        let request = Request {
            prompt: prompt.tokens.clone(),
            pictures: prompt.pictures.clone(),
            tokens_max: prompt.tokens_max,
            sampling: Sampling { seed, ..sampling.clone() },
            prompt_logprobs: self.request.prompt_logprobs.filter(|_| which == 0),
            ..self.request.clone()
        };
        let Some(loaded) = self.model.here() else { return Ok(()) };
        let generation = loaded.model.engine().submit(request)?;
        self.push(Some(generation));
        Ok(())
    }

    fn push(&mut self, generation: Option<Generation>) {
        // Replies are read each by its own reader; they start alike.
        let reply = self.prompts.get(self.begun / self.choices).and_then(|prompt| prompt.reply.clone());
        let choice = Choice::new(self.begun, generation, reply, &self.stops, self.calls_once);
        self.running.push(choice.step());
        self.begun += 1;
        self.open.begin();
    }
}
