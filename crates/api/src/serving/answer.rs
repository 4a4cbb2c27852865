use std::{future::Future, pin::Pin};

use athenaeum_inference::{
    engine::{self, End, Event, Generation},
    reply::{self, Reply},
    sampling::LogProbs,
    template::Change,
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{Loaded, room::Cut};

/// An answer that is being given, or several side by side. Dropping it ends the work on it.
pub(crate) struct Answer {
    /// Who answers.
    pub(crate) model: Loaded,
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: usize,
    /// What of the conversation was put in other words.
    pub(crate) changes: Vec<Change>,
    /// What of it was left out.
    pub(crate) cut: Option<Cut>,
    running: FuturesUnordered<Step>,
}

/// What is said, by the choice of this number.
#[derive(Debug)]
pub(crate) enum Said {
    /// The prompt was read.
    Begun {
        /// Tokens of it that were in the cache.
        cached_tokens: usize,
        /// For every token but the first, where asked for.
        logprobs: Vec<LogProbs>,
    },
    /// A token was chosen.
    Token {
        token: u32,
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
}

/// One of the answers.
pub(super) struct Choice {
    index: usize,
    generation: Generation,
    reply: Option<Reply>,
    reasoning_tokens: usize,
    called: bool,
}

type Step = Pin<Box<dyn Future<Output = (Choice, Option<Event>)> + Send>>;

impl Answer {
    pub(super) fn new(
        model: Loaded,
        running: FuturesUnordered<Step>,
        prompt_tokens: usize,
        changes: Vec<Change>,
        cut: Option<Cut>,
    ) -> Self {
        Self { model, prompt_tokens, changes, cut, running }
    }

    /// Waits for what is said next, by any of the choices; `None` when all have ended.
    pub(crate) async fn next(&mut self) -> Option<(usize, Said)> {
        let (mut choice, event) = self.running.next().await?;
        let index = choice.index;
        let said = choice.said(event);
        if !matches!(said, Said::Ended(_)) {
            self.running.push(choice.step());
        }
        Some((index, said))
    }
}

impl Choice {
    pub(super) fn new(index: usize, generation: Generation, reply: Option<Reply>) -> Self {
        Self { index, generation, reply, reasoning_tokens: 0, called: false }
    }

    pub(super) fn step(mut self) -> Step {
        Box::pin(async move {
            let event = self.generation.next().await;
            (self, event)
        })
    }

    fn said(&mut self, event: Option<Event>) -> Said {
        match event {
            Some(Event::Prompt { cached_tokens, logprobs }) => Said::Begun { cached_tokens, logprobs },
            Some(Event::Token { token, text, logprobs }) => {
                let events = self.read(&text);
                let reasons = events.iter().any(|event| matches!(event, reply::Event::Reasoning(_)));
                self.reasoning_tokens += usize::from(reasons);
                Said::Token { token, events, logprobs }
            }
            Some(Event::End(end)) => {
                let mut events = self.read(&end.text);
                if let Some(reply) = &mut self.reply {
                    let rest = reply.finish();
                    events.extend(self.noted(rest));
                }
                self.ended(events, end)
            }
            None => {
                let end = End {
                    reason: engine::Reason::Failed("the engine went away".to_owned()),
                    text: String::new(),
                    prompt_tokens: 0,
                    cached_tokens: 0,
                    generated_tokens: 0,
                    first_token: None,
                    whole: std::time::Duration::ZERO,
                };
                self.ended(Vec::new(), end)
            }
        }
    }

    fn ended(&self, events: Vec<reply::Event>, end: End) -> Said {
        let (reasoning_tokens, called) = (self.reasoning_tokens, self.called);
        Said::Ended(Ended { events, end, reasoning_tokens, called })
    }

    fn read(&mut self, text: &str) -> Vec<reply::Event> {
        if text.is_empty() {
            return Vec::new();
        }
        match &mut self.reply {
            None => vec![reply::Event::Text(text.to_owned())],
            Some(reply) => {
                let pieces = reply.push(text);
                self.noted(pieces)
            }
        }
    }

    /// What a client is told of: marks are the format's own, and what was no call is text.
    fn noted(&mut self, pieces: Vec<reply::Piece>) -> Vec<reply::Event> {
        let events = pieces.into_iter().map(|piece| piece.event);
        let events: Vec<reply::Event> =
            events.filter(|event| !matches!(event, reply::Event::Markup)).collect();
        self.called |= events.iter().any(|event| matches!(event, reply::Event::ToolCallEnded { .. }));
        events
    }
}
