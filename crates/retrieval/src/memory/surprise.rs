//! How much of a surprise a text is: how little a model expected it, and how far it is from all that is remembered.
//!
//! The weights, the offset and the divisor are those of Archive-AI's memory worker, so that a threshold means the same.

use athenaeum_archive::memories::Surprise;

/// What is stored though nobody asked for it: surprises of at least this score.
pub const THRESHOLD: f64 = 0.7;

/// Returns the perplexity of a text whose tokens had these natural logarithms of their probability: e to the power of minus
/// their mean. `None` where there are none, or one is no finite number.
pub fn perplexity(logprobs: &[f32]) -> Option<f64> {
    let sum: f64 = logprobs.iter().map(|logprob| f64::from(*logprob)).sum();
    let perplexity = (-sum / logprobs.len() as f64).exp();
    perplexity.is_finite().then_some(perplexity)
}

/// Puts together how little a model expected a text and how far (cosine distance, 0 to 2) the nearest memory is: `None` for a
/// model that was not asked, which counts as if it had known the text by heart, and for a distance that nobody knows.
pub fn surprise(perplexity: Option<f64>, distance: Distance) -> Surprise {
    let expected = (perplexity.unwrap_or(PERPLEXITY_LEAST).max(PERPLEXITY_LEAST) + OFFSET).ln() / DIVISOR;
    let distance = match distance {
        Distance::Nearest(distance) => distance.clamp(0.0, 2.0),
        Distance::Alone => 1.0,
        Distance::Unknown => 0.5,
    };
    let score = WEIGHT_OF_PERPLEXITY * expected.min(1.0) + WEIGHT_OF_DISTANCE * distance;
    Surprise { perplexity, distance, score: score.min(1.0) }
}

/// How far the nearest memory is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// So far, as cosine distance: 1 less the cosine.
    Nearest(f64),
    /// There is no other.
    Alone,
    /// There is no model that tells.
    Unknown,
}

const PERPLEXITY_LEAST: f64 = 1.0;
const OFFSET: f64 = 1.0;
const DIVISOR: f64 = 5.0;
const WEIGHT_OF_PERPLEXITY: f64 = 0.6;
const WEIGHT_OF_DISTANCE: f64 = 0.4;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(perplexity: impl Into<Option<f64>>, distance: Distance, score: f64) {
        let perplexity = perplexity.into();
        let found = surprise(perplexity, distance);
        assert!((found.score - score).abs() < 0.001, "{perplexity:?} {distance:?}: {found:?}, not {score}");
    }

    #[test]
    fn scores_are_those_of_archive_ai() {
        check(5.0, Distance::Nearest(0.1), 0.255);
        check(50.0, Distance::Nearest(0.9), 0.832);
        check(15.0, Distance::Nearest(0.5), 0.533);
        check(40.0, Distance::Nearest(0.2), 0.526);
        check(5.0, Distance::Nearest(0.9), 0.575);
    }

    #[test]
    fn what_is_missing_counts_as_it_did_there() {
        // Without a model the perplexity is 1, so that what counts is ln 2 / 5.
        check(None, Distance::Alone, 0.6 * 2_f64.ln() / 5.0 + 0.4);
        check(None, Distance::Unknown, 0.6 * 2_f64.ln() / 5.0 + 0.2);
        check(1.0, Distance::Nearest(0.0), 0.6 * 2_f64.ln() / 5.0);
    }

    #[test]
    fn a_score_stays_between_0_and_1() {
        check(1e300, Distance::Nearest(2.0), 1.0);
        check(0.0, Distance::Nearest(-0.5), 0.6 * 2_f64.ln() / 5.0);
        check(f64::NAN, Distance::Nearest(0.0), 0.6 * 2_f64.ln() / 5.0);
    }

    #[test]
    fn perplexity_is_of_the_mean() {
        assert_eq!(perplexity(&[]), None);
        assert_eq!(perplexity(&[-1.0, f32::NEG_INFINITY]), None);
        let found = perplexity(&[-1.0, -2.0, -3.0]).unwrap();
        assert!((found - 2_f64.exp()).abs() < 1e-9, "{found}");
    }
}
