//! Conversations kept for good: one SQLite file, full-text searchable in milliseconds.
//!
//! **Invariants:** this crate never talks to a model, never opens a network connection, and answers only for
//! the [`Scope`](athenaeum_tenancy::Scope) that it was handed.

pub mod index;
pub mod query;
pub mod text;
mod view;

pub use view::{
    Conversation, ConversationSummary, Count, Cursor, Facets, Filters, Flag, Hit, ImportEvent, ImportStatus,
    Notice, Page, SearchRequest, SearchResults, Snippet, Sort, Stats, StoredMessage, Total,
};
