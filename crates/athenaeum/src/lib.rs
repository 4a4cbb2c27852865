//! Composition root and front door.
pub mod settings;
