//! Answers as they come: server-sent events, or lines of JSON.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::time::timeout;

use crate::serving::{Answer, Said};

/// How a dialect writes an answer as it comes.
pub(crate) trait StreamFormat: Send + 'static {
    /// What stands before all.
    fn open(&mut self, answer: &Answer, out: &mut Frames);
    /// What tells of one thing that a choice said.
    fn write(&mut self, answer: &Answer, choice: usize, said: Said, out: &mut Frames);
    /// What stands after all.
    fn close(&mut self, answer: &Answer, out: &mut Frames);
}

/// Frames that are ready to be sent.
#[derive(Debug)]
pub(crate) struct Frames {
    kind: FrameKind,
    bytes: Vec<u8>,
}

/// How frames are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// `data: …` and an empty line (WHATWG HTML §9.2).
    ServerSentEvents,
    /// One JSON value a line.
    Lines,
}

impl Frames {
    pub(crate) fn new(kind: FrameKind) -> Self {
        Self { kind, bytes: Vec::new() }
    }

    /// Adds an object.
    pub(crate) fn push(&mut self, value: &impl Serialize) {
        self.push_named(None, value);
    }

    /// Adds an object under the name of an event.
    pub(crate) fn push_named(&mut self, event: Option<&str>, value: &impl Serialize) {
        if self.kind == FrameKind::ServerSentEvents {
            if let Some(event) = event {
                self.bytes.extend_from_slice(b"event: ");
                self.bytes.extend_from_slice(event.as_bytes());
                self.bytes.push(b'\n');
            }
            self.bytes.extend_from_slice(b"data: ");
        }
        // Writing to memory fails for no value of ours: their keys are texts.
        let _ = serde_json::to_writer(&mut self.bytes, value);
        self.end();
    }

    /// Adds text that is no JSON, such as OpenAI's `[DONE]`.
    pub(crate) fn push_text(&mut self, text: &str) {
        if self.kind == FrameKind::ServerSentEvents {
            self.bytes.extend_from_slice(b"data: ");
        }
        self.bytes.extend_from_slice(text.as_bytes());
        self.end();
    }

    /// Takes them out.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    fn end(&mut self) {
        let end: &[u8] = if self.kind == FrameKind::ServerSentEvents { b"\n\n" } else { b"\n" };
        self.bytes.extend_from_slice(end);
    }
}

/// How long a stream stays silent while a long prompt is read: proxies cut connections that are silent for a minute.
const SILENCE: Duration = Duration::from_secs(15);

/// Answers with a stream. Whoever hangs up drops it, and with it the work.
pub(crate) fn respond(answer: Answer, kind: FrameKind, format: impl StreamFormat) -> Response {
    let state = State { answer, format, kind, phase: Phase::Begins };
    let body = unfold(state, |mut state| async move {
        loop {
            let frames = state.next().await?;
            if !frames.bytes.is_empty() {
                return Some((Ok::<Bytes, Infallible>(Bytes::from(frames.bytes)), state));
            }
        }
    });
    let mut response = Response::new(Body::from_stream(body));
    let media_type = match kind {
        FrameKind::ServerSentEvents => "text/event-stream; charset=utf-8",
        FrameKind::Lines => "application/x-ndjson",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Asks a proxy (nginx) to hand on what comes at once.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

struct State<F> {
    answer: Answer,
    format: F,
    kind: FrameKind,
    phase: Phase,
}

#[derive(PartialEq)]
enum Phase {
    Begins,
    GoesOn,
    Over,
}

impl<F: StreamFormat> State<F> {
    async fn next(&mut self) -> Option<Frames> {
        let mut frames = Frames::new(self.kind);
        match self.phase {
            Phase::Begins => {
                self.phase = Phase::GoesOn;
                let format = tracing::debug_span!("format");
                format.in_scope(|| self.format.open(&self.answer, &mut frames));
            }
            Phase::GoesOn => match timeout(SILENCE, self.answer.next()).await {
                Ok(Some((choice, said))) => self.format.write(&self.answer, choice, said, &mut frames),
                Ok(None) => {
                    self.phase = Phase::Over;
                    self.format.close(&self.answer, &mut frames);
                }
                Err(_) if self.kind == FrameKind::ServerSentEvents => {
                    frames.bytes.extend_from_slice(b": still at work\n\n");
                }
                Err(_) => {}
            },
            Phase::Over => return None,
        }
        Some(frames)
    }
}
