//! The program as people run it: typed words in, text, files and exit codes out.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]

#[cfg(unix)]
mod background;
mod care;
mod chat_page;
/// The browser that the pages' own tests drive.
#[path = "../../../../crates/web/tests/it/chromium.rs"]
#[expect(dead_code, reason = "a few tests need a few of its ways")]
mod chromium;
mod crash;
mod documents;
mod elsewhere;
mod export;
mod help;
mod hostile;
mod json;
mod keys;
mod mcp;
mod memories;
mod models;
mod parser;
mod pull;
mod round_trip;
mod scripts;
mod serve;
#[cfg(target_os = "linux")]
mod start;
/// The server that the library's own tests fetch from.
#[path = "../../../../crates/inference/tests/it/stub.rs"]
#[expect(dead_code, reason = "a few tests need a few of its ways")]
mod stub;
mod support;
mod talk;
mod watched;
