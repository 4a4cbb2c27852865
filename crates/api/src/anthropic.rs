//! Anthropic's wire format.

mod conversation;
mod messages;
mod object;
mod stream;

use axum::routing::post;
use utoipa::OpenApi;

use crate::{parameters::Parameter, routes::Routes};

/// The addresses of the format.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count))
}

/// Their description.
#[derive(OpenApi)]
#[openapi(
    tags((name = "anthropic", description = "Ask models in Anthropic's wire format.")),
    paths(messages::create, messages::count),
    components(schemas(object::Block)),
)]
pub(crate) struct Description;

/// What the bodies of their requests may say.
pub(crate) fn bodies() -> Vec<(&'static str, &'static [Parameter])> {
    vec![("/v1/messages", &messages::PARAMETERS), ("/v1/messages/count_tokens", &messages::COUNTED)]
}
