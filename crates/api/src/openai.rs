//! OpenAI's wire format.

pub(crate) mod chat;
mod completions;
pub(crate) mod conversation;
pub(crate) mod embeddings;
pub(crate) mod finish;
mod form;
mod list;
mod models;
pub(crate) mod parameters;
mod rerank;
mod responses;
mod usage;

pub(crate) use responses::Running;

use axum::routing::{get, post};
use utoipa::OpenApi;

use crate::{
    parameters::{Conditions, Parameter},
    routes::Routes,
};

/// The addresses of the format.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/v1/completions", post(completions::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/rerank", post(rerank::create))
        .route("/v1/reranking", post(rerank::create))
        .route("/v2/rerank", post(rerank::create))
        .route("/rerank", post(rerank::create))
        .route("/reranking", post(rerank::create))
        .route("/v1/chat/completions", post(chat::create).get(chat::stored::list))
        .route(
            "/v1/chat/completions/{completion_id}",
            get(chat::stored::one).post(chat::stored::change).delete(chat::stored::remove),
        )
        .route("/v1/chat/completions/{completion_id}/messages", get(chat::stored::messages))
        .route("/v1/responses", post(responses::create))
        .route("/v1/responses/input_tokens", post(responses::count))
        .route("/v1/responses/{response_id}", get(responses::one).delete(responses::remove))
        .route("/v1/responses/{response_id}/cancel", post(responses::cancel))
        .route("/v1/responses/{response_id}/input_items", get(responses::items))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*model}", get(models::one))
}

pub(crate) use chat::{conversation_parameters, create_as_llama_cpp as chat_as_llama_cpp, read_conversation};

/// Their description.
#[derive(OpenApi)]
#[openapi(
    tags((name = "openai", description = "Ask models in OpenAI's wire format.")),
    paths(
        chat::create,
        chat::stored::list,
        chat::stored::one,
        chat::stored::change,
        chat::stored::remove,
        chat::stored::messages,
        completions::create,
        embeddings::create,
        rerank::create,
        models::list,
        models::one,
        responses::create,
        responses::count,
        responses::one,
        responses::remove,
        responses::cancel,
        responses::items,
    ),
)]
pub(crate) struct Description;

/// What must hold of the bodies of their requests beside, by path.
pub(crate) fn conditions() -> Vec<(&'static str, Conditions)> {
    vec![("/v1/embeddings", embeddings::CONDITIONS), ("/v1/rerank", rerank::CONDITIONS)]
}

/// What the bodies of requests may say, by path.
pub(crate) fn bodies() -> Vec<(&'static str, &'static [Parameter])> {
    vec![
        ("/v1/chat/completions", &chat::PARAMETERS),
        ("/v1/completions", &completions::PARAMETERS),
        ("/v1/embeddings", embeddings::PARAMETERS),
        ("/v1/rerank", rerank::PARAMETERS),
        ("/v1/chat/completions/{completion_id}", chat::stored::CHANGE),
        ("/v1/responses", &responses::PARAMETERS),
        ("/v1/responses/input_tokens", &responses::PARAMETERS),
    ]
}
