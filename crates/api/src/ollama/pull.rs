//! `POST /api/pull`.

use std::convert::Infallible;

use athenaeum_inference::pull::{Phase, Progress, Pulled};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::stream::unfold;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asking::{self, NAME, STREAM},
    conversation::ANY_TEXT,
    name::source,
};
use crate::{
    Api,
    contract::Contract,
    dialect::Dialect,
    json::fresh,
    parameters::{Parameter, Takes, Warning},
    problem::{Kind, Problem},
    serving::{Fetch, Pull},
};

/// What a request may say.
pub(crate) const PARAMETERS: &[Parameter] = &[
    NAME[0],
    NAME[1],
    STREAM,
    Parameter::only("insecure", Takes::Bool, &["false"], "models come from the registries of the settings"),
    Parameter::without_effect("username", ANY_TEXT, "Ollama has dropped it as well"),
    Parameter::without_effect("password", ANY_TEXT, "Ollama has dropped it as well"),
];

/// How far it is, or that it is done.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ollama::Progress)]
pub(crate) struct Status {
    /// In words; `success` at the end.
    status: String,
    /// Which file comes, `sha256:` and its checksum.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Bytes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// Bytes of it that are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<u64>,
    /// What of the request was not done, and what was left out of the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Fetch a model
///
/// As Ollama's endpoint of that name, from its registry (`qwen3:0.6b`, `me/model`) or Hugging Face's hub
/// (`hf.co/OWNER/REPOSITORY:Q4_K_M`). Unless `stream` is false, its progress comes a JSON object a line. It goes on when
/// whoever asked for it leaves, and several may follow it.
#[utoipa::path(
    post,
    path = "/api/pull",
    operation_id = "ollamaPull",
    tag = "ollama",
    responses((
        status = 200,
        description = "It is here.",
        content((Status = "application/json"), (Status = "application/x-ndjson")),
    )),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let read = super::read(&api, &headers, request, PARAMETERS).await?;
    let source = source(&asking::model(&read)?)?;
    contract.settle(&read.warnings)?;
    let pull = api.pulls()?.start(&source.to_string(), None, api.models.catalog())?;
    let warnings = read.warnings.clone();
    if read.flag("stream").unwrap_or(true) {
        return contract.warned(streamed(pull, warnings), &read.warnings);
    }
    let status = ended(pull, warnings).await?;
    contract.warned(fresh(StatusCode::OK, &status)?, &read.warnings)
}

async fn ended(mut pull: Pull, warnings: Vec<Warning>) -> Result<Status, Problem> {
    loop {
        match now(&mut pull) {
            Fetch::Completed(pulled) => return Ok(success(&pulled, warnings)),
            Fetch::Failed(problem) => return Err(problem),
            Fetch::Cancelled => return Err(cancelled()),
            Fetch::Running(_) => next(&mut pull).await?,
        }
    }
}

fn streamed(pull: Pull, warnings: Vec<Warning>) -> Response {
    let begun = Some((pull, warnings, Vec::new()));
    let lines = unfold(begun, |state| async move {
        let (mut pull, warnings, mut last) = state?;
        loop {
            let line = match now(&mut pull) {
                Fetch::Running(progress) => line(&status(&progress)),
                Fetch::Completed(pulled) => {
                    return Some((Ok::<Bytes, Infallible>(end(&pulled, warnings).into()), None));
                }
                Fetch::Failed(problem) => return Some((Ok(failure(&problem).into()), None)),
                Fetch::Cancelled => return Some((Ok(failure(&cancelled()).into()), None)),
            };
            // A phase may be told of more than once.
            if line != last {
                last.clone_from(&line);
                return Some((Ok(Bytes::from(line)), Some((pull, warnings, last))));
            }
            if let Err(problem) = next(&mut pull).await {
                return Some((Ok(failure(&problem).into()), None));
            }
        }
    });
    let mut response = Response::new(Body::from_stream(lines));
    let media_type = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

fn now(pull: &mut Pull) -> Fetch {
    pull.state.borrow_and_update().clone()
}

/// Waits until there is something new; fails where nothing more will come.
async fn next(pull: &mut Pull) -> Result<(), Problem> {
    pull.state.changed().await.map_err(|_| cancelled())
}

fn cancelled() -> Problem {
    Problem::new(Kind::Conflict, "Fetching was called off; ask again to go on with it.")
}

fn failure(problem: &Problem) -> Vec<u8> {
    line(&Dialect::Ollama.failure_object(problem, None))
}

/// Tells of every file once more, since a listener may have missed some, and that all is well.
fn end(pulled: &Pulled, warnings: Vec<Warning>) -> Vec<u8> {
    let mut lines = Vec::new();
    for file in pulled.kept.record.iter().flat_map(|record| &record.files) {
        let sum = file.sha256.to_string();
        let status = Status {
            status: format!("pulling {}", sum.get(..12).unwrap_or(&sum)),
            digest: Some(format!("sha256:{sum}")),
            total: Some(file.bytes),
            completed: Some(file.bytes),
            warnings: Vec::new(),
        };
        lines.extend(line(&status));
    }
    for status in ["verifying sha256 digest", "writing manifest"] {
        lines.extend(line(&Status { status: status.to_owned(), ..Status::default() }));
    }
    lines.extend(line(&success(pulled, warnings)));
    lines
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Says in Ollama's words how far a model is.
fn status(progress: &Progress) -> Status {
    let in_words = |status: &str| Status { status: status.to_owned(), ..Status::default() };
    match &progress.phase {
        Phase::Asking => in_words("pulling manifest"),
        Phase::Opening => in_words("verifying sha256 digest"),
        Phase::Waiting { wait, reason } => {
            in_words(&format!("trying again in {} s: {reason}", wait.as_secs_f64().ceil()))
        }
        Phase::Reading | Phase::Fetching => {
            let sum = progress.file_sha256.map(|sum| sum.to_string());
            let short = sum.as_ref().and_then(|sum| sum.get(..12)).unwrap_or(&progress.file);
            Status {
                status: format!("pulling {short}"),
                digest: sum.as_ref().map(|sum| format!("sha256:{sum}")),
                total: progress.file_bytes_total,
                completed: Some(progress.file_bytes),
                warnings: Vec::new(),
            }
        }
    }
}

fn success(pulled: &Pulled, mut warnings: Vec<Warning>) -> Status {
    let notes = pulled.notes.iter();
    warnings.extend(notes.map(|note| Warning { parameter: "model".to_owned(), reason: note.clone() }));
    Status { status: "success".to_owned(), warnings, ..Status::default() }
}
