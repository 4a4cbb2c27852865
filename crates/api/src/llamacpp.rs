//! llama.cpp's wire format: what its server has beside OpenAI's and Anthropic's.
//!
//! Where both have an address but for `/v1`, the one without is llama.cpp's: it answers in OpenAI's words, reads
//! conversations as llama.cpp's server does, and fails in its words.

mod completion;
mod conversation;
mod embedding;
mod flags;
mod infill;
pub(crate) mod prompt;
mod series;
mod server;
mod tokens;

use axum::routing::{get, post};
use utoipa::OpenApi;

pub(crate) use conversation::take_over;
pub use flags::{LlamaServer, Metrics};
pub(crate) use series::series;

use crate::{
    openai,
    parameters::{Conditions, Parameter},
    routes::Routes,
};

/// The addresses of the format.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/health", get(server::health))
        .route("/v1/health", get(server::health))
        .route("/props", get(server::props))
        .route("/slots", get(server::slots))
        .route("/models", get(server::models))
        .route("/lora-adapters", get(server::adapters))
        .route("/completion", post(completion::create))
        .route("/completions", post(completion::create))
        .route("/chat/completions", post(openai::chat_as_llama_cpp))
        .route("/chat/completions/input_tokens", post(conversation::count))
        .route("/v1/chat/completions/input_tokens", post(conversation::count))
        .route("/apply-template", post(conversation::apply))
        .route("/embedding", post(embedding::create))
        .route("/infill", post(infill::create))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
}

/// Their description; an address that does the same as another one is described once.
#[derive(OpenApi)]
#[openapi(
    tags((name = "llamacpp", description = "Ask models in the wire format of llama.cpp's server.")),
    paths(
        server::health,
        server::props,
        server::slots,
        server::models,
        server::adapters,
        completion::create,
        conversation::count,
        conversation::apply,
        embedding::create,
        infill::create,
        tokens::tokenize,
        tokens::detokenize,
    ),
)]
pub(crate) struct Description;

/// What must hold of the bodies of their requests beside, by path.
pub(crate) fn conditions() -> Vec<(&'static str, Conditions)> {
    vec![("/embedding", embedding::CONDITIONS)]
}

/// What the bodies of requests may say, by path.
pub(crate) fn bodies() -> Vec<(&'static str, &'static [Parameter])> {
    vec![
        ("/completion", &completion::PARAMETERS),
        ("/chat/completions/input_tokens", conversation::parameters()),
        ("/apply-template", conversation::parameters()),
        ("/embedding", &embedding::PARAMETERS),
        ("/infill", &infill::PARAMETERS),
        ("/tokenize", tokens::TOKENIZE),
        ("/detokenize", tokens::DETOKENIZE),
    ]
}
