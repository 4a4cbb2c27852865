//! Serves an archive's REST surface on a loopback port, with one conversation in it and the small model
//! of the examples.
//!
//! `cargo run -p athenaeum-api --example serve -- [PORT] [DIRECTORY]`; without a directory, an archive in a
//! temporary one.
#![expect(clippy::print_stdout, reason = "an example tells where it listens")]

use std::{env, net::SocketAddr, path::PathBuf};

use athenaeum_api::{Api, Models, Settings, app};
use athenaeum_archive::Archive;
use athenaeum_core::{Block, Conversation, Message, Provider, Role};
use athenaeum_inference::{
    catalog::{self, Catalog, Named},
    residents::{self, Residents},
};
use athenaeum_retrieval::Imports;
use axum::Router;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = env::args().nth(1).map_or(Ok(7878), |port| port.parse())?;
    let temporary = tempfile::tempdir()?;
    let folder = env::args().nth(2).map_or_else(|| temporary.path().to_owned(), PathBuf::from);

    let archive = Archive::open(&folder, &athenaeum_archive::Settings::default()).await?;
    let mut import = archive.begin_import(&athenaeum_tenancy::local(), "example", None).await?;
    import.add(conversation()).await?;
    import.finish("{}").await?;

    let settings = Settings { searches_per_second: 10_000, searches_burst: 10_000, ..Settings::default() };
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");
    let files = vec![Named { name: "tiny".to_owned(), path: tiny.into() }];
    let catalog = Catalog::new(catalog::Settings { files, ..catalog::Settings::default() });
    let models = Models::new(catalog, Residents::new(residents::Settings::default()));
    let api = Api::new(archive.clone(), Imports::new(archive), settings).with_models(models);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    println!("http://{}/docs", listener.local_addr()?);
    let service = app(api, Router::new()).into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}

fn conversation() -> Conversation {
    let mut conversation = Conversation::new(Provider::CHATGPT, "example-1");
    conversation.title = Some("Sourdough".into());
    let mut answer = Message::new(Role::Assistant, vec![Block::text("About twelve hours at 24 °C.")]);
    answer.parent = Some(0);
    conversation.messages =
        vec![Message::new(Role::User, vec![Block::text("How long does a sourdough rise?")]), answer];
    conversation
}
