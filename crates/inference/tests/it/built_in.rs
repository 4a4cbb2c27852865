//! The embedder within the program, against what transformers makes of the published model.

use std::num::NonZeroUsize;

use athenaeum_core::{Embed, EmbedError, TextKind};
use athenaeum_inference::{
    built_in,
    embedder::{Embedder, Options},
    kernels::Pool,
    local_embedder::LocalEmbedder,
    processor::Processor,
    weights::Access,
};
use serde_json::Value as Json;

fn processor() -> Processor {
    Processor::new(NonZeroUsize::new(2).unwrap())
}

fn embed(embedder: &LocalEmbedder, texts: &[String], kind: TextKind) -> Result<Vec<Vec<f32>>, EmbedError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let embedded = runtime.block_on(embedder.embed(texts, kind))?;
    Ok(embedded.into_iter().map(|one| one.vector).collect())
}

/// Packing costs something; the golden values are those of numbers that were not packed.
#[test]
fn vectors_are_near_those_of_the_published_model() {
    let golden: Json = serde_json::from_str(include_str!("../../../../conformance/embeddings.json")).unwrap();
    let rows = golden["texts"].as_array().unwrap();
    let texts: Vec<String> = rows.iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect();
    let model = Embedder::load(&built_in::model().unwrap(), Access::Map).unwrap();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embeddings = model.embed(&borrowed, &Options::default(), &Pool::new(2)).unwrap();
    let (mut apart, mut numbers, mut whole) = (0.0, 0, 0);
    for (row, embedding) in rows.iter().zip(&embeddings) {
        assert_eq!(row["tokens"], embedding.tokens, "{row}");
        let golden: Vec<f64> =
            row["numbers"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
        let ours =
            embedding.vector.iter().step_by(row["step"].as_u64().unwrap() as usize).map(|n| f64::from(*n));
        let pairs: Vec<(f64, f64)> = ours.zip(golden).collect();
        apart += pairs.iter().map(|(ours, golden)| (ours - golden).powi(2)).sum::<f64>();
        numbers += pairs.len();
        if pairs.len() == embedding.vector.len() {
            whole += 1;
            let cosine: f64 = pairs.iter().map(|(ours, golden)| ours * golden).sum();
            assert!(cosine > 0.98, "{cosine} {row}");
        }
    }
    // A cosine c leaves 2 (1 - c) between two vectors of 384 numbers.
    let cosine = 1.0 - apart / numbers as f64 * 384.0 / 2.0;
    assert!(whole == 4 && cosine > 0.985, "{cosine} on average");
}

#[test]
fn it_is_opened_in_one_line_and_answers_through_the_port() {
    let embedder = built_in::embedder(&processor()).unwrap();
    let model = embedder.model();
    assert_eq!((model.name.as_str(), model.dimensions, model.tokens_max), (built_in::NAME, 384, 256));
    assert_ne!(model.fingerprint, 0);
    let texts = [
        "How long does bread rise?",
        "The dough is left to rise overnight.",
        "The engine stalls on cold mornings.",
    ]
    .map(str::to_owned);
    let query = embed(&embedder, &texts[..1], TextKind::Query).unwrap();
    let passages = embed(&embedder.for_owner(7), &texts[1..], TextKind::Passage).unwrap();
    let cosine = |other: &[f32]| query[0].iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    assert!(cosine(&passages[0]) > cosine(&passages[1]) + 0.2);
    assert!((cosine(&query[0]) - 1.0).abs() < 1e-5);
    assert!(embed(&embedder, &[], TextKind::Query).unwrap().is_empty());
    assert_eq!(embedder.tokens("bread rises"), 2);
}

#[test]
fn what_is_too_long_is_cut_and_told() {
    let embedder = built_in::embedder(&processor()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let texts = ["bread ".repeat(300)];
    let embedded = runtime.block_on(embedder.embed(&texts, TextKind::Passage)).unwrap();
    assert_eq!(embedded[0].cut_tokens, 300 - 254);
}

#[test]
fn who_comes_when_too_many_wait_is_told_when_to_come_again() {
    let model = Embedder::load(&built_in::model().unwrap(), Access::Map).unwrap();
    let none = LocalEmbedder::start("small", 1, model, &processor(), 0).unwrap();
    let refused = embed(&none, &["bread".to_owned()], TextKind::Query).unwrap_err();
    assert!(matches!(refused, EmbedError::Busy { .. }), "{refused:?}");
}
