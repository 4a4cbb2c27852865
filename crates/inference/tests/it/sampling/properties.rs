use athenaeum_inference::sampling::{Breakers, Mirostat, Random, Sampler, Sampling, Step, fresh_seed};
use proptest::prelude::*;

use super::{left, logits, only};

/// Logits as models have them: many different ones, equal ones, and some that are ruled out.
fn any_logits() -> impl Strategy<Value = Vec<f32>> {
    let one = prop_oneof![
        8 => -30.0f32..30.0,
        2 => (-3i8..3).prop_map(f32::from),
        1 => Just(f32::NEG_INFINITY),
        1 => -3e38f32..3e38,
    ];
    (0.0f32..30.0, prop::collection::vec(one, 0..400)).prop_map(|(possible, mut rest)| {
        rest.insert(rest.len() / 2, possible);
        rest
    })
}

fn any_sampling() -> impl Strategy<Value = Sampling> {
    let cuts = (0u32..60, 0.0f32..=1.0, 0.0f32..=1.0, 0.0f32..=1.0, 0.0f32..4.0, 0u32..9);
    let others =
        (0.0f32..3.0, 0.0f32..2.0, 0.0f32..=1.0, 0.0f32..=0.6, 0.5f32..2.0, -2.0f32..2.0, 0.0f32..2.0);
    let order = Just(Step::DEFAULT_ORDER.to_vec()).prop_shuffle();
    let mirostat = prop_oneof![4 => Just(Mirostat::Off), 1 => Just(Mirostat::V1), 1 => Just(Mirostat::V2)];
    (cuts, others, order, mirostat, any::<u64>()).prop_map(|(cuts, others, order, mirostat, seed)| Sampling {
        top_k: cuts.0,
        top_p: cuts.1,
        min_p: cuts.2,
        typical_p: cuts.3,
        top_n_sigma: cuts.4,
        min_keep: cuts.5,
        temperature: others.0,
        dynamic_temperature_range: others.1,
        xtc_probability: others.2,
        xtc_threshold: others.3,
        repeat_penalty: others.4,
        frequency_penalty: others.5,
        dry_multiplier: others.6,
        dry_allowed_length: 1,
        order,
        mirostat,
        seed,
        ..Sampling::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is asked for in whatever order: a token comes, it is not a banned one, and a second sampler with the
    /// same seed takes the same way.
    #[test]
    fn a_token_comes_that_may_come_and_comes_again(
        sampling in any_sampling(),
        logits in any_logits(),
        seen in prop::collection::vec(0u32..8, 0..40),
    ) {
        let vocabulary = logits.len();
        let banned = 0;
        let mut sampling = sampling;
        let possible = logits.iter().enumerate().filter(|(token, l)| *token != banned && **l > f32::NEG_INFINITY);
        if possible.count() > 0 {
            sampling.logit_bias = vec![(banned as u32, f32::NEG_INFINITY)];
        }
        let draw = || {
            let mut sampler = Sampler::new(&sampling, vocabulary, &[], Breakers::default()).unwrap();
            sampler.remember(&seen);
            (0..5).map(|_| {
                let token = sampler.sample(&mut logits.clone()).unwrap();
                sampler.accept(token);
                token
            }).collect::<Vec<u32>>()
        };
        let drawn = draw();
        for &token in &drawn {
            prop_assert!(logits[token as usize] > f32::NEG_INFINITY);
            prop_assert!(token as usize != banned || sampling.logit_bias.is_empty());
        }
        prop_assert_eq!(drawn, draw());
    }

    /// No step that cuts off or bends the distribution turns two tokens around, and probabilities sum up to one.
    #[test]
    fn the_order_stays(sampling in any_sampling(), logits in any_logits()) {
        let left = left(&sampling, &[], &logits);
        let sum: f32 = left.iter().map(|l| l.1).sum();
        prop_assert!((sum - 1.0).abs() < 1e-4, "{}", sum);
        for pair in left.windows(2) {
            prop_assert!(pair[0].1 >= pair[1].1);
            let raw = |at: usize| logits[pair[at].0 as usize];
            // Distances too small for the precision of what is between them become none.
            prop_assert!(raw(0) >= raw(1) || pair[0].1 == pair[1].1, "{:?}", pair);
        }
    }

    /// Exactly the k best, as a full sort has them, also where logits are equal.
    #[test]
    fn top_k_keeps_exactly_k(k in 1u32..120, logits in any_logits()) {
        let kept: Vec<u32> = left(&only(Step::TopK, |s| s.top_k = k), &[], &logits).iter().map(|l| l.0).collect();
        let mut sorted: Vec<u32> = (0..logits.len() as u32).filter(|t| logits[*t as usize] > f32::NEG_INFINITY).collect();
        sorted.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
        sorted.truncate(k as usize);
        prop_assert_eq!(kept, sorted);
    }

    /// The smallest set that reaches p, as a full sort has it.
    #[test]
    fn top_p_keeps_the_smallest_set(p in 0.0f32..1.0, logits in prop::collection::vec(-8.0f32..8.0, 1..3000)) {
        let kept = left(&only(Step::TopP, |s| s.top_p = p), &[], &logits).len();
        let mut shares: Vec<f64> = logits.iter().map(|l| f64::from(*l).exp()).collect();
        let total: f64 = shares.iter().sum();
        shares.sort_by(|a, b| b.total_cmp(a));
        let mass = |count: usize| shares[..count].iter().sum::<f64>() / total;
        prop_assert!(mass(kept) >= f64::from(p) - 1e-5);
        prop_assert!(kept == 1 || mass(kept - 1) < f64::from(p) + 1e-5);
    }
}

/// The others are ruled out, and the penalty of the only one left does not fit into its logit.
#[test]
fn what_is_left_comes_however_much_it_is_penalised() {
    for mirostat in [Mirostat::Off, Mirostat::V1, Mirostat::V2] {
        let sampling = Sampling {
            mirostat,
            repeat_penalty: 1.8,
            frequency_penalty: 2.0,
            logit_bias: vec![(0, f32::NEG_INFINITY)],
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(&sampling, 2, &[], Breakers::default()).unwrap();
        sampler.remember(&[1; 20]);
        for _ in 0..3 {
            let token = sampler.sample(&mut [0.0, -2.7e38]).unwrap();
            assert_eq!(token, 1, "{mirostat:?}");
            sampler.accept(token);
        }
    }
}

/// χ² of 100,000 draws against the probabilities, over the whole vocabulary and after a cut. The 0.1% points for 4
/// and 2 degrees of freedom are 18.5 and 13.8.
#[test]
fn draws_come_as_often_as_they_are_likely() {
    let probabilities = [0.05f32, 0.4, 0.25, 0.2, 0.1];
    let check = |sampling: &Sampling, expected: &[(usize, f64)], limit: f64| {
        let mut sampler = Sampler::new(sampling, 5, &[], Breakers::default()).unwrap();
        let mut counts = [0f64; 5];
        for _ in 0..100_000 {
            counts[sampler.sample(&mut logits(&probabilities)).unwrap() as usize] += 1.0;
        }
        let chi: f64 =
            expected.iter().map(|(t, p)| (counts[*t] - p * 100_000.0).powi(2) / (p * 100_000.0)).sum();
        assert!(chi < limit, "{chi}: {counts:?}");
        assert_eq!(expected.iter().map(|(t, _)| counts[*t]).sum::<f64>(), 100_000.0);
    };
    let whole = [(0, 0.05), (1, 0.4), (2, 0.25), (3, 0.2), (4, 0.1)];
    check(&Sampling { seed: 1, ..only(Step::TopK, |s| s.top_k = 0) }, &whole, 18.5);
    let cut = [(1, 0.4 / 0.85), (2, 0.25 / 0.85), (3, 0.2 / 0.85)];
    check(&Sampling { seed: 2, ..only(Step::TopK, |s| s.top_k = 3) }, &cut, 13.8);
    check(&Sampling { seed: 3, ..only(Step::MinP, |s| s.min_p = 0.4) }, &cut, 13.8);
}

/// A vocabulary of real size, where blocks and selections come into play: as often as likely in its four quarters.
#[test]
fn a_large_vocabulary_is_drawn_from_fairly() {
    let vocabulary = 40_000;
    let sampling = only(Step::TopK, |s| s.top_k = 0);
    let mut sampler = Sampler::new(&sampling, vocabulary, &[], Breakers::default()).unwrap();
    let raw: Vec<f32> = (0..vocabulary).map(|token| (1.0 + (token / 10_000) as f32).ln()).collect();
    let mut quarters = [0f64; 4];
    for _ in 0..500 {
        quarters[sampler.sample(&mut raw.clone()).unwrap() as usize / 10_000] += 1.0;
    }
    let chi: f64 = quarters.iter().zip([50.0, 100.0, 150.0, 200.0]).map(|(n, e)| (n - e).powi(2) / e).sum();
    assert!(chi < 16.3, "{quarters:?}");
}

/// Mirostat holds the surprise of the draws near its target, whichever of the two.
#[test]
fn mirostat_holds_the_surprise() {
    for (mirostat, eta) in [(Mirostat::V1, 0.1), (Mirostat::V2, 0.1)] {
        let sampling = Sampling {
            mirostat,
            mirostat_tau: 3.0,
            mirostat_eta: eta,
            temperature: 1.0,
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(&sampling, 1000, &[], Breakers::default()).unwrap();
        // Zipf: the token of rank r has a probability of about 1 / (7.49 r).
        let raw: Vec<f32> = (0..1000).map(|rank| -(rank as f32 + 1.0).ln()).collect();
        let mut surprise = 0.0;
        for draw in 0..2_000 {
            let left = sampler.clone().distribution(&mut raw.clone()).unwrap();
            let token = sampler.sample(&mut raw.clone()).unwrap();
            let probability = left.iter().find(|l| l.0 == token).unwrap().1;
            surprise += if draw < 200 { 0.0 } else { -f64::from(probability).log2() / 1_800.0 };
        }
        assert!((surprise - 3.0).abs() < 0.1, "{mirostat:?}: {surprise}");
    }
}

#[test]
fn a_clone_goes_on_as_the_original() {
    let mut random = Random::new(fresh_seed());
    let mut sampler = Sampler::new(&Sampling::default(), 100, &[], Breakers::default()).unwrap();
    let mut raw = || (0..100).map(|_| random.unit() as f32 * 5.0).collect::<Vec<f32>>();
    for _ in 0..10 {
        sampler.sample(&mut raw()).unwrap();
    }
    let mut clone = sampler.clone();
    for _ in 0..50 {
        let raw = raw();
        assert_eq!(sampler.sample(&mut raw.clone()), clone.sample(&mut raw.clone()));
    }
}
