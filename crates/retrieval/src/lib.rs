//! The write path: from a file on disk to conversations that can be searched.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_archive::{Archive, Settings};
//! use athenaeum_retrieval::{CancellationToken, ImportOptions, import};
//!
//! let archive = Archive::open("library".as_ref(), &Settings::default()).await?;
//! let scope = athenaeum_tenancy::local();
//! let cancel = CancellationToken::new();
//! let told = |progress: &athenaeum_retrieval::Progress| {
//!     println!("{} messages, {:.0} a second", progress.messages, progress.messages_per_second());
//! };
//! let report = import(&archive, &scope, "export.zip".as_ref(), ImportOptions::default(), told, cancel).await?;
//! println!("{} new, {} changed, {} known", report.added, report.updated, report.unchanged);
//! # Ok(()) }
//! ```
//!
//! [`import`] does one and returns its [`Report`]; [`Imports`] does them in the background for a server, where
//! they are watched ([`Status`], [`Progress`]) and cancelled by id. An [`UploadFolder`] holds what a server was sent
//! until it is imported.
//!
//! [`documents`] takes documents into the library; [`rooms`] texts that programs hand in, and keeps apart what is to stand apart.
//!
//! [`Chats`] keep what programs say to the models of this machine, each conversation once, and until it is imported from
//! the program that held it.
//!
//! A server has a [`Librarian`](librarian::Librarian): it opens the library when somebody needs it, reads what is handed in,
//! and makes vectors in the background.
//!
//! [`export`] goes the other way: a conversation as Markdown, text, or a line that can be imported again.
//!
//! [`memory`] keeps what somebody wants remembered, or what surprises.
//!
//! [`topics`] tells what conversations and documents are about.
//!
//! [`eval`] measures rankings.
//!
//! A parser pushes and blocks, the archive awaits: between them stands a queue bounded in items and in bytes,
//! so that a 2 GB export passes through a few megabytes. It costs one thread per import.
//!
//! **Invariant:** an import never ends as a success with nothing: it stored conversations, found them
//! unchanged, or is an [`Error`]. Every run is recorded in the archive, whichever way it ends, but
//! one that is cancelled before the archive is free to record it.

pub mod ask;
pub mod documents;
pub mod eval;
pub mod export;
pub mod librarian;

mod chats;
mod error;
mod import;
mod imports;
mod intake;
pub mod meaning;
pub mod memory;
mod progress;
mod queue;
mod reader;
mod report;
pub mod rooms;
pub mod search;
#[cfg(feature = "testing")]
pub mod testing;
pub mod topics;
mod upload_folder;

pub use athenaeum_ingest::ExternalParser;
pub use chats::{Chats, Exchange};
pub use error::{Error, with_causes};
pub use import::{ImportOptions, import};
pub use imports::{Imports, Source, Status};
pub use progress::{Phase, Progress};
pub use report::{Mismatch, Problems, Report};
pub use tokio_util::sync::CancellationToken;
pub use upload_folder::{UploadFolder, remove_abandoned_uploads};
