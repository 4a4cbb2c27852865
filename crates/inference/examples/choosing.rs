//! What choosing a token costs: drawing it, with one setting after another, and ruling tokens out by a form.
//!
//! ```sh
//! cargo run --release -p athenaeum-inference --example choosing [-- MODEL.gguf]
//! ```
//!
//! Drawing is timed on made-up logits of two sizes of vocabulary, beside the plain way: all probabilities, sorted.
//! Forms are timed with the vocabulary of MODEL, along a text that keeps to them.

#![expect(clippy::print_stdout, reason = "a program that tells figures")]

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use athenaeum_inference::{
    constraint::{Constraint, Grammar, Vocabulary},
    model,
    sampling::{Mirostat, Random, Sampler, Sampling, Step, logprobs},
    tokenizer::{Special, Tokenizer},
};

fn main() -> Result<(), Box<dyn Error>> {
    for vocabulary in [32_000, 150_000] {
        drawing(vocabulary)?;
    }
    if let Some(path) = std::env::args_os().nth(1) {
        forms(&Tokenizer::of(&model::open(path.as_ref())?)?)?;
    }
    Ok(())
}

fn drawing(vocabulary: usize) -> Result<(), Box<dyn Error>> {
    println!("{vocabulary} tokens, µs a token (median of 300)");
    let mut random = Random::new(1);
    // Bell-shaped, as a sum of four: a few tokens stand out, as in a model's logits.
    let mut bell = || (0..4).map(|_| random.unit() as f32 * 6.0).sum::<f32>();
    let raw: Vec<f32> = (0..vocabulary).map(|_| bell()).collect();
    let off = Sampling { order: vec![Step::Temperature], ..Sampling::default() };
    let one = |step: Step| Sampling { order: vec![step, Step::Temperature], ..Sampling::default() };
    let settings = [
        ("greedy", Sampling::greedy()),
        ("the defaults (top-k 40, top-p, min-p, temperature)", Sampling::default()),
        (
            "the defaults, penalties and DRY",
            Sampling { repeat_penalty: 1.1, dry_multiplier: 0.8, ..Sampling::default() },
        ),
        ("top-k 40", one(Step::TopK)),
        ("min-p 0.05", one(Step::MinP)),
        ("top-p 0.95", one(Step::TopP)),
        ("top-n-sigma 1", Sampling { top_n_sigma: 1.0, ..one(Step::TopNSigma) }),
        ("temperature alone", off.clone()),
        ("typical 0.95 of all", Sampling { typical_p: 0.95, ..one(Step::TypicalP) }),
        ("mirostat 2", Sampling { mirostat: Mirostat::V2, ..off }),
    ];
    let mut logits = raw.clone();
    let copied = median(300, || logits.copy_from_slice(black_box(&raw)));
    for (name, sampling) in settings {
        let mut sampler = Sampler::new(&sampling, vocabulary, &[], Default::default())?;
        sampler.remember(&(0..512).map(|i| i * 7 % 300).collect::<Vec<u32>>());
        let took = median(300, || {
            logits.copy_from_slice(&raw);
            let token = sampler.sample(&mut logits);
            sampler.accept(black_box(token).unwrap_or_default());
        });
        tell(name, took.saturating_sub(copied));
    }
    tell("log-probabilities, 20 likeliest", median(300, || drop(black_box(logprobs(&raw, 5, 20)))));
    tell("the plain way: exponentials and a sort of all", median(20, || drop(black_box(plain(&raw)))));
    Ok(())
}

/// What one writes down first.
fn plain(raw: &[f32]) -> Vec<(f32, usize)> {
    let highest = raw.iter().copied().fold(f32::MIN, f32::max);
    let weights: Vec<f32> = raw.iter().map(|logit| (logit - highest).exp()).collect();
    let total: f32 = weights.iter().sum();
    let mut sorted: Vec<(f32, usize)> =
        weights.iter().enumerate().map(|(token, w)| (w / total, token)).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    sorted.truncate(40);
    sorted
}

fn forms(tokenizer: &Tokenizer) -> Result<(), Box<dyn Error>> {
    let count = tokenizer.len();
    let ends: Vec<u32> = (0..count as u32).filter(|&token| tokenizer.ends_generation(token)).collect();
    let bytes = |token: u32| (!tokenizer.is_special(token)).then(|| tokenizer.bytes(token));
    let started = Instant::now();
    let vocabulary = Vocabulary::new(count, &ends, bytes)?;
    println!("a vocabulary of {count} tokens: {:.0} ms once", started.elapsed().as_secs_f64() * 1e3);
    let person = serde_json::json!({ "type": "object", "required": ["name", "born", "works"],
        "properties": { "name": { "type": "string" }, "born": { "type": "integer", "minimum": 1500 },
        "works": { "type": "array", "items": { "type": "string", "maxLength": 80 } } }, "additionalProperties": false });
    let json = r#"{"name":"Ada Lovelace","born":1815,"works":["Sketch of the Analytical Engine","Notes by the translator"]}"#;
    let gbnf = "root ::= object\nvalue ::= object | array | string | number\nobject ::= \"{\" (string \":\" value (\",\" \
        string \":\" value)*)? \"}\"\narray ::= \"[\" (value (\",\" value)*)? \"]\"\nstring ::= \"\\\"\" [^\"\\\\]* \"\\\"\"\n\
        number ::= [0-9]+";
    let forms = [
        ("any JSON object", Grammar::JsonObject),
        ("a JSON schema", Grammar::JsonSchema(person)),
        ("JSON in GBNF", Grammar::Gbnf(gbnf.to_owned())),
        ("a regular expression", Grammar::Regex(r#"\{"name":"[^"]*","born":\d{4},.*\}"#.to_owned())),
    ];
    let text = tokenizer.encode(json, Special::Text);
    let mut logits = vec![0f32; count];
    for (name, grammar) in forms {
        let started = Instant::now();
        let fresh = Constraint::new(&vocabulary, &grammar)?;
        let compiled = started.elapsed();
        let mut masks = Vec::new();
        for _ in 0..20 {
            let mut constraint = fresh.clone();
            for &token in &text {
                let started = Instant::now();
                constraint.apply(&mut logits)?;
                masks.push(started.elapsed());
                constraint.accept(token)?;
            }
        }
        masks.sort_unstable();
        let at = |share: usize| masks[masks.len() * share / 100].as_secs_f64() * 1e6;
        let (half, most) = (at(50), at(99));
        println!(
            "{name:<52} compiled in {:.1} ms; masks p50 {half:.0} µs, p99 {most:.0} µs",
            compiled.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

fn median(times: usize, mut work: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..times)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[times / 2]
}

fn tell(name: &str, took: Duration) {
    println!("{name:<52} {:>9.1}", took.as_secs_f64() * 1e6);
}
