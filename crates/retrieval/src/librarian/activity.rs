//! What a librarian is at.

use std::{path::PathBuf, sync::Arc, time::Duration};

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
    /// The folders that are watched; none where nothing watches.
    pub folders: Arc<[Folder]>,
    /// Grows whenever something in the library may have changed.
    pub changes: u64,
}

/// A folder that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// How it is watched.
    pub watched: Watched,
}

/// How a folder is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The system tells of every change.
    Always,
    /// It is looked through at intervals.
    NowAndThen {
        /// The interval.
        every: Duration,
        /// Why the system cannot be relied on, for people.
        why: String,
    },
    /// It is not there; when it comes back, it is watched.
    Missing,
    /// Another process does it.
    ByAnother,
}

impl Watched {
    /// Returns the name that wires use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::NowAndThen { .. } => "now_and_then",
            Self::Missing => "missing",
            Self::ByAnother => "by_another",
        }
    }
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
    /// Which reading of this process it was, from 1: two that did the same are two.
    pub reading: u64,
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
    /// How much of the documents has a vector, as was counted last.
    pub coverage: Option<Coverage>,
    /// How many messages were looked through, and have a vector where they say something, as was counted last; `None` where
    /// conversations are not embedded.
    pub messages: Option<Coverage>,
    /// Which model makes them.
    pub model: Option<String>,
    /// Models whose vectors answer until those of this one are whole.
    pub formers: Vec<String>,
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
    /// Another program makes them.
    Elsewhere,
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
            Self::Elsewhere => "elsewhere",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::NoModel => "no_model",
        }
    }
}
