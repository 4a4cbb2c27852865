//! How likely the model thought tokens were, before anything was done to its logits.

use super::{
    Error,
    candidates::{Candidate, gather_best, highest, refuse_broken},
    exp,
};

/// The probabilities a request for `logprobs` is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct LogProbs {
    /// The token that was taken.
    pub chosen: Ranked,
    /// The likeliest tokens, best first, of equal ones the lower id first.
    pub top: Vec<Ranked>,
}

/// A token and the natural logarithm of its probability; −∞ where it has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// The token.
    pub token: u32,
    /// At most 0.
    pub logprob: f32,
}

impl LogProbs {
    /// The same from what a token was drawn from ([`Sampler::distribution`](super::Sampler::distribution)): tokens and
    /// their shares, best first. Tokens without a share are not among the likeliest.
    pub fn of_shares(shares: &[(u32, f32)], chosen: u32, top: usize) -> Self {
        let rank = |&(token, share): &(u32, f32)| Ranked { token, logprob: share.ln().min(0.0) };
        let own = shares.iter().find(|(token, _)| *token == chosen);
        Self {
            chosen: own.map_or(Ranked { token: chosen, logprob: f32::NEG_INFINITY }, rank),
            top: shares.iter().filter(|(_, share)| *share > 0.0).take(top).map(rank).collect(),
        }
    }
}

/// Log-probabilities of the token `chosen` and of the `top` likeliest ones, from raw logits.
///
/// Logits of any size are sound: the highest is subtracted before anything is raised to a power, and the sum is kept
/// in double precision.
///
/// # Errors
///
/// [`Error::NotFinite`] where a logit is NaN or +∞, [`Error::NothingLeft`] where all are −∞, and
/// [`Error::UnknownToken`] where `chosen` is not one of them.
pub fn logprobs(raw: &[f32], chosen: u32, top: usize) -> Result<LogProbs, Error> {
    refuse_broken(raw)?;
    let Some(&logit) = raw.get(chosen as usize) else {
        return Err(Error::UnknownToken { field: "chosen", token: chosen, vocabulary: raw.len() });
    };
    let highest = highest(raw);
    if highest == f32::NEG_INFINITY {
        return Err(Error::NothingLeft);
    }
    let total = exp::partition(raw, highest).ln();
    let rank = |c: &Candidate| Ranked {
        token: c.token,
        // A rounded sum may put the only likely token a hair above certainty.
        logprob: ((f64::from(c.logit) - f64::from(highest) - total) as f32).min(0.0),
    };
    let mut best = Vec::new();
    if top > 0 {
        gather_best(raw, top.min(raw.len()), &mut best);
    }
    Ok(LogProbs { chosen: rank(&Candidate { token: chosen, logit }), top: best.iter().map(rank).collect() })
}
