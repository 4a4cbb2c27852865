//! Every step against values worked out by hand, and the draws against what chance allows.

mod golden;
mod properties;
mod steps;

use athenaeum_inference::sampling::{Sampler, Sampling, Step};

/// Settings that do one step only.
fn only(step: Step, set: impl FnOnce(&mut Sampling)) -> Sampling {
    let mut sampling = Sampling { order: vec![step], temperature: 1.0, ..Sampling::default() };
    set(&mut sampling);
    sampling
}

/// Logits whose soft-max is these probabilities.
fn logits(probabilities: &[f32]) -> Vec<f32> {
    probabilities.iter().map(|p| p.ln()).collect()
}

/// What is left after `seen` was, in tokens and probabilities.
fn left(sampling: &Sampling, seen: &[u32], logits: &[f32]) -> Vec<(u32, f32)> {
    let mut sampler = Sampler::new(sampling, logits.len(), &[], Default::default()).unwrap();
    sampler.remember(seen);
    sampler.distribution(&mut logits.to_vec()).unwrap()
}

#[track_caller]
fn check(sampling: &Sampling, probabilities: &[f32], expected: &[(u32, f32)]) {
    check_left(&left(sampling, &[], &logits(probabilities)), expected);
}

#[track_caller]
fn check_left(left: &[(u32, f32)], expected: &[(u32, f32)]) {
    let tokens = |list: &[(u32, f32)]| list.iter().map(|l| l.0).collect::<Vec<_>>();
    assert_eq!(tokens(left), tokens(expected), "{left:?}");
    for (left, expected) in left.iter().zip(expected) {
        assert!((left.1 - expected.1).abs() < 2e-6, "{left:?} is not {expected:?}");
    }
}
