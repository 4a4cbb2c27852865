//! `POST /api/chat`.

use std::{sync::LazyLock, time::Instant};

use athenaeum_inference::template::Message;
use axum::{body::Body, http::HeaderMap, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asking::{self, ANSWER},
    beside::Beside,
    conversation::{self, MESSAGES, THINK, TOOLS},
    duration::{KEEP_ALIVE, keep_alive},
    name::answering,
    options::{self, OPTIONS},
    reply::{self, Counts, LogProb, Piece, Told, ToolCall, nanoseconds},
};
use crate::{
    Api,
    contract::{self, Contract},
    parameters::{Parameter, Takes, Warning},
    problem::Problem,
    serving::Input,
};

/// What a request may say.
pub(crate) static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let options = Parameter::new(
        "options",
        Takes::Object(OPTIONS.as_slice()),
        "How tokens are chosen, and how much room there is.",
    );
    [ANSWER, &[MESSAGES, TOOLS, THINK, KEEP_ALIVE, options]].concat()
});

/// An answer, or a piece of one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Chat)]
pub(crate) struct Chat {
    model: String,
    /// When it was written, RFC 3339.
    created_at: String,
    message: Said,
    /// Whether it is the last piece.
    done: bool,
    /// `stop`, `length`, `load` or `unload`; in the last piece, as what follows but for `logprobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<LogProb>,
    /// Nanoseconds from the request to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<u64>,
    /// Not where a model was only brought into memory or let go.
    #[serde(flatten)]
    #[schema(value_type = Counts)]
    counts: Option<Counts>,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Message)]
pub(crate) struct Said {
    role: &'static str,
    /// To whoever asked.
    content: String,
    /// By the model to itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
}

/// Answer a conversation
///
/// As Ollama's endpoint of that name: unless `stream` is false, the answer comes a JSON object a line
/// (`application/x-ndjson`). Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/api/chat",
    operation_id = "ollamaChat",
    tag = "ollama",
    responses((status = 200, description = "The answer.", content((Chat = "application/json"), (Chat = "application/x-ndjson")))),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let mut read = super::read(&api, &headers, request, &PARAMETERS).await?;
    let name = asking::model(&read)?;
    let keep_alive = keep_alive(&read)?;
    let logprobs = asking::logprobs(&read)?;
    let mut conversation = conversation::of(&read)?;
    contract.settle(&read.warnings)?;
    if read.list("messages").is_empty() {
        return asking::only_load::<Chat>(&api, contract, &mut read, keep_alive, started).await;
    }
    let model = api.models.writer(Some(&name), keep_alive).await?;
    if model.here().is_none() {
        asking::stays_elsewhere(&mut read, keep_alive);
    }
    let load = started.elapsed();
    let beside = Beside::of(model.entry()).await?;
    let told = conversation.messages.iter().any(|message| message.role() == "system");
    if let Some(system) = beside.system.as_deref().filter(|_| !told) {
        conversation.messages.insert(0, Message::new("system", system));
    }
    conversation::think(&mut read, &model, &mut conversation);
    let mut ask = api.ask(Input::talk(conversation));
    options::apply(&mut read, &model, &beside, &mut ask)?;
    contract.settle(&read.warnings)?;
    (ask.form, ask.logprobs) = (asking::form(&read), logprobs);
    let answer = model.ask(ask).await?;
    let told = Told {
        model: answering(answer.model.entry(), &name),
        started,
        load,
        warnings: contract::told(std::mem::take(&mut read.warnings), &answer),
        context: false,
        stream: read.flag("stream").unwrap_or(true),
    };
    reply::write::<Chat>(answer, told, contract).await
}

impl From<Piece> for Chat {
    fn from(piece: Piece) -> Self {
        let Piece { model, created_at, text, thinking, calls, logprobs, last } = piece;
        Self {
            model,
            created_at,
            message: Said { role: "assistant", content: text, thinking, tool_calls: calls },
            done: last.is_some(),
            done_reason: last.as_ref().map(|last| last.reason),
            logprobs,
            total_duration: last.as_ref().map(|last| nanoseconds(last.total)),
            counts: last.as_ref().and_then(|last| last.counts),
            warnings: last.map(|last| last.warnings).unwrap_or_default(),
        }
    }
}
