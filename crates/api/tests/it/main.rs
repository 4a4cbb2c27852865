//! The wire, tested from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]
#![expect(clippy::needless_pass_by_value, reason = "a test hands over the JSON that it has just written")]

mod chat;
mod completions;
mod contract;
mod cors;
mod elsewhere;
mod grpc;
mod guards;
mod hardware;
mod imports;
mod kept;
mod keys;
mod library;
mod llamacpp;
mod matrix;
mod mcp;
mod mcp_ask;
mod memories;
mod messages;
mod models;
mod ollama;
mod queue;
mod reading;
mod responses;
mod server;
mod shelf;
mod socket;
mod texts;
mod tools;
mod traced;
mod vision;

/// Small encoders, as the engine's own tests have them.
#[path = "../../../inference/tests/it/encoder/models.rs"]
#[allow(dead_code, reason = "one of them is needed")]
mod encoders;
