//! Models on this machine: their files read, checked and described, then computed.
//!
//! ```
//! use athenaeum_inference::model::{self, gguf};
//!
//! // The smallest file of the format: version 3, no tensors, no metadata.
//! let bytes = [b"GGUF".as_slice(), &3u32.to_le_bytes(), &[0; 16]].concat();
//! let file = gguf::File::from_bytes(&bytes)?;
//! assert_eq!((file.version, file.tensors.len()), (3, 0));
//!
//! let cut_off = gguf::File::from_bytes(&bytes[..20]).unwrap_err();
//! assert!(cut_off.to_string().contains("ends"));
//! # Ok::<(), gguf::Refusal>(())
//! ```
//!
//! [`model::open`] takes a GGUF file, one part of a split one, a safetensors file, or a folder as Hugging Face lays
//! it out, and returns a [`model::Model`]; [`model::Model::summary`] says what one wants to know before loading it.
//! [`model::find`] lists what lies in folders, those of Ollama, LM Studio and the Hugging Face cache included;
//! [`catalog::Catalog`] knows them by the names that people and programs write.
//!
//! [`decoder::Decoder`] computes: a batch of tokens in, logits out, with keys and values in a [`cache::Cache`]; one
//! decoder for every architecture of its table. [`sampling`] draws a token from logits, repeatably; [`constraint`] rules
//! tokens out, so that the text keeps to a form.
//!
//! [`encoder::Encoder`] makes vectors of tokens, [`embedder::Embedder`] of texts, and [`reranker::Reranker`] scores
//! pairs of them.
//!
//! Headers are read by position, a piece at a time: neither mapped, which would make every later truncation a crash,
//! nor read whole, which would take the memory of the weights to learn a name. The price is a system call per piece.
//! Weights are mapped when a model is loaded, or read into memory where that is asked for ([`weights::Access`]).
//!
//! [`local::LocalModel`] loads all that a model needs to answer, and its [`engine::Engine`] serves several requests at
//! once, as [`batched::Batched`] does for vectors and scores; [`residents::Residents`] keeps models in memory while they are
//! used.
//!
//! [`local_embedder::LocalEmbedder`] is the port through which the rest of the house gets vectors; with the feature
//! `built-in-embedder`, `built_in` opens one that is part of the program.
//!
//! [`vision::Vision`] makes rows of pictures that a decoder takes in place of tokens.
//!
//! [`device`] names what computes: the processor, or with features of this crate a graphics processor by candle.
//!
//! [`template`] makes a conversation the text that a model has been taught to read, and [`reply`] takes
//! apart what it says.
//!
//! [`pull::pull`] fetches models from where others publish them into a [`shelf::Shelf`], the folder of our own.
//!
//! **Invariant:** no file makes it panic, read beyond the file's end, or hold more than a small multiple of the
//! bytes that describe the model; whatever is refused is refused with a reason.

pub mod batched;
#[cfg(feature = "built-in-embedder")]
pub mod built_in;
pub mod cache;
pub mod catalog;
pub mod constraint;
pub mod decoder;
pub mod device;
pub mod embedder;
pub mod encoder;
pub mod engine;
pub mod local;
pub mod local_embedder;
pub mod local_reranker;
pub mod model;
pub mod processor;
pub mod pull;
pub mod reply;
pub mod reranker;
pub mod residents;
pub mod sampling;
pub mod shelf;
#[cfg(feature = "testing")]
pub mod synthetic;
pub mod template;
pub mod tokenizer;
pub mod vision;
pub mod weights;

/// What the engine computes with.
pub use athenaeum_kernels as kernels;
