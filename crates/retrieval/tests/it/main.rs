//! Imports from end to end: a source on disk, an archive, and what is in it afterwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod chats;
mod documents;
mod eval;
mod import;
mod imports;
mod librarian;
mod meaning;
mod support;
