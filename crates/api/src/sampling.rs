//! How tokens are chosen: OpenAI's parameters, and those of llama.cpp and vLLM under their names there.

use athenaeum_inference::sampling::{self, Mirostat, Sampling};
use athenaeum_providers::Setting;
use serde_json::Value;

use crate::{
    parameters::{Parameter, Read, Takes},
    problem::Problem,
};

/// The parameters. Every dialect takes them, beside those of its own.
pub(crate) const SAMPLING: &[Parameter] = &[
    Parameter::new(
        "temperature",
        Takes::Number(0.0, 100.0),
        "Flatness of the distribution; 0 takes the likeliest token.",
    ),
    Parameter::new(
        "top_p",
        Takes::Number(0.0, 1.0),
        "The likeliest tokens stay until their probabilities sum up to this.",
    ),
    Parameter::new(
        "top_k",
        Takes::Integer(-1, 1 << 30),
        "How many of the likeliest tokens stay; 0 or -1 keeps all.",
    ),
    Parameter::new(
        "min_p",
        Takes::Number(0.0, 1.0),
        "Tokens stay that are at least this share as likely as the likeliest.",
    ),
    Parameter::new(
        "typical_p",
        Takes::Number(0.0, 1.0),
        "Tokens of typical surprise stay until they sum up to this.",
    ),
    Parameter::new(
        "top_n_sigma",
        Takes::Number(-1.0, 1000.0),
        "Tokens stay within so many standard deviations of the highest logit.",
    ),
    Parameter::new(
        "xtc_probability",
        Takes::Number(0.0, 1.0),
        "How often the likeliest tokens are left out.",
    ),
    Parameter::new("xtc_threshold", Takes::Number(0.0, 1.0), "Which ones: those at least this likely."),
    Parameter::new(
        "dynatemp_range",
        Takes::Number(0.0, 100.0),
        "Half the span that the temperature moves in.",
    ),
    Parameter::new("dynatemp_exponent", Takes::Number(0.0, 100.0), "How the entropy moves the temperature."),
    Parameter::new(
        "repeat_penalty",
        Takes::Number(0.01, 100.0),
        "What logits of tokens seen lately are divided by.",
    ),
    Parameter::new(
        "repetition_penalty",
        Takes::Number(0.01, 100.0),
        "The same, under vLLM's name, over the whole sequence.",
    ),
    Parameter::new(
        "repeat_last_n",
        Takes::Integer(-1, 1 << 30),
        "How many tokens back repetitions count; -1 for all.",
    ),
    Parameter::new(
        "frequency_penalty",
        Takes::Number(-2.0, 2.0),
        "Taken off a token's logit for each time it was seen.",
    ),
    Parameter::new("presence_penalty", Takes::Number(-2.0, 2.0), "Taken off a token's logit if it was seen."),
    Parameter::new(
        "dry_multiplier",
        Takes::Number(0.0, 100.0),
        "Strength of the penalty for going on with a repetition.",
    ),
    Parameter::new(
        "dry_base",
        Takes::Number(1.0, 100.0),
        "What it grows by with each token of the repetition.",
    ),
    Parameter::new(
        "dry_allowed_length",
        Takes::Integer(0, 1 << 30),
        "Repetitions shorter than this are free of it.",
    ),
    Parameter::new(
        "dry_penalty_last_n",
        Takes::Integer(-1, 1 << 30),
        "How many tokens back repetitions are looked for.",
    ),
    Parameter::new(
        "dry_sequence_breakers",
        Takes::List(&Takes::Text(256), 64),
        "Texts that a repetition never reaches across.",
    ),
    Parameter::new("mirostat", Takes::Integer(0, 2), "Which mirostat controls the surprise; 0 for none."),
    Parameter::new("mirostat_tau", Takes::Number(0.0, 100.0), "The surprise that it aims at, in bits."),
    Parameter::new("mirostat_eta", Takes::Number(0.0, 10.0), "How fast it corrects itself."),
    Parameter::new(
        "min_tokens",
        Takes::Integer(0, 1 << 30),
        "So many tokens come before the answer can end.",
    ),
    Parameter::new(
        "seed",
        Takes::Integer(i64::MIN, i64::MAX),
        "Where the draws begin; the same seed gives the same text.",
    ),
    Parameter::new(
        "logit_bias",
        LOGIT_BIAS,
        "Added to logits: an object from token to number, or pairs of a token (or a text) and a number, or false for a ban.",
    ),
    Parameter::new("ignore_eos", Takes::Bool, "Goes on after tokens that end an answer."),
];

const LOGIT_BIAS: Takes = Takes::Either(&[
    Takes::Map(&Takes::Either(&[Takes::Number(-100.0, 100.0), Takes::Bool])),
    Takes::List(&Takes::List(&Takes::Any, 2), 1024),
]);

/// Reads how tokens are chosen. `defaults` is for what is not said.
pub(crate) fn of(read: &Read, defaults: Sampling) -> Result<Sampling, Problem> {
    let mut sampling = defaults;
    let count = |name| read.integer::<i64>(name).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let set = |to: &mut f32, name| *to = read.float(name).unwrap_or(*to);
    set(&mut sampling.temperature, "temperature");
    set(&mut sampling.top_p, "top_p");
    set(&mut sampling.min_p, "min_p");
    set(&mut sampling.typical_p, "typical_p");
    sampling.top_n_sigma = read.float("top_n_sigma").map_or(sampling.top_n_sigma, |sigma| sigma.max(0.0));
    set(&mut sampling.xtc_probability, "xtc_probability");
    set(&mut sampling.xtc_threshold, "xtc_threshold");
    set(&mut sampling.dynamic_temperature_range, "dynatemp_range");
    set(&mut sampling.dynamic_temperature_exponent, "dynatemp_exponent");
    set(&mut sampling.repeat_penalty, "repeat_penalty");
    if let Some(penalty) = read.float("repetition_penalty") {
        (sampling.repeat_penalty, sampling.repeat_last_n) = (penalty, u32::MAX);
    }
    set(&mut sampling.frequency_penalty, "frequency_penalty");
    set(&mut sampling.presence_penalty, "presence_penalty");
    set(&mut sampling.dry_multiplier, "dry_multiplier");
    set(&mut sampling.dry_base, "dry_base");
    set(&mut sampling.mirostat_tau, "mirostat_tau");
    set(&mut sampling.mirostat_eta, "mirostat_eta");
    // As llama.cpp has it: all for anything below 1.
    sampling.top_k = read.integer::<i64>("top_k").map_or(sampling.top_k, |k| u32::try_from(k).unwrap_or(0));
    sampling.repeat_last_n = count("repeat_last_n").unwrap_or(sampling.repeat_last_n);
    sampling.dry_allowed_length = count("dry_allowed_length").unwrap_or(sampling.dry_allowed_length);
    sampling.dry_last_n = count("dry_penalty_last_n").unwrap_or(sampling.dry_last_n);
    sampling.min_tokens = count("min_tokens").unwrap_or(sampling.min_tokens);
    if read.has("dry_sequence_breakers") {
        sampling.dry_sequence_breakers = read.texts("dry_sequence_breakers");
    }
    sampling.mirostat = match read.integer::<i64>("mirostat") {
        Some(1) => Mirostat::V1,
        Some(2) => Mirostat::V2,
        Some(_) => Mirostat::Off,
        None => sampling.mirostat,
    };
    // llama.cpp's clients write -1 for one of the server's choosing.
    let seed = read.integer::<i64>("seed").filter(|&seed| seed != -1);
    sampling.seed = seed.map_or_else(sampling::fresh_seed, i64::cast_unsigned);
    Ok(sampling)
}

/// Returns what a request says itself of how tokens are chosen, as it says it.
pub(crate) fn chosen(read: &Read) -> Vec<(Setting, Value)> {
    let value = |setting: Setting| {
        let value = read.value(setting.as_str())?.clone();
        match (setting, value) {
            // One of the engine's choosing.
            (Setting::Seed, value) if value.as_i64() == Some(-1) => None,
            (Setting::LogitBias, Value::Object(biases)) => {
                let number = |value: Value| if value == Value::Bool(false) { (-100).into() } else { value };
                Some(biases.into_iter().map(|(token, value)| (token, number(value))).collect())
            }
            (_, value) => Some(value),
        }
    };
    Setting::ALL.into_iter().filter_map(|setting| Some((setting, value(setting)?))).collect()
}

/// Reads biases, with `tokens` to turn text into tokens.
pub(crate) fn logit_bias(read: &Read, tokens: impl Fn(&str) -> Vec<u32>) -> Result<Vec<(u32, f32)>, Problem> {
    let bad = || {
        let accepts = "tokens (or texts) with a number from -100 to 100 each, or false for a ban";
        Problem::parameter("logit_bias", accepts)
    };
    let strength = |value: &Value| match value {
        Value::Bool(false) => Some(f32::NEG_INFINITY),
        #[expect(clippy::cast_possible_truncation, reason = "it is between -100 and 100")]
        Value::Number(number) => {
            number.as_f64().filter(|number| (-100.0..=100.0).contains(number)).map(|number| number as f32)
        }
        _ => None,
    };
    let mut biases = Vec::new();
    let mut add = |of: &Value, strength: f32| {
        match of {
            Value::Number(token) => {
                let token = token.as_u64().and_then(|token| u32::try_from(token).ok());
                biases.push((token.ok_or_else(bad)?, strength));
            }
            Value::String(text) => biases.extend(tokens(text).into_iter().map(|token| (token, strength))),
            _ => return Err(bad()),
        }
        Ok(())
    };
    match read.value("logit_bias") {
        Some(Value::Object(map)) => {
            for (token, value) in map {
                let of = token.parse::<u32>().map_or_else(|_| token.as_str().into(), Value::from);
                add(&of, strength(value).ok_or_else(bad)?)?;
            }
        }
        Some(Value::Array(pairs)) => {
            for pair in pairs {
                let Some([of, value]) = pair.as_array().map(Vec::as_slice) else { return Err(bad()) };
                add(of, strength(value).ok_or_else(bad)?)?;
            }
        }
        _ => {}
    }
    Ok(biases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_request_may_say_goes_to_other_engines() {
        for parameter in SAMPLING {
            assert!(Setting::from_name(parameter.name).is_some(), "{}", parameter.name);
        }
        let said = serde_json::json!({
            "temperature": 0.8, "seed": -1, "logit_bias": { "5": false, "6": 2 }, "top_k": null, "n": 2,
        });
        let read = Read::of(said.to_string().as_bytes(), SAMPLING).unwrap();
        let bias = serde_json::json!({ "5": -100, "6": 2 });
        assert_eq!(chosen(&read), [(Setting::Temperature, 0.8.into()), (Setting::LogitBias, bias)]);
    }
}
