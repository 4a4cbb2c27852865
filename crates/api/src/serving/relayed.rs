use std::time::{Duration, Instant};

use athenaeum_inference::{
    engine::{self, End},
    reply,
};
use athenaeum_providers::{self as providers, Error, Event, Remote, Reply, Request};

use super::{
    Ended, Said,
    choice::{Happened, Step},
};
use crate::problem::{Kind, Problem};

/// One of the answers, as another engine gives it.
pub(super) struct Relayed {
    pub(super) index: usize,
    source: Source,
    began: Instant,
    first: Option<Duration>,
    /// Pieces that came: what counts as tokens where the engine does not tell how many there were.
    pieces: usize,
    reasoning_pieces: usize,
    /// The call that is being told, and its arguments so far.
    open: Option<(usize, String)>,
    /// What came beside it, told when all is over: engines may go back to a call, and no format can.
    held: Vec<Event>,
    /// Bytes of both.
    held_bytes: usize,
    /// One was whole.
    called: bool,
}

/// Where it comes from.
enum Source {
    /// Nobody was asked yet.
    ToAsk(Remote, Box<Request>),
    /// It was asked for, and nothing was said yet.
    Taken(Box<Reply>),
    /// It comes.
    Comes(Box<Reply>),
    /// Nothing more comes.
    Gone,
}

/// What came next.
pub(super) enum Came {
    /// The engine has taken the request.
    Taken,
    /// It says something, or breaks off.
    Event(Option<Result<Event, Error>>),
}

impl Relayed {
    /// One that the engine was asked for at that time, and has taken.
    pub(super) fn taken(index: usize, reply: Reply, began: Instant) -> Self {
        Self { began, ..Self::new(index, Source::Taken(Box::new(reply))) }
    }

    /// One that the engine is still to be asked for.
    pub(super) fn to_ask(index: usize, remote: Remote, request: Request) -> Self {
        Self::new(index, Source::ToAsk(remote, Box::new(request)))
    }

    fn new(index: usize, source: Source) -> Self {
        Self {
            index,
            source,
            began: Instant::now(),
            first: None,
            pieces: 0,
            reasoning_pieces: 0,
            open: None,
            held: Vec::new(),
            held_bytes: 0,
            called: false,
        }
    }

    pub(super) fn step(mut self) -> Step {
        Box::pin(async move {
            if matches!(self.source, Source::ToAsk(..)) {
                self.began = Instant::now();
            }
            let came;
            (self.source, came) = match self.source {
                Source::ToAsk(remote, request) => match remote.ask(*request).await {
                    Ok(reply) => (Source::Comes(Box::new(reply)), Came::Taken),
                    Err(error) => (Source::Gone, Came::Event(Some(Err(error)))),
                },
                Source::Taken(reply) => (Source::Comes(reply), Came::Taken),
                Source::Comes(mut reply) => {
                    let event = reply.next().await;
                    (Source::Comes(reply), Came::Event(event))
                }
                Source::Gone => (Source::Gone, Came::Event(None)),
            };
            Happened::Relayed(Box::new(self), came)
        })
    }

    pub(super) fn said(&mut self, came: Came) -> Said {
        match came {
            Came::Taken => Said::Begun { cached_tokens: 0, logprobs: Vec::new() },
            Came::Event(Some(Ok(Event::End(end)))) => self.ended(end),
            Came::Event(Some(Ok(event))) => {
                self.first.get_or_insert_with(|| self.began.elapsed());
                self.pieces += 1;
                self.reasoning_pieces += usize::from(matches!(event, Event::Reasoning(_)));
                if self.held_bytes > HELD_BYTES_MAX {
                    return self.failed("it calls tools with more than can be held", Kind::Elsewhere);
                }
                Said::Token { token: None, events: self.heard(event).into_iter().collect(), logprobs: None }
            }
            Came::Event(Some(Err(Error::Deadline { .. }))) => {
                let events = self.rest();
                Said::Ended(self.over(engine::Reason::Deadline, events))
            }
            Came::Event(Some(Err(error))) => {
                let problem = Problem::from(error);
                self.failed(problem.detail(), problem.kind())
            }
            Came::Event(None) => self.failed("the engine went away", Kind::Elsewhere),
        }
    }

    /// What is said of it now.
    fn heard(&mut self, event: Event) -> Option<reply::Event> {
        match (event, &mut self.open) {
            (Event::Text(text), None) => Some(reply::Event::Text(text)),
            (Event::Reasoning(text), None) => Some(reply::Event::Reasoning(text)),
            (Event::CallStarted { index, id, name }, None) => {
                self.open = Some((index, String::new()));
                Some(reply::Event::ToolCallStarted { index, id, name })
            }
            (Event::CallArguments { index, delta }, Some((open, arguments))) if index == *open => {
                self.held_bytes += delta.len();
                arguments.push_str(&delta);
                Some(reply::Event::ToolCallArguments { index, delta })
            }
            (event, _) => {
                self.held_bytes += match &event {
                    Event::Text(text) | Event::Reasoning(text) => text.len(),
                    Event::CallStarted { name, .. } => name.len(),
                    Event::CallArguments { delta, .. } => delta.len(),
                    Event::End(_) => 0,
                };
                self.held.push(event);
                None
            }
        }
    }

    /// What had been held back, each call with all that belongs to it.
    fn rest(&mut self) -> Vec<reply::Event> {
        let mut events: Vec<_> = self.close().into_iter().collect();
        let (calls, said): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|event| matches!(event, Event::CallStarted { .. } | Event::CallArguments { .. }));
        events.extend(said.into_iter().filter_map(|event| self.heard(event)));
        let mut calls = calls;
        while let Some(place) = calls.iter().position(|event| matches!(event, Event::CallStarted { .. })) {
            let started = calls.remove(place);
            let Event::CallStarted { index: of, .. } = &started else { break };
            let of = *of;
            let (own, others) = calls
                .into_iter()
                .partition(|event| matches!(event, Event::CallArguments { index, .. } if *index == of));
            calls = others;
            let own: Vec<Event> = own;
            events.extend(std::iter::once(started).chain(own).filter_map(|event| self.heard(event)));
            events.extend(self.close());
        }
        events
    }

    /// The call that is open has come whole.
    fn close(&mut self) -> Option<reply::Event> {
        let (index, arguments) = self.open.take()?;
        let text = arguments.trim();
        let is_object = text.is_empty()
            || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
        self.called |= is_object;
        Some(match is_object {
            true => reply::Event::ToolCallEnded { index },
            false => reply::Event::Malformed {
                index: Some(index),
                text: arguments,
                reason: "the engine called a tool with something that is no JSON object",
            },
        })
    }

    fn ended(&mut self, end: providers::End) -> Said {
        let events = self.rest();
        let reason = match (end.reason, end.stop) {
            (providers::Reason::Ended, Some(stop)) => engine::Reason::Stop(stop),
            (providers::Reason::Ended, None) => engine::Reason::Ended,
            (providers::Reason::Length, _) => engine::Reason::Length,
            (providers::Reason::Deadline, _) => engine::Reason::Deadline,
            (providers::Reason::Filtered, _) => {
                let why = "the model's engine holds back the rest (content_filter)";
                let mut ended = self.over(engine::Reason::Failed(why.to_owned()), events);
                ended.failure = Kind::Elsewhere;
                return Said::Ended(ended);
            }
        };
        let mut ended = self.over(reason, events);
        ended.end.prompt_tokens = end.prompt_tokens.unwrap_or(0);
        ended.end.cached_tokens = end.cached_tokens.unwrap_or(0);
        ended.end.generated_tokens = end.generated_tokens.unwrap_or(self.pieces);
        ended.reasoning_tokens = end.reasoning_tokens.unwrap_or(self.reasoning_pieces);
        Said::Ended(ended)
    }

    fn failed(&mut self, why: &str, failure: Kind) -> Said {
        let why = why.trim_end_matches('.').to_owned();
        let events = self.rest();
        Said::Ended(Ended { failure, ..self.over(engine::Reason::Failed(why), events) })
    }

    fn over(&self, reason: engine::Reason, events: Vec<reply::Event>) -> Ended {
        let end = End {
            reason,
            text: String::new(),
            prompt_tokens: 0,
            cached_tokens: 0,
            generated_tokens: self.pieces,
            first_token: self.first,
            whole: self.began.elapsed(),
        };
        let (reasoning_tokens, called) = (self.reasoning_pieces, self.called);
        Ended { events, end, reasoning_tokens, called, failure: Kind::Internal }
    }
}

/// Bytes of calls that are kept until they are whole.
const HELD_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of what is said when these come, and what the whole of it ends as.
    fn check(events: &[Event], expected: &[&str], called: bool) {
        let mut relayed = Relayed::new(0, Source::Gone);
        let mut told = Vec::new();
        for event in events {
            let Said::Token { events, .. } = relayed.said(Came::Event(Some(Ok(event.clone())))) else {
                panic!("it goes on");
            };
            told.extend(events);
        }
        let end = providers::End {
            reason: providers::Reason::Ended,
            stop: None,
            prompt_tokens: None,
            cached_tokens: None,
            generated_tokens: None,
            reasoning_tokens: None,
        };
        let Said::Ended(ended) = relayed.said(Came::Event(Some(Ok(Event::End(end))))) else {
            panic!("it is over");
        };
        told.extend(ended.events);
        let told: Vec<String> = told
            .iter()
            .map(|event| match event {
                reply::Event::Text(text) => text.clone(),
                reply::Event::ToolCallStarted { index, name, .. } => format!("{index} {name}"),
                reply::Event::ToolCallArguments { index, delta } => format!("{index} {delta}"),
                reply::Event::ToolCallEnded { index } => format!("{index} ends"),
                reply::Event::Malformed { index, text, .. } => format!("{index:?} is none: {text}"),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            (told.iter().map(String::as_str).collect::<Vec<_>>(), ended.called),
            (expected.to_vec(), called)
        );
    }

    fn start(index: usize, name: &str) -> Event {
        Event::CallStarted { index, id: None, name: name.to_owned() }
    }

    fn more(index: usize, delta: &str) -> Event {
        Event::CallArguments { index, delta: delta.to_owned() }
    }

    #[test]
    fn calls_are_told_one_after_the_other_however_they_come() {
        let text = Event::Text("Well.".to_owned());
        let one = [text.clone(), start(0, "a"), more(0, "{"), more(0, "}")];
        check(&one, &["Well.", "0 a", "0 {", "0 }", "0 ends"], true);
        let mixed = [start(0, "a"), start(1, "b"), more(1, "{}"), more(0, "{}"), text];
        check(&mixed, &["0 a", "0 {}", "0 ends", "Well.", "1 b", "1 {}", "1 ends"], true);
        let bare = [start(0, "a"), start(1, "b")];
        check(&bare, &["0 a", "0 ends", "1 b", "1 ends"], true);
    }

    #[test]
    fn a_call_that_is_cut_short_is_none() {
        check(&[start(0, "a"), more(0, "{\"pla")], &["0 a", "0 {\"pla", "Some(0) is none: {\"pla"], false);
        let second = [start(0, "a"), more(0, "{}"), start(1, "b"), more(1, "{")];
        check(&second, &["0 a", "0 {}", "0 ends", "1 b", "1 {", "Some(1) is none: {"], true);
    }
}
