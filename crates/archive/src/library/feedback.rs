//! Ordering what holds some of a question's words by what its best answers speak of.
//!
//! A question in sentences names its subject in few words; what answers it names it in others as well. The best of a
//! first ranking lend theirs: the relevance model RM3 (Abdul-Jaleel et al., "UMass at TREC 2004: Novelty and HARD"), here
//! over the candidates alone, so that nothing is found that holds none of the words that were typed.
//!
//! Candidates are scored by [`Candidates::score`], first with the question's terms as often as they stand in it, then with
//! up to half of the weight on the [`TERMS`] terms that the [`LENDERS`] best documents speak of most, two of them at least.
//! Which those are may be told by another ranking than by word: who also asks a model knows better ones.
//! `docs/benchmarks.md` has what it brings on judged collections.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::{
    index::{self, Candidates},
    text::{Analyzer, is_common},
};

/// A question's terms, each as often as it stands there; without common words, unless there are no others. `None` where it
/// is too short to say more than its words do.
pub(super) fn asked(question: &str, analyzer: &mut Analyzer) -> Option<Vec<String>> {
    let (mut telling, mut common) = (Vec::new(), Vec::new());
    analyzer.analyze(question, |token| {
        if is_common(token.term) { &mut common } else { &mut telling }.push(token.term.to_owned());
    });
    if telling.is_empty() {
        telling = common;
    }
    (telling.len() >= WORDS_LEAST).then_some(telling)
}

/// Scores candidates by a question's own terms.
///
/// # Errors
/// Those of the index.
pub(super) fn scores(question: &[String], candidates: &Candidates) -> index::Result<Vec<f64>> {
    candidates.score(weights(question).iter().map(|(term, weight)| (*term, *weight)))
}

/// Scores candidates by a question's terms and those that texts lend, each text as much as it is worth.
///
/// # Errors
/// Those of the index.
pub(super) fn scores_with(
    question: &[String],
    lenders: &[(String, f64)],
    candidates: &Candidates,
    analyzer: &mut Analyzer,
) -> index::Result<Vec<f64>> {
    let lent = lent(lenders, candidates, analyzer)?;
    let whole: f64 = lent.iter().map(|(_, share)| share).sum();
    let mut weights = weights(question);
    if whole > 0.0 {
        // Few terms say little, and would each say it loudly.
        let part = LENT * (lent.len() as f64 / TERMS as f64);
        for weight in weights.values_mut() {
            *weight *= 1.0 - part;
        }
        for (term, share) in &lent {
            *weights.entry(term).or_default() += part * share / whole;
        }
    }
    candidates.score(weights)
}

/// Chooses who lends of what is ordered best first: the best of each document, as long as they are near the best of all.
pub(super) fn lenders<T, D: PartialEq>(
    best: impl IntoIterator<Item = (T, f64)>,
    document: impl Fn(&T) -> D,
) -> Vec<(T, f64)> {
    let mut lenders: Vec<(T, f64)> = Vec::with_capacity(LENDERS);
    for (one, score) in best {
        let near = lenders.first().is_none_or(|(_, most)| score >= NEAR * most) && score > 0.0;
        if lenders.len() == LENDERS || !near {
            break;
        }
        let of = document(&one);
        if lenders.iter().all(|(other, _)| document(other) != of) {
            lenders.push((one, score));
        }
    }
    lenders
}

/// By the order of the alphabet, so that sums do not depend on how a table happens to lie.
fn weights(question: &[String]) -> BTreeMap<&str, f64> {
    let mut weights = BTreeMap::new();
    for term in question {
        *weights.entry(term.as_str()).or_default() += 1.0 / question.len() as f64;
    }
    weights
}

/// Returns the terms that texts speak of most, with how much.
fn lent(
    lenders: &[(String, f64)],
    candidates: &Candidates,
    analyzer: &mut Analyzer,
) -> index::Result<Vec<(String, f64)>> {
    let whole: f64 = lenders.iter().map(|(_, score)| score).sum();
    let mut shares: FxHashMap<String, (f64, u32)> = FxHashMap::default();
    for (text, score) in lenders {
        let mut counts: FxHashMap<String, f64> = FxHashMap::default();
        let mut length = 0.0;
        analyzer.analyze(text, |token| {
            length += 1.0;
            *counts.entry(token.term.to_owned()).or_default() += 1.0;
        });
        for (term, count) in counts {
            let (share, holders) = shares.entry(term).or_default();
            *share += score / whole * count / length;
            *holders += 1;
        }
    }
    // What only one of them speaks of is that one's own matter.
    let shared = shares.into_iter().filter(|(term, (_, holders))| *holders > 1 && !is_common(term));
    let mut lent: Vec<(String, f64)> = shared.map(|(term, (share, _))| (term, share)).collect();
    lent.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut telling = Vec::with_capacity(TERMS);
    for (term, share) in lent {
        if telling.len() == TERMS {
            break;
        }
        if candidates.share(&term)? < COMMON {
            telling.push((term, share));
        }
    }
    Ok(telling)
}

/// Fewer words are a name or a phrase: who types them means them and no others.
const WORDS_LEAST: usize = 3;

/// The best documents that lend their terms.
const LENDERS: usize = 6;

/// Terms that are lent.
const TERMS: usize = 30;

/// Of the best score, how much those have that lend.
const NEAR: f64 = 0.3;

/// Of the weight, how much is on lent terms.
const LENT: f64 = 0.5;

/// What stands in a larger part of all chunks tells none of them from the others.
const COMMON: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_each_document_lends() {
        let best = [("a1", 9.0), ("a2", 8.0), ("b1", 5.0), ("c1", 2.0), ("d1", 9.9)];
        let lenders = lenders(best, |name| name.chars().next());
        assert_eq!(lenders, [("a1", 9.0), ("b1", 5.0)], "what is far behind does not lend");
        assert!(super::lenders([("a", 0.0)], |name| *name).is_empty());
    }
}
