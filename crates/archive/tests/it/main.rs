//! Tests of the archive as its users see it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]

mod analyser;
mod care;
mod crash;
mod isolation;
mod library;
mod memories;
mod plain_sqlite;
mod query_language;
mod reimport;
mod rooms;
mod roundtrip;
mod sample;
mod searching;
mod snippets;
mod text_index;
