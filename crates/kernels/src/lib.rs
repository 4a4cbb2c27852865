//! Packed numbers of models, and the arithmetic on them.
//!
//! ```
//! use athenaeum_kernels::{Bytes, Format, Matrix, Pool, quantize};
//!
//! // Two rows of 32 weights each, packed to 18 bytes a row.
//! let weights: Vec<f32> = (0..64).map(|index| (index as f32 / 8.0).sin()).collect();
//! let mut packed = vec![0; 2 * Format::Q4_0.row_bytes(32).unwrap()];
//! quantize(Format::Q4_0, &weights, &mut packed)?;
//!
//! let matrix = Matrix::new(Format::Q4_0, 2, 32, Bytes::from(packed))?;
//! let pool = Pool::new(2);
//! let (input, mut output) = ([0.5; 32], [0.0; 2]);
//! matrix.multiply(&pool, &input, &mut output);
//! # let mut row = [0.0; 32];
//! # matrix.row(1, &mut row);
//! # let expected: f32 = row.iter().map(|weight| weight * 0.5).sum();
//! # assert!((output[1] - expected).abs() < 0.05, "{} {expected}", output[1]);
//! # Ok::<(), athenaeum_kernels::Error>(())
//! ```
//!
//! [`Format`] is how numbers lie in bytes: everything ggml names. [`Bytes`] holds them, in memory or in a mapped file;
//! [`Matrix`] multiplies them by rows of `f32` on the threads of a [`Pool`]; [`dequantize`] and [`quantize`] change them
//! from and to `f32`. The rest is what a decoder does between matrices: norms, rotations, gates; and what a search among
//! vectors does with bits and bytes: [`hamming`], [`products_i8`].
//!
//! Weights stay packed in memory, and in the file they came from. Rows of formats with fewer than 16 bits are multiplied as
//! integers: the input row is rounded to 8 bits a number first, block by block and in the way of llama.cpp (a scale for
//! 32 numbers, for 256 with K formats), so that results stand as near to its results as the order of sums lets them.
//! `F32`, `F16` and `BF16` weights meet the input as it is.
//!
//! Vectors are chosen as a program starts ([`Instructions`]): AVX-512 with VNNI, AVX2, NEON with byte matrices, with dot products
//! or with neither, plain code.
//!
//! **Invariants:** the result for one input row never depends on how many rows are computed together, nor on the number
//! of threads, nor on the machine's vector instructions, bit for bit; no bytes of a matrix make it panic or read
//! outside of them; this is the only crate with unsafe code.

mod activation;
mod attention;
mod block;
mod bytes;
mod dequantize;
mod error;
mod estimate;
mod float;
mod format;
mod hamming;
mod int8;
mod isa;
pub mod limits;
mod matrix;
mod nearest;
mod norm;
mod pool;
mod product;
mod program;
mod quantize;
mod rope;
mod signs;
#[cfg(feature = "testing")]
pub mod testing;
mod vector;

pub use activation::{Gelu, gelu, gelu_gate, silu, silu_gate, softmax, softmax_rows};
pub use attention::{Softmaxes, attention_scores};
pub use bytes::{Bytes, map, map_in_large_pages, soon};
pub use dequantize::dequantize;
pub use error::Error;
pub use estimate::Estimates;
pub use float::{bf16_from_f32, bf16_to_f32, f16_from_f32, f16_to_f32};
pub use format::Format;
pub use hamming::hamming;
pub use int8::{product_f32_i8, products_i8, products_i8_at};
pub use isa::{Instructions, instructions, use_at_most};
pub use matrix::Matrix;
pub use nearest::quantize_nearest;
pub use norm::{add_layer_norm, add_to_rows, layer_norm, rms_norm, rms_norm_in_place};
pub use pool::Pool;
pub use product::{add_product, product};
pub use program::release_program;
pub use quantize::quantize;
pub use rope::{rotate_halves, rotate_pairs};
pub use signs::signs;
pub use vector::{dot, dots, unpack_numbers};
