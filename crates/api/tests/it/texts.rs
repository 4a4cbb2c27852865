//! `/v1/embeddings` and `/v1/rerank`, asked as their clients ask.

use athenaeum_api::Settings;
use athenaeum_inference::catalog::Named;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{encoders, server::Server};

const EMBEDDINGS: &str = "/v1/embeddings";
const RERANK: &str = "/v1/rerank";

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

#[tokio::test]
async fn texts_become_vectors() {
    let server = Server::with_model(Settings::default()).await;
    let ask = async |more: Value| {
        let mut body = json!({ "model": "tiny", "input": "a text" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post(EMBEDDINGS, &body).await
    };
    let one = ask(json!({})).await.json();
    let vector = numbers(&one["data"][0]["embedding"]);
    assert!((length(&vector) - 1.0).abs() < 1e-5);
    assert_eq!((&one["object"], &one["data"][0]["object"]), (&json!("list"), &json!("embedding")));
    assert_eq!(one["usage"]["prompt_tokens"], one["usage"]["total_tokens"]);
    assert!(one.get("warnings").is_none());

    let both = ask(json!({ "input": ["another", "a text"], "encoding_format": "base64" })).await.json();
    let bytes = both["data"][1]["embedding"].as_str().unwrap();
    assert_eq!(bytes, athenaeum_inference::embedder::base64(&vector));
    assert_eq!(both["data"][1]["index"], 1);

    let short = numbers(&ask(json!({ "dimensions": 8 })).await.json()["data"][0]["embedding"]);
    assert!(short.len() == 8 && (length(&short) - 1.0).abs() < 1e-5);
    let plain = numbers(&ask(json!({ "embd_normalize": -1 })).await.json()["data"][0]["embedding"]);
    assert!((length(&plain) - 1.0).abs() > 1e-3);
    let tokens = ask(json!({ "input": [[1, 2, 3], [4]] })).await.json();
    assert_eq!((tokens["data"].as_array().unwrap().len(), &tokens["usage"]["prompt_tokens"]), (2, &json!(4)));

    let check = async |more: Value, parameter: &str, says: &str| {
        let answer = ask(more.clone()).await;
        let error = answer.refusal(EMBEDDINGS)["error"].clone();
        assert_eq!((answer.status, error["param"].as_str().unwrap_or_default()), (400, parameter), "{more}");
        assert!(error["message"].as_str().unwrap().contains(says), "{more}: {error}");
    };
    check(json!({ "input": [] }), "input", "at least one").await;
    check(json!({ "input": {} }), "input.prompt_string", "text").await;
    check(json!({ "input": vec!["a"; 3000] }), "input", "at most 2048").await;
    check(json!({ "input": [[9_999_999]] }), "input", "not among").await;
    check(json!({ "dimensions": 100_000 }), "dimensions", "not 100000").await;
    check(json!({ "encoding_format": "int8" }), "encoding_format", "base64").await;
    check(json!({ "prompt_name": "query" }), "input", "no prompt called").await;
}

#[tokio::test]
async fn what_is_too_long_is_refused_or_cut_and_told_of() {
    let server = Server::with_model(Settings::default()).await;
    let mut body = json!({ "model": "tiny", "input": ["short", "a tale of many words ".repeat(4000)] });
    let answer = server.post(EMBEDDINGS, &body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.refusal(EMBEDDINGS)["error"]["code"], "context_length_exceeded");
    body["truncation"] = "auto".into();
    let answer = server.post(EMBEDDINGS, &body).await.json();
    assert_eq!(answer["warnings"][0]["parameter"], "truncation");
    assert!(answer["warnings"][0]["reason"].as_str().unwrap().contains("1 texts"), "{}", answer["warnings"]);
}

#[tokio::test]
async fn documents_are_ranked() {
    let folder = TempDir::new().unwrap();
    let recipe = encoders::ALL.iter().find(|recipe| recipe.name == "xlm-roberta-scores").unwrap();
    let path = folder.path().join("scores.gguf");
    std::fs::write(&path, recipe.gguf().unwrap()).unwrap();
    let files = vec![Named { name: "scores".to_owned(), path }];
    let server = Server::with_files(Settings::default(), files).await;
    let documents = json!(["a b c", { "text": "d e" }, "f g h i"]);
    let body = json!({ "query": "a", "documents": documents, "return_documents": true });
    let answer = server.post(RERANK, &body).await.json();
    assert_eq!(answer["model"], "scores");
    let results = answer["results"].as_array().unwrap();
    let score = |result: &Value| result["relevance_score"].as_f64().unwrap();
    assert!(results.len() == 3 && results.windows(2).all(|two| score(&two[0]) >= score(&two[1])), "{answer}");
    for result in results {
        let index = result["index"].as_u64().unwrap() as usize;
        let text = documents[index].get("text").unwrap_or(&documents[index]);
        assert_eq!(result["document"]["text"], *text);
        assert!((0.0..=1.0).contains(&score(result)));
    }
    assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 3);
    let best = server.post("/v2/rerank", &json!({ "query": "a", "documents": documents, "top_n": 1 })).await;
    assert_eq!(
        best.json()["results"][0],
        json!({ "index": results[0]["index"], "relevance_score": results[0]["relevance_score"] })
    );

    // As text-embeddings-inference has it.
    let texts = json!({ "query": "a", "texts": ["a b c", "d e", "f g h i"], "return_text": true, "raw_scores": true });
    let list = server.post("/rerank", &texts).await.json();
    assert_eq!(list[0]["index"], results[0]["index"]);
    assert!(list[0]["text"].is_string() && list[0]["score"].is_number());

    let long = json!({ "query": "a", "documents": ["a b c d e f g h ".repeat(50)] });
    assert_eq!(server.post(RERANK, &long).await.status, 400);
    let mut cut = long;
    cut["truncation"] = "auto".into();
    assert_eq!(server.post(RERANK, &cut).await.json()["warnings"][0]["parameter"], "truncation");

    for (more, status, parameter) in [
        (json!({ "documents": [] }), 400, "documents"),
        (json!({ "documents": null }), 400, "documents"),
        (json!({ "documents": [{ "title": "a" }] }), 400, "documents[0]"),
        (json!({ "texts": ["a"] }), 400, "texts"),
        (json!({ "top_n": 0 }), 400, "top_n"),
        (json!({ "model": "tiny" }), 422, "model"),
    ] {
        let mut body = json!({ "query": "a", "documents": ["a"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = server.post(RERANK, &body).await;
        assert_eq!(
            (answer.status, &answer.refusal(RERANK)["error"]["param"]),
            (status, &json!(parameter)),
            "{more}"
        );
    }
}
