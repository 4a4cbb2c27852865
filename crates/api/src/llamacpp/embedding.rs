//! `/embedding`: vectors as llama.cpp's server writes them.

use std::sync::LazyLock;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::prompt;
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    openai::embeddings,
    parameters::{Conditions, Holds, Parameter, body},
    problem::Problem,
};

/// What a request may say: as OpenAI's, with the text under another name if need be.
pub(super) static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let of_open_ai = embeddings::PARAMETERS.iter().map(|row| match row.name {
        "input" => Parameter::new(row.name, row.takes, row.about),
        _ => *row,
    });
    of_open_ai.chain([CONTENT]).collect()
});

/// A text under one of its names, and one thing before it.
pub(super) const CONDITIONS: Conditions = &[
    &[Holds::Has("content"), Holds::Has("input")],
    &[Holds::Lacks("content"), Holds::Lacks("input")],
    embeddings::CONDITIONS[0],
];

const CONTENT: Parameter =
    Parameter::new("content", prompt::TAKES, "What to make vectors of: as input, and in its place.");

/// The vector of a text, in a list by itself: there are as many as the texts have tokens where they are not pooled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::Embedding)]
pub(super) struct Embedding {
    index: usize,
    embedding: [Vec<f32>; 1],
}

/// Make vectors of texts, and list them
///
/// Parameters that are unknown or have no effect are listed in the header `x-athenaeum-warnings`.
#[utoipa::path(
    post,
    path = "/embedding",
    operation_id = "embedding",
    tag = "llamacpp",
    responses((status = 200, description = "The vectors.", body = Vec<Embedding>)),
)]
pub(super) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    match (read.take("content"), read.has("input")) {
        (Some(_), true) => return Err(Problem::parameter("content", "nothing beside input")),
        (Some(content), false) => read.put("input", content),
        (None, true) => {}
        (None, false) => return Err(Problem::missing_parameter("content", "text, or a list of texts")),
    }
    let (_, made, warnings) = embeddings::make(&api, contract, &mut read).await?;
    let made = made.into_iter().enumerate();
    let vectors: Vec<Embedding> =
        made.map(|(index, one)| Embedding { index, embedding: [one.vector] }).collect();
    Ok(contract::shown(fresh(StatusCode::OK, &vectors)?, &warnings))
}
