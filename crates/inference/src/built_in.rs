//! The embedder that programs have within them: all-MiniLM-L6-v2, packed (`assets/README.md`).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_core::{Embed, TextKind};
//! use athenaeum_inference::{built_in, processor::Processor};
//!
//! let embedder = built_in::embedder(&Processor::new(std::num::NonZeroUsize::MIN))?;
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let texts = ["The bread rises overnight.".to_owned()];
//! assert_eq!(embedder.embed(&texts, TextKind::Passage).await?[0].vector.len(), 384);
//! # Ok::<(), athenaeum_core::EmbedError>(()) })?;
//! # Ok(()) }
//! ```
//!
//! Its numbers lie in the program's own file, which the system maps: what is not touched takes no memory, and nothing has to
//! be found on the disk. `docs/decisions/0240` and `0241` tell why this model, packed like this, and why within.

use athenaeum_core::EmbeddingModel;

use crate::{
    embedder::Embedder,
    local_embedder::{LocalEmbedder, OpenError},
    model::{self, Model},
    processor::Processor,
    weights::Access,
};

/// What people call it, and vectors are kept under.
pub const NAME: &str = "all-minilm-l6-v2";

/// Stands for the bytes of its file, as vectors are kept under; a test compares them.
const FINGERPRINT: u128 = 0x8667_5035_b700_a90d_9ab3_8443_0072_eab4;

/// Tells what [`embedder`] makes vectors of, without opening it.
pub fn described() -> EmbeddingModel {
    EmbeddingModel { name: NAME.to_owned(), fingerprint: FINGERPRINT, dimensions: 384, tokens_max: 256 }
}

/// Requests that wait at most; whoever embeds much has few of them at a time.
const REQUESTS_MAX: usize = 64;

/// Tensors are looked at where they lie.
#[repr(align(64))]
struct Aligned<T: ?Sized>(T);

static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../assets/all-minilm-l6-v2.gguf"));

/// Opens it and puts it to work on `processor`, which other models may be computed on as well.
///
/// # Errors
///
/// If the system gives no thread; a file that does not fit its reader would be found by the tests.
pub fn embedder(processor: &Processor) -> Result<LocalEmbedder, OpenError> {
    let model = Embedder::load(&model()?, Access::Map).map_err(OpenError::Load)?;
    LocalEmbedder::start(NAME, FINGERPRINT, model, processor, REQUESTS_MAX).map_err(OpenError::Thread)
}

/// Returns its file, read as any other model's.
///
/// # Errors
///
/// None for the file that is kept with this source.
pub fn model() -> Result<Model, model::Error> {
    model::from_gguf_bytes("the built-in embedder", (&FILE.0).into())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use athenaeum_core::Embed as _;

    use super::*;

    #[test]
    fn what_is_said_of_it_is_so() {
        assert_eq!(format!("{:#x}", xxhash_rust::xxh3::xxh3_128(&FILE.0)), format!("{FINGERPRINT:#x}"));
        assert_eq!(*embedder(&Processor::new(NonZeroUsize::MIN)).unwrap().model(), described());
    }
}
