//! GGUF, llama.cpp's format: metadata, a table of tensors, and their data, in one file or several.
//!
//! ```text
//! "GGUF" | version u32 | tensors u64 | keys u64
//! key:    name string | type u32 | value          string: bytes u64, then so many bytes
//! tensor: name string | dims u32 | dim u64 … | type u32 | offset u64
//! padding to the alignment, then tensor data at those offsets, each aligned as well
//! ```
//!
//! All numbers are little-endian. Versions 2 and 3 differ in nothing but that 3 may be big-endian, which is refused.

mod parse;
mod refusal;
mod split;
mod tensor_type;
mod value;
mod write;

pub use parse::{File, Metadata, Tensor};
pub use refusal::Refusal;
pub(crate) use split::part_name;
pub use split::{Model, Part};
pub use tensor_type::TensorType;
pub(crate) use tensor_type::file_type_name;
pub use value::{Array, Value, ValueType};
pub use write::{Typed, WriteError, Writer};
