use athenaeum_inference::sampling::{Breakers, Error, Mirostat, Ranked, Sampler, Sampling, Step, logprobs};

use super::{check, check_left, left, logits, only};

const FOUR: [f32; 4] = [0.1, 0.4, 0.3, 0.2];

#[test]
fn the_defaults_are_those_of_llama_cpp() {
    let s = Sampling::default();
    assert_eq!((s.temperature, s.top_k, s.top_p, s.min_p, s.typical_p), (0.8, 40, 0.95, 0.05, 1.0));
    assert_eq!((s.xtc_probability, s.xtc_threshold, s.repeat_last_n, s.repeat_penalty), (0.0, 0.1, 64, 1.0));
    assert_eq!((s.dry_multiplier, s.dry_base, s.dry_allowed_length, s.dry_last_n), (0.0, 1.75, 2, 64));
    assert_eq!((s.mirostat_tau, s.mirostat_eta, s.mirostat), (5.0, 0.1, Mirostat::Off));
    let order: Vec<&str> = s.order.iter().map(|step| step.name()).collect();
    assert_eq!(order.join(" "), "penalties dry top_n_sigma top_k typ_p top_p min_p xtc temperature");
    assert!(s.order.iter().all(|step| Step::from_name(step.name()) == Some(*step)));
    assert_eq!(s.check(), Ok(()));
}

#[test]
fn greedy_takes_the_best_and_of_equal_ones_the_lower_id() {
    let mut sampler = Sampler::new(&Sampling::greedy(), 5, &[], Breakers::default()).unwrap();
    assert_eq!(sampler.sample(&mut [0.0, 3.0, -1.0, 3.0, 2.9]), Ok(1));
    assert_eq!(sampler.sample(&mut [f32::NEG_INFINITY, -1e30, -2e30, -1e30, -3e30]), Ok(1));
    check(&Sampling::greedy(), &FOUR, &[(1, 1.0)]);
}

#[test]
fn top_k_keeps_the_best() {
    let k = |k| only(Step::TopK, |s| s.top_k = k);
    check(&k(1), &FOUR, &[(1, 1.0)]);
    check(&k(3), &FOUR, &[(1, 0.4 / 0.9), (2, 0.3 / 0.9), (3, 0.2 / 0.9)]);
    check(&k(0), &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
    check(&k(u32::MAX), &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
}

#[test]
fn top_p_keeps_what_reaches_the_sum() {
    let p = |p| only(Step::TopP, |s| s.top_p = p);
    check(&p(0.0), &FOUR, &[(1, 1.0)]);
    check(&p(0.69), &FOUR, &[(1, 0.4 / 0.7), (2, 0.3 / 0.7)]);
    check(&p(0.71), &FOUR, &[(1, 0.4 / 0.9), (2, 0.3 / 0.9), (3, 0.2 / 0.9)]);
    check(&p(1.0), &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
    let least = only(Step::TopP, |s| (s.top_p, s.min_keep) = (0.0, 2));
    check(&least, &FOUR, &[(1, 0.4 / 0.7), (2, 0.3 / 0.7)]);
}

#[test]
fn min_p_keeps_what_is_near_the_best() {
    let p = |p| only(Step::MinP, |s| s.min_p = p);
    check(&p(0.0), &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
    check(&p(0.26), &FOUR, &[(1, 0.4 / 0.9), (2, 0.3 / 0.9), (3, 0.2 / 0.9)]);
    check(&p(0.74), &FOUR, &[(1, 0.4 / 0.7), (2, 0.3 / 0.7)]);
    check(&p(1.0), &FOUR, &[(1, 1.0)]);
    let least = only(Step::MinP, |s| (s.min_p, s.min_keep) = (1.0, 3));
    check(&least, &FOUR, &[(1, 0.4 / 0.9), (2, 0.3 / 0.9), (3, 0.2 / 0.9)]);
}

/// Entropy of 0.97, 0.01, 0.01, 0.01 is 0.1677 nats: the best (surprise 0.0305) is nearest. Of 0.4 0.3 0.2 0.1 it is
/// 1.2799: surprises 0.9163, 1.2040, 1.6094, 2.3026 lie 0.36, 0.08, 0.33 and 1.02 away.
#[test]
fn typical_keeps_what_is_as_surprising_as_expected() {
    let p = |p| only(Step::TypicalP, |s| s.typical_p = p);
    check(&p(0.5), &[0.97, 0.01, 0.01, 0.01], &[(0, 1.0)]);
    check(&p(0.2), &FOUR, &[(2, 1.0)]);
    check(&p(0.45), &FOUR, &[(2, 0.6), (3, 0.4)]);
    check(&p(0.55), &FOUR, &[(1, 0.4 / 0.9), (2, 0.3 / 0.9), (3, 0.2 / 0.9)]);
    check(&p(1.0), &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
}

/// Logits 0, 1, 2, 3, 10: mean 3.2, deviation √12.56 = 3.544; the bar is 10 − 3.544 n.
#[test]
fn top_n_sigma_keeps_what_is_near_in_deviations() {
    let tokens = |n| -> Vec<u32> {
        let sampling = only(Step::TopNSigma, |s| s.top_n_sigma = n);
        let ruled_out = f32::NEG_INFINITY;
        left(&sampling, &[], &[0.0, 1.0, 2.0, 3.0, 10.0, ruled_out]).iter().map(|l| l.0).collect()
    };
    assert_eq!(tokens(1.9), [4]);
    assert_eq!(tokens(2.0), [4, 3]);
    assert_eq!(tokens(2.3), [4, 3, 2]);
    assert_eq!(tokens(2.9), [4, 3, 2, 1, 0]);
    assert_eq!(tokens(0.0), [4, 3, 2, 1, 0]);
}

#[test]
fn xtc_leaves_out_the_best_but_the_last_above_the_threshold() {
    let xtc = |probability, threshold| {
        only(Step::Xtc, |s| (s.xtc_probability, s.xtc_threshold) = (probability, threshold))
    };
    check(&xtc(1.0, 0.35), &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
    check(&xtc(1.0, 0.25), &FOUR, &[(2, 0.5), (3, 0.2 / 0.6), (0, 0.1 / 0.6)]);
    check(&xtc(1.0, 0.15), &FOUR, &[(3, 0.2 / 0.3), (0, 0.1 / 0.3)]);
    check(&xtc(1.0, 0.0), &FOUR, &[(0, 1.0)]);
    check(&xtc(1.0, 0.51), &[0.2, 0.8], &[(1, 0.8), (0, 0.2)]);
    check(&xtc(0.0, 0.15), &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
    let least = only(Step::Xtc, |s| (s.xtc_probability, s.xtc_threshold, s.min_keep) = (1.0, 0.15, 3));
    check(&least, &FOUR, &[(1, 0.4), (2, 0.3), (3, 0.2), (0, 0.1)]);
    // After a step that narrowed the field it does the same.
    let sampling = Sampling { order: vec![Step::TopK, Step::Xtc], top_k: 3, ..xtc(1.0, 0.3) };
    check(&sampling, &FOUR, &[(2, 0.6), (3, 0.4)]);
}

#[test]
fn xtc_comes_as_often_as_it_is_told() {
    let sampling = only(Step::Xtc, |s| (s.xtc_probability, s.xtc_threshold) = (0.3, 0.15));
    let mut sampler = Sampler::new(&sampling, 4, &[], Breakers::default()).unwrap();
    let come = (0..10_000).filter(|_| sampler.distribution(&mut logits(&FOUR)).unwrap().len() == 2).count();
    assert!((2_850..3_150).contains(&come), "{come}");
}

#[test]
fn temperature_flattens_or_sharpens() {
    let t = |t| only(Step::Temperature, |s| s.temperature = t);
    // Squares 0.16, 0.09, 0.04, 0.01 sum up to 0.3.
    check(&t(0.5), &FOUR, &[(1, 0.16 / 0.3), (2, 0.3), (3, 0.04 / 0.3), (0, 0.01 / 0.3)]);
    check(&t(0.0), &FOUR, &[(1, 1.0)]);
    // So cold that the quotient alone would be infinite.
    check(&t(1e-38), &FOUR, &[(1, 1.0), (2, 0.0), (3, 0.0), (0, 0.0)]);
}

/// The normalised entropy of 0.4 0.3 0.2 0.1 is 1.2798542 / ln 4 = 0.923219.
#[test]
fn the_dynamic_temperature_follows_the_entropy() {
    let dynamic = |exponent| {
        only(Step::Temperature, |s| {
            (s.temperature, s.dynamic_temperature_range, s.dynamic_temperature_exponent) =
                (1.0, 0.5, exponent);
        })
    };
    let at = |temperature: f32| {
        left(&only(Step::Temperature, |s| s.temperature = temperature), &[], &logits(&FOUR))
    };
    check(&dynamic(1.0), &FOUR, &at(0.5 + 0.923_219));
    check(&dynamic(2.0), &FOUR, &at(0.5 + 0.923_219 * 0.923_219));
    check(&dynamic(1.0), &[0.25; 4], &[(0, 0.25), (1, 0.25), (2, 0.25), (3, 0.25)]);
    let sharp = only(Step::Temperature, |s| (s.temperature, s.dynamic_temperature_range) = (0.0, 1.0));
    check(&sharp, &FOUR, &at(0.923_219));
}

#[test]
fn penalties_are_for_what_was_seen_lately() {
    let penalties = |repeat, frequency, presence, last_n| {
        only(Step::Penalties, |s| {
            (s.repeat_penalty, s.frequency_penalty, s.presence_penalty) = (repeat, frequency, presence);
            s.repeat_last_n = last_n;
        })
    };
    let raw = [2.0, -2.0, 1.0, 0.0];
    let softmax = |logits: [f32; 4]| left(&only(Step::TopK, |s| s.top_k = 0), &[], &logits);
    let check =
        |sampling: &Sampling, seen: &[u32], logits| check_left(&left(sampling, seen, &raw), &softmax(logits));
    check(&penalties(2.0, 0.0, 0.0, 64), &[0, 1, 1], [1.0, -4.0, 1.0, 0.0]);
    check(&penalties(1.0, 0.5, 0.0, 64), &[0, 1, 1], [1.5, -3.0, 1.0, 0.0]);
    check(&penalties(1.0, 0.0, 0.5, 64), &[0, 1, 1], [1.5, -2.5, 1.0, 0.0]);
    check(&penalties(2.0, 0.5, 0.25, 64), &[0, 0, 2], [-0.25, -2.0, -0.25, 0.0]);
    check(&penalties(1.0, -0.5, 0.0, 64), &[3], [2.0, -2.0, 1.0, 0.5]);
    // The window holds the last two.
    check(&penalties(1.0, 0.5, 0.0, 2), &[0, 0, 0, 2, 3], [2.0, -2.0, 0.5, -0.5]);
    check(&penalties(1.0, 0.5, 0.0, 0), &[0, 1, 1], raw);
    check(&penalties(1.0, 0.5, 0.0, u32::MAX), &[2; 4], [2.0, -2.0, -1.0, 0.0]);
    // And of a thousand.
    let long: Vec<u32> = (0..1000).map(|i| i % 2).chain([2, 2, 3]).collect();
    check(&penalties(1.0, 0.5, 0.0, 3), &long, [2.0, -2.0, 0.0, -0.5]);
}

/// After `0 1 2 0 1 3 0 1`, both `2` and `3` would go on with `0 1`: two tokens, so 0.8 × 1.75^(2 − 2).
#[test]
fn dry_is_for_what_goes_on_with_a_repetition() {
    let dry = |allowed, last_n| {
        only(Step::Dry, |s| {
            (s.dry_multiplier, s.dry_base, s.dry_allowed_length, s.dry_last_n) = (0.8, 1.75, allowed, last_n);
        })
    };
    let penalty = |sampling: &Sampling, breakers: &Breakers, seen: &[u32]| -> Vec<f32> {
        let mut sampler = Sampler::new(sampling, 5, &[], breakers.clone()).unwrap();
        sampler.remember(seen);
        let mut left = sampler.distribution(&mut [0.0; 5]).unwrap();
        left.sort_by_key(|l| l.0);
        // Token 4 is never seen.
        left.iter().map(|l| ((left[4].1 / l.1).ln() * 1000.0).round() / 1000.0).collect()
    };
    let none = Breakers::default();
    let seen = [0, 1, 2, 0, 1, 3, 0, 1];
    assert_eq!(penalty(&dry(2, 64), &none, &seen), [0.0, 0.0, 0.8, 0.8, 0.0]);
    assert_eq!(penalty(&dry(1, 64), &none, &seen), [0.0, 0.0, 1.4, 1.4, 0.0]);
    assert_eq!(penalty(&dry(3, 64), &none, &seen), [0.0; 5]);
    // Only the last five tokens: the first `0 1` is forgotten.
    assert_eq!(penalty(&dry(2, 5), &none, &seen), [0.0, 0.0, 0.0, 0.8, 0.0]);
    assert_eq!(penalty(&dry(2, 0), &none, &seen), [0.0; 5]);
    // A breaker between: what comes before it does not count, and it is never penalised itself.
    let breakers = Breakers::from_tokens(vec![(0, [].into())]);
    assert_eq!(penalty(&dry(2, 64), &breakers, &seen), [0.0; 5]);
    let breakers = Breakers::from_tokens(vec![(3, [].into())]);
    assert_eq!(penalty(&dry(2, 64), &breakers, &seen), [0.0, 0.0, 0.8, 0.0, 0.0]);
    // Far beyond what a power can hold: as good as banned, and no infinity.
    let long = vec![0; 5000];
    assert!(penalty(&dry(2, u32::MAX), &none, &long)[0] > 80.0);
}

#[test]
fn a_bias_moves_a_token_and_minus_infinity_bans_it() {
    let biased = |biases: &[(u32, f32)]| only(Step::TopK, |s| (s.top_k, s.logit_bias) = (0, biases.to_vec()));
    let ban = f32::NEG_INFINITY;
    check(&biased(&[(1, ban)]), &FOUR, &[(2, 0.5), (3, 0.2 / 0.6), (0, 0.1 / 0.6)]);
    check(&biased(&[(0, 4f32.ln()), (1, ban), (2, ban), (3, ban)]), &FOUR, &[(0, 1.0)]);
    // Those of one token are added up: 0.1 × 2 × 2.
    check(&biased(&[(0, 2f32.ln()), (0, 2f32.ln())]), &[0.1, 0.9], &[(1, 0.9 / 1.3), (0, 0.4 / 1.3)]);
    let unknown = Sampler::new(&biased(&[(4, 1.0)]), 4, &[], Breakers::default()).unwrap_err();
    assert_eq!(unknown.to_string(), "`logit_bias` names the token 4, but the model has 4 tokens");
}

#[test]
fn ends_wait_for_as_many_tokens_as_asked() {
    let sampling = Sampling { min_tokens: 2, ..Sampling::greedy() };
    let mut sampler = Sampler::new(&sampling, 3, &[2, 2], Breakers::default()).unwrap();
    sampler.remember(&[0, 0, 0]);
    let mut next = || {
        let token = sampler.sample(&mut [0.0, 1.0, 9.0]).unwrap();
        sampler.accept(token);
        token
    };
    assert_eq!((next(), next(), next()), (1, 1, 2));
    // Where nothing else is left, the end comes all the same.
    let mut sampler = Sampler::new(&sampling, 3, &[2, 2], Breakers::default()).unwrap();
    assert_eq!(sampler.sample(&mut [f32::NEG_INFINITY, f32::NEG_INFINITY, 9.0]), Ok(2));
}

/// Of 0.4 0.3 0.2 0.1 the surprises are 1.32, 1.74, 2.32 and 3.32 bits. The bound begins at 2 τ and moves by
/// η (surprise − τ).
#[test]
fn mirostat_two_cuts_off_by_surprise_and_corrects_itself() {
    let mirostat = |tau, eta| Sampling {
        mirostat: Mirostat::V2,
        mirostat_tau: tau,
        mirostat_eta: eta,
        temperature: 1.0,
        ..Sampling::default()
    };
    check(&mirostat(1.0, 0.1), &FOUR, &[(1, 0.4 / 0.7), (2, 0.3 / 0.7)]);
    check(&mirostat(1.2, 0.1), &FOUR, &[(1, 0.4 / 0.9), (2, 0.3 / 0.9), (3, 0.2 / 0.9)]);
    check(&mirostat(0.1, 0.1), &FOUR, &[(1, 1.0)]);
    // τ = 0.6, η = 1: only token 1 (surprise 1.32 > 1.2, but one stays), whose surprise is then 0: the bound rises to 1.8.
    let mut sampler = Sampler::new(&mirostat(0.6, 1.0), 4, &[], Breakers::default()).unwrap();
    assert_eq!(sampler.sample(&mut logits(&FOUR)), Ok(1));
    check_left(&sampler.distribution(&mut logits(&FOUR)).unwrap(), &[(1, 0.4 / 0.7), (2, 0.3 / 0.7)]);
}

#[test]
fn logprobs_are_of_the_raw_logits() {
    let told = logprobs(&logits(&FOUR), 3, 2).unwrap();
    let ranked = |token, p: f32| Ranked { token, logprob: p.ln() };
    assert!((told.chosen.logprob - 0.2f32.ln()).abs() < 1e-6);
    assert_eq!(told.top.iter().map(|r| r.token).collect::<Vec<_>>(), [1, 2]);
    assert!((told.top[0].logprob - ranked(1, 0.4).logprob).abs() < 1e-6);
    // Logits that no exponential would survive.
    let told = logprobs(&[3e38, 3e38, -3e38, f32::NEG_INFINITY], 0, 9).unwrap();
    assert!((told.chosen.logprob + 2f32.ln()).abs() < 1e-6);
    assert_eq!(told.top.iter().map(|r| r.token).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(logprobs(&[3e38, f32::NEG_INFINITY], 1, 0).unwrap().chosen.logprob, f32::NEG_INFINITY);
    assert!(matches!(logprobs(&[0.0], 1, 0), Err(Error::UnknownToken { token: 1, .. })));
    assert!(matches!(logprobs(&[0.0, f32::NAN], 0, 1), Err(Error::NotFinite { token: 1, .. })));
    assert_eq!(logprobs(&[f32::NEG_INFINITY; 2], 0, 1), Err(Error::NothingLeft));
}

#[test]
fn broken_logits_are_an_error_and_draw_nothing() {
    for sampling in [Sampling::greedy(), Sampling::default()] {
        let mut sampler = Sampler::new(&sampling, 3, &[], Breakers::default()).unwrap();
        let mut sample = |logits: &[f32]| sampler.sample(&mut logits.to_vec()).unwrap_err().to_string();
        assert_eq!(
            sample(&[0.0, f32::NAN, 1.0]),
            "the logit of token 1 is NaN: the model's numbers are broken"
        );
        assert_eq!(
            sample(&[0.0, 1.0, f32::INFINITY]),
            "the logit of token 2 is inf: the model's numbers are broken"
        );
        assert_eq!(sample(&[0.0]), "there are 1 logits for 3 tokens");
        let nothing = "no token is left to choose from: everything is banned or ruled out";
        assert_eq!(sample(&[f32::NEG_INFINITY; 3]), nothing);
        assert!(sampler.sample(&mut [0.0, 1.0, 2.0]).is_ok());
    }
}

#[test]
fn settings_that_mean_nothing_are_refused_by_name() {
    let refused = |set: &dyn Fn(&mut Sampling)| {
        let mut sampling = Sampling::default();
        set(&mut sampling);
        sampling.check().unwrap_err().to_string()
    };
    assert_eq!(refused(&|s| s.temperature = -1.0), "`temperature` is -1, and takes a number from 0 to 100");
    assert_eq!(
        refused(&|s| s.temperature = f32::NAN),
        "`temperature` is NaN, and takes a number from 0 to 100"
    );
    assert_eq!(refused(&|s| s.top_p = 1.01), "`top_p` is 1.01, and takes a number from 0 to 1");
    type Field = fn(&mut Sampling) -> &mut f32;
    let fields: [(&str, Field); 16] = [
        ("temperature", |s| &mut s.temperature),
        ("dynamic_temperature_range", |s| &mut s.dynamic_temperature_range),
        ("dynamic_temperature_exponent", |s| &mut s.dynamic_temperature_exponent),
        ("top_p", |s| &mut s.top_p),
        ("min_p", |s| &mut s.min_p),
        ("typical_p", |s| &mut s.typical_p),
        ("top_n_sigma", |s| &mut s.top_n_sigma),
        ("xtc_probability", |s| &mut s.xtc_probability),
        ("xtc_threshold", |s| &mut s.xtc_threshold),
        ("repeat_penalty", |s| &mut s.repeat_penalty),
        ("frequency_penalty", |s| &mut s.frequency_penalty),
        ("presence_penalty", |s| &mut s.presence_penalty),
        ("dry_multiplier", |s| &mut s.dry_multiplier),
        ("dry_base", |s| &mut s.dry_base),
        ("mirostat_tau", |s| &mut s.mirostat_tau),
        ("mirostat_eta", |s| &mut s.mirostat_eta),
    ];
    let meaningless = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 9_223_372_036_854_775_808.0, -1e30];
    for (name, field) in fields {
        for value in meaningless {
            let told = refused(&|s| *field(s) = value);
            assert!(told.starts_with(&format!("`{name}` is ")), "{told}");
        }
    }
    for bias in [f32::NAN, f32::INFINITY, 1e30] {
        assert!(refused(&|s| s.logit_bias = vec![(0, bias)]).starts_with("`logit_bias` is "));
    }
    assert!(refused(&|s| s.logit_bias = vec![(0, 1.0); 65_537]).contains("at most 65,536"));
    assert!(refused(&|s| s.dry_sequence_breakers = vec![String::new()]).contains("1 to 40 bytes"));
    assert!(refused(&|s| s.dry_sequence_breakers = vec!["x".to_owned(); 65]).contains("at most 64"));
    assert!(refused(&|s| s.order = vec![Step::TopK, Step::TopK]).contains("`top_k` twice"));
}
