//! What a request may ask for.

use super::{Sampling, Step};

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that means nothing.
    #[error("`{field}` is {got}, and takes {accepted}")]
    OutOfRange {
        /// The field of [`Sampling`].
        field: &'static str,
        /// What it takes, in words.
        accepted: &'static str,
        /// What it was.
        got: String,
    },
    /// A token that the model does not have.
    #[error("`{field}` names the token {token}, but the model has {vocabulary} tokens")]
    UnknownToken {
        /// Where it is named.
        field: &'static str,
        /// The token.
        token: u32,
        /// One more than the highest token.
        vocabulary: usize,
    },
    /// The logits are not of this sampler's model.
    #[error("there are {got} logits for {vocabulary} tokens")]
    Length {
        /// How many came.
        got: usize,
        /// How many are needed.
        vocabulary: usize,
    },
    /// The model computed something that cannot be compared: NaN or +∞. Nothing is drawn from it.
    #[error("the logit of token {token} is {value}: the model's numbers are broken")]
    NotFinite {
        /// The first such token.
        token: u32,
        /// What it holds.
        value: f32,
    },
    /// Bans, constraints and suppressed ends leave no token at all.
    #[error("no token is left to choose from: everything is banned or ruled out")]
    NothingLeft,
}

/// The most entries of `logit_bias`.
const BIASES_MAX: usize = 65_536;

pub(super) fn check(sampling: &Sampling) -> Result<(), Error> {
    let s = sampling;
    within("temperature", s.temperature, 0.0, 100.0, "a number from 0 to 100")?;
    within("dynamic_temperature_range", s.dynamic_temperature_range, 0.0, 100.0, "a number from 0 to 100")?;
    within(
        "dynamic_temperature_exponent",
        s.dynamic_temperature_exponent,
        0.0,
        100.0,
        "a number from 0 to 100",
    )?;
    within("top_p", s.top_p, 0.0, 1.0, "a number from 0 to 1")?;
    within("min_p", s.min_p, 0.0, 1.0, "a number from 0 to 1")?;
    within("typical_p", s.typical_p, 0.0, 1.0, "a number from 0 to 1")?;
    within("top_n_sigma", s.top_n_sigma, 0.0, 100.0, "a number from 0 (off) to 100")?;
    within("xtc_probability", s.xtc_probability, 0.0, 1.0, "a number from 0 to 1")?;
    within("xtc_threshold", s.xtc_threshold, 0.0, 1.0, "a number from 0 to 1")?;
    within("repeat_penalty", s.repeat_penalty, 0.01, 100.0, "a number from 0.01 to 100")?;
    within("frequency_penalty", s.frequency_penalty, -100.0, 100.0, "a number from -100 to 100")?;
    within("presence_penalty", s.presence_penalty, -100.0, 100.0, "a number from -100 to 100")?;
    within("dry_multiplier", s.dry_multiplier, 0.0, 100.0, "a number from 0 (off) to 100")?;
    within("dry_base", s.dry_base, 1.0, 100.0, "a number from 1 to 100")?;
    within("mirostat_tau", s.mirostat_tau, 0.0, 100.0, "a number from 0 to 100")?;
    within("mirostat_eta", s.mirostat_eta, 0.0, 10.0, "a number from 0 to 10")?;
    biases(&s.logit_bias)?;
    breakers(&s.dry_sequence_breakers)?;
    order(&s.order)
}

fn within(field: &'static str, value: f32, low: f32, high: f32, accepted: &'static str) -> Result<(), Error> {
    // NaN is in no range.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::OutOfRange { field, accepted, got: value.to_string() })
}

fn biases(biases: &[(u32, f32)]) -> Result<(), Error> {
    let field = "logit_bias";
    if biases.len() > BIASES_MAX {
        let accepted = "at most 65,536 tokens";
        return Err(Error::OutOfRange { field, accepted, got: format!("{} tokens", biases.len()) });
    }
    let accepted = "numbers from -10000 to 10000, or minus infinity to ban a token";
    biases
        .iter()
        .filter(|(_, bias)| *bias != f32::NEG_INFINITY)
        .try_for_each(|&(_, bias)| within(field, bias, -10_000.0, 10_000.0, accepted))
}

fn breakers(breakers: &[String]) -> Result<(), Error> {
    let field = "dry_sequence_breakers";
    if breakers.len() > 64 {
        let got = format!("{} texts", breakers.len());
        return Err(Error::OutOfRange { field, accepted: "at most 64 texts", got });
    }
    if breakers.iter().any(|text| text.is_empty() || text.len() > 40) {
        let accepted = "texts of 1 to 40 bytes each";
        return Err(Error::OutOfRange { field, accepted, got: "an empty or a longer one".to_owned() });
    }
    Ok(())
}

fn order(order: &[Step]) -> Result<(), Error> {
    let repeated = order.iter().enumerate().find(|(index, step)| order[..*index].contains(step));
    repeated.map_or(Ok(()), |(_, step)| {
        let got = format!("a list that names `{}` twice", step.name());
        Err(Error::OutOfRange { field: "order", accepted: "each step at most once", got })
    })
}
