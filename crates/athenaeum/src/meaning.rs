//! The model that makes vectors: the one within the program, or one that the settings name; and the one that orders hits.

mod lazy;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use athenaeum_archive::{Archive, library::Library};
use athenaeum_core::{ChunkId, ConversationId, Embed, Rerank};
use athenaeum_inference::{
    catalog::{self, Catalog, Purpose},
    embedder::Embedder,
    local_embedder::{LocalEmbedder, OpenError},
    local_reranker::LocalReranker,
    model::{self, Stamp},
    processor::Processor,
    weights::Access,
};
use athenaeum_retrieval::{
    meaning::{self, Former, Meaning, Opened, clear_memories, remove_chunks, remove_conversations},
    search::{self, fuse},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::Vectors;

use crate::{
    Error,
    settings::{Fusion, Settings},
};

/// Opens the vectors in `data`, and what makes them: the model that `library.embedder` names, of a catalogue, on another engine or
/// by its path, or the one within this program; `None` where that has none. It is computed on `processor`, and loaded when somebody asks.
///
/// Where other models made vectors before, these answer until those of this one are whole, if the models are there still.
///
/// # Errors
///
/// [`Error::Vectors`], [`Error::NoEmbedder`], [`Error::Embedder`], [`Error::RemoteEmbedder`] where they cannot be opened.
pub async fn open_meaning(
    data: &Path,
    settings: &Settings,
    catalog: catalog::Settings,
    processor: &Processor,
) -> Result<Option<Meaning>, Error> {
    let models = Models { catalog, processor: processor.clone(), settings: Arc::new(settings.clone()) };
    let Some(embedder) = models.embedder(&settings.library.embedder)? else { return Ok(None) };
    let folder = data.join("vectors");
    let vectors = Vectors::open(&folder, vector_settings(settings)).await;
    let vectors = vectors.map_err(|source| Error::Vectors { path: folder, source })?;
    Ok(Some(Meaning::new(vectors, embedder).with_former(Arc::new(models))))
}

/// Whoever gives the archive's writer little memory means that of vectors, too.
fn vector_settings(settings: &Settings) -> athenaeum_vector::Settings {
    let usual = athenaeum_vector::Settings::default();
    let writer_cache_bytes = usual.writer_cache_bytes.min(settings.archive.writer_cache_mib << 20);
    let joined_max = if writer_cache_bytes < usual.writer_cache_bytes { 0 } else { usual.joined_max };
    let hnsw = settings.library.graph.hnsw();
    athenaeum_vector::Settings { writer_cache_bytes, joined_max, hnsw, ..usual }
}

/// Opens the model that `library.reranker` names, of a catalogue or by its path, to be computed on `processor`; `None` where
/// none is named.
///
/// # Errors
///
/// [`Error::NoReranker`], [`Error::Reranker`] where it cannot be opened.
pub fn open_reranker(
    settings: &Settings,
    catalog: catalog::Settings,
    processor: &Processor,
) -> Result<Option<Arc<dyn Rerank>>, Error> {
    let name = settings.library.reranker.as_str();
    if name.is_empty() {
        return Ok(None);
    }
    let found = Catalog::new(catalog).resolve_or_path(Some(name), Purpose::Rerank);
    let path = found.map_err(|source| Error::NoReranker { name: name.to_owned(), source })?;
    let opened = LocalReranker::open(name, &path, processor).map_err(Error::Reranker)?;
    Ok(Some(Arc::new(opened)))
}

/// Returns how hits are ordered by these settings.
pub fn search_settings(settings: &Settings) -> search::Settings {
    let library = &settings.library;
    let weight = |hundredths: u64| hundredths as f64 / 100.0;
    search::Settings {
        fusion: fuse::Fusion {
            method: match library.fusion {
                Fusion::Ranks => fuse::Method::Ranks,
                Fusion::Deviations => fuse::Method::Deviations,
            },
            weights: fuse::Weights {
                text: weight(library.text_weight),
                meaning: weight(library.meaning_weight),
            },
        },
        rerank_top: usize::try_from(library.rerank_top).unwrap_or(usize::MAX),
        rerank_time: Duration::from_millis(library.rerank_ms),
    }
}

/// Tells whether anything was ever given a vector in `data`.
pub fn has_vectors(data: &Path) -> bool {
    data.join("vectors").join("vectors.db").is_file()
}

/// Removes the vectors of conversations and chunks that were deleted, where there are any. No model is opened.
///
/// # Errors
///
/// [`Error::Vectors`] where they cannot be written.
pub async fn forget_vectors(
    data: &Path,
    scope: &Scope,
    conversations: &[ConversationId],
    chunks: &[ChunkId],
) -> Result<(), Error> {
    if conversations.is_empty() && chunks.is_empty() {
        return Ok(());
    }
    let forgotten = with_vectors(data, async |vectors| {
        remove_conversations(vectors, scope, conversations).await?;
        remove_chunks(vectors, scope, chunks).await
    });
    forgotten.await.map_err(|(path, source)| Error::Vectors { path, source })
}

/// Removes the vectors of memories, where there are any, after others were put in their place.
///
/// # Errors
///
/// [`Error::Vectors`] where they cannot be written.
pub async fn forget_memory_vectors(data: &Path, scope: &Scope) -> Result<(), Error> {
    let forgotten = with_vectors(data, async |vectors| clear_memories(vectors, scope).await);
    forgotten.await.map_err(|(path, source)| Error::Vectors { path, source })
}

/// Removes the vectors that are not of what `library` and `archive` hold, where there are any, after a backup was put in their
/// place. No model is opened.
///
/// # Errors
///
/// [`Error::Compare`] where they cannot be read or written.
pub async fn follow_restored(
    data: &Path,
    scope: &Scope,
    library: Option<&Library>,
    archive: &Archive,
) -> Result<(), Error> {
    let followed =
        with_vectors(data, async |vectors| meaning::follow_restored(vectors, scope, library, archive).await);
    followed.await.map_err(|(path, source)| Error::Compare { path, source })
}

/// Changes the vectors in `data`, where there are any; an error comes with their folder.
async fn with_vectors<E: From<athenaeum_vector::Error>>(
    data: &Path,
    change: impl AsyncFnOnce(&Vectors) -> Result<(), E>,
) -> Result<(), (PathBuf, E)> {
    if !has_vectors(data) {
        return Ok(());
    }
    let folder = data.join("vectors");
    let changed = async {
        let vectors = Vectors::open(&folder, athenaeum_vector::Settings::default()).await?;
        change(&vectors).await
    };
    changed.await.map_err(|error| (folder, error))
}

/// Where models that make vectors are.
#[derive(Clone)]
struct Models {
    catalog: catalog::Settings,
    processor: Processor,
    /// Which of them are on other engines.
    settings: Arc<Settings>,
}

impl Models {
    fn embedder(&self, name: &str) -> Result<Option<Arc<dyn Embed>>, Error> {
        if let Some(own) = lazy::built_in(name, &self.processor) {
            return Ok(own);
        }
        if let Some(remote) = self.settings.remote_embedder(name).map_err(Error::RemoteEmbedder)? {
            return Ok(Some(Arc::new(remote)));
        }
        let found = Catalog::new(self.catalog.clone()).resolve_or_path(Some(name), Purpose::Embed);
        let path = found.map_err(|source| Error::NoEmbedder { name: name.to_owned(), source })?;
        let opened = open(name, &path, &self.processor).map_err(Error::Embedder)?;
        Ok(Some(Arc::new(opened)))
    }
}

impl Former for Models {
    fn open(&self, model: &str) -> Opened {
        // The name stands before what tells it from others of the name.
        let name = model.rsplit_once('@').map_or(model, |(name, _)| name).to_owned();
        let models = self.clone();
        Box::pin(async move {
            let opened = tokio::task::spawn_blocking(move || models.embedder(&name)).await;
            match opened {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a model that made vectors before is gone");
                    None
                }
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        })
    }
}

fn open(name: &str, path: &Path, processor: &Processor) -> Result<LocalEmbedder, OpenError> {
    let stamp = Stamp::of(path).and_then(|stamp| stamp.fingerprint());
    let fingerprint = stamp.map_err(|source| OpenError::Unread { path: path.to_owned(), source })?;
    let model = Embedder::load(&model::open(path)?, Access::Map).map_err(OpenError::Load)?;
    // As one would call it, whether it was named or shown.
    let name = match Path::new(name).exists() {
        true => path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        false => name.to_owned(),
    };
    LocalEmbedder::start(&name, fingerprint, model, processor, REQUESTS_MAX).map_err(OpenError::Thread)
}

/// Requests that wait at most; whoever embeds much has few of them at a time.
const REQUESTS_MAX: usize = 64;
