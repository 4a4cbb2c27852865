//! The query language: what people type, and what it means.

mod expr;

pub use expr::{Expr, ParsedQuery};
