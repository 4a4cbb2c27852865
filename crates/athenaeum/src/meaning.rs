use std::{path::Path, sync::Arc};

use athenaeum_core::Embed;
use athenaeum_inference::processor::Processor;
use athenaeum_retrieval::meaning::Meaning;
use athenaeum_vector::Vectors;

use crate::Error;

/// Opens the vectors in `data`, and the model that makes them, which is computed on `processor`; `None` where this program
/// has none within it.
///
/// # Errors
///
/// [`Error::Vectors`], [`Error::Embedder`] where they cannot be opened.
pub async fn open_meaning(data: &Path, processor: &Processor) -> Result<Option<Meaning>, Error> {
    let Some(embedder) = embedder(processor)? else { return Ok(None) };
    let folder = data.join("vectors");
    let vectors = Vectors::open(&folder, athenaeum_vector::Settings::default()).await;
    let vectors = vectors.map_err(|source| Error::Vectors { path: folder, source })?;
    Ok(Some(Meaning::new(vectors, embedder)))
}

#[cfg(feature = "built-in-embedder")]
fn embedder(processor: &Processor) -> Result<Option<Arc<dyn Embed>>, Error> {
    let embedder = athenaeum_inference::built_in::embedder(processor).map_err(Error::Embedder)?;
    Ok(Some(Arc::new(embedder)))
}

#[cfg(not(feature = "built-in-embedder"))]
fn embedder(_: &Processor) -> Result<Option<Arc<dyn Embed>>, Error> {
    Ok(None)
}
