//! The search index: a derived cache beside the database that answers ranked queries in milliseconds.

mod query;

pub use query::Query;
