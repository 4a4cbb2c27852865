//! What is asked and what is answered.

use std::{collections::HashSet, ops::Range, sync::Arc, time::Duration};

use athenaeum_archive::{Filters, Notice, library};
use athenaeum_core::DocumentId;

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// In the query language of [`athenaeum_archive::query`]; any text is accepted.
    pub query: String,
    /// Where to look.
    pub within: Within,
    /// How to look.
    pub mode: Mode,
    /// Which messages may be found. Of documents, the times are looked at; other filters speak of conversations, and
    /// with any of them no document is found.
    pub filters: Filters,
    /// Only documents of these formats; with any of them no message is found. Empty: all.
    pub formats: Vec<String>,
    /// Only these documents; then no message is found. `None`: all.
    pub documents: Option<Arc<HashSet<DocumentId>>>,
    /// How many hits; 0 means [`Request::LIMIT_DEFAULT`], more than [`Request::LIMIT_MAX`] is cut to it.
    pub limit: usize,
    /// How many of the best to pass over.
    pub offset: usize,
    /// Whether a model reads the best hits and orders them anew. `None`: where there is one for it.
    pub rerank: Option<bool>,
    /// Hits of a lower [`score`](Hit::score) are left out. What scores are like depends on how lists are fused: by how far they
    /// stand out of a list, 0 is its average hit.
    pub score_min: Option<f64>,
}

impl Request {
    /// Hits when the request does not say.
    pub const LIMIT_DEFAULT: usize = 20;
    /// Most hits.
    pub const LIMIT_MAX: usize = 200;

    pub(super) fn limit(&self) -> usize {
        if self.limit == 0 { Self::LIMIT_DEFAULT } else { self.limit.min(Self::LIMIT_MAX) }
    }
}

/// Where to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Within {
    /// In conversations and documents.
    #[default]
    All,
    /// In conversations.
    Chats,
    /// In documents.
    Library,
}

/// How to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By word.
    Text,
    /// By meaning.
    Semantic,
    /// By both.
    #[default]
    Hybrid,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Text, Self::Semantic, Self::Hybrid];

    /// Returns the name that flags and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Semantic => "semantic",
            Self::Hybrid => "hybrid",
        }
    }

    /// Finds the mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }

    pub(super) fn by_word(self) -> bool {
        self != Self::Semantic
    }

    pub(super) fn by_meaning(self) -> bool {
        self != Self::Text
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Best first.
    pub hits: Vec<Hit>,
    /// There are more behind these.
    pub more: bool,
    /// How much can be found by meaning so far; `None` where nobody looked by meaning.
    pub coverage: Option<Coverage>,
    /// What was understood differently than typed, or bounded; one sentence each, for people.
    pub notices: Vec<Notice>,
    /// Time it took.
    pub elapsed: Duration,
}

/// How much of what there is has a vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Chunks and messages with a vector.
    pub embedded: u64,
    /// Chunks and messages that are to have one.
    pub total: u64,
}

/// One hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What was found.
    pub found: Found,
    /// Higher is better; comparable within one answer only.
    pub score: f64,
    /// Why it was.
    pub why: Why,
    /// Bytes of the message's content that are nearest in meaning, where it was found by that.
    pub passage: Option<Range<usize>>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A message, or a conversation by its title.
    Message(Box<athenaeum_archive::Hit>),
    /// A chunk of a document.
    Chunk(Box<library::Hit>),
}

/// Why something was found: its rank in each list that has it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Why {
    /// By its words.
    pub text: Option<Rank>,
    /// By its meaning.
    pub meaning: Option<Rank>,
    /// By a model that read question and text together, among those that it read.
    pub rerank: Option<Rank>,
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    /// From 1.
    pub rank: u32,
    /// What the list orders by: BM25, the cosine, or what the model says.
    pub score: f64,
}
