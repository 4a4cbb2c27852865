//! Vectors on disk: one SQLite file, the nearest found in a fraction of a millisecond.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use athenaeum_core::vector::{Entry, Key, Metric, Query, Spec, VectorStorage};
//! use athenaeum_vector::{Settings, Vectors};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let vectors = Vectors::open(dir, Settings::default()).await?;
//! let scope = athenaeum_tenancy::local();
//! let spec = Spec { name: "chunks".into(), model: "example".into(), dimensions: 3, metric: Metric::Cosine };
//! let chunks = vectors.collection(&scope, &spec).await?;
//!
//! chunks.store(&[Entry::new(Key([1; 16]), vec![1.0, 0.0, 0.0]), Entry::new(Key([2; 16]), vec![0.0, 1.0, 0.0])]).await?;
//! let near = chunks.search(&Query::new(vec![0.9, 0.1, 0.0], 1)).await?;
//! assert_eq!(near[0].key, Key([1; 16]));
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! [`Vectors`] opens the file, [`Collection`] is one tenant's vectors of one model: store, search, delete, as the port
//! [`VectorStorage`](athenaeum_core::vector::VectorStorage) of `core` says.
//!
//! Rows in SQLite are the truth: a vector is kept as one byte a dimension and a scale. What makes searching fast is
//! derived from them: mapped *segments* hold one bit a dimension beside the bytes, in the order of partitions of vectors
//! that lie together. A search picks the partitions near the query, counts bits there, and compares the best in full. Large
//! segments may have a graph beside that, which takes longer to make ([`Hnsw`]). What is newer than the segments is scanned
//! from memory until a segment takes it up, so that storing is an append.
//!
//! [`group`] puts vectors into groups that lie together, without a question.
//!
//! **Invariants:** answers only for the [`Scope`](athenaeum_tenancy::Scope) that a collection was opened with; whatever
//! the state of the segments, the rows are the truth: no bytes of a segment make it panic, and what is missing, damaged or
//! another database's is made anew.

mod bits;
mod collection;
mod error;
mod exchange;
mod folder;
mod graph;
mod groups;
mod pack;
mod rows;
mod search;
mod segment;
mod snapshot;
mod sources;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod train;
mod turn;

pub use collection::Collection;
pub use error::{Error, ErrorKind};
pub use exchange::ExchangeError;
pub use graph::Hnsw;
pub use groups::{Grouping, Groups, Member, group};
pub use sources::{Settled, Source};
pub use store::{Settings, Vectors};
pub use turn::Turn;
