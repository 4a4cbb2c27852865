//! Foreign bytes in, conversations and documents out.
//!
//! ```
//! use std::ops::ControlFlow;
//! use athenaeum_ingest::{Item, Options, read};
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("export.json");
//! std::fs::write(&file, r#"{"athenaeum": 1, "provider": "my-notes", "title": "Bread",
//!     "messages": [{"role": "user", "text": "How long does it rise?"}]}"#)?;
//!
//! let mut titles = Vec::new();
//! let summary = read(&file, &Options::default(), &mut |item| {
//!     if let Item::Conversation { conversation, .. } = item {
//!         titles.extend(conversation.title);
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!((titles, summary.messages), (vec!["Bread".to_owned()], 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`read`] takes a file, a folder or a zip, finds out by its content what each file is, and pushes [`Item`]s as
//! they come. It pushes rather than pulls because a parser in the midst of an archive entry borrows from four
//! layers of readers; the price is that a caller who wants to wait must block, so run it on a thread of its own.
//!
//! What cannot be taken becomes a [`Problem`](athenaeum_core::Problem) with file, record and reason, and the
//! rest goes on. [`Error`] is only for a source that cannot be looked at at all.
//!
//! Documents are the other half: [`document::read`] gives the text of a file with the way back to its places, and
//! [`chunk::chunks`] cuts it for search.
//!
//! It does not store, search or deduplicate: the same conversation in two files comes out twice.
//!
//! **Invariant:** memory is bounded by the largest single record (see [`Options::record_bytes_max`]), never by
//! the size of the export, for documents by the limits of [`document::Options`]; no input makes it panic.

mod branches;
pub mod chunk;
mod content;
mod context;
mod csv;
mod decode;
mod detect;
pub mod document;
mod draft;
mod external;
mod file;
mod format;
mod formats;
mod html;
mod lenient;
mod node;
mod options;
mod problems;
mod records;
mod run;
mod sample;
mod source;
mod split;
mod sqlite;

pub use formats::athenaeum::to_json_line;
pub use options::{ExternalParser, Item, Options, Stop, Summary};
pub use run::{Error, read, read_bytes};
