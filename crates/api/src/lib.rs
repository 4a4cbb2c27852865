//! The wire: a REST surface over the archive, with OpenAPI, limits, metrics and honest errors.
//!
//! ```
//! use athenaeum_api::{Api, Settings, app};
//! use athenaeum_archive::Archive;
//! use athenaeum_retrieval::Imports;
//! use axum::{Router, body::Body, http::Request};
//! use tower::ServiceExt as _;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let data = folder.path();
//! let archive = Archive::open(data, &Default::default()).await.unwrap();
//! let api = Api::new(archive.clone(), Imports::new(archive), Settings::default());
//! let server = app(api, Router::new());
//!
//! let search = |host| {
//!     Request::get("/athenaeum/v1/search?q=sourdough").header("host", host).body(Body::empty()).unwrap()
//! };
//! assert_eq!(server.clone().oneshot(search("localhost:7878")).await.unwrap().status(), 200);
//! assert_eq!(server.oneshot(search("rebound.example")).await.unwrap().status(), 403);
//! # });
//! ```
//!
//! [`router`] makes the routes bare; [`protect`] puts every guard in front of a router and [`observe`] counts and
//! times what comes out; [`app`] does all three, over these routes and whatever else shares the listener.
//! [`Settings`] holds the limits as data, [`Hardware`] is what is told of the machine, [`document`] is the OpenAPI description, committed as
//! `openapi/athenaeum.json`.
//!
//! [`grpc`] makes the same for gRPC, to be served over HTTP/2 at another listener.
//!
//! Handlers read parameters strictly: an unknown one is refused, because a filter that is silently ignored looks
//! like a filter that found everything. That costs clients the habit of appending what they like.
//!
//! Where there are keys, every request shows one, in one place ([`Access`], which [`protect`] asks): `Authorization:
//! Bearer`, `x-api-key` or `api-key`, or a browser's session. Whoever listens on other than a loopback address asks for
//! them first ([`athenaeum_tenancy::Keys::require`]).
//!
//! **Invariants:** nothing here opens a socket, reads the environment or prints; domain errors become HTTP
//! statuses in one place (`failure`); a tenant's ids name nothing to anybody else.

mod access;
mod anthropic;
mod asker;
mod asking;
mod clock;
mod contract;
mod conversations;
mod correlation;
mod cors;
mod dialect;
mod docs;
mod dto;
mod events;
mod failure;
mod grpc;
mod hardware;
mod health;
mod host;
mod imports;
mod json;
mod library;
mod limits;
pub mod llamacpp;
mod mcp;
mod memories;
mod metrics;
mod model_series;
mod models;
mod ollama;
mod openai;
mod openapi;
mod origin;
mod parameters;
mod params;
mod problem;
mod protect;
mod pulls;
mod query_language;
mod request_id;
mod resume;
mod router;
mod routes;
mod sampling;
mod search;
mod serving;
mod settings;
mod sign_in;
mod socket;
mod state;
mod stream;
mod topics;
mod traced;
mod upload;
mod watch;

pub use access::Access;
pub use correlation::CorrelationId;
pub use dto::hardware::Hardware;
pub use grpc::grpc;
pub use llamacpp::LlamaServer;
pub use mcp::Mcp;
pub use metrics::{Metrics, observe};
pub use openapi::document;
pub use problem::Problem;
pub use protect::protect;
pub use request_id::RequestId;
pub use router::{app, paths, router};
pub use serving::{Models, Pulls};
pub use settings::Settings;
pub use state::Api;
