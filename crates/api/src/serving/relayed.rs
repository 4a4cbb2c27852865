use std::time::{Duration, Instant};

use athenaeum_inference::{
    engine::{self, End},
    reply,
};
use athenaeum_providers::{self as providers, Error, Event, Remote, Reply, Request};

use super::{
    Ended, Said,
    choice::{Happened, Step},
    models::whole,
};

/// One of the answers, as another engine gives it.
pub(super) struct Relayed {
    pub(super) index: usize,
    source: Source,
    began: Instant,
    first: Option<Duration>,
    /// Pieces that came: what counts as tokens where the engine does not tell how many there were.
    pieces: usize,
    reasoning_pieces: usize,
    /// Arguments of the tools that were called.
    calls: Vec<String>,
    /// The call that is being told.
    open: Option<usize>,
}

/// Where it comes from.
enum Source {
    /// Nobody was asked yet.
    ToAsk(Remote, Box<Request>),
    /// It was asked for, and nothing was said yet.
    Taken(Box<Reply>),
    /// It comes.
    Comes(Box<Reply>),
}

/// What came next.
pub(super) enum Came {
    /// The engine has taken the request.
    Taken,
    /// It says something, or breaks off.
    Event(Option<Result<Event, Error>>),
}

impl Relayed {
    /// One that the engine has taken already.
    pub(super) fn taken(index: usize, reply: Reply) -> Self {
        Self::new(index, Source::Taken(Box::new(reply)))
    }

    /// One that the engine is still to be asked for.
    pub(super) fn to_ask(index: usize, remote: Remote, request: Request) -> Self {
        Self::new(index, Source::ToAsk(remote, Box::new(request)))
    }

    fn new(index: usize, source: Source) -> Self {
        let began = Instant::now();
        let (first, calls, open) = (None, Vec::new(), None);
        Self { index, source, began, first, pieces: 0, reasoning_pieces: 0, calls, open }
    }

    pub(super) fn step(mut self) -> Step {
        Box::pin(async move {
            let (source, came) = match self.source {
                Source::ToAsk(remote, request) => match remote.ask((*request).clone()).await {
                    Ok(reply) => (Source::Comes(Box::new(reply)), Came::Taken),
                    Err(error) => (Source::ToAsk(remote, request), Came::Event(Some(Err(error)))),
                },
                Source::Taken(reply) => (Source::Comes(reply), Came::Taken),
                Source::Comes(mut reply) => {
                    let event = reply.next().await;
                    (Source::Comes(reply), Came::Event(event))
                }
            };
            self.source = source;
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
                Said::Token { token: None, events: self.heard(event), logprobs: None }
            }
            Came::Event(Some(Err(error))) => self.failed(&whole(&error)),
            Came::Event(None) => self.failed("The engine went away."),
        }
    }

    fn heard(&mut self, event: Event) -> Vec<reply::Event> {
        match event {
            Event::Text(text) => vec![reply::Event::Text(text)],
            Event::Reasoning(text) => vec![reply::Event::Reasoning(text)],
            Event::CallStarted { index, id, name } => {
                let mut events: Vec<_> = self.close().into_iter().collect();
                self.calls.resize(index.max(self.calls.len()), String::new());
                self.calls.truncate(index);
                self.calls.push(String::new());
                self.open = Some(index);
                events.push(reply::Event::ToolCallStarted { index, id, name });
                events
            }
            Event::CallArguments { index, delta } => {
                if let Some(arguments) = self.calls.get_mut(index) {
                    arguments.push_str(&delta);
                }
                vec![reply::Event::ToolCallArguments { index, delta }]
            }
            Event::End(_) => Vec::new(),
        }
    }

    /// The call that is open has come whole.
    fn close(&mut self) -> Option<reply::Event> {
        let index = self.open.take()?;
        let arguments = self.calls.get(index).map(|text| text.trim()).unwrap_or_default();
        let is_object = arguments.is_empty()
            || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments).is_ok();
        Some(match is_object {
            true => reply::Event::ToolCallEnded { index },
            false => reply::Event::Malformed {
                index: Some(index),
                text: arguments.to_owned(),
                reason: "the engine called a tool with something that is no JSON object",
            },
        })
    }

    fn ended(&mut self, end: providers::End) -> Said {
        let events = self.close().into_iter().collect();
        let reason = match (end.reason, end.stop) {
            (providers::Reason::Ended, Some(stop)) => engine::Reason::Stop(stop),
            (providers::Reason::Ended, None) => engine::Reason::Ended,
            (providers::Reason::Length, _) => engine::Reason::Length,
            (providers::Reason::Deadline, _) => engine::Reason::Deadline,
            (providers::Reason::Filtered, _) => {
                let why = "the model's engine holds back the rest (content_filter)";
                engine::Reason::Failed(why.to_owned())
            }
        };
        let mut ended = self.over(reason, events);
        ended.end.prompt_tokens = end.prompt_tokens.unwrap_or(0);
        ended.end.cached_tokens = end.cached_tokens.unwrap_or(0);
        ended.end.generated_tokens = end.generated_tokens.unwrap_or(self.pieces);
        ended.reasoning_tokens = end.reasoning_tokens.unwrap_or(self.reasoning_pieces);
        Said::Ended(ended)
    }

    fn failed(&mut self, why: &str) -> Said {
        let why = why.trim_end_matches('.').to_owned();
        Said::Ended(self.over(engine::Reason::Failed(why), Vec::new()))
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
        Ended { events, end, reasoning_tokens: self.reasoning_pieces, called: !self.calls.is_empty() }
    }
}
