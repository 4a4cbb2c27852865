//! `POST /api/embed`, and `POST /api/embeddings`, which came before it.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use athenaeum_inference::embedder::{Embedding, Input, Norm, Options, Truncate};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asking::{self, MODEL},
    conversation::ANY_TEXT,
    duration::{KEEP_ALIVE, keep_alive},
    name::answering,
    reply::nanoseconds,
};
use crate::{
    Api,
    contract::Contract,
    json::fresh,
    parameters::{Parameter, Read, Takes, Warning},
    problem::Problem,
};

/// What a request may say.
pub(crate) static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| [COMMON, OWN].concat());
/// The same of the older endpoint.
pub(crate) static PARAMETERS_BEFORE: LazyLock<Vec<Parameter>> =
    LazyLock::new(|| [COMMON, OWN_BEFORE].concat());

const COMMON: &[Parameter] = &[
    MODEL,
    KEEP_ALIVE,
    Parameter::new(
        "truncate",
        Takes::Bool,
        "Cuts off the ends of texts that are too long, and says so; otherwise they are refused.",
    ),
    Parameter::only(
        "options",
        Takes::Map(&Takes::Any),
        &["{}"],
        "nothing is drawn for vectors, and the context is a setting of the server",
    ),
];

const OWN: &[Parameter] = &[
    Parameter::new(
        "input",
        Takes::Either(&[ANY_TEXT, Takes::List(&ANY_TEXT, 4096)]),
        "A text or several; without any, the model is loaded.",
    ),
    Parameter::new(
        "dimensions",
        Takes::Integer(0, 1 << 20),
        "How many numbers a vector gets: its first ones; 0 for all.",
    ),
];

const OWN_BEFORE: &[Parameter] =
    &[Parameter::new("prompt", ANY_TEXT, "A text; without any, the model is loaded.")];

/// Vectors of texts, each of the length 1.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Embeddings)]
pub(crate) struct Embeddings {
    model: String,
    /// In the order of the texts.
    embeddings: Vec<Vec<f32>>,
    /// Nanoseconds from the request to its end.
    total_duration: u64,
    /// Nanoseconds until the model was in memory.
    load_duration: u64,
    /// Tokens of all texts.
    prompt_eval_count: usize,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// A text's vector, of any length.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Embedding)]
pub(crate) struct One {
    embedding: Vec<f32>,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Make vectors of texts
///
/// As Ollama's endpoint of that name, but that texts which are too long are refused unless `truncate` is true.
#[utoipa::path(
    post,
    path = "/api/embed",
    operation_id = "ollamaEmbed",
    tag = "ollama",
    responses((status = 200, description = "The vectors.", body = Embeddings)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let mut read = super::read(&api, &headers, request, &PARAMETERS).await?;
    let dimensions = read.integer("dimensions").filter(|&dimensions| dimensions > 0);
    let options = Options { dimensions, norm: Some(Norm::Euclidean), ..Options::default() };
    let made = made(&api, contract, &mut read, "input", options, started).await?;
    let body = Embeddings {
        model: made.model,
        prompt_eval_count: made.embeddings.iter().map(|embedding| embedding.tokens).sum(),
        embeddings: made.embeddings.into_iter().map(|embedding| embedding.vector).collect(),
        total_duration: nanoseconds(started.elapsed()),
        load_duration: nanoseconds(made.load),
        warnings: read.warnings.clone(),
    };
    contract.warned(fresh(StatusCode::OK, &body)?, &read.warnings)
}

/// Make a vector of a text
///
/// As Ollama's older endpoint: one text, and its vector as it comes from the model.
#[utoipa::path(
    post,
    path = "/api/embeddings",
    operation_id = "ollamaEmbeddings",
    tag = "ollama",
    responses((status = 200, description = "The vector.", body = One)),
)]
pub(crate) async fn create_one(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let mut read = super::read(&api, &headers, request, &PARAMETERS_BEFORE).await?;
    let options = Options { norm: Some(Norm::None), ..Options::default() };
    let made = made(&api, contract, &mut read, "prompt", options, started).await?;
    let embedding = made.embeddings.into_iter().next().map(|embedding| embedding.vector);
    let body = One { embedding: embedding.unwrap_or_default(), warnings: read.warnings.clone() };
    contract.warned(fresh(StatusCode::OK, &body)?, &read.warnings)
}

struct Made {
    model: String,
    embeddings: Vec<Embedding>,
    load: Duration,
}

/// Makes the vectors that a request asks for, and warns of what was cut off.
async fn made(
    api: &Api,
    contract: Contract,
    read: &mut Read,
    field: &str,
    options: Options,
    started: Instant,
) -> Result<Made, Problem> {
    let name = asking::model(read)?;
    let keep_alive = keep_alive(read)?;
    contract.settle(&read.warnings)?;
    let texts = read.texts(field);
    // An empty text by itself asks for nothing but the model.
    let nothing = texts.is_empty() || read.text(field) == Some("");
    let loaded = api.models.embedder(Some(&name), keep_alive).await?;
    let load = started.elapsed();
    let model = answering(Some(&loaded.entry), &name);
    if nothing {
        return Ok(Made { model, embeddings: Vec::new(), load });
    }
    let asked = api.ask(crate::serving::Input::Tokens(Vec::new()));
    let truncate = if read.flag("truncate") == Some(true) { Truncate::End } else { Truncate::Refuse };
    let options =
        Options { truncate, owner: asked.owner, deadline: started.checked_add(asked.time), ..options };
    let inputs = texts.into_iter().map(Input::Text).collect();
    let embeddings = loaded.model.embed(inputs, options).await?;
    for (index, embedding) in embeddings.iter().enumerate().filter(|(_, embedding)| embedding.cut_tokens > 0)
    {
        let reason =
            format!("text {index} was too long: its last {} tokens were left out", embedding.cut_tokens);
        read.warn(field, reason);
    }
    contract.settle(&read.warnings)?;
    Ok(Made { model, embeddings, load })
}
