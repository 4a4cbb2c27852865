//! From words to the terms that the index holds.

use super::Expr;
use crate::{index::Query, text::Analyzer};

/// Returns what to ask the index; `None` where nothing is left that it could find.
///
/// A word becomes the term of its stem, several joined by punctuation a phrase. A beginning also asks for
/// the stems that words beginning so may have: `organiz*` finds *organize*, which the index knows as `organ`.
pub fn lower(expr: &Expr, analyzer: &mut Analyzer) -> Option<Query> {
    match expr {
        Expr::Word(text) | Expr::Phrase(text) => phrase(text, analyzer),
        Expr::Prefix(text) => {
            let prefix = analyzer.prefix(text)?;
            Some(Query::Prefix { beginning: prefix.folded, stems: prefix.stems })
        }
        Expr::All(members) => {
            let members: Vec<Query> = members.iter().filter_map(|member| lower(member, analyzer)).collect();
            let positive = members.iter().any(|member| !matches!(member, Query::Not(_)));
            if positive { one_or(members, Query::All) } else { None }
        }
        Expr::Any(members) => {
            let members = members.iter().filter_map(|member| lower(member, analyzer));
            one_or(members.filter(|member| !matches!(member, Query::Not(_))).collect(), Query::Any)
        }
        Expr::Not(inner) => lower(inner, analyzer).map(|inner| Query::Not(Box::new(inner))),
        Expr::Title(inner) => lower(inner, analyzer).map(|inner| Query::Title(Box::new(inner))),
    }
}

fn phrase(text: &str, analyzer: &mut Analyzer) -> Option<Query> {
    let mut terms = Vec::new();
    analyzer.analyze(text, |token| terms.push((token.position, token.term.to_owned())));
    match terms.len() {
        0 | 1 => terms.pop().map(|(_, term)| Query::Term(term)),
        _ => Some(Query::Phrase(terms)),
    }
}

fn one_or(mut members: Vec<Query>, join: fn(Vec<Query>) -> Query) -> Option<Query> {
    if members.len() < 2 { members.pop() } else { Some(join(members)) }
}
