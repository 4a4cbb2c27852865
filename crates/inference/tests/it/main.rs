//! Model files, sound and unsound, made here byte by byte.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]

mod any_bytes;
mod batched;
mod built_in;
mod calls;
mod catalog;
mod configuration;
mod constraint;
mod device;
mod discovery;
mod embedder;
mod encoder;
mod engine;
mod gguf;
mod golden;
mod late;
mod local;
mod pull;
mod reply;
mod reranker;
mod residents;
mod safetensors;
mod sampling;
mod shelf;
mod slow_forms;
mod split;
mod stub;
mod summary;
mod template;
mod tiny;
mod tokenizer;
mod vision;
mod write;
mod writing;
