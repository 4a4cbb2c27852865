//! Scripts from end to end: a library in a folder, a source, what it prints and how it ends.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod artifacts;
mod bounds;
mod language;
mod rag;
mod sessions;
mod support;
