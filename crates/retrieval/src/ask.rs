//! Questions answered from what is kept, by answers that prove themselves.
//!
//! [`passages`] takes the best of what a search found, with what stands around it, within a budget of tokens. A model
//! answers from these ([`prompt`], then [`Answer::written`]), or, where there is none, the sentences that answer best are
//! quoted ([`Answer::quoted`]). Either way an [`Answer`] holds, for every sentence, the passages it rests on, and for every
//! passage the bytes it was read from and the BLAKE3 of the whole source: [`verify`] checks that again, later and elsewhere.
//!
//! **Invariant:** an answer never cites a passage that it was not given; a sentence that rests on none is said to.

mod answer;
mod passages;
mod prompt;
mod quote;
mod sentences;
mod support;
mod verify;

pub use answer::{Answer, Citation, Kind, Origin, Sentence};
pub use passages::{Budget, Passage, passages};
pub use prompt::prompt;
pub use verify::{Checked, Verdict, Verification, verify};
