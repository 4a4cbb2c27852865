//! Answers of this format: a JSON object for each piece, or one for all.

use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};

use athenaeum_inference::{
    decoder::GIVEN,
    engine::Reason,
    reply::Event,
    sampling::{LogProbs, Ranked},
};
use axum::{http::StatusCode, response::Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    clock,
    contract::Contract,
    dialect::Dialect,
    json::fresh,
    parameters::Warning,
    problem::Problem,
    serving::{Answer, Call, Ended, Said, Writer},
    stream::{FrameKind, Frames, StreamFormat, respond},
};

/// A piece of an answer, or all of it, before it is written as one endpoint or the other does.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) model: String,
    pub(super) created_at: String,
    pub(super) text: String,
    pub(super) thinking: String,
    pub(super) calls: Vec<ToolCall>,
    pub(super) logprobs: Vec<LogProb>,
    /// Stands in the last piece.
    pub(super) last: Option<Last>,
}

/// What is told at the end.
#[derive(Debug, Default)]
pub(super) struct Last {
    pub(super) reason: &'static str,
    /// From the request's coming to its end.
    pub(super) total: Duration,
    pub(super) counts: Option<Counts>,
    /// Tokens of prompt and answer, where they can be gone on from.
    pub(super) context: Option<Vec<u32>>,
    pub(super) warnings: Vec<Warning>,
}

/// What an answer took: all of it, or nothing where a model was only brought into memory or let go. Durations are in
/// nanoseconds.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = ollama::Counts)]
pub(crate) struct Counts {
    /// Until the model was in memory.
    #[schema(required = false)]
    pub(super) load_duration: u64,
    /// Tokens of the prompt, those included that were in the cache.
    #[schema(required = false)]
    pub(super) prompt_eval_count: usize,
    /// Until the prompt was read.
    #[schema(required = false)]
    pub(super) prompt_eval_duration: u64,
    /// Tokens of the answer, one that ended it included.
    #[schema(required = false)]
    pub(super) eval_count: usize,
    /// From the first token to the last.
    #[schema(required = false)]
    pub(super) eval_duration: u64,
}

/// A tool that is called.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ollama::ToolCall)]
pub(crate) struct ToolCall {
    id: String,
    function: Called,
}

/// Which, and with what.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ollama::Called)]
pub(crate) struct Called {
    /// Counts the calls of an answer, from 0.
    index: usize,
    name: String,
    /// An object.
    #[schema(value_type = Object)]
    arguments: Value,
}

/// How likely a token was, and the likeliest in its place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::LogProb)]
pub(crate) struct LogProb {
    #[serde(flatten)]
    chosen: TokenLogProb,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_logprobs: Vec<TokenLogProb>,
}

/// A token and the natural logarithm of its probability.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::TokenLogProb)]
pub(crate) struct TokenLogProb {
    /// Its text; what is no UTF-8 by itself is replaced.
    token: String,
    logprob: f32,
    /// Its text as it is.
    bytes: Vec<u8>,
}

/// What is told of an answer besides what is said.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) model: String,
    /// When the request came.
    pub(super) started: Instant,
    /// How long it took until the model was in memory.
    pub(super) load: Duration,
    pub(super) warnings: Vec<Warning>,
    /// Tells the tokens as well.
    pub(super) context: bool,
    pub(super) stream: bool,
}

/// Writes an answer, as it comes or whole.
pub(super) async fn write<L: From<Piece> + Serialize + Send + 'static>(
    mut answer: Answer,
    told: Told,
    contract: Contract,
) -> Result<Response, Problem> {
    let warnings = told.warnings.clone();
    if told.stream {
        let lines =
            Lines::<L> { told, tokens: Vec::new(), calls: Vec::new(), logprobs: Vec::new(), of: PhantomData };
        return contract.warned(respond(answer, FrameKind::Lines, lines), &warnings);
    }
    let whole = answer.whole().await?;
    let choice = whole.choices.into_iter().next().unwrap_or_default();
    let calls = choice.calls.iter().enumerate().map(|(index, call)| ToolCall::new(index, call)).collect();
    let piece = Piece {
        text: choice.text,
        thinking: choice.reasoning,
        calls,
        logprobs: choice.logprobs.iter().map(|logprobs| LogProb::new(&answer.model, logprobs)).collect(),
        last: choice.ended.map(|ended| told.last(&answer, &choice.tokens, &ended)),
        ..told.piece()
    };
    contract.warned(fresh(StatusCode::OK, &L::from(piece))?, &warnings)
}

/// Writes an answer as it comes.
struct Lines<L> {
    told: Told,
    /// Those of the answer, where they are told at the end.
    tokens: Vec<u32>,
    /// Calls so far; they are told when they are whole.
    calls: Vec<Call>,
    /// Those that wait for the next piece.
    logprobs: Vec<LogProb>,
    of: PhantomData<fn() -> L>,
}

impl<L: From<Piece> + Serialize> Lines<L> {
    fn line(&mut self, piece: Piece, out: &mut Frames) {
        let logprobs = std::mem::take(&mut self.logprobs);
        out.push(&L::from(Piece { logprobs, ..piece }));
    }

    fn events(&mut self, events: Vec<Event>, out: &mut Frames) {
        for event in events {
            let empty = self.told.piece();
            let piece = match event {
                Event::Text(text) => Piece { text, ..empty },
                Event::Reasoning(thinking) => Piece { thinking, ..empty },
                Event::Malformed { index, text, .. } => {
                    self.calls.truncate(index.unwrap_or(self.calls.len()));
                    Piece { text, ..empty }
                }
                Event::ToolCallStarted { index, id, name } => {
                    self.calls.resize_with(index, || Call::new(None, ""));
                    self.calls.push(Call::new(id, &name));
                    continue;
                }
                Event::ToolCallArguments { index, delta } => {
                    if let Some(call) = self.calls.get_mut(index) {
                        call.arguments.push_str(&delta);
                    }
                    continue;
                }
                Event::ToolCallEnded { index } => {
                    let Some(call) = self.calls.get(index) else { continue };
                    Piece { calls: vec![ToolCall::new(index, call)], ..empty }
                }
                _ => continue,
            };
            self.line(piece, out);
        }
    }
}

impl<L: From<Piece> + Serialize + Send + 'static> StreamFormat for Lines<L> {
    fn open(&mut self, _: &Answer, _: &mut Frames) {}

    fn write(&mut self, answer: &Answer, _: usize, said: Said, out: &mut Frames) {
        match said {
            Said::Progress { .. } | Said::Begun { .. } => {}
            Said::Token { token, events, logprobs } => {
                if self.told.context {
                    self.tokens.extend(token);
                }
                self.logprobs.extend(logprobs.map(|logprobs| LogProb::new(&answer.model, &logprobs)));
                self.events(events, out);
            }
            Said::Ended(mut ended) => {
                self.events(std::mem::take(&mut ended.events), out);
                if let Err(problem) = ended.check() {
                    out.push(&Dialect::Ollama.failure_object(&problem, None));
                    return;
                }
                let last = Some(self.told.last(answer, &self.tokens, &ended));
                self.line(Piece { last, ..self.told.piece() }, out);
            }
        }
    }

    fn close(&mut self, _: &Answer, _: &mut Frames) {}
}

impl Told {
    fn piece(&self) -> Piece {
        Piece { model: self.model.clone(), created_at: clock::moment(), ..Piece::default() }
    }

    fn last(&self, answer: &Answer, tokens: &[u32], ended: &Ended) -> Last {
        let end = &ended.end;
        let first_token = end.first_token.unwrap_or(end.whole);
        let counts = Counts {
            load_duration: nanoseconds(self.load),
            prompt_eval_count: answer.prompt_tokens,
            prompt_eval_duration: nanoseconds(first_token),
            eval_count: end.generated_tokens,
            eval_duration: nanoseconds(end.whole.saturating_sub(first_token)),
        };
        Last {
            reason: match end.reason {
                Reason::Length | Reason::Deadline => "length",
                _ => "stop",
            },
            total: self.started.elapsed(),
            counts: Some(counts),
            // Pictures cannot be gone on from by numbers alone.
            context: (self.context
                && answer.model.here().is_some()
                && answer.prompt(0).iter().all(|&token| token < GIVEN))
            .then(|| answer.prompt(0).iter().chain(tokens).copied().collect()),
            warnings: self.warnings.clone(),
        }
    }
}

impl ToolCall {
    fn new(index: usize, call: &Call) -> Self {
        let arguments = match call.arguments.trim() {
            "" => Value::Object(serde_json::Map::new()),
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        Self { id: call.id.clone(), function: Called { index, name: call.name.clone(), arguments } }
    }
}

impl LogProb {
    fn new(model: &Writer, logprobs: &LogProbs) -> Self {
        let of = |ranked: &Ranked| TokenLogProb::new(model, ranked);
        Self { chosen: of(&logprobs.chosen), top_logprobs: logprobs.top.iter().map(of).collect() }
    }
}

impl TokenLogProb {
    fn new(model: &Writer, ranked: &Ranked) -> Self {
        let bytes = model.bytes(ranked.token).to_vec();
        // JSON has no −∞.
        Self {
            token: String::from_utf8_lossy(&bytes).into_owned(),
            logprob: ranked.logprob.max(-9999.0),
            bytes,
        }
    }
}

/// Nanoseconds, as this format counts time.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
