//! The front door: opens everything once and hands out handles.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum::{Athenaeum, archive::SearchRequest, settings::Settings};
//!
//! let folder = tempfile::tempdir()?;
//! let athenaeum = Athenaeum::open(folder.path(), &Settings::default()).await?;
//! let request = SearchRequest { query: "sourdough".into(), ..SearchRequest::default() };
//! let results = athenaeum.archive().search(athenaeum.scope(), &request).await?;
//! assert!(results.hits.is_empty(), "nothing was imported yet");
//! athenaeum.close().await;
//! # Ok(()) }
//! ```
//!
//! [`Athenaeum`] composes archive, imports, pages and API; [`Athenaeum::router`] mounts in any axum program, and
//! [`Athenaeum::serve`] is the whole server. [`settings`] says how things are configured and where each value
//! came from. The crates below are re-exported by their short names.
//!
//! It holds no logic of its own: wiring only. It reads the environment only through what a program hands it.
//!
//! **Invariant:** nothing here listens on an address that other machines can reach without asking them for a key.

pub mod sample;
pub mod settings;

mod address;
mod compose;
mod connections;
mod cooling;
mod device;
mod error;
mod meaning;
mod memory;
mod process;
mod reading;
mod rest;
mod running;
mod scripts;
mod start;

pub use address::{address_is_free, listen};
pub use athenaeum_api as api;
pub use athenaeum_archive as archive;
pub use athenaeum_core as core;
pub use athenaeum_hardware as hardware;
pub use athenaeum_inference as inference;
pub use athenaeum_ingest as ingest;
pub use athenaeum_providers as providers;
pub use athenaeum_retrieval as retrieval;
pub use athenaeum_script as script;
pub use athenaeum_tenancy as tenancy;
pub use athenaeum_web as web;
pub use compose::{
    Athenaeum, apart_from, archive_settings, drop_folder, given_keys, librarian, make_private, open_archive,
    open_keys, open_library, watching,
};
pub use device::{backends, computing_on, device, settle_kernel};
pub use error::Error;
pub use meaning::{
    follow_restored, forget_memory_vectors, forget_vectors, has_vectors, open_meaning, open_reranker,
    search_settings,
};
pub use memory::{memory_settings, open_memory};
pub use process::{interrupted, telemetry};
pub use reading::{documents_options, read_for_another};
pub use running::{Announced, Running, announce, running};
pub use scripts::{run_script, script_settings};
pub use start::Start;
