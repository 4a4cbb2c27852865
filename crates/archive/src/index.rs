//! The search index: a derived cache beside the database that answers ranked queries in milliseconds.
//!
//! ```
//! use athenaeum_archive::{Sort, index::{Document, Filter, Flags, Index, Kind, Query, Writer}};
//!
//! let dir = std::env::temp_dir().join(format!("athenaeum-index-{}", std::process::id()));
//! let mut writer = Writer::rebuild(&dir)?;
//! let message = Document {
//!     kind: Kind::Message, message_id: 1, conversation: 1, time: Some(0), role: None,
//!     flags: Flags::NONE, provider: "claude", model: None, user: None, for_fts5: false,
//! };
//! writer.add(&message, |tokens| {
//!     for (position, term) in (0..).zip(["rust", "is", "kind"]) {
//!         tokens.push(term, position);
//!     }
//! })?;
//! writer.publish(1)?;
//!
//! let index = Index::open(&dir)?;
//! let query = Query::Phrase(vec![(0, "is".into()), (1, "kind".into())]);
//! let found = index.search(&query, &Filter::default(), Sort::Relevance, 10, 0)?;
//! assert_eq!(found.hits[0].message_id, 1);
//! # drop(writer);
//! # std::fs::remove_dir_all(&dir).ok();
//! # Ok::<(), athenaeum_archive::index::Error>(())
//! ```
//!
//! A [`Writer`] (one at a time) adds [`Document`]s with their terms and publishes; an [`Index`] (any number, in
//! any process) answers a [`Query`] under a [`Filter`]. A directory holds immutable segments and a manifest that
//! is replaced as a whole, so a crash leaves the last published state. Everything read is checked; damage is an
//! [`Error`], never a panic and never a wrong answer, and its cure is [`Writer::rebuild`].
//!
//! Order is BM25 as SQLite's FTS5 computes it, newer first among equals; `docs/formats/search-index.md` has
//! the bytes.
//!
//! **Invariant:** nothing is kept here that the database cannot give again, and no text: terms and numbers only.

mod buffer;
mod candidates;
mod codec;
mod columns;
mod cursor;
mod dictionary;
mod document;
mod error;
mod eval;
mod facets;
mod filter;
mod manifest;
mod merge;
mod pages;
mod plan;
mod postings;
mod prefix;
mod query;
mod reader;
mod removed;
mod score;
mod search;
mod segment;
mod shapes;
mod snapshot;
#[cfg(test)]
mod tests;
mod top;
mod writer;

pub use buffer::Tokens;
pub use candidates::Candidates;
pub use document::{Document, Flags, Kind};
pub use error::{Error, Result};
pub use facets::FacetCounts;
pub use filter::Filter;
pub use query::Query;
pub use reader::{Index, IndexStats};
pub use search::{TopDoc, TopDocs};
pub use writer::Writer;
