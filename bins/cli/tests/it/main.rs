//! The program as people run it: typed words in, text, files and exit codes out.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]

mod care;
mod crash;
mod export;
mod help;
mod hostile;
mod json;
mod models;
mod parser;
mod round_trip;
mod serve;
mod support;
