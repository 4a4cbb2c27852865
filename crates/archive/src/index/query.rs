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

impl Query {
    /// Tells whether there is a word to rank by.
    pub(crate) fn is_ranked(&self) -> bool {
        match self {
            Self::Term(_) | Self::Phrase(_) | Self::Prefix { .. } => true,
            Self::All(members) | Self::Any(members) => members.iter().any(Self::is_ranked),
            Self::Not(_) => false,
            Self::Title(inner) => inner.is_ranked(),
        }
    }

    /// Tells whether only titles are asked for: then messages are no answer.
    pub(crate) fn is_title_only(&self) -> bool {
        match self {
            Self::Title(_) => true,
            Self::Term(_) | Self::Phrase(_) | Self::Prefix { .. } | Self::Not(_) => false,
            Self::All(members) => {
                members.iter().any(Self::is_title_only)
                    && members.iter().all(|member| matches!(member, Self::Not(_)) || member.is_title_only())
            }
            Self::Any(members) => !members.is_empty() && members.iter().all(Self::is_title_only),
        }
    }
}
