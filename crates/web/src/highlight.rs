//! Colours for code: comments, strings, numbers, keywords, types and calls in some thirty languages.
//!
//! One lexer reads every language from a table of its lexical facts. It is a reading aid and not a parser: where
//! a language is richer than the table, a word stays uncoloured, and no byte is ever changed or lost.

mod language;
mod lex;

pub(crate) use language::{Language, find};
pub(crate) use lex::spans;

/// What a stretch of code is to its reader; the class name that the style sheet knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Plain,
    Comment,
    Text,
    Number,
    Keyword,
    Type,
    Call,
    Meta,
    Added,
    Removed,
}

impl Class {
    /// Returns the class attribute, `None` for plain text.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Comment => Some("hc"),
            Self::Text => Some("hs"),
            Self::Number => Some("hn"),
            Self::Keyword => Some("hk"),
            Self::Type => Some("ht"),
            Self::Call => Some("hf"),
            Self::Meta => Some("hm"),
            Self::Added => Some("ha"),
            Self::Removed => Some("hr"),
        }
    }
}
