//! The vectors beside what they are of.

use athenaeum_archive::library::Library;
use athenaeum_core::vector::{Key, VectorStorage as _};
use athenaeum_tenancy::Scope;

use super::{Kind, Meaning, MeaningError, marks::Marks};

/// How the vectors of the library's chunks stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Chunks.
    pub chunks: u64,
    /// Of these, those without a vector of the model that makes them now.
    pub missing: u64,
    /// Vectors of chunks that are no longer there.
    pub left_over: u64,
}

impl Meaning {
    /// Looks for every chunk's vector. Where some are missing, the next [`Meaning::fill`] looks for every one, too.
    ///
    /// # Errors
    /// What library and vectors say.
    pub async fn check(&self, scope: &Scope, library: &Library) -> Result<Checked, MeaningError> {
        let collection = self.own(scope, Kind::Chunks).await?;
        let mut checked = Checked::default();
        let mut before = None;
        loop {
            let page = library.chunks_before(scope, before.as_ref(), None, PAGE).await?;
            let keys: Vec<Key> = page.items.iter().map(|chunk| Key(*chunk.id.as_bytes())).collect();
            let there = collection.contains(&keys).await?;
            checked.chunks += keys.len() as u64;
            checked.missing += there.iter().filter(|there| !**there).count() as u64;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        if checked.missing > 0 {
            // Wherever they went: the next run looks for all of them.
            Marks::of(&collection, scope, library).await?.forget(&collection).await?;
        }
        let held = collection.stats().await?.vectors;
        checked.left_over = held.saturating_sub(checked.chunks - checked.missing);
        Ok(checked)
    }
}

/// Chunks looked at in one go.
const PAGE: usize = 512;
