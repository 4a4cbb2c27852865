//! Vectors of what is remembered.

use std::sync::Arc;

use athenaeum_archive::memories::{Memories, Memory, Tier, Wanted};
use athenaeum_core::{
    MemoryId, TextKind,
    vector::{Entry, Key, Query, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Vectors};

use super::{
    Kind, Meaning, MeaningError,
    making::{Making, Waiting},
};

/// Takes the vectors of all memories away, where others are in their place: who looks for one has them made anew.
///
/// # Errors
/// What the vectors' database says.
pub async fn clear_memories(vectors: &Vectors, scope: &Scope) -> Result<(), athenaeum_vector::Error> {
    for (spec, held) in vectors.holdings(scope).await? {
        if held > 0 && spec.name.starts_with(Kind::Memories.beginning()) {
            vectors.collection(scope, &spec).await?.clear().await?;
        }
    }
    Ok(())
}

impl Meaning {
    /// Returns the vector of something that is to be found.
    ///
    /// # Errors
    /// [`MeaningError::Model`].
    pub(crate) async fn of_passage(&self, text: &str) -> Result<Vec<f32>, MeaningError> {
        let made = self.embedder.embed(&[text.to_owned()], TextKind::Passage).await?;
        Ok(made.into_iter().next().map(|embedded| embedded.vector).unwrap_or_default())
    }

    /// Returns the memories nearest to a vector with the cosine of each, the nearest first.
    pub(crate) async fn memories_near(
        &self,
        scope: &Scope,
        vector: &[f32],
        limit: usize,
    ) -> Result<Vec<(MemoryId, f64)>, MeaningError> {
        let query = Query::new(vector.to_vec(), limit);
        let near = self.memories(scope).await?.search(&query).await?;
        Ok(near.into_iter().map(|near| (MemoryId::from_bytes(near.key.0), f64::from(near.score))).collect())
    }

    pub(crate) async fn store_memory(
        &self,
        scope: &Scope,
        id: MemoryId,
        vector: Vec<f32>,
    ) -> Result<(), MeaningError> {
        Ok(self.memories(scope).await?.store(&[Entry::new(key(id), vector)]).await?)
    }

    pub(crate) async fn remove_memories(&self, scope: &Scope, ids: &[MemoryId]) -> Result<(), MeaningError> {
        if !ids.is_empty() {
            let keys: Vec<Key> = ids.iter().map(|id| key(*id)).collect();
            self.memories(scope).await?.delete(&keys).await?;
        }
        Ok(())
    }

    /// Gives every memory that is found its vector and takes those of cold ones away, where there are more or fewer vectors than
    /// such memories: after another model, or where somebody stopped half-way.
    pub(crate) async fn follow_memories(
        &self,
        scope: &Scope,
        memories: &Memories,
    ) -> Result<(), MeaningError> {
        let collection = self.memories(scope).await?;
        let vectors = collection.stats().await?.vectors;
        if memories.stats(scope).await?.found() == vectors {
            return Ok(());
        }
        let mut making = Making::new(Arc::clone(&self.embedder), collection.clone());
        let (every, mut after) = (Wanted::All, None);
        loop {
            let page = memories.list(scope, &every, after.as_ref(), PAGE).await?;
            let keys: Vec<Key> = page.items.iter().map(|memory| key(memory.id)).collect();
            let there = collection.contains(&keys).await?;
            let known = page.items.iter().zip(there);
            let of = |is_cold: bool, there: bool| {
                known
                    .clone()
                    .filter(move |(memory, has)| (memory.tier == Tier::Cold) == is_cold && *has == there)
                    .map(|(it, _)| it)
            };
            let cold: Vec<MemoryId> = of(true, true).map(|memory| memory.id).collect();
            let missing: Vec<&Memory> = of(false, false).collect();
            self.remove_memories(scope, &cold).await?;
            for batch in missing.chunks(BATCH) {
                let waiting = |memory: &&Memory| Waiting {
                    text: memory.text.clone(),
                    entry: Entry::new(key(memory.id), Vec::new()),
                };
                making.embed(batch.iter().map(waiting).collect()).await?;
            }
            after = page.next;
            if after.is_none() {
                making.write().await?;
                return self.clear_formers(scope, Kind::Memories).await;
            }
        }
    }

    async fn memories(&self, scope: &Scope) -> Result<Collection, MeaningError> {
        self.own(scope, Kind::Memories).await
    }
}

fn key(id: MemoryId) -> Key {
    Key(*id.as_bytes())
}

/// Memories looked at, and embedded, at once.
const PAGE: usize = 200;
const BATCH: usize = 32;
