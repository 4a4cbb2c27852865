/// What came for one question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking<'a> {
    /// How much each hit answers the question, best first by whoever ranked: 0 for not at all, and for what nobody judged.
    pub hits: &'a [u32],
    /// The same of all documents that were judged to answer it, found or not, in any order.
    pub judged: &'a [u32],
}

/// How good one ranking is, or many are on average.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measures {
    /// Discounted gain of the first ten as a part of the best possible, 0 to 1: `Σ gain / log₂(rank + 1)` (Järvelin and
    /// Kekäläinen, 2002), with the judgment itself as the gain, as `trec_eval` and BEIR have it.
    pub ndcg_at_10: f64,
    /// How many of the documents that answer are among the first hundred, 0 to 1.
    pub recall_at_100: f64,
    /// One by the rank of the first that answers; 0 where none does.
    pub reciprocal_rank: f64,
}

/// Adds up measures of many questions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    sums: Measures,
    questions: usize,
}

impl Ranking<'_> {
    /// Takes the measures; all 0 where nothing was judged to answer.
    pub fn measures(&self) -> Measures {
        let mut best: Vec<u32> = self.judged.iter().copied().filter(|gain| *gain > 0).collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        if best.is_empty() {
            return Measures::default();
        }
        let found = self.hits.iter().take(100).filter(|gain| **gain > 0).count();
        let first = self.hits.iter().position(|gain| *gain > 0);
        Measures {
            ndcg_at_10: gain(self.hits) / gain(&best),
            recall_at_100: found as f64 / best.len() as f64,
            reciprocal_rank: first.map_or(0.0, |index| 1.0 / (index + 1) as f64),
        }
    }
}

/// Discounted, of the first ten.
fn gain(hits: &[u32]) -> f64 {
    let each = hits.iter().take(10).zip(2_u32..);
    each.map(|(gain, discount)| f64::from(*gain) / f64::from(discount).log2()).sum()
}

impl Totals {
    /// Adds a question's.
    pub fn add(&mut self, measures: Measures) {
        self.sums.ndcg_at_10 += measures.ndcg_at_10;
        self.sums.recall_at_100 += measures.recall_at_100;
        self.sums.reciprocal_rank += measures.reciprocal_rank;
        self.questions += 1;
    }

    /// How many questions were added.
    pub fn questions(&self) -> usize {
        self.questions
    }

    /// Returns the averages; all 0 where there were none.
    pub fn means(&self) -> Measures {
        let mean = |sum: f64| if self.questions == 0 { 0.0 } else { sum / self.questions as f64 };
        Measures {
            ndcg_at_10: mean(self.sums.ndcg_at_10),
            recall_at_100: mean(self.sums.recall_at_100),
            reciprocal_rank: mean(self.sums.reciprocal_rank),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden values by hand: gains over log₂(2), log₂(3), log₂(4) … = 1, 1.585, 2, 2.322, 2.585, 2.807, 3, 3.170, 3.322, 3.459.
    #[test]
    fn rankings() {
        check(&[1], &[1], (1.0, 1.0, 1.0));
        check(&[0, 1], &[1], (0.630_930, 1.0, 0.5));
        // 3 + 1 / 1.585 + 2 / 2 of 3 + 2 / 1.585 + 1 / 2.
        check(&[3, 1, 2], &[1, 2, 3], (0.972_504, 1.0, 1.0));
        // Judged but not found.
        check(&[1, 0, 1], &[1, 1, 1], (0.703_918, 2.0 / 3.0, 1.0));
        // Behind the first ten: nothing gained, but found.
        check(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[1], (0.0, 1.0, 1.0 / 11.0));
        check(&[], &[2, 1], (0.0, 0.0, 0.0));
        // Judged not to answer.
        check(&[0, 0], &[0, 0], (0.0, 0.0, 0.0));
        check(&[0, 1], &[0, 1], (0.630_930, 1.0, 0.5));
        // Twelve that answer: the best possible has ten of them.
        check(&[1; 10], &[1; 12], (1.0, 10.0 / 12.0, 1.0));
        let late: Vec<u32> = (0..101).map(|index| u32::from(index == 100)).collect();
        check(&late, &[1], (0.0, 0.0, 1.0 / 101.0));
    }

    fn check(hits: &[u32], judged: &[u32], expected: (f64, f64, f64)) {
        let Measures { ndcg_at_10, recall_at_100, reciprocal_rank } = Ranking { hits, judged }.measures();
        let near = |ours: f64, theirs: f64| (ours - theirs).abs() < 1e-5;
        assert!(
            near(ndcg_at_10, expected.0)
                && near(recall_at_100, expected.1)
                && near(reciprocal_rank, expected.2),
            "{hits:?} of {judged:?}: {ndcg_at_10} {recall_at_100} {reciprocal_rank}"
        );
    }

    #[test]
    fn averages() {
        let mut totals = Totals::default();
        assert_eq!((totals.means(), totals.questions()), (Measures::default(), 0));
        for hits in [&[1][..], &[0, 1], &[0]] {
            totals.add(Ranking { hits, judged: &[1] }.measures());
        }
        let means = totals.means();
        assert_eq!((means.reciprocal_rank, totals.questions()), (0.5, 3));
        assert!((means.recall_at_100 - 2.0 / 3.0).abs() < 1e-12);
    }
}
