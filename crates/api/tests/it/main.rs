//! The wire, tested from outside.

mod guards;
