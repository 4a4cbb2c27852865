//! Imports from end to end: a source on disk, an archive, and what is in it afterwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod another_model;
mod chats;
mod conversations;
mod documents;
mod eval;
mod import;
mod imports;
mod librarian;
mod making;
mod marks;
mod meaning;
mod memory;
mod rerank;
mod rooms;
mod support;
mod topics;
mod watching;
