//! Ollama's wire format.

mod asking;
mod beside;
mod chat;
mod conversation;
mod details;
mod duration;
mod embed;
mod generate;
mod name;
mod options;
mod pull;
mod reply;
mod running;
mod shelf;
mod show;
mod tags;
mod version;

use axum::{
    body::Body,
    http::{HeaderMap, header},
    routing::{delete, get, head, post},
};
use utoipa::OpenApi;

use crate::{
    Api,
    parameters::{Conditions, Parameter, Read, body},
    problem::Problem,
    routes::Routes,
};

/// The addresses of the format.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/api/chat", post(chat::create))
        .route("/api/generate", post(generate::create))
        .route("/api/embed", post(embed::create))
        .route("/api/embeddings", post(embed::create_one))
        .route("/api/pull", post(pull::create))
        .route("/api/copy", post(shelf::copy))
        .route("/api/delete", delete(shelf::delete))
        .route("/api/create", post(shelf::not_done))
        .route("/api/push", post(shelf::not_done))
        .route("/api/blobs/{digest}", head(shelf::has_blob).post(shelf::not_done))
        .route("/api/ps", get(running::list))
        .route("/api/show", post(show::create))
        .route("/api/tags", get(tags::list))
        .route("/api/version", get(version::tell))
}

/// Their description.
#[derive(OpenApi)]
#[openapi(
    tags((name = "ollama", description = "Ask models in Ollama's wire format.")),
    paths(
        chat::create,
        generate::create,
        embed::create,
        embed::create_one,
        pull::create,
        shelf::copy,
        shelf::delete,
        running::list,
        show::create,
        tags::list,
        version::tell,
    ),
)]
pub(crate) struct Description;

/// What must hold of the bodies of their requests beside, by path.
pub(crate) fn conditions() -> Vec<(&'static str, Conditions)> {
    ["/api/pull", "/api/delete", "/api/show"].map(|path| (path, asking::NAMED)).into()
}

/// What the bodies of requests may say, by path.
pub(crate) fn bodies() -> Vec<(&'static str, &'static [Parameter])> {
    vec![
        ("/api/chat", &chat::PARAMETERS),
        ("/api/generate", &generate::PARAMETERS),
        ("/api/embed", &embed::PARAMETERS),
        ("/api/embeddings", &embed::PARAMETERS_BEFORE),
        ("/api/pull", pull::PARAMETERS),
        ("/api/copy", shelf::COPY),
        ("/api/delete", shelf::DELETE),
        ("/api/show", show::PARAMETERS),
    ]
}

/// Reads a body against its table. Ollama takes JSON by whatever name it comes, and its own examples send it as `curl -d`
/// does, which says that it is a form.
async fn read(api: &Api, headers: &HeaderMap, request: Body, table: &[Parameter]) -> Result<Read, Problem> {
    const ALSO: [&[u8]; 2] = [b"application/x-www-form-urlencoded", b"text/plain"];
    let mut headers = headers.clone();
    if headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| ALSO.iter().any(|also| kind.as_bytes().starts_with(also)))
    {
        headers.remove(header::CONTENT_TYPE);
    }
    body(&headers, request, api.settings.request_bytes_max, table).await
}
