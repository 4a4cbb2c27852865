//! Several lists made one.

use std::{collections::HashMap, hash::Hash};

use super::request::{Rank, Why};

/// What softens the difference between the first ranks: k of the paper, which found 60 good and little depending on it.
pub const RANK_OFFSET: f64 = 60.0;

/// What two lists say together.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused<K> {
    /// What is found.
    pub key: K,
    /// The sum of its parts; higher is better.
    pub score: f64,
    /// Its place in each list.
    pub why: Why,
}

/// How much each list counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// The list by word.
    pub text: f64,
    /// The list by meaning.
    pub meaning: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { text: 1.0, meaning: 1.0 }
    }
}

/// Fuses two lists, each best first with its own scores, by reciprocal ranks. Best first; what comes first in a list is
/// before its equals.
pub fn reciprocal_ranks<K: Copy + Eq + Hash>(
    text: &[(K, f64)],
    meaning: &[(K, f64)],
    weights: Weights,
) -> Vec<Fused<K>> {
    let part = |weight: f64, rank: Rank| weight / (RANK_OFFSET + f64::from(rank.rank));
    gathered(text, meaning, |why| {
        why.text.map_or(0.0, |rank| part(weights.text, rank))
            + why.meaning.map_or(0.0, |rank| part(weights.meaning, rank))
    })
}

/// Fuses two lists by their scores, each as deviations from its list's mean (z-scores). What a list does not have counts
/// there as its lowest.
pub fn deviations<K: Copy + Eq + Hash>(
    text: &[(K, f64)],
    meaning: &[(K, f64)],
    weights: Weights,
) -> Vec<Fused<K>> {
    let (text_scale, meaning_scale) = (Scale::of(text), Scale::of(meaning));
    gathered(text, meaning, |why| {
        weights.text * text_scale.deviation(why.text) + weights.meaning * meaning_scale.deviation(why.meaning)
    })
}

fn gathered<K: Copy + Eq + Hash>(
    text: &[(K, f64)],
    meaning: &[(K, f64)],
    score: impl Fn(&Why) -> f64,
) -> Vec<Fused<K>> {
    let mut order: Vec<(K, Why)> = Vec::with_capacity(text.len() + meaning.len());
    let mut at: HashMap<K, usize> = HashMap::new();
    for (list, is_text) in [(text, true), (meaning, false)] {
        for (rank, (key, score)) in (1..).zip(list) {
            let index = *at.entry(*key).or_insert_with(|| {
                order.push((*key, Why::default()));
                order.len() - 1
            });
            // A list that has something twice means its better place.
            let why = &mut order[index].1;
            let part = if is_text { &mut why.text } else { &mut why.meaning };
            part.get_or_insert(Rank { rank, score: *score });
        }
    }
    let fused = order.into_iter().map(|(key, why)| Fused { key, score: score(&why), why });
    let mut fused: Vec<Fused<K>> = fused.collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

/// What the scores of a list are measured by.
struct Scale {
    mean: f64,
    deviation: f64,
    lowest: f64,
}

impl Scale {
    fn of<K>(list: &[(K, f64)]) -> Self {
        let count = list.len().max(1) as f64;
        let mean = list.iter().map(|(_, score)| score).sum::<f64>() / count;
        let variance = list.iter().map(|(_, score)| (score - mean).powi(2)).sum::<f64>() / count;
        let lowest = list.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
        Self { mean, deviation: variance.sqrt(), lowest: if lowest.is_finite() { lowest } else { mean } }
    }

    fn deviation(&self, rank: Option<Rank>) -> f64 {
        let score = rank.map_or(self.lowest, |rank| rank.score);
        if self.deviation > 0.0 { (score - self.mean) / self.deviation } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(fused: &[Fused<char>]) -> String {
        fused.iter().map(|fused| fused.key).collect()
    }

    #[test]
    fn what_both_lists_have_comes_first() {
        let (text, meaning) = ([('a', 9.0), ('b', 8.0), ('c', 1.0)], [('d', 0.9), ('c', 0.8)]);
        let fused = reciprocal_ranks(&text, &meaning, Weights::default());
        assert_eq!(keys(&fused), "cadb");
        assert!((fused[0].score - (1.0 / 63.0 + 1.0 / 62.0)).abs() < 1e-12);
        assert_eq!(fused[0].why.text, Some(Rank { rank: 3, score: 1.0 }));
        let weights = Weights { text: 0.0, meaning: 1.0 };
        assert_eq!(&keys(&reciprocal_ranks(&text, &meaning, weights))[..2], "dc");
    }

    #[test]
    fn scores_count_by_how_far_they_stand_out() {
        let (text, meaning) = ([('a', 9.0), ('b', 2.0), ('c', 1.0)], [('b', 0.5), ('c', 0.5)]);
        assert_eq!(keys(&deviations(&text, &meaning, Weights::default())), "abc");
        assert!(deviations::<char>(&[], &[], Weights::default()).is_empty());
    }
}
