//! The wire: a server's guards, limits, metrics and problem answers, for any router.
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt as _;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let settings = athenaeum_api::Settings::default();
//! let metrics = athenaeum_api::Metrics::new();
//! let app = Router::new().route("/", get(async || "hello"));
//! let app = athenaeum_api::protect(app, &settings);
//! let app = athenaeum_api::observe(app, &metrics, &settings.search_paths);
//!
//! let request = |host| Request::get("/").header("host", host).body(Body::empty()).unwrap();
//! assert_eq!(app.clone().oneshot(request("localhost:7878")).await.unwrap().status(), 200);
//! assert_eq!(app.oneshot(request("rebound.example")).await.unwrap().status(), 403);
//! assert!(metrics.render().contains("athenaeum_http_requests_total"));
//! # });
//! ```
//!
//! [`protect`] puts every guard in front of a router, [`observe`] counts and times what comes out, [`Settings`]
//! holds their limits as data. Whoever mounts pages beside this crate's routes applies both once, over all.
//!
//! **Invariant:** nothing here opens a socket, reads the environment or prints; the composition root listens.

mod dto;
mod host;
mod limits;
mod metrics;
mod origin;
mod params;
mod problem;
mod protect;
mod request_id;
mod settings;

pub use metrics::{Metrics, observe};
pub use problem::Problem;
pub use protect::protect;
pub use request_id::RequestId;
pub use settings::Settings;
