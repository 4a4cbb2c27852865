//! Mounts the pages and the API in an axum program of one's own.
//!
//! ```text
//! cargo run -p athenaeum --example embed
//! ```
//!
//! It serves the sample on a free port until Ctrl-C. The library's router comes with its guards (hosts, origins,
//! limits); routes of one's own stand beside it and are guarded by whatever one puts over them.

use std::{io::Write, net::SocketAddr};

use athenaeum::{Athenaeum, sample, settings::Settings};
use axum::{Router, routing::get};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let athenaeum = Athenaeum::open(folder.path(), &Settings::default()).await?;
    sample::fill(&athenaeum, folder.path()).await?;

    let mine = Router::new().route("/hello", get(async || "This route is mine; the rest is Athenaeum."));
    let app = mine.merge(athenaeum.router());

    let listener = athenaeum::listen(SocketAddr::from(([127, 0, 0, 1], 0)), athenaeum.keys()).await?;
    writeln!(std::io::stdout(), "http://{}/hello", listener.local_addr()?)?;
    // The API limits searches by client, so it needs to know who calls.
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(athenaeum::interrupted()).await?;
    athenaeum.close().await;
    Ok(())
}
