//! What llama.cpp leaves of the same logits; `tests/golden/sampling.py` made the values.

use athenaeum_inference::sampling::{Breakers, Mirostat, Sampler, Sampling, Step};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    set: serde_json::Map<String, Value>,
    vocabulary: usize,
    salt: usize,
    spread: f64,
    seen: Vec<u32>,
    count: usize,
    left: Vec<(u32, f64)>,
}

#[test]
fn the_same_candidates_as_llama_cpp() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../golden/sampling.json")).unwrap();
    assert!(cases.len() > 150);
    let mut differ = Vec::new();
    for case in &cases {
        let mut sampler = Sampler::new(&sampling(case), case.vocabulary, &[], Breakers::default()).unwrap();
        sampler.remember(&case.seen);
        let left = sampler.distribution(&mut logits(case)).unwrap();
        let close = |(ours, theirs): (&(u32, f32), &(u32, f64))| {
            ours.0 == theirs.0 && (f64::from(ours.1) - theirs.1).abs() <= 2e-6 + theirs.1 * 2e-5
        };
        if left.len() != case.count || !left.iter().zip(&case.left).all(close) {
            differ.push(format!(
                "{:?} of {}: {} {:?}\n  not {} {:?}",
                case.set,
                case.vocabulary,
                left.len(),
                &left[..left.len().min(12)],
                case.count,
                case.left
            ));
        }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

/// As `logits` in the script: exact, or rounded once.
fn logits(case: &Case) -> Vec<f32> {
    let one = |token: usize| {
        ((token * 7919 + case.salt * 104_729) % 1009) as f64 / 1009.0 * case.spread - case.spread / 2.0
    };
    (0..case.vocabulary).map(|token| one(token) as f32).collect()
}

fn sampling(case: &Case) -> Sampling {
    let mut sampling = Sampling {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        order: Vec::new(),
        ..Sampling::default()
    };
    for (name, value) in &case.set {
        let number = value.as_f64().unwrap_or_default() as f32;
        match name.as_str() {
            "order" => {
                let steps = value.as_array().unwrap().iter();
                sampling.order = steps.map(|step| Step::from_name(step.as_str().unwrap()).unwrap()).collect();
            }
            "mirostat" => sampling.mirostat = if number == 1.0 { Mirostat::V1 } else { Mirostat::V2 },
            "temperature" => sampling.temperature = number,
            "dynamic_temperature_range" => sampling.dynamic_temperature_range = number,
            "dynamic_temperature_exponent" => sampling.dynamic_temperature_exponent = number,
            "top_k" => sampling.top_k = number as u32,
            "top_p" => sampling.top_p = number,
            "min_p" => sampling.min_p = number,
            "typical_p" => sampling.typical_p = number,
            "top_n_sigma" => sampling.top_n_sigma = number,
            "xtc_probability" => sampling.xtc_probability = number,
            "xtc_threshold" => sampling.xtc_threshold = number,
            "min_keep" => sampling.min_keep = number as u32,
            "repeat_penalty" => sampling.repeat_penalty = number,
            "frequency_penalty" => sampling.frequency_penalty = number,
            "presence_penalty" => sampling.presence_penalty = number,
            "repeat_last_n" => sampling.repeat_last_n = number as u32,
            "dry_multiplier" => sampling.dry_multiplier = number,
            "dry_allowed_length" => sampling.dry_allowed_length = number as u32,
            "dry_last_n" => sampling.dry_last_n = number as u32,
            "mirostat_tau" => sampling.mirostat_tau = number,
            other => panic!("the test does not know {other}"),
        }
    }
    sampling
}
