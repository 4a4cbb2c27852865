//! Kernels from outside.

mod anything;
mod golden;
mod instructions;
mod matrix;
mod pool;
