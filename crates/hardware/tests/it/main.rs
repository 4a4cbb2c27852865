//! Whole reports from made-up machines, and what is proposed for them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod machines;
mod proposals;
mod tree;
