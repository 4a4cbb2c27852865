//! Kernels from outside.

mod matrix;
mod pool;
