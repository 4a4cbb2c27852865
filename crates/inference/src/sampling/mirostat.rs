//! Mirostat: the surprise of the text held near a target (Basu et al. 2020, arXiv:2007.14966).

use super::{Mirostat, Random, Sampling, candidates::Candidates};

/// The running bound on surprise, in bits.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    bits: f64,
}

/// How many of the likeliest tokens the exponent is estimated from, as in the paper's own code and llama.cpp.
const ESTIMATED_FROM: usize = 100;

impl Bound {
    pub(super) fn new(sampling: &Sampling) -> Self {
        Self { bits: 2.0 * f64::from(sampling.mirostat_tau) }
    }

    /// Leaves out what is too surprising.
    pub(super) fn narrow(&self, which: Mirostat, vocabulary: usize, candidates: &mut Candidates<'_>) {
        match which {
            Mirostat::Off => {}
            Mirostat::V1 => {
                let count = self.count(vocabulary, candidates);
                candidates.keep_best(count);
            }
            Mirostat::V2 => {
                let highest = candidates.highest();
                let total = candidates.partition(highest).ln();
                // A surprise of at most `bits`: log₂ p ≥ −bits.
                let bar = f64::from(highest) + total - self.bits * std::f64::consts::LN_2;
                candidates.keep_from(bar as f32, 1);
            }
        }
    }

    /// Draws, and moves the bound by how surprising the token was.
    pub(super) fn draw(
        &mut self,
        sampling: &Sampling,
        random: &mut Random,
        candidates: &mut Candidates<'_>,
    ) -> u32 {
        let (token, probability) = candidates.draw(random.unit());
        let error = -probability.log2() - f64::from(sampling.mirostat_tau);
        self.bits -= f64::from(sampling.mirostat_eta) * error;
        token
    }

    /// How many tokens to keep so that the expected surprise is the bound (the paper's equations 12 and 30).
    fn count(&self, vocabulary: usize, candidates: &mut Candidates<'_>) -> usize {
        let best = candidates.listed_best(ESTIMATED_FROM);
        let (mut products, mut squares) = (0.0, 0.0);
        for (index, pair) in best.windows(2).enumerate() {
            // ln of the ratio of two ranks, and of the probabilities at them.
            let ranks = ((index + 2) as f64 / (index + 1) as f64).ln();
            products += ranks * f64::from(pair[0].logit - pair[1].logit);
            squares += ranks * ranks;
        }
        let exponent = products / squares;
        let excess = exponent - 1.0;
        let count =
            (excess * self.bits.exp2() / (1.0 - (vocabulary as f64).powf(-excess))).powf(1.0 / exponent);
        // One candidate, or a flat distribution, makes this no number: then as many as there are, or one.
        if exponent == 0.0 { vocabulary } else { (count as usize).clamp(1, vocabulary) }
    }
}
