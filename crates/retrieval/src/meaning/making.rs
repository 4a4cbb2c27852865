//! Texts become vectors that are kept: while one batch is embedded, the one before is written.
//!
//! A commit waits for the disk and an embedder for the processor, so neither has to wait for the other. Nothing counts as made
//! before it is on the disk. Batches are written in their order, and what is settled after the vectors it speaks of.

use std::sync::Arc;

use athenaeum_core::{
    Embed, TextKind,
    vector::{Entry, Key, VectorStorage as _},
};
use athenaeum_vector::{Collection, Source};

use super::{MeaningError, fill::Gathering};

/// Makes vectors of one collection, batch by batch.
///
/// Whoever ends, early or not, calls [`Making::write`]: otherwise the last batch is embedded in vain.
pub(super) struct Making {
    embedder: Arc<dyn Embed>,
    collection: Collection,
    embedded: Embedded,
    gathering: Gathering,
}

/// A text, and what is kept of it beside its vector.
pub(super) struct Waiting {
    pub(super) text: String,
    /// Without the vector.
    pub(super) entry: Entry,
}

/// What is on the disk by now and was not before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Vectors.
    pub(super) made: u64,
    /// Of them, those of texts whose end the model did not see.
    pub(super) cut: u64,
    /// The weight of the sources that were settled.
    pub(super) weight: u64,
}

/// What is not on the disk yet.
#[derive(Default)]
struct Embedded {
    entries: Vec<Entry>,
    cut: u64,
    whole: Vec<(Source, Vec<Key>)>,
}

impl Making {
    pub(super) fn new(embedder: Arc<dyn Embed>, collection: Collection) -> Self {
        Self { embedder, collection, embedded: Embedded::default(), gathering: Gathering::default() }
    }

    /// Embeds a batch while the one before is written; returns what that was.
    ///
    /// # Errors
    /// What model and vectors say. Where the model fails, the batch before is written all the same.
    pub(super) async fn embed(&mut self, batch: Vec<Waiting>) -> Result<Written, MeaningError> {
        let (texts, mut entries): (Vec<String>, Vec<Entry>) =
            batch.into_iter().map(|waiting| (waiting.text, waiting.entry)).unzip();
        let embedder = Arc::clone(&self.embedder);
        let (made, written) = tokio::join!(embedder.embed(&texts, TextKind::Passage), self.write());
        let (written, made) = (written?, made?);
        self.embedded.cut = made.iter().filter(|made| made.cut_tokens > 0).count() as u64;
        entries.truncate(made.len());
        for (entry, made) in entries.iter_mut().zip(made) {
            entry.vector = made.vector;
        }
        self.embedded.entries = entries;
        Ok(written)
    }

    /// Has sources settled as soon as all that was embedded until now is written.
    pub(super) fn settle(&mut self, whole: Vec<(Source, Vec<Key>)>) {
        self.embedded.whole.extend(whole);
    }

    /// Writes what is not on the disk yet.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub(super) async fn write(&mut self) -> Result<Written, MeaningError> {
        let Embedded { entries, cut, whole } = std::mem::take(&mut self.embedded);
        self.collection.store(&entries).await?;
        self.collection.settle(&whole).await?;
        self.gathering.after(&self.collection, entries.len());
        let weight = whole.iter().map(|(source, _)| source.weight).sum();
        Ok(Written { made: entries.len() as u64, cut, weight })
    }

    /// Returns what puts the vectors into segments, for when all are written.
    pub(super) fn gathering(self) -> Gathering {
        self.gathering
    }
}
