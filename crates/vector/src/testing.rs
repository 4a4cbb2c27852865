//! For tests: what every [`VectorStorage`] must do ([`conform`], [`isolates`]), and the plainest one ([`InMemory`]).

mod in_memory;
mod suite;

pub use in_memory::InMemory;
pub use suite::{conform, isolates};

#[expect(unused_imports, reason = "the front page links to it")]
use athenaeum_core::vector::VectorStorage;
