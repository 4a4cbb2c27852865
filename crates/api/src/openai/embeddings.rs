//! `POST /v1/embeddings`.

use std::time::{Duration, Instant};

use athenaeum_inference::{
    batched::Batched,
    embedder::{Embedder, Embedding, Input, Norm, Options, Truncate, UsePrompt, base64},
    tokenizer::{Special, Tokenizer},
};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::{ANY_TEXT, MODEL, TRUNCATION};
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    llamacpp::prompt::{self, Prompt},
    parameters::{Conditions, Holds, Parameter, Read, Takes, Warning, body},
    problem::Problem,
    serving::Loaded,
};

/// What a request may say.
pub(crate) const PARAMETERS: &[Parameter] = &[
    MODEL,
    Parameter::required(
        "input",
        prompt::TAKES,
        "A text, its tokens, or a list of either; each becomes a vector.",
    ),
    Parameter::new(
        "dimensions",
        Takes::Integer(1, 1 << 20),
        "Numbers of a vector: the first ones of what the model makes, brought to length 1 again.",
    ),
    Parameter::new(
        "encoding_format",
        Takes::OneOf(&["float", "base64"]),
        "Numbers, or their bytes (32-bit floats, little-endian).",
    ),
    Parameter::new(
        "prompt_name",
        Takes::Text(256),
        "Which of the model's prompts is put before each text, such as query.",
    ),
    Parameter::new("prompt", ANY_TEXT, "What is put before each text instead."),
    Parameter::new(
        "embd_normalize",
        Takes::Integer(-1, 64),
        "Which norm becomes 1: -1 none, 0 the largest number, 1 taxicab, 2 Euclidean, p otherwise.",
    ),
    TRUNCATION,
    Parameter::without_effect("user", ANY_TEXT, "nothing is kept about a client's users"),
];

/// What stands before a text has a name or is a text itself.
pub(crate) const CONDITIONS: Conditions = &[&[Holds::Lacks("prompt_name"), Holds::Lacks("prompt")]];

/// Vectors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Embeddings)]
pub(crate) struct Embeddings {
    object: &'static str,
    /// One of each text, in their order.
    data: Vec<Vector>,
    /// Who made them.
    model: String,
    usage: EmbeddingsUsage,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Embedding)]
struct Vector {
    object: &'static str,
    index: usize,
    embedding: Numbers,
}

/// Numbers, or their bytes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::EmbeddingNumbers)]
#[serde(untagged)]
enum Numbers {
    Plain(Vec<f32>),
    Base64(String),
}

/// Tokens that were computed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::EmbeddingsUsage)]
struct EmbeddingsUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Make vectors of texts
///
/// As OpenAI's endpoint of that name. Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    operation_id = "createEmbedding",
    tag = "openai",
    responses((status = 200, description = "The vectors.", body = Embeddings)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, PARAMETERS).await?;
    let (loaded, made, warnings) = make(&api, contract, &mut read).await?;
    let tokens = made.iter().map(|embedding| embedding.tokens).sum();
    let as_base64 = read.text("encoding_format") == Some("base64");
    let vector = |(index, Embedding { vector, .. }): (usize, Embedding)| Vector {
        object: "embedding",
        index,
        embedding: if as_base64 { Numbers::Base64(base64(&vector)) } else { Numbers::Plain(vector) },
    };
    let embeddings = Embeddings {
        object: "list",
        data: made.into_iter().enumerate().map(vector).collect(),
        model: loaded.entry.name.clone(),
        usage: EmbeddingsUsage { prompt_tokens: tokens, total_tokens: tokens },
        warnings: warnings.clone(),
    };
    Ok(contract::shown(fresh(StatusCode::OK, &embeddings)?, &warnings))
}

/// Makes the vectors of a body that was read against [`PARAMETERS`], and tells what of it is not done.
pub(crate) async fn make(
    api: &Api,
    contract: Contract,
    read: &mut Read,
) -> Result<(Loaded<Batched<Embedder>>, Vec<Embedding>, Vec<Warning>), Problem> {
    let prompts = prompt::prompts("input", read.take("input").unwrap_or_default())?.prompts;
    let options = options(api, read)?;
    contract.settle(&read.warnings)?;
    let loaded = api.models.embedder(read.text("model"), None).await?;
    let started = Instant::now();
    let made = loaded.model.embed(inputs(&prompts, loaded.model.tokenizer()), options).await?;
    let tokens = made.iter().map(|embedding| embedding.tokens).sum();
    api.counts.prompt(tokens, started.elapsed().as_secs_f64() * 1e3);
    let warnings = with_cut(std::mem::take(&mut read.warnings), made.iter().map(|one| one.cut_tokens));
    contract.settle(&warnings)?;
    Ok((loaded, made, warnings))
}

/// Tells how much of texts was cut off.
pub(super) fn with_cut(mut warnings: Vec<Warning>, cut_tokens: impl Iterator<Item = usize>) -> Vec<Warning> {
    let (texts, tokens) =
        cut_tokens.filter(|cut| *cut > 0).fold((0, 0), |(texts, all), cut| (texts + 1, all + cut));
    if texts > 0 {
        warnings.push(Warning {
            parameter: "truncation".to_owned(),
            reason: format!("the ends of {texts} texts that were too long were left out, {tokens} tokens"),
        });
    }
    warnings
}

fn inputs(prompts: &[Prompt], tokenizer: &Tokenizer) -> Vec<Input> {
    let input = |prompt: &Prompt| match prompt.text() {
        Some(text) => Input::Text(text.to_owned()),
        None => Input::Tokens(prompt.tokens(tokenizer, false, Special::Text)),
    };
    prompts.iter().map(input).collect()
}

fn options(api: &Api, read: &Read) -> Result<Options, Problem> {
    let prompt = match (read.text("prompt_name"), read.text("prompt")) {
        (Some(_), Some(_)) => return Err(Problem::parameter("prompt_name", "nothing beside prompt")),
        (Some(name), None) => UsePrompt::Named(name.to_owned()),
        (None, Some(text)) => UsePrompt::Text(text.to_owned()),
        (None, None) => UsePrompt::Usual,
    };
    Ok(Options {
        dimensions: read.integer("dimensions"),
        norm: read.integer("embd_normalize").and_then(Norm::numbered),
        truncate: truncate(read),
        prompt,
        owner: api.owner(),
        deadline: Instant::now().checked_add(Duration::from_secs(api.settings.answer_seconds.max(1))),
        ..Options::default()
    })
}

/// Texts that are too long are refused unless it is said that they are to be cut.
pub(super) fn truncate(read: &Read) -> Truncate {
    if read.text("truncation") == Some("auto") { Truncate::End } else { Truncate::Refuse }
}
