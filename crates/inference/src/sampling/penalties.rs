//! Penalties for what was seen lately.

use super::{Sampling, candidates::Candidates};

/// How often each token stands in the window, tokens ascending.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    counts: Vec<(u32, u32)>,
}

impl Counts {
    pub(super) fn enter(&mut self, token: u32) {
        match self.counts.binary_search_by_key(&token, |count| count.0) {
            Ok(at) => self.counts[at].1 += 1,
            Err(at) => self.counts.insert(at, (token, 1)),
        }
    }

    pub(super) fn leave(&mut self, token: u32) {
        let Ok(at) = self.counts.binary_search_by_key(&token, |count| count.0) else { return };
        self.counts[at].1 -= 1;
        if self.counts[at].1 == 0 {
            self.counts.remove(at);
        }
    }

    /// Repetition as in CTRL (Keskar et al. 2019, arXiv:1909.05858), with negative logits multiplied so that they
    /// sink as well; frequency and presence as OpenAI's API defines them.
    pub(super) fn apply(&self, sampling: &Sampling, candidates: &mut Candidates<'_>) {
        let Sampling { repeat_penalty, frequency_penalty, presence_penalty, .. } = *sampling;
        if (repeat_penalty, frequency_penalty, presence_penalty) == (1.0, 0.0, 0.0) {
            return;
        }
        candidates.penalise(&self.counts, |logit, count| {
            let repeated = if logit <= 0.0 { logit * repeat_penalty } else { logit / repeat_penalty };
            repeated - (count as f32 * frequency_penalty + presence_penalty)
        });
    }
}
