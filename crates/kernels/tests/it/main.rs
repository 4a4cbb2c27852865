//! Kernels from outside.

mod anything;
mod golden;
mod matrix;
mod pool;
