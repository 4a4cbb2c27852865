/// A query over analysed terms (folded, stemmed), as the analyser made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Documents that hold the term.
    Term(String),
    /// Documents that hold the terms at these relative positions (`(offset, term)`, offsets ascending from 0).
    Phrase(Vec<(u32, String)>),
    /// Documents that hold a term beginning with this (folded, not stemmed).
    Prefix(String),
    /// Documents that match all of these; [`Query::Not`] members exclude.
    All(Vec<Query>),
    /// Documents that match any of these.
    Any(Vec<Query>),
    /// Documents that do not match; only inside [`Query::All`] beside a positive member.
    Not(Box<Query>),
    /// Documents whose conversation's title matches.
    Title(Box<Query>),
}
