use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use athenaeum_inference::{
    engine::{End, Event, Generation, Reason},
    reply::{self, Reply, Stops},
};

use super::{
    Ended, Said,
    relayed::{Came, Relayed},
};
use crate::problem::Kind;

/// One of the answers, as it is given.
pub(super) struct Choice {
    pub(super) index: usize,
    /// `None` once nothing more is wanted, or where the engine went away before it began.
    generation: Option<Generation>,
    reply: Option<Reply>,
    stops: Stops,
    stop_texts: Vec<String>,
    calls_once: bool,
    /// How it ended, where it was not the engine that ended it.
    stopped: Option<Reason>,
    called: bool,
    began: Instant,
    first_token: Option<Duration>,
    prompt_cached_tokens: usize,
    generated_tokens: usize,
    reasoning_tokens: usize,
}

pub(super) type Step = Pin<Box<dyn Future<Output = Happened> + Send>>;

/// What the choices of an answer wait for.
pub(super) enum Happened {
    Said(Box<Choice>, Option<Event>),
    Relayed(Box<Relayed>, Came),
    /// Others may have made room for a choice that waits.
    RoomPerhaps,
}

impl Choice {
    /// `stops` end what is said to whoever asked, and neither reasoning nor calls.
    pub(super) fn new(
        index: usize,
        generation: Option<Generation>,
        reply: Option<Reply>,
        stops: &[String],
        calls_once: bool,
    ) -> Self {
        Self {
            index,
            generation,
            reply,
            stops: Stops::new(stops),
            stop_texts: stops.to_vec(),
            calls_once,
            stopped: None,
            called: false,
            began: Instant::now(),
            first_token: None,
            prompt_cached_tokens: 0,
            generated_tokens: 0,
            reasoning_tokens: 0,
        }
    }

    pub(super) fn step(mut self) -> Step {
        Box::pin(async move {
            let event = match &mut self.generation {
                Some(generation) => generation.next().await,
                None => None,
            };
            Happened::Said(Box::new(self), event)
        })
    }

    pub(super) fn said(&mut self, event: Option<Event>) -> Said {
        match event {
            Some(Event::Progress { read, cached, time }) => Said::Progress { read, cached, time },
            Some(Event::Prompt { cached_tokens, logprobs }) => {
                self.prompt_cached_tokens = cached_tokens;
                Said::Begun { cached_tokens, logprobs }
            }
            Some(Event::Token { token, text, logprobs }) => {
                self.generated_tokens += 1;
                self.first_token.get_or_insert_with(|| self.began.elapsed());
                let events = self.read(&text);
                let reasons = events.iter().any(|event| matches!(event, reply::Event::Reasoning(_)));
                self.reasoning_tokens += usize::from(reasons);
                Said::Token { token: Some(token), events, logprobs }
            }
            Some(Event::End(mut end)) => {
                let mut events = self.read(&end.text);
                if let Some(reply) = &mut self.reply {
                    let rest = reply.finish();
                    events.extend(self.noted(rest));
                }
                let held = self.stops.finish();
                if !held.is_empty() {
                    events.push(reply::Event::Text(held));
                }
                end.reason = self.stopped.take().unwrap_or(end.reason);
                self.ended(events, end)
            }
            None => {
                let gone = || Reason::Failed("the engine went away".to_owned());
                let end = End {
                    reason: self.stopped.take().unwrap_or_else(gone),
                    text: String::new(),
                    prompt_tokens: 0,
                    cached_tokens: self.prompt_cached_tokens,
                    generated_tokens: self.generated_tokens,
                    first_token: self.first_token,
                    whole: self.began.elapsed(),
                };
                self.ended(Vec::new(), end)
            }
        }
    }

    fn ended(&self, events: Vec<reply::Event>, end: End) -> Said {
        let (reasoning_tokens, called) = (self.reasoning_tokens, self.called);
        Said::Ended(Ended { events, end, reasoning_tokens, called, failure: Kind::Internal })
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

    /// What a client is told of: marks are the format's own, what was no call is text, and after a stop there is nothing.
    fn noted(&mut self, pieces: Vec<reply::Piece>) -> Vec<reply::Event> {
        let mut noted = Vec::new();
        for piece in pieces {
            if self.stopped.is_some() {
                break;
            }
            match piece.event {
                reply::Event::Markup => {}
                reply::Event::Text(text) => {
                    let passed = self.stops.push(&text);
                    if !passed.text.is_empty() {
                        noted.push(reply::Event::Text(passed.text));
                    }
                    if let Some(stop) = passed.stop {
                        self.stop(Reason::Stop(self.stop_texts.get(stop).cloned().unwrap_or_default()));
                    }
                }
                event => {
                    let held = self.stops.finish();
                    if !held.is_empty() {
                        noted.push(reply::Event::Text(held));
                    }
                    if matches!(event, reply::Event::ToolCallEnded { .. }) {
                        self.called = true;
                        if self.calls_once {
                            self.stop(Reason::Ended);
                        }
                    }
                    noted.push(event);
                }
            }
        }
        noted
    }

    fn stop(&mut self, reason: Reason) {
        self.stopped = Some(reason);
        // Whoever drops it ends the work on it.
        self.generation = None;
    }
}
