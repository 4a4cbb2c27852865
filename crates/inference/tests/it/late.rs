//! Late interaction: each token of a query looks for its like in a document.

use std::{fs, path::Path};

use athenaeum_inference::{
    catalog::{Catalog, Purpose, Settings},
    embedder::{Embedder, Error, LoadError, Truncate},
    kernels::Pool,
    model::{self, Root},
    reranker::{Reranker, Score},
    synthetic::late::{self, Layout, TOKENS_MAX},
    weights::Access,
};
use serde_json::{Value as Json, json};

#[test]
fn scores_are_those_of_the_reference() {
    let golden: Json = serde_json::from_str(include_str!("../golden/late.json")).unwrap();
    for (name, layout) in [("stanford", Layout::Stanford), ("pylate", Layout::PyLate)] {
        let reranker = written(layout);
        let rows = golden[name].as_array().unwrap();
        let text = |row: &Json, key: &str| row[key].as_str().unwrap().to_owned();
        for these in rows.chunk_by(|one, next| one["query"] == next["query"]) {
            let documents: Vec<String> = these.iter().map(|row| text(row, "document")).collect();
            let scores = scores(&reranker, &text(&these[0], "query"), &documents);
            for (row, score) in these.iter().zip(&scores) {
                let expected = row["score"].as_f64().unwrap();
                assert!((f64::from(score.logit) - expected).abs() < 2e-4, "{name}: {score:?} {row}");
                let tokens = row["query_tokens"].as_f64().unwrap();
                let relevance = (1.0 + expected / tokens) / 2.0;
                assert!((f64::from(score.relevance) - relevance).abs() < 1e-5, "{name}: {score:?} {row}");
                assert_eq!(row["tokens"], score.tokens, "{name}: {row}");
            }
        }
        assert!(rows.len() > 20);
    }
}

#[test]
fn a_score_is_the_same_bits_beside_others() {
    let reranker = written(Layout::Stanford);
    // More than is computed at once.
    let mut documents: Vec<String> = (0..60).map(|count| "sea wind ".repeat(count % 20)).collect();
    documents.push("The moon, and the tide.".to_owned());
    let all = scores(&reranker, "what is the moon", &documents);
    for (document, score) in documents.iter().zip(&all).skip(50) {
        let [alone] = scores(&reranker, "what is the moon", std::slice::from_ref(document))[..] else {
            panic!("one document, one score");
        };
        assert_eq!(alone.logit.to_bits(), score.logit.to_bits(), "{document:?}");
    }
}

#[test]
fn documents_are_cut_and_queries_are_not() {
    let reranker = written(Layout::PyLate);
    let long = "moon ".repeat(60);
    let [score] = scores(&reranker, "moon", std::slice::from_ref(&long))[..] else { panic!("one") };
    assert_eq!((score.tokens, score.cut_tokens), (TOKENS_MAX, 60 + 3 - TOKENS_MAX));
    let pool = Pool::new(1);
    let refused = reranker.scores("moon", &[&long], Truncate::Refuse, &pool).unwrap_err();
    assert!(matches!(refused, Error::TooLong { index: 0, tokens: 63, tokens_max: TOKENS_MAX }), "{refused}");
    let refused = reranker.scores(&long, &["moon"], Truncate::End, &pool).unwrap_err();
    assert!(matches!(refused, Error::NoRoom { tokens: 60, tokens_max: 45, .. }), "{refused}");
}

#[test]
fn it_is_a_reranker_and_no_embedder() {
    let folder = tempfile::tempdir().unwrap();
    for (name, layout) in [("one", Layout::Stanford), ("two", Layout::PyLate)] {
        late::write(layout, &folder.path().join(name)).unwrap();
        let model = model::open(&folder.path().join(name)).unwrap();
        let refused = Embedder::load(&model, Access::Read).unwrap_err();
        assert!(matches!(refused, LoadError::OtherPurpose(_)), "{refused}");
    }
    let roots = vec![Root::recognised(folder.path().to_owned())];
    let catalog = Catalog::new(Settings { roots, ..Settings::default() });
    let listed: Vec<(String, Purpose)> =
        catalog.list().iter().map(|entry| (entry.name.clone(), entry.purpose)).collect();
    assert_eq!(listed, ["one", "two"].map(|name| (name.to_owned(), Purpose::Rerank)));
}

#[test]
fn what_is_not_computed_is_refused() {
    let check = |layout, file: &str, change: &dyn Fn(&mut Json), said: &str| {
        let folder = tempfile::tempdir().unwrap();
        late::write(layout, folder.path()).unwrap();
        let path = folder.path().join(file);
        let mut json: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        fs::write(&path, json.to_string()).unwrap();
        let refused = load(folder.path()).unwrap_err();
        assert_eq!(refused.to_string(), format!("the model asks for {said}, which is not computed"));
    };
    let metadata = "artifact.metadata";
    let stanford = Layout::Stanford;
    check(stanford, metadata, &|json| json["similarity"] = json!("l2"), "similarity \"l2\"");
    check(stanford, metadata, &|json| json["interaction"] = json!("flipr"), "interaction \"flipr\"");
    check(stanford, metadata, &|json| json["query_maxlen"] = json!(0), "query_maxlen as it is said there");
    check(
        stanford,
        metadata,
        &|json| json["doc_token_id"] = json!("[D]"),
        "the token \"[D]\", which it does not have",
    );
    let pylate = Layout::PyLate;
    check(
        pylate,
        "1_Dense/config.json",
        &|json| json["activation_function"] = json!("torch.nn.modules.activation.Tanh"),
        "torch.nn.modules.activation.Tanh behind the last matrix",
    );
    check(pylate, "modules.json", &|json| json[1]["path"] = json!("../x"), "a matrix in \"../x\"");
    check(
        pylate,
        "config_sentence_transformers.json",
        &|json| json["default_prompt_name"] = json!("query"),
        "a prompt before each text",
    );

    let folder = tempfile::tempdir().unwrap();
    late::write(pylate, folder.path()).unwrap();
    fs::remove_file(folder.path().join("1_Dense/model.safetensors")).unwrap();
    let refused = load(folder.path()).unwrap_err();
    assert!(
        refused.to_string().starts_with("1_Dense/model.safetensors of the model cannot be read"),
        "{refused}"
    );
}

fn written(layout: Layout) -> Reranker {
    let folder = tempfile::tempdir().unwrap();
    late::write(layout, folder.path()).unwrap();
    load(folder.path()).unwrap()
}

fn load(folder: &Path) -> Result<Reranker, LoadError> {
    Reranker::load(&model::open(folder).unwrap(), Access::Read)
}

fn scores(reranker: &Reranker, query: &str, documents: &[String]) -> Vec<Score> {
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    reranker.scores(query, &documents, Truncate::End, &Pool::new(2)).unwrap()
}
