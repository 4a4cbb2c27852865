use crate::{Filters, Notice};

/// What a person is looking for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A word in any of its forms (stemmed).
    Word(String),
    /// Words in this order, next to each other.
    Phrase(String),
    /// A word that begins like this.
    Prefix(String),
    /// All of these.
    All(Vec<Expr>),
    /// Any of these.
    Any(Vec<Expr>),
    /// Not this. Only meaningful inside [`Expr::All`], beside something positive.
    Not(Box<Expr>),
    /// This, in the conversation's title.
    Title(Box<Expr>),
}

/// A query, understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParsedQuery {
    /// What to look for; `None` where only filters were given.
    pub expr: Option<Expr>,
    /// The filters named in the query.
    pub filters: Filters,
    /// What was not understood and how it was taken instead.
    pub notices: Vec<Notice>,
}
