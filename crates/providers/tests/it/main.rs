//! Engines that are asked, played by a server over loopback.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]
#![allow(clippy::needless_pass_by_value, reason = "what a test makes on the spot is given away")]

mod asking;
mod embedder;
mod inexpressible;
mod llamacpp;
mod ollama;
mod openai;
mod reading;
mod stub;
mod targets;
mod vllm;
mod written;
