//! What a librarian is at.

use std::time::Duration;

use crate::{documents::Progress, search::Coverage};

/// What is being done for a tenant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activity {
    /// How far reading has come; `None` while nothing is read.
    pub adding: Option<Progress>,
    /// Files and folders that wait to be read.
    pub waiting: usize,
    /// What the last reading did.
    pub last: Option<Taken>,
    /// How embedding stands.
    pub embedding: Embedding,
    /// Grows whenever something in the library may have changed.
    pub changes: u64,
}

impl Activity {
    /// Tells whether something is read or embedded, or waits for that.
    pub fn is_busy(&self) -> bool {
        self.adding.is_some() || self.waiting > 0 || self.embedding.pace == Pace::Running
    }
}

/// What a reading did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Documents that are new.
    pub added: u64,
    /// Documents that changed.
    pub updated: u64,
    /// Files that were known.
    pub unchanged: u64,
    /// Files that could not be read.
    pub failed: u64,
    /// Files of no format that is read.
    pub skipped: u64,
    /// Why it ended early.
    pub error: Option<String>,
}

/// How embedding stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedding {
    /// What it does.
    pub pace: Pace,
    /// How much has a vector, as was counted last.
    pub coverage: Option<Coverage>,
    /// Time left, where it can be told.
    pub remaining: Option<Duration>,
    /// Why it ended early.
    pub error: Option<String>,
}

/// What embedding does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Pace {
    /// Nothing is to be done, or nobody looked yet.
    #[default]
    Idle,
    /// Vectors are being made.
    Running,
    /// It was told to stop.
    Paused,
    /// It could not go on; the next file that comes has it try again.
    Failed,
    /// There is no model for it.
    NoModel,
}

impl Pace {
    /// Returns the name that wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::NoModel => "no_model",
        }
    }
}
