//! Imports from end to end.
