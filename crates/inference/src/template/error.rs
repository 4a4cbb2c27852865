/// Why a chat template could not be used, or did not take a conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The template itself is wrong, whatever the conversation.
    #[error(
        "line {line} of the chat template cannot be read: {reason}; choose another template for this model"
    )]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// In the words of the template engine.
        reason: String,
    },
    /// The template did something impossible with this conversation.
    #[error(
        "line {line} of the chat template fails: {reason}; change the conversation, or choose another template"
    )]
    Failed {
        /// Counted from 1; 0 where it is not known.
        line: usize,
        /// In the words of the template engine.
        reason: String,
    },
    /// The template looked at the conversation and said no (`raise_exception`).
    #[error("the chat template of this model refuses the conversation (line {line}): {reason}")]
    Refused {
        /// Counted from 1; 0 where it is not known.
        line: usize,
        /// In the template's own words.
        reason: String,
    },
    /// The template needs more than a template may ([`Limits`](super::Limits)).
    #[error(
        "the chat template needs more than {limit} {what}; shorten the conversation, or choose another template"
    )]
    TooMuch {
        /// What there is too much of, in the plural: `steps`, `bytes of text`.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// There is no built-in template of this name.
    #[error("there is no chat template called {name:?}; known are {known}")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// All names, with commas.
        known: String,
    },
    /// What was given as JSON is none, or no conversation.
    #[error("the conversation cannot be read: {reason}; see what a message may hold")]
    NotAConversation {
        /// What is wrong, and where.
        reason: String,
    },
    /// The machine had no thread to spare.
    #[error("no thread could be started to fill in the chat template; try again")]
    NoThread,
}
