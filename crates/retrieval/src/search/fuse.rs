//! Several lists made one.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

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

/// How lists are fused.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fusion {
    /// What of the lists counts.
    pub method: Method,
    /// How much each list counts.
    pub weights: Weights,
}

/// What of the lists counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// The ranks: [`reciprocal_ranks`].
    Ranks,
    /// The scores: [`deviations`].
    #[default]
    Deviations,
}

impl Fusion {
    /// Fuses two lists, each best first with its own scores, of which so many were asked for. Best first.
    pub fn fuse<K: Copy + Eq + Hash>(
        self,
        text: &[(K, f64)],
        meaning: &[(K, f64)],
        depth: usize,
    ) -> Vec<Fused<K>> {
        match self.method {
            Method::Ranks => reciprocal_ranks(text, meaning, self.weights),
            Method::Deviations => deviations(text, meaning, self.weights, depth),
        }
    }
}

/// What was found of one kind of things: by word and by meaning, each best first with its own scores.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'l, K> {
    /// By word.
    pub text: &'l [(K, f64)],
    /// By meaning.
    pub meaning: &'l [(K, f64)],
}

impl Fusion {
    /// Fuses what was found of two kinds of things, each for itself, so that their scores can be compared where they are fused by
    /// scores: what one model calls near is near in one measure, whatever it is, and counts by how far it stands out of both
    /// lists together; words are counted otherwise for each kind, and stand out of their own list.
    pub fn fuse_beside<K: Copy + Eq + Hash, L: Copy + Eq + Hash>(
        self,
        one: Lists<'_, K>,
        other: Lists<'_, L>,
        depth: usize,
    ) -> (Vec<Fused<K>>, Vec<Fused<L>>) {
        if self.method == Method::Ranks {
            return (self.fuse(one.text, one.meaning, depth), self.fuse(other.text, other.meaning, depth));
        }
        let meaning = Scale::of(scores(one.meaning).chain(scores(other.meaning)));
        let (text, other_text) = (text_scale(one, depth), text_scale(other, depth));
        (
            standing_out(one, &text, &meaning, self.weights),
            standing_out(other, &other_text, &meaning, self.weights),
        )
    }
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

/// Fuses two lists by their scores, each as deviations from its list's mean (z-scores; Fox and Shaw, "Combination of
/// Multiple Searches", 1993, add scores so). What the list by word does not have although it was asked for more than it has,
/// holds no word: its score is 0, and counts so in the list's mean. What else a list does not have counts there as its lowest.
pub fn deviations<K: Copy + Eq + Hash>(
    text: &[(K, f64)],
    meaning: &[(K, f64)],
    weights: Weights,
    depth: usize,
) -> Vec<Fused<K>> {
    let lists = Lists { text, meaning };
    standing_out(lists, &text_scale(lists, depth), &Scale::of(scores(meaning)), weights)
}

fn standing_out<K: Copy + Eq + Hash>(
    lists: Lists<'_, K>,
    text: &Scale,
    meaning: &Scale,
    weights: Weights,
) -> Vec<Fused<K>> {
    gathered(lists.text, lists.meaning, |why| {
        weights.text * text.deviation(why.text) + weights.meaning * meaning.deviation(why.meaning)
    })
}

/// Measures words: what is near and holds none of them has the score 0, unless it may stand behind the end of the list.
fn text_scale<K: Copy + Eq + Hash>(lists: Lists<'_, K>, depth: usize) -> Scale {
    let wordless = if lists.text.len() < depth {
        let text: HashSet<K> = lists.text.iter().map(|(key, _)| *key).collect();
        lists.meaning.iter().filter(|(key, _)| !text.contains(key)).count()
    } else {
        0
    };
    Scale::of(scores(lists.text).chain(std::iter::repeat_n(0.0, wordless)))
}

fn scores<K>(list: &[(K, f64)]) -> impl Iterator<Item = f64> + Clone {
    list.iter().map(|(_, score)| *score)
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
    fn of(scores: impl Iterator<Item = f64> + Clone) -> Self {
        let count = scores.clone().count().max(1) as f64;
        let mean = scores.clone().sum::<f64>() / count;
        let variance = scores.clone().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
        let lowest = scores.fold(f64::INFINITY, f64::min);
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
        assert_eq!(keys(&deviations(&text, &meaning, Weights::default(), 3)), "abc");
        assert!(deviations::<char>(&[], &[], Weights::default(), 3).is_empty());
    }

    #[test]
    fn what_is_near_counts_alike_whatever_it_is() {
        // Of one kind everything is near, of the other nothing: none of these comes before any of those.
        let (near, far) = ([('a', 0.8), ('b', 0.7)], [('x', 0.3), ('y', 0.1)]);
        let (one, other) = (Lists { text: &[], meaning: &near }, Lists { text: &[], meaning: &far });
        let (one, other) = Fusion::default().fuse_beside(one, other, 100);
        assert!(one[1].score > other[0].score, "{one:?} {other:?}");
        let alone = |list| deviations(&[], list, Weights::default(), 100)[0].score;
        assert!((alone(&near) - alone(&far)).abs() < 1e-9, "each for itself, both stand out as much");
        // Beside nothing it is as if alone.
        let nothing: Lists<'_, char> = Lists { text: &[], meaning: &[] };
        let near = Lists { text: &[('b', 2.0)], meaning: &near };
        let (beside, none) = Fusion::default().fuse_beside(near, nothing, 100);
        assert_eq!((beside, none.len()), (deviations(near.text, near.meaning, Weights::default(), 100), 0));
    }

    #[test]
    fn the_only_one_that_holds_a_word_stands_out() {
        let near: Vec<(char, f64)> =
            ('a'..='z').zip((0..26).map(|rank| 0.5 - 0.01 * f64::from(rank))).collect();
        let fused = deviations(&[('m', 4.0)], &near, Weights::default(), 100);
        assert_eq!(keys(&fused[..3]), "mab");
    }
}
