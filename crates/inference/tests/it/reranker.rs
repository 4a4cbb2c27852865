//! A query and documents in, scores out.

use athenaeum_inference::{
    embedder::{Error, Truncate},
    encoder::{Encoder, Input, Work},
    kernels::Pool,
    model,
    reranker::Reranker,
    synthetic,
    weights::Access,
};
use serde_json::Value as Json;

use crate::embedder::written;

#[test]
fn a_pair_is_framed_as_its_family_has_it() {
    // Query 7 8, document 9.
    check_pair("bert-scores", "folder", &[2, 7, 8, 3, 9, 3], 4);
    check_pair("xlm-roberta-scores", "folder", &[2, 7, 8, 3, 3, 9, 3], 5);
    check_pair("modern-bert-scores", "folder", &[2, 7, 8, 3, 9, 3], 4);
    check_pair("modern-bert-scores", "gguf", &[2, 7, 8, 3, 9, 3], 4);
}

fn check_pair(name: &str, kind: &str, tokens: &[u32], second_from: usize) {
    let folder = tempfile::tempdir().unwrap();
    let model = model::open(&written(name, kind, folder.path())).unwrap();
    let pool = Pool::new(2);
    let reranker = Reranker::load(&model, Access::Read).unwrap();
    let documents = ["w20 w21 w22 w23", "w9", ""];
    let scores = reranker.scores("w7 w8", &documents, Truncate::End, &pool).unwrap();
    let encoder = Encoder::load(&model, Access::Read).unwrap();
    let mut work = Work::default();
    let expected = encoder.scores(&[Input { second_from, ..Input::from(tokens) }], &mut work, &pool)[0];
    assert_eq!(scores[1].logit.to_bits(), expected.to_bits(), "{name} as {kind}");
    assert_eq!(scores[1].relevance, 1.0 / (1.0 + (-expected).exp()));
    assert_eq!((scores.len(), scores[1].tokens, scores[1].cut_tokens), (3, tokens.len(), 0));
}

#[test]
fn documents_are_cut_and_queries_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let model = model::open(&written("bert-scores", "folder", folder.path())).unwrap();
    let pool = Pool::new(1);
    let reranker = Reranker::load(&model, Access::Read).unwrap();
    let long = "w7 ".repeat(50);
    let scores = reranker.scores("w5 w6", &["w9", &long], Truncate::End, &pool).unwrap();
    assert_eq!((scores[1].tokens, scores[1].cut_tokens), (48, 7));
    let refused = reranker.scores("w5 w6", &["w9", &long], Truncate::Refuse, &pool).unwrap_err();
    assert!(matches!(refused, Error::TooLong { index: 1, tokens: 55, tokens_max: 48 }), "{refused}");
    let refused = reranker.scores(&long, &["w9"], Truncate::End, &pool).unwrap_err();
    assert!(matches!(refused, Error::NoRoom { tokens: 50, .. }), "{refused}");
}

#[test]
fn a_model_that_makes_vectors_only_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = model::open(&written("bert", "gguf", folder.path())).unwrap();
    let refused = Reranker::load(&model, Access::Read).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the model makes vectors of texts and no scores of pairs; use it to embed"
    );
}

#[test]
fn a_decoder_that_is_asked_says_what_the_reference_says() {
    let golden: Json = serde_json::from_str(include_str!("../golden/reranker.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    synthetic::reranker(folder.path()).unwrap();
    let reranker = Reranker::load(&model::open(folder.path()).unwrap(), Access::Read).unwrap();
    let pool = Pool::new(2);
    let pairs = golden["pairs"].as_array().unwrap();
    let text = |pair: &Json, key: &str| pair[key].as_str().unwrap().to_owned();
    let mut cut = 0;
    for these in pairs.chunk_by(|one, next| one["query"] == next["query"]) {
        let documents: Vec<String> = these.iter().map(|pair| text(pair, "document")).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let scores = reranker.scores(&text(&these[0], "query"), &documents, Truncate::End, &pool).unwrap();
        for (pair, score) in these.iter().zip(&scores) {
            let close = |ours: f32, key: &str| (f64::from(ours) - pair[key].as_f64().unwrap()).abs() < 2e-4;
            assert_eq!(pair["tokens"], score.tokens, "{pair}");
            assert!(close(score.logit, "logit") && close(score.relevance, "relevance"), "{score:?} {pair}");
            cut += score.cut_tokens;
        }
    }
    assert!(pairs.len() > 8 && cut > 0, "a document that is too long is among them");
    // Those of a model that always says the same would be right by chance.
    let logits: Vec<f64> = pairs.iter().map(|pair| pair["logit"].as_f64().unwrap()).collect();
    assert!(logits.iter().any(|logit| (logit - logits[0]).abs() > 0.05), "{logits:?}");
}
