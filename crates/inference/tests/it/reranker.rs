//! A query and documents in, scores out.

use athenaeum_inference::{
    embedder::{Error, Truncate},
    encoder::{Encoder, Input, Work},
    kernels::Pool,
    model,
    reranker::Reranker,
    weights::Access,
};

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
    let expected = encoder.scores(&[Input { tokens, second_from }], &mut work, &pool)[0];
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
