//! The wire, tested from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod chat;
mod completions;
mod contract;
mod cors;
mod guards;
mod hardware;
mod imports;
mod keys;
mod matrix;
mod mcp;
mod messages;
mod ollama;
mod reading;
mod server;
