//! The crate as its users see it.

mod conformance;
mod damage;
mod exchange;
mod processes;
mod round;
