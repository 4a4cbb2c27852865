//! The crate as its users see it.

#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

mod conformance;
mod damage;
mod exchange;
mod gathered;
mod graph;
mod groups;
mod processes;
mod round;
mod sources;
