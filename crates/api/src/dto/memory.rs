use athenaeum_archive::memories;
use athenaeum_retrieval::memory::{Recalled, Taken};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of memories.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemoryPage {
    /// The newest first, or the best where something was looked for.
    pub(crate) memories: Vec<Memory>,
    /// Where the next page begins; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// Something that is remembered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Memory {
    /// Its id.
    #[schema(format = "uuid")]
    id: String,
    /// What.
    text: String,
    /// `hot`: new, or of use lately. `warm`: of no use for a while, and found all the same. `cold`: found only by who asks for cold
    /// ones.
    tier: &'static str,
    /// Somebody asked for it to be remembered.
    asked_for: bool,
    #[serde(flatten)]
    surprise: Surprise,
    /// The conversation that it comes from.
    #[schema(format = "uuid")]
    conversation_id: Option<String>,
    /// The message that it comes from.
    message_id: Option<i64>,
    /// When it came.
    #[schema(format = "date-time")]
    remembered_at: String,
    /// When it was last of use, or remembered again.
    #[schema(format = "date-time")]
    used_at: String,
    /// How often it was of use.
    uses: u64,
    /// How it was found, where something was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<FoundMemory>,
}

/// How much of a surprise a text was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Surprise {
    /// 0.6 of how little a model expected it, 0.4 of the distance; 0 to 1.
    surprise: f64,
    /// Of the model that was asked; 1 where none was.
    perplexity: f64,
    /// No model was asked.
    perplexity_fallback: bool,
    /// Cosine distance of the nearest memory: 1 where there was none, 0.5 where nobody could tell.
    distance: f64,
}

/// How a memory was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundMemory {
    /// What it is ranked by.
    score: f64,
    /// Cosine with what was looked for; null where that was not compared.
    similarity: Option<f64>,
    /// The share of the words looked for that it has.
    words: f64,
}

/// What became of something that was to be remembered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Remembered {
    /// It is remembered.
    kept: bool,
    /// It was not before.
    new: bool,
    /// As it stands now; null where it is not kept.
    memory: Option<Memory>,
    #[serde(flatten)]
    surprise: Surprise,
}

impl From<memories::Memory> for Memory {
    fn from(memory: memories::Memory) -> Self {
        Self {
            id: memory.id.to_string(),
            tier: memory.tier.as_str(),
            asked_for: memory.asked_for,
            surprise: memory.surprise.into(),
            conversation_id: memory.origin.conversation.map(|id| id.to_string()),
            message_id: memory.origin.message.map(|id| id.0),
            remembered_at: memory.remembered_at.to_string(),
            used_at: memory.used_at.to_string(),
            uses: memory.uses,
            text: memory.text,
            found: None,
        }
    }
}

impl From<Recalled> for Memory {
    fn from(recalled: Recalled) -> Self {
        let Recalled { memory, score, similarity, words } = recalled;
        Self { found: Some(FoundMemory { score, similarity, words }), ..memory.into() }
    }
}

impl From<memories::Surprise> for Surprise {
    fn from(surprise: memories::Surprise) -> Self {
        Self {
            surprise: surprise.score,
            perplexity: surprise.perplexity.unwrap_or(1.0),
            perplexity_fallback: surprise.perplexity.is_none(),
            distance: surprise.distance,
        }
    }
}

impl From<Taken> for Remembered {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Passed(surprise) => {
                Self { kept: false, new: false, memory: None, surprise: surprise.into() }
            }
            Taken::Kept(kept) => Self {
                kept: true,
                new: kept.is_new,
                surprise: kept.memory.surprise.into(),
                memory: Some(kept.memory.into()),
            },
        }
    }
}
