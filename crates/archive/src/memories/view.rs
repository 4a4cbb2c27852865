//! What memories are given and what they hand out.

use athenaeum_core::{ConversationId, MemoryId, MessageId, Timestamp};

/// Something to be remembered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewMemory {
    /// Up to [`NewMemory::BYTES_MAX`] bytes; white space at both ends goes.
    pub text: String,
    /// Where it comes from, where that is known.
    pub origin: Origin,
    /// How much of a surprise it is.
    pub surprise: Surprise,
    /// Somebody asked for it to be remembered; otherwise it was surprising.
    pub asked_for: bool,
}

impl NewMemory {
    /// Longer texts are documents.
    pub const BYTES_MAX: usize = 16 << 10;
}

/// Where a memory comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// The conversation.
    pub conversation: Option<ConversationId>,
    /// The message in it.
    pub message: Option<MessageId>,
}

/// How much of a surprise a text was when it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surprise {
    /// How little a model expected it, from 1; `None` where there was no model to say so.
    pub perplexity: Option<f64>,
    /// How far the nearest memory was: 0 for the same meaning, 1 for another one or where there was none, up to 2.
    pub distance: f64,
    /// Both together, from 0 to 1.
    pub score: f64,
}

impl Default for Surprise {
    fn default() -> Self {
        Self { perplexity: None, distance: 1.0, score: 0.0 }
    }
}

/// Something that was remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Its name.
    pub id: MemoryId,
    /// What.
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
    /// How much of a surprise it was.
    pub surprise: Surprise,
    /// Somebody asked for it to be remembered.
    pub asked_for: bool,
    /// How readily it is found.
    pub tier: Tier,
    /// When it was first remembered.
    pub remembered_at: Timestamp,
    /// When it was last of use, or remembered.
    pub used_at: Timestamp,
    /// How often it was of use since it came.
    pub uses: u64,
}

/// How readily a memory is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// It is new, or was of use lately.
    Hot,
    /// It was of no use for a while, and is found all the same.
    Warm,
    /// It is found only by who asks for cold ones.
    Cold,
}

impl Tier {
    /// All of them, from the one that is found most readily.
    pub const ALL: [Self; 3] = [Self::Hot, Self::Warm, Self::Cold];

    /// Its name in lower-case letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }

    /// The tier of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == name)
    }
}

/// Which memories are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Those that are found: hot and warm ones.
    #[default]
    Found,
    /// Those of one tier.
    Of(Tier),
    /// All.
    All,
}

impl Wanted {
    /// Tells whether memories of this tier are wanted.
    pub fn takes(self, tier: Tier) -> bool {
        match self {
            Self::Found => tier != Tier::Cold,
            Self::Of(wanted) => tier == wanted,
            Self::All => true,
        }
    }
}

/// Which memories go down a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooling {
    /// Hot ones that were neither made nor used since then grow warm.
    pub warm_before: Timestamp,
    /// Warm ones that were neither made nor used since then grow cold.
    pub cold_before: Timestamp,
    /// Of the newest so many none grows cold.
    pub kept: usize,
}

/// Memories that went down a tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cooled {
    /// That were hot.
    pub warm: Vec<MemoryId>,
    /// That were warm.
    pub cold: Vec<MemoryId>,
}

/// What became of a memory that was to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// As it stands now.
    pub memory: Memory,
    /// It was not there before.
    pub is_new: bool,
}

/// How many memories there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// New, or of use lately.
    pub hot: u64,
    /// Found, though of no use for a while.
    pub warm: u64,
    /// Not found.
    pub cold: u64,
}

impl MemoryStats {
    /// How many are found.
    pub fn found(&self) -> u64 {
        self.hot + self.warm
    }
}
