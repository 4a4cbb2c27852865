/// A query over analysed terms (folded, stemmed), as the analyser made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Documents that hold the term.
    Term(String),
    /// Documents that hold the terms at these relative positions (`(offset, term)`, offsets ascending from 0).
    Phrase(Vec<(u32, String)>),
    /// Documents that hold any of the terms that a prefix stands for. They count as one term.
    Prefix {
        /// What terms begin with, folded, not stemmed.
        beginning: String,
        /// Terms that do not begin so, but that words beginning so have.
        stems: Vec<String>,
    },
    /// Documents that match all of these; [`Query::Not`] members exclude.
    All(Vec<Query>),
    /// Documents that match any of these.
    Any(Vec<Query>),
    /// Documents that do not match; only inside [`Query::All`] beside a positive member.
    Not(Box<Query>),
    /// Documents whose conversation's title matches.
    Title(Box<Query>),
}
