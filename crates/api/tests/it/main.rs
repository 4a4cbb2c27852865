//! The wire, tested from outside.

mod contract;
mod guards;
mod imports;
mod matrix;
mod reading;
mod server;
