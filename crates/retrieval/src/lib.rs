//! x
mod progress;
mod report;
pub use progress::*;
pub use report::*;
pub mod export;
