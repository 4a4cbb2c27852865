//! The steps that leave candidates out, and the temperature.

use super::{Random, Sampling, Step, candidates::Candidates};

/// Does one step. Penalties and DRY have state of their own and are not among these.
pub(super) fn step(step: Step, sampling: &Sampling, random: &mut Random, candidates: &mut Candidates<'_>) {
    let least = sampling.min_keep as usize;
    match step {
        Step::Penalties | Step::Dry => {}
        Step::TopNSigma => top_n_sigma(candidates, sampling.top_n_sigma),
        Step::TopK => top_k(candidates, sampling.top_k),
        Step::TypicalP => typical(candidates, sampling.typical_p, least),
        Step::TopP => top_p(candidates, sampling.top_p, least),
        Step::MinP => min_p(candidates, sampling.min_p, least),
        Step::Xtc => xtc(candidates, sampling, least, random),
        Step::Temperature => temperature(candidates, sampling),
    }
}

fn top_k(candidates: &mut Candidates<'_>, k: u32) {
    if k > 0 {
        candidates.keep_best(k as usize);
    }
}

/// Holtzman et al. 2020, arXiv:1904.09751.
fn top_p(candidates: &mut Candidates<'_>, p: f32, least: usize) {
    if p < 1.0 {
        candidates.keep_until(|sum, count| sum >= f64::from(p) && count >= least);
    }
}

/// Nguyen et al. 2024, arXiv:2407.01082.
fn min_p(candidates: &mut Candidates<'_>, p: f32, least: usize) {
    if p > 0.0 {
        candidates.keep_from(candidates.highest() + p.ln(), least);
    }
}

/// Tang et al. 2024, arXiv:2411.07641. llama.cpp sets the others to −∞, where this takes them out: the temperature's
/// entropy is then measured against what is really left.
fn top_n_sigma(candidates: &mut Candidates<'_>, n: f32) {
    if n > 0.0 {
        let (_, deviation) = candidates.spread();
        candidates.keep_from(candidates.highest() - (f64::from(n) * deviation) as f32, 1);
    }
}

/// Meister et al. 2023, arXiv:2202.00666.
fn typical(candidates: &mut Candidates<'_>, p: f32, least: usize) {
    if p >= 1.0 {
        return;
    }
    let highest = candidates.highest();
    let total = candidates.partition(highest);
    let entropy = candidates.entropy();
    let surprise = |logit: f32| total.ln() - f64::from(logit - highest);
    let distance = |logit: f32| (surprise(logit) - entropy).abs();
    let kept = candidates.listed();
    // Stable, so that of equally typical ones the likelier stays.
    kept.sort_by(|a, b| distance(a.logit).total_cmp(&distance(b.logit)));
    let mut sum = 0.0;
    let enough = kept.iter().enumerate().find_map(|(index, candidate)| {
        sum += (-surprise(candidate.logit)).exp();
        (sum > f64::from(p) && index + 1 >= least).then_some(index + 1)
    });
    kept.truncate(enough.unwrap_or(kept.len()));
    kept.sort_unstable_by(super::candidates::better);
}

/// "Exclude top choices" (p-e-w 2024, <https://github.com/oobabooga/text-generation-webui/pull/6335>).
fn xtc(candidates: &mut Candidates<'_>, sampling: &Sampling, least: usize, random: &mut Random) {
    let off = sampling.xtc_probability <= 0.0 || sampling.xtc_threshold > 0.5;
    if off || candidates.count() < 2 || random.unit() >= f64::from(sampling.xtc_probability) {
        return;
    }
    let highest = candidates.highest();
    let total = candidates.partition(highest);
    let bar = f64::from(highest) + (f64::from(sampling.xtc_threshold) * total).ln();
    candidates.drop_from_but_one(bar as f32, least);
}

fn temperature(candidates: &mut Candidates<'_>, sampling: &Sampling) {
    let (middle, range) = (sampling.temperature, sampling.dynamic_temperature_range);
    if range <= 0.0 {
        return fixed(candidates, middle);
    }
    let count = candidates.count();
    if count < 2 {
        return;
    }
    let (low, high) = ((middle - range).max(0.0), middle + range);
    let normalised = (candidates.entropy() / (count as f64).ln()).clamp(0.0, 1.0);
    let moved = normalised.powf(f64::from(sampling.dynamic_temperature_exponent));
    fixed(candidates, low + (high - low) * moved as f32);
}

/// Leaves only the best at 0.
pub(super) fn fixed(candidates: &mut Candidates<'_>, temperature: f32) {
    if temperature <= 0.0 {
        candidates.keep_best(1);
    } else if temperature != 1.0 {
        candidates.divide(temperature);
    }
}
