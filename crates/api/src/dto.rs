//! The wire's own types: domain values are converted by hand, so that neither side moves the other.

pub(crate) mod conversation;
pub(crate) mod hardware;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod library;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod params;
pub(crate) mod problem;
pub(crate) mod search;
pub(crate) mod stats;
pub(crate) mod topics;
