//! Ordering what holds some of a question's words by what its best answers speak of.
//!
//! A question in sentences names its subject in few words; what answers it names it in others as well. The best of the
//! first ranking lend theirs: the relevance model RM3 (Abdul-Jaleel et al., "UMass at TREC 2004: Novelty and HARD"), here
//! over the candidates alone, so that nothing is found that holds none of the words that were typed.
//!
//! The score is BM25 with weights on the terms,
//!
//! ```text
//! idf = ln(1 + (N − n + 0.5) / (n + 0.5)),   weight · idf · tf · (k1 + 1) / (tf + k1 · (1 − b + b · len / mean))
//! ```
//!
//! first with the question's terms as often as they stand in it, then with up to half of the weight on the [`TERMS`] terms
//! that the [`DOCUMENTS`] best speak of most, two of them at least. `docs/benchmarks.md` has what it brings on judged collections.

use rustc_hash::FxHashMap;

use crate::{
    index::{self, Index},
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

/// Orders texts by how well they answer a question of these terms. Returns their scores; higher is better.
///
/// # Errors
/// Those of the index, which tells how rare terms are.
pub(super) fn scores(
    question: &[String],
    texts: &[String],
    index: &Index,
    analyzer: &mut Analyzer,
) -> index::Result<Vec<f64>> {
    let mut pool = Pool::new(texts, index, analyzer);
    let mut weights: FxHashMap<u32, f64> = FxHashMap::default();
    for term in question {
        let number = pool.number(term);
        *weights.entry(number).or_default() += 1.0 / question.len() as f64;
    }
    let first = pool.score(&weights)?;
    let lent = pool.lent(&first)?;
    let whole: f64 = lent.iter().map(|(_, share)| share).sum();
    if whole > 0.0 {
        // Few terms say little, and would each say it loudly.
        let part = LENT * (lent.len() as f64 / TERMS as f64);
        for weight in weights.values_mut() {
            *weight *= 1.0 - part;
        }
        for (term, share) in lent {
            *weights.entry(term).or_default() += part * share / whole;
        }
    }
    pool.score(&weights)
}

/// Texts as terms, by number.
struct Pool<'i> {
    index: &'i Index,
    numbers: FxHashMap<String, u32>,
    terms: Vec<String>,
    /// How rare a term is, once asked.
    idf: Vec<Option<(f64, u64)>>,
    texts: Vec<Counted>,
    documents: f64,
    mean: f64,
}

struct Counted {
    terms: FxHashMap<u32, u32>,
    length: f64,
}

impl<'i> Pool<'i> {
    fn new(texts: &[String], index: &'i Index, analyzer: &mut Analyzer) -> Self {
        let stats = index.stats();
        let documents = stats.messages.max(1) as f64;
        let mean = (stats.tokens as f64 / documents).max(1.0);
        let (numbers, terms) = (FxHashMap::default(), Vec::new());
        let mut pool = Self { index, numbers, terms, idf: Vec::new(), texts: Vec::new(), documents, mean };
        for text in texts {
            let mut counted = Counted { terms: FxHashMap::default(), length: 0.0 };
            analyzer.analyze(text, |token| {
                counted.length += 1.0;
                *counted.terms.entry(pool.number(token.term)).or_default() += 1;
            });
            pool.texts.push(counted);
        }
        pool
    }

    fn number(&mut self, term: &str) -> u32 {
        if let Some(number) = self.numbers.get(term) {
            return *number;
        }
        let number = self.terms.len() as u32;
        self.numbers.insert(term.to_owned(), number);
        self.terms.push(term.to_owned());
        self.idf.push(None);
        number
    }

    /// Returns how much a term tells, and in how many documents it stands.
    fn idf(&mut self, term: u32) -> index::Result<(f64, u64)> {
        if let Some(known) = self.idf[term as usize] {
            return Ok(known);
        }
        let holders = self.index.document_frequency(&self.terms[term as usize])?;
        let n = (holders as f64).min(self.documents);
        let known = ((1.0 + (self.documents - n + 0.5) / (n + 0.5)).ln(), holders);
        self.idf[term as usize] = Some(known);
        Ok(known)
    }

    fn score(&mut self, weights: &FxHashMap<u32, f64>) -> index::Result<Vec<f64>> {
        let mut telling = Vec::with_capacity(weights.len());
        for (term, weight) in weights {
            telling.push((*term, weight * self.idf(*term)?.0));
        }
        // Sums do not depend on how a table happens to lie.
        telling.sort_unstable_by_key(|(term, _)| *term);
        let score = |text: &Counted| {
            let norm = K1 * (1.0 - B + B * text.length / self.mean);
            let part = |(term, weight): &(u32, f64)| {
                let tf = text.terms.get(term).copied().map_or(0.0, f64::from);
                weight * tf * (K1 + 1.0) / (tf + norm)
            };
            telling.iter().map(part).sum()
        };
        Ok(self.texts.iter().map(score).collect())
    }

    /// Returns the terms that the best texts speak of most, with how much.
    fn lent(&mut self, scores: &[f64]) -> index::Result<Vec<(u32, f64)>> {
        let mut best: Vec<usize> = (0..scores.len()).collect();
        best.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        best.truncate(DOCUMENTS);
        // What is far behind the best answers something else.
        let least = best.first().map_or(0.0, |text| scores[*text] * NEAR);
        best.retain(|text| scores[*text] >= least);
        let whole: f64 = best.iter().map(|text| scores[*text]).sum();
        let mut shares: FxHashMap<u32, (f64, u32)> = FxHashMap::default();
        for text in best.into_iter().filter(|_| whole > 0.0) {
            let counted = &self.texts[text];
            for (term, count) in &counted.terms {
                let (share, holders) = shares.entry(*term).or_default();
                *share += scores[text] / whole * f64::from(*count) / counted.length;
                *holders += 1;
            }
        }
        let mut lent = Vec::with_capacity(shares.len());
        // What only one of them speaks of is that one's own matter.
        for (term, (share, _)) in shares.into_iter().filter(|(_, (_, holders))| *holders > 1) {
            let holders = self.idf(term)?.1;
            let telling = (holders as f64) < self.documents * COMMON;
            if telling && !is_common(&self.terms[term as usize]) {
                lent.push((term, share));
            }
        }
        lent.sort_by(|a, b| {
            b.1.total_cmp(&a.1).then_with(|| self.terms[a.0 as usize].cmp(&self.terms[b.0 as usize]))
        });
        lent.truncate(TERMS);
        Ok(lent)
    }
}

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// Fewer words are a name or a phrase: who types them means them and no others.
const WORDS_LEAST: usize = 3;

/// The best that lend their terms.
const DOCUMENTS: usize = 5;

/// Terms that are lent.
const TERMS: usize = 20;

/// Of the best score, how much those have that lend.
const NEAR: f64 = 0.5;

/// Of the weight, how much is on lent terms.
const LENT: f64 = 0.5;

/// What stands in a larger part of all documents tells none of them from the others.
const COMMON: f64 = 0.1;
