use serde::{Deserialize, Serialize};

/// What a model says, piece by piece. JSON of it is read back the same, so that an answer can be kept and told again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It said something to whoever asked.
    Text(String),
    /// It said something to itself.
    Reasoning(String),
    /// It began to call a tool.
    CallStarted {
        /// Counts the calls of this answer, from 0.
        index: usize,
        /// As the engine gave it.
        id: Option<String>,
        /// Which tool.
        name: String,
    },
    /// A piece of the JSON object that the tool is called with.
    CallArguments {
        /// Which call.
        index: usize,
        /// All of a call's, one after the other, are one object.
        delta: String,
    },
    /// It is over. Nothing follows.
    End(End),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Why.
    pub reason: Reason,
    /// Which of the stops came, where the engine says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Tokens of the prompt, where the engine says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<usize>,
    /// Those of them that were in its cache, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<usize>,
    /// Tokens of the answer, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_tokens: Option<usize>,
    /// Those of them that it said to itself, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<usize>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The model ended it, or one of the stops came, or it called tools.
    Ended,
    /// As many tokens as were asked for, or as fit.
    Length,
    /// The engine holds the rest back.
    Filtered,
    /// The time of the request was over.
    Deadline,
}

impl End {
    pub(crate) fn new(reason: Reason) -> Self {
        Self {
            reason,
            stop: None,
            prompt_tokens: None,
            cached_tokens: None,
            generated_tokens: None,
            reasoning_tokens: None,
        }
    }
}
