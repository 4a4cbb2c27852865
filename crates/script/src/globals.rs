//! What scripts call, one file each.

pub(crate) mod args;
pub(crate) mod artifact;
pub(crate) mod json;
pub(crate) mod rag;
pub(crate) mod session;
