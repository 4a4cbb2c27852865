//! A generated token allocates nothing but the text that is handed out.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]

use std::sync::Arc;

use athenaeum_inference::{
    decoder::Decoder,
    engine::{Cpu, Engine, Event, Request, Settings},
    model::{self, Files},
    sampling::Sampling,
    synthetic,
    tokenizer::Tokenizer,
    weights::Access,
};
use athenaeum_kernels::testing::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tokens of a short answer, and of a long one.
const SHORT: usize = 32;
const LONG: usize = 432;

#[test]
fn a_token_allocates_next_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let (_, storage) = synthetic::STORAGES[4];
    std::fs::write(&path, synthetic::gguf(synthetic::find("llama").unwrap(), storage).unwrap()).unwrap();
    let model = model::open(&path).unwrap();
    let Files::Gguf(files) = &model.files else { panic!("a GGUF file") };
    let tokenizer = Arc::new(Tokenizer::from_gguf(files.metadata()).unwrap());
    let settings = Settings { context_tokens: 512, threads: 2.try_into().unwrap(), ..Settings::default() };
    let decoder = Arc::new(Decoder::load(&model, Access::Read, 512).unwrap());
    let backend = Cpu::new(decoder, settings.cache_format, 64, 2).unwrap();
    let engine = Engine::start(Box::new(backend), None, tokenizer, settings).unwrap();
    for sampling in [
        Sampling { temperature: 0.0, ..Sampling::default() },
        Sampling { seed: 7, repeat_penalty: 1.1, ..Sampling::default() },
    ] {
        let answer = |tokens| answer(&engine, sampling.clone(), tokens);
        answer(LONG);
        let (short, long) = (answer(SHORT), answer(LONG));
        let beside = (long - short) as f64 / (LONG - SHORT) as f64;
        // What grows with the text, by doubling, and the queue to whoever listens, by blocks of 32.
        assert!(beside.abs() < 0.1, "{beside} allocations a token beside its text");
    }
}

/// Returns how often memory is asked for while an answer is given, the texts that are handed out aside.
fn answer(engine: &Engine, sampling: Sampling, tokens: usize) -> i64 {
    let before = allocations();
    let prompt = (3..40).collect();
    let request = Request { sampling, tokens_max: Some(tokens), ignore_ends: true, ..Request::new(prompt) };
    let mut generation = engine.submit(request).unwrap();
    let (mut got, mut texts) = (0, 0);
    while let Some(event) = generation.next_blocking() {
        let Event::Token { text, .. } = event else { continue };
        got += 1;
        texts += i64::from(text.capacity() > 0);
    }
    assert_eq!(got, tokens);
    (allocations() - before) as i64 - texts
}
