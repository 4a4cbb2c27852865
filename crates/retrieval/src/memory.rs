//! What is remembered: kept when somebody asks for it or when it surprises, and found again by word and by meaning.
//!
//! A [`Memory`] is a row of [`Memories`]; what stands for its meaning is a vector beside
//! those of the chunks, as long as it is not cold. [`surprise`] says how much of a surprise a text is; who has a model that
//! tells probabilities gives the perplexity, otherwise the least possible one counts, and the memory says so.
//!
//! **Invariant:** what somebody asks to remember is kept, however little it surprises.

mod place;
mod surprise;

use std::collections::HashMap;

use athenaeum_archive::{
    ErrorKind,
    memories::{Cooling, Kept, Memories, Memory, NewMemory, Origin, Tier, Wanted},
};
use athenaeum_core::{MemoryId, Timestamp};
use athenaeum_tenancy::Scope;

pub use place::Place;
pub use surprise::{Distance, THRESHOLD, perplexity, surprise};

use crate::meaning::{Meaning, MeaningError};

/// Somebody's memories. Cheap to clone.
#[derive(Clone)]
pub struct Memorizer {
    memories: Memories,
    meaning: Option<Meaning>,
    settings: Settings,
}

/// How memories are found and grow cold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The score from which on something is remembered that nobody asked to remember. 0 to 1.
    pub threshold: f64,
    /// After how many days a memory that was of no use counts half as much in a search; `None`: it counts the same.
    pub half_life_days: Option<f64>,
    /// After how many days without use a hot memory grows warm: it counts a little less in a search.
    pub warm_after_days: u32,
    /// After how many days without use a warm memory may grow cold.
    pub cold_after_days: u32,
    /// Of the newest so many none grows cold.
    pub kept_hot: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: THRESHOLD,
            half_life_days: None,
            warm_after_days: 7,
            cold_after_days: 30,
            kept_hot: 1_000,
        }
    }
}

/// Something that may be remembered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Offer {
    /// The text.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
    /// How little a model expected it ([`perplexity`]), where one was asked.
    pub perplexity: Option<f64>,
    /// Somebody asks for it: it is remembered, however little it surprises.
    pub asked_for: bool,
}

/// What became of an [`Offer`].
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It is remembered.
    Kept(Kept),
    /// It is not: this is how little it surprised.
    Passed(athenaeum_archive::memories::Surprise),
}

/// A memory that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recalled {
    /// It.
    pub memory: Memory,
    /// What it was ranked by, the greatest first.
    pub score: f64,
    /// The cosine of its meaning with what was looked for; `None` where it was not compared.
    pub similarity: Option<f64>,
    /// The share of the words looked for that it has.
    pub words: f64,
}

/// How many memories went down a tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cooled {
    /// From hot to warm.
    pub warm: usize,
    /// From warm to cold.
    pub cold: usize,
}

/// Why nothing could be remembered or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The memories could not be read or written.
    #[error("the memories could not be read or written")]
    Memories(#[from] athenaeum_archive::Error),
    /// Their meaning could not be told.
    #[error("what memories mean could not be told")]
    Meaning(#[from] MeaningError),
}

impl MemoryError {
    /// Says what can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Memories(error) => error.kind(),
            Self::Meaning(error) => error.kind(),
        }
    }
}

impl Memorizer {
    /// Keeps memories in `memories`; without `meaning` they are found by their words alone.
    pub fn new(memories: Memories, meaning: Option<Meaning>, settings: Settings) -> Self {
        Self { memories, meaning, settings }
    }

    /// Returns where they are kept: lists, single ones, counts.
    pub fn memories(&self) -> &Memories {
        &self.memories
    }

    /// Remembers what was asked for or surprises.
    ///
    /// # Errors
    /// Those of [`Memories::keep`], and what model and vectors say.
    pub async fn remember(&self, scope: &Scope, offer: Offer) -> Result<Taken, MemoryError> {
        let mut vector = None;
        let mut distance = Distance::Unknown;
        if let Some(meaning) = self.meaning.as_ref().filter(|_| !offer.text.trim().is_empty()) {
            meaning.follow_memories(scope, &self.memories).await?;
            let made = meaning.of_passage(offer.text.trim()).await?;
            let near = meaning.memories_near(scope, &made, 1).await?;
            distance = near.first().map_or(Distance::Alone, |(_, cosine)| Distance::Nearest(1.0 - cosine));
            vector = Some(made);
        }
        let surprise = surprise(offer.perplexity, distance);
        if !offer.asked_for && surprise.score < self.settings.threshold {
            return Ok(Taken::Passed(surprise));
        }
        let Offer { text, origin, asked_for, .. } = offer;
        let kept = self.memories.keep(scope, NewMemory { text, origin, surprise, asked_for }).await?;
        if let (Some(meaning), Some(vector)) = (&self.meaning, vector) {
            meaning.store_memory(scope, kept.memory.id, vector).await?;
        }
        Ok(Taken::Kept(kept))
    }

    /// Finds memories by word and by meaning, best first; where that is to be `noted`, they count as used now. Cold ones are
    /// found only where they are wanted, by their words.
    ///
    /// # Errors
    /// What disk, model and vectors say.
    pub async fn recall(
        &self,
        scope: &Scope,
        text: &str,
        wanted: &Wanted,
        limit: usize,
        noted: bool,
    ) -> Result<Vec<Recalled>, MemoryError> {
        let now = Timestamp::now();
        let by_word = self.memories.find(scope, text, wanted, LOOKED_AT.max(limit)).await?;
        let mut found: HashMap<MemoryId, Recalled> = by_word
            .into_iter()
            .map(|(memory, words)| (memory.id, Recalled { memory, score: 0.0, similarity: None, words }))
            .collect();
        if let Some(meaning) = self.meaning.as_ref().filter(|_| *wanted != Wanted::Of(Tier::Cold)) {
            meaning.follow_memories(scope, &self.memories).await?;
            let vector = meaning.of_query(text).await?;
            let near: HashMap<MemoryId, f64> =
                meaning.memories_near(scope, &vector, LOOKED_AT.max(limit)).await?.into_iter().collect();
            let missing: Vec<MemoryId> = near.keys().filter(|id| !found.contains_key(id)).copied().collect();
            let missing = self.memories.memories(scope, &missing).await?.into_iter().flatten();
            for memory in missing.filter(|memory| wanted.takes(memory.tier)) {
                found.insert(memory.id, Recalled { memory, score: 0.0, similarity: None, words: 0.0 });
            }
            for recalled in found.values_mut() {
                recalled.similarity = near.get(&recalled.memory.id).copied();
            }
        }
        let mut found: Vec<Recalled> = found.into_values().collect();
        for recalled in &mut found {
            recalled.score = self.rank(recalled, now);
        }
        found.retain(|recalled| recalled.words > 0.0 || recalled.similarity.is_some_and(|near| near >= NEAR));
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.memory.id.cmp(&a.memory.id)));
        found.truncate(limit);
        let ids: Vec<MemoryId> = found.iter().map(|recalled| recalled.memory.id).collect();
        if noted && !ids.is_empty() {
            self.memories.used(scope, &ids, now).await?;
        }
        Ok(found)
    }

    /// Forgets memories for good; returns those that were there.
    ///
    /// # Errors
    /// What disk and vectors say.
    pub async fn forget(&self, scope: &Scope, ids: &[MemoryId]) -> Result<Vec<MemoryId>, MemoryError> {
        // Their vectors first: what is left half-way is found to lack one, and gets it back.
        if let Some(meaning) = &self.meaning {
            meaning.remove_memories(scope, ids).await?;
        }
        Ok(self.memories.forget(scope, ids).await?)
    }

    /// Takes those one tier down that are of no use ([`Settings`]), as of `now`; returns how many.
    ///
    /// # Errors
    /// What disk and vectors say.
    pub async fn cool(&self, scope: &Scope, now: Timestamp) -> Result<Cooled, MemoryError> {
        let ago = |days: u32| Timestamp::from_micros(now.as_micros().saturating_sub(i64::from(days) * DAY));
        let Settings { warm_after_days, cold_after_days, kept_hot, .. } = self.settings;
        let cooling =
            Cooling { warm_before: ago(warm_after_days), cold_before: ago(cold_after_days), kept: kept_hot };
        let cooled = self.memories.cool(scope, &cooling).await?;
        if let Some(meaning) = &self.meaning {
            meaning.remove_memories(scope, &cooled.cold).await?;
        }
        Ok(Cooled { warm: cooled.warm.len(), cold: cooled.cold.len() })
    }

    /// Makes warm and cold memories hot again; returns them.
    ///
    /// # Errors
    /// What disk, model and vectors say.
    pub async fn lift(&self, scope: &Scope, ids: &[MemoryId]) -> Result<Vec<Memory>, MemoryError> {
        let lifted = self.memories.lift(scope, ids, Timestamp::now()).await?;
        if let Some(meaning) = self.meaning.as_ref().filter(|_| !lifted.is_empty()) {
            meaning.follow_memories(scope, &self.memories).await?;
        }
        Ok(lifted)
    }

    /// What a memory is ranked by: how near it is in meaning, more where it has the words, less as it fades.
    fn rank(&self, recalled: &Recalled, now: Timestamp) -> f64 {
        let near = recalled.similarity.unwrap_or(0.0).max(0.0);
        let score = near + WEIGHT_OF_WORDS * recalled.words;
        let tier = if recalled.memory.tier == Tier::Hot { 1.0 } else { WEIGHT_OF_WARM };
        score * tier * strength(self.settings.half_life_days, recalled.memory.used_at, now)
    }
}

/// How much a memory counts that was last of use at a moment: half as much after each half-life, and all of it where
/// memories do not fade.
pub fn strength(half_life_days: Option<f64>, used_at: Timestamp, now: Timestamp) -> f64 {
    let Some(half_life) = half_life_days.filter(|days| *days > 0.0) else { return 1.0 };
    let days = now.as_micros().saturating_sub(used_at.as_micros()).max(0) as f64 / DAY as f64;
    (-days / half_life).exp2()
}

/// Memories that each of the two ways may name.
const LOOKED_AT: usize = 50;

/// All of the words together count as much as a cosine of this.
const WEIGHT_OF_WORDS: f64 = 0.5;

/// Of two that are as near, the one that was of use lately comes first; what is clearly nearer comes before it all the same.
const WEIGHT_OF_WARM: f64 = 0.9;

/// What has none of the words is not what was looked for below this cosine.
const NEAR: f64 = 0.25;

/// In microseconds.
const DAY: i64 = 86_400_000_000;
