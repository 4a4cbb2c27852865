//! gRPC: the models and the archive for programs that make their client from a description.
//!
//! The description is `proto/athenaeum/v1/athenaeum.proto`; reflection tells it, too. What a request may say, what is
//! warned of and how it fails is decided where the HTTP interface decides it: requests are read against the tables of
//! OpenAI's dialect and the archive's own, and answers of the archive are the same fields.

mod archive;
mod deadline;
mod generate;
mod guard;
mod models;
mod status;

use std::sync::Arc;

use axum::{Router, body::Body, http::Response, middleware::from_fn_with_state};
use tonic::{Status, service::Routes};
use tonic_health::ServingStatus;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{Api, observe};
use guard::Gate;
use wire::{archive_server::ArchiveServer, models_server::ModelsServer};

/// The types and services of the description.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    dead_code,
    clippy::all,
    clippy::redundant_closure_for_method_calls,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    reason = "it is generated, clients with it"
)]
pub(crate) mod wire {
    tonic::include_proto!("athenaeum.v1");
}

/// The description, for reflection.
const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/athenaeum.bin"));

/// Makes the services, guarded and counted: to be served over HTTP/2 at a listener of their own.
///
/// Keys, names of this server, sizes and the rate of searches are checked as [`crate::protect`] does it. Whether the
/// server is well is told without a key.
pub async fn grpc(api: Api) -> Router {
    let bytes_max = api.settings.request_bytes_max;
    let (health, health_service) = tonic_health::server::health_reporter();
    for name in [wire::models_server::SERVICE_NAME, wire::archive_server::SERVICE_NAME] {
        health.set_service_status(name, ServingStatus::Serving).await;
    }
    let models = ModelsServer::new(models::Models(api.clone())).max_decoding_message_size(bytes_max);
    let archive = ArchiveServer::new(archive::Archive(api.clone())).max_decoding_message_size(bytes_max);
    let mut routes = Routes::new(models).add_service(archive).add_service(health_service);
    let described = || {
        let builder = tonic_reflection::server::Builder::configure();
        let builder = builder.register_encoded_file_descriptor_set(DESCRIPTION);
        builder.register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (described().build_v1(), described().build_v1alpha()) {
        (Ok(new), Ok(old)) => routes = routes.add_service(new).add_service(old),
        (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "the services are not described"),
    }
    let router = routes
        .into_axum_router()
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::new(Gate::new(&api)), guard::guard));
    observe(router, &api.metrics, &[guard::SEARCH.to_owned()])
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a request panicked");
    let detail = "The request hit a defect; please report it with the request id and the server's log.";
    Status::internal(detail).into_http()
}
