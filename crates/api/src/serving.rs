//! What answers: the models of this server, asked in the engine's words.
//!
//! ```text
//! wire of some dialect ──► Ask ──► Writer::ask ─┬► a model of this server ──────┬► Answer: Said, Said, … ──► wire of that dialect
//!                                              └► one on another engine (wire) ┘
//! ```
//!
//! Dialects only translate. What a request means, what it costs and how it fails is decided here once.

mod answer;
mod ask;
mod calling;
mod choice;
mod counts;
mod elsewhere;
pub(crate) mod infill;
mod keeping;
mod models;
mod pulls;
mod relayed;
mod room;
mod talk;
mod timings;
mod whole;
mod writer;

pub(crate) use answer::{Answer, Ended, Said};
pub(crate) use ask::{Ask, Input, Truncation};
pub(crate) use calling::{Calling, Choose};
pub(crate) use counts::Counts;
pub(crate) use keeping::Keeping;
pub use models::Models;
pub(crate) use models::{Loaded, in_background};
pub use pulls::Pulls;
pub(crate) use pulls::{Fetch, Pull};
pub(crate) use talk::{Limits, Pictures, Talk};
pub(crate) use timings::{Pace, Progress, Timings};
pub(crate) use whole::{Call, Choice, Whole};
pub(crate) use writer::Writer;
