//! The query language: what people type, and what it means.
//!
//! ```
//! use athenaeum_archive::query;
//!
//! let query = query::parse("\"sourdough starter\" -yeast provider:claude after:2024-05");
//! assert_eq!(query.to_string(), "\"sourdough starter\" -yeast provider:claude after:2024-05-01T00:00:00Z");
//!
//! let odd = query::parse("bread OR");
//! assert_eq!(odd.to_string(), "bread");
//! assert_eq!(odd.notices[0].0, "OR at the end needs something after it, and was left out.");
//! ```
//!
//! [`parse`] makes a [`ParsedQuery`] of any text whatever. [`lower`] turns its [`Expr`] into the terms that the
//! index holds. [`HELP`] teaches the language. Times are in UTC.
//!
//! **Invariant:** no query text is an error; what was understood differently than typed is said in a notice.

mod dates;
mod expr;
mod help;
mod lexer;
mod lower;
mod parser;
mod render;

pub use expr::{Expr, ParsedQuery};
pub use help::{HELP, Help};
pub use lower::lower;
pub use parser::{QUERY_BYTES_MAX, QUERY_DEPTH_MAX, QUERY_TERMS_MAX, parse, parse_at};
