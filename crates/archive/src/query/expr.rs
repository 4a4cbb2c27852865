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

impl Expr {
    /// Tells whether this is words and nothing else, as in a sentence: no phrase in quotation marks, nothing excluded, no
    /// choice. Brackets and words joined by a sign (`high-speed`) are part of sentences.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::Word(_) => true,
            Self::Phrase(joined) => {
                !joined.contains(char::is_whitespace) && joined.contains(|c: char| !c.is_alphanumeric())
            }
            Self::All(members) => members.iter().all(Self::is_plain),
            _ => false,
        }
    }
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

#[cfg(test)]
mod tests {
    #[test]
    fn sentences_are_plain() {
        let check = |text: &str, plain: bool| {
            let expr = super::super::parse(text).expr.unwrap();
            assert_eq!(expr.is_plain(), plain, "{text}: {expr:?}");
        };
        check("How do high-speed aircraft (heated ones) fly?", true);
        check("shock-sound waves", true);
        check("a \"sonic boom\" at night", false);
        check("waves -sound", false);
        check("waves OR sound", false);
        check("aero* models", false);
    }
}
