//! Conversations kept for good: one SQLite file, full-text searchable in milliseconds.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use athenaeum_archive::{Archive, SearchRequest, Settings};
//! use athenaeum_core::{Block, Conversation, Message, Provider, Role};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let archive = Archive::open(dir, &Settings::default()).await?;
//! let scope = athenaeum_tenancy::local();
//!
//! let mut conversation = Conversation::new(Provider::CHATGPT, "c-1");
//! conversation.messages.push(Message::new(Role::User, vec![Block::text("How long does dough rise?")]));
//! let mut import = archive.begin_import(&scope, "conversations.json", None).await?;
//! import.add(conversation).await?;
//! import.finish("{}").await?;
//!
//! let request = SearchRequest { query: "rising dough".into(), ..SearchRequest::default() };
//! assert_eq!(archive.search(&scope, &request).await?.hits.len(), 1);
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! [`Archive`] opens the file, [`Import`] writes to it, [`SearchRequest`] asks it. The rows are the truth; what
//! makes searching fast is derived from them and can be made anew.
//!
//! **Invariants:** this crate never talks to a model, never opens a network connection, and answers only for
//! the [`Scope`](athenaeum_tenancy::Scope) that it was handed.

mod fts5;
pub mod index;
pub mod library;
pub mod memories;
pub mod query;
pub mod snippet;
mod state;
mod store;
pub mod text;
mod view;

pub use state::{Object, State};
pub use store::{Archive, Counts, Error, ErrorKind, Finding, Import, Outcome, Settings, Stamp, flags_of};
pub use view::{
    Conversation, ConversationSummary, Count, Cursor, Facets, Filters, Flag, Hit, ImportEvent, ImportStatus,
    Notice, Page, Place, Ranking, Said, SearchRequest, SearchResults, Snippet, Sort, Stats, StoredMessage,
    Total, Versioned,
};
