//! What an engine sends, made into events. Nothing here waits for anything: bytes go in, cut anywhere, and events come out.

mod calls;
mod chat;
mod completion;
mod ending;
mod events;
mod lines;
mod ollama;

use std::collections::VecDeque;

use serde_json::Value;

use crate::{Event, body::Kind};
use events::Events;
use lines::Lines;

/// An answer as it is read. It always ends in one [`Event::End`] or one fault, however it was cut.
#[derive(Debug)]
pub(crate) struct Reading {
    lines: Lines,
    /// `None` where each line is a piece.
    events: Option<Events>,
    wire: Wire,
    out: Out,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// It is not what the wire says.
    NotUnderstood(String),
    /// The engine itself says that it failed.
    Failed {
        /// HTTP's, as far as the engine tells one.
        status: u16,
        /// With its own words in it.
        said: Value,
    },
}

/// What was read and not yet handed out.
#[derive(Debug, Default)]
pub(crate) struct Out {
    events: VecDeque<Result<Event, Fault>>,
    over: bool,
}

#[derive(Debug)]
enum Wire {
    Chat(chat::Chat),
    Completion(completion::Completion),
    Ollama(ollama::Ollama),
}

impl Reading {
    pub(crate) fn new(kind: Kind) -> Self {
        let wire = match kind {
            Kind::Chat | Kind::Texts => Wire::Chat(Default::default()),
            Kind::Completion => Wire::Completion(Default::default()),
            Kind::OllamaChat | Kind::OllamaGenerate => Wire::Ollama(Default::default()),
        };
        let events = kind.is_events().then(Events::default);
        Self { lines: Lines::default(), events, wire, out: Out::default() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let Self { lines, events, wire, out } = self;
        let read = lines.push(bytes, |line| match (out.over, &mut *events) {
            (true, _) => Ok(()),
            (false, None) => wire.piece(line, out),
            (false, Some(events)) => match events.line(line)? {
                Some(data) => wire.piece(&data, out),
                None => Ok(()),
            },
        });
        self.settle(read);
    }

    /// Takes an answer that came as one object. Where that only says what went wrong, it is returned, and nothing was read.
    pub(crate) fn whole(&mut self, text: &[u8]) -> Option<Fault> {
        let failed = serde_json::from_slice(text).ok().and_then(|said| Fault::told(&said));
        if failed.is_none() {
            let read = self.wire.piece(text, &mut self.out);
            self.settle(read);
            self.finish();
        }
        failed
    }

    /// The connection has ended.
    pub(crate) fn finish(&mut self) {
        let read = self.rest();
        self.settle(read);
        if !self.out.over {
            let read = self.wire.end(&mut self.out);
            self.settle(read);
        }
    }

    /// Whether all was said, though more might come: how the answer ended is known.
    pub(crate) fn is_whole(&self) -> bool {
        self.out.over || self.wire.is_whole()
    }

    /// Whether an end or a fault was read.
    pub(crate) fn is_over(&self) -> bool {
        self.out.over
    }

    pub(crate) fn next(&mut self) -> Option<Result<Event, Fault>> {
        self.out.events.pop_front()
    }

    /// Reads what had no end of a line.
    fn rest(&mut self) -> Result<(), Fault> {
        let Self { lines, events, wire, out } = self;
        let line = lines.rest();
        let Some(events) = events else {
            return if out.over { Ok(()) } else { wire.piece(&line, out) };
        };
        let last = [events.line(&line)?, events.line(b"")?];
        for data in last.into_iter().flatten() {
            if !out.over {
                wire.piece(&data, out)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, read: Result<(), Fault>) {
        if let Err(fault) = read
            && !self.out.over
        {
            self.out.over = true;
            self.out.events.push_back(Err(fault));
        }
    }
}

impl Wire {
    /// Reads a piece of JSON, or what stands in its place.
    fn piece(&mut self, text: &[u8], out: &mut Out) -> Result<(), Fault> {
        let text = text.trim_ascii();
        match text {
            b"" => return Ok(()),
            b"[DONE]" => return self.end(out),
            _ => {}
        }
        let piece: Value = serde_json::from_slice(text)
            .map_err(|error| Fault::NotUnderstood(format!("a piece of it is no JSON: {error}")))?;
        if let Some(fault) = Fault::told(&piece) {
            return Err(fault);
        }
        if !piece.is_object() {
            return Err(Fault::NotUnderstood("a piece of it is no object".to_owned()));
        }
        match self {
            Self::Chat(chat) => chat.piece(&piece, out),
            Self::Completion(completion) => completion.piece(&piece, out),
            Self::Ollama(ollama) => ollama.piece(&piece, out),
        }
    }

    /// Nothing follows.
    fn end(&mut self, out: &mut Out) -> Result<(), Fault> {
        match self {
            Self::Chat(chat) => chat.end(out),
            Self::Completion(_) | Self::Ollama(_) => Err(Fault::unfinished()),
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self, Self::Chat(chat) if chat.is_whole())
    }
}

impl Fault {
    /// Finds what an engine says of a failure, in the place where they all do.
    pub(crate) fn told(piece: &Value) -> Option<Self> {
        let is_none = |error: &Value| error.is_null() || *error == false || *error == "";
        let error = piece.get("error").filter(|error| !is_none(error))?;
        let code = ["code", "status", "status_code"].iter().find_map(|name| error.get(name)?.as_u64());
        let status = code.and_then(|code| code.try_into().ok()).filter(|code| (400..600).contains(code));
        Some(Self::Failed { status: status.unwrap_or(500), said: piece.clone() })
    }

    fn unfinished() -> Self {
        Self::NotUnderstood("it stopped without saying that it was over".to_owned())
    }
}

impl Out {
    fn event(&mut self, event: Event) {
        self.events.push_back(Ok(event));
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.event(Event::Text(text.to_owned()));
        }
    }

    fn reasoning(&mut self, text: &str) {
        if !text.is_empty() {
            self.event(Event::Reasoning(text.to_owned()));
        }
    }

    fn end(&mut self, end: crate::End) {
        self.over = true;
        self.event(Event::End(end));
    }
}

/// Returns a text; nothing where there is none.
fn text_of<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
