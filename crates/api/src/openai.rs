//! OpenAI's wire format.

mod chat;
mod completions;
pub(crate) mod conversation;
mod embeddings;
mod finish;
mod form;
mod models;
pub(crate) mod parameters;
mod rerank;
mod usage;

use axum::routing::{get, post};
use utoipa::OpenApi;

use crate::{parameters::Parameter, routes::Routes};

/// The addresses of the format.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/completions", post(completions::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/rerank", post(rerank::create))
        .route("/v1/reranking", post(rerank::create))
        .route("/v2/rerank", post(rerank::create))
        .route("/rerank", post(rerank::create))
        .route("/reranking", post(rerank::create))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*model}", get(models::one))
}

/// Their description.
#[derive(OpenApi)]
#[openapi(
    tags((name = "openai", description = "Ask models in OpenAI's wire format.")),
    paths(chat::create, completions::create, embeddings::create, rerank::create, models::list, models::one),
)]
pub(crate) struct Description;

/// What the bodies of their requests may say.
pub(crate) fn bodies() -> Vec<(&'static str, &'static [Parameter])> {
    vec![
        ("/v1/chat/completions", &chat::PARAMETERS),
        ("/v1/completions", &completions::PARAMETERS),
        ("/v1/embeddings", embeddings::PARAMETERS),
        ("/v1/rerank", rerank::PARAMETERS),
    ]
}
