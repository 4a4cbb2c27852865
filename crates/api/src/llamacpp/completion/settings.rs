use athenaeum_inference::{
    constraint::Grammar,
    sampling::{Mirostat, Step},
};
use serde_json::{Value, json};

use crate::{parameters::Read, serving::Ask};

/// Tells with what an answer is given, by the names that llama.cpp has. `ends` are the tokens that end answers.
pub(super) fn settings(read: &Read, ask: &Ask, ends: &[u32]) -> Value {
    let sampling = &ask.sampling;
    let count = |count: u32| if count == u32::MAX { -1 } else { i64::from(count) };
    // JSON has no −∞: it is null.
    let bias = |token: u32, bias: f32| json!({ "token": token, "bias": bias.is_finite().then_some(bias) });
    let mut biases: Vec<Value> = sampling.logit_bias.iter().map(|&(token, of)| bias(token, of)).collect();
    if ask.ignore_ends {
        biases.extend(ends.iter().map(|&end| bias(end, f32::NEG_INFINITY)));
    }
    let (grammar, schema) = match &ask.form {
        Some(Grammar::Gbnf(grammar)) => (grammar.as_str(), None),
        Some(Grammar::JsonSchema(schema)) => ("", Some(schema)),
        _ => ("", None),
    };
    let n_predict = ask.tokens_max.map_or(json!(-1), |max| json!(max));
    json!({
        "n_predict": n_predict,
        "max_tokens": n_predict,
        "seed": sampling.seed,
        "temperature": sampling.temperature,
        "dynatemp_range": sampling.dynamic_temperature_range,
        "dynatemp_exponent": sampling.dynamic_temperature_exponent,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "top_n_sigma": if sampling.top_n_sigma > 0.0 { sampling.top_n_sigma } else { -1.0 },
        "xtc_probability": sampling.xtc_probability,
        "xtc_threshold": sampling.xtc_threshold,
        "typical_p": sampling.typical_p,
        "repeat_last_n": count(sampling.repeat_last_n),
        "repeat_penalty": sampling.repeat_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "dry_multiplier": sampling.dry_multiplier,
        "dry_base": sampling.dry_base,
        "dry_allowed_length": sampling.dry_allowed_length,
        "dry_penalty_last_n": count(sampling.dry_last_n),
        "dry_sequence_breakers": sampling.dry_sequence_breakers,
        "mirostat": match sampling.mirostat { Mirostat::Off => 0, Mirostat::V1 => 1, Mirostat::V2 => 2 },
        "mirostat_tau": sampling.mirostat_tau,
        "mirostat_eta": sampling.mirostat_eta,
        // There is no such step; -1 is llama.cpp's word for that.
        "adaptive_target": -1.0,
        "adaptive_decay": 0.9,
        "min_keep": sampling.min_keep,
        "samplers": sampling.order.iter().copied().map(Step::name).collect::<Vec<_>>(),
        "logit_bias": biases,
        "ignore_eos": ask.ignore_ends,
        "stop": ask.stops,
        "n_keep": 0,
        "n_discard": 0,
        "n_probs": ask.logprobs.unwrap_or(0),
        "post_sampling_probs": ask.logprobs_as_drawn,
        "stream": read.flag("stream").unwrap_or(false),
        "timings_per_token": read.flag("timings_per_token").unwrap_or(false),
        "grammar": grammar,
        "json_schema": schema,
        "lora": [],
    })
}
