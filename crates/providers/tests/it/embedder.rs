//! Vectors of models elsewhere.

use athenaeum_core::{Embed as _, EmbedError, TextKind};
use athenaeum_providers::{Error, RemoteEmbedder, Settings, Wire};
use serde_json::{Value, json};

use crate::stub::{Play, Stub};

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("text {nth}")).collect()
}

/// An answer whose vectors point where the index says, last one first.
fn vectors(indices: std::ops::Range<usize>, dimensions: usize) -> Value {
    let begin = indices.start;
    let vector = |index: usize| {
        let mut vector = vec![0.0; dimensions];
        (vector[0], vector[1]) = (3.0 * (index + 1) as f64, 4.0 * (index + 1) as f64);
        json!({ "object": "embedding", "index": index - begin, "embedding": vector })
    };
    json!({ "object": "list", "data": indices.rev().map(vector).collect::<Vec<_>>(), "model": "m" })
}

async fn embed(stub: &Stub, wire: Wire, asks: bool, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
    let embedder = RemoteEmbedder::new(stub.remote(wire), 384, 512, asks);
    let embedded = embedder.embed(texts, TextKind::Passage).await?;
    assert!(embedded.iter().all(|embedded| embedded.cut_tokens == 0));
    Ok(embedded.into_iter().map(|embedded| embedded.vector).collect())
}

#[tokio::test]
async fn dimensions_are_sent_and_vectors_come_back_in_order() {
    let plays = [Play::json(200, vectors(0..64, 384)), Play::json(200, vectors(64..70, 384))];
    let stub = Stub::plays(plays).await;
    let texts = texts(70);
    let embedded = embed(&stub, Wire::OpenAi, true, &texts).await.unwrap();
    assert_eq!(embedded.len(), 70);
    for vector in embedded {
        assert_eq!((vector.len(), vector[0], vector[1]), (384, 0.6, 0.8), "of the length 1");
    }
    let seen = stub.seen();
    assert_eq!(seen.len(), 2);
    for (seen, texts) in seen.iter().zip([&texts[..64], &texts[64..]]) {
        assert_eq!(seen.path, "/v1/embeddings");
        let expected = json!({ "model": "m", "input": texts, "encoding_format": "float", "dimensions": 384 });
        assert_eq!(seen.body, expected);
    }
}

#[tokio::test]
async fn vectors_are_of_the_texts_that_they_are_counted_for() {
    let mut answer = vectors(0..2, 384);
    answer["data"][0]["embedding"][0] = json!(-3.0);
    answer["data"][0]["embedding"][1] = json!(0);
    let stub = Stub::plays([Play::json(200, answer)]).await;
    let embedded = embed(&stub, Wire::Vllm, false, &texts(2)).await.unwrap();
    assert_eq!((embedded[0][0], embedded[1][0]), (0.6, -1.0), "the second text's came first");
    assert!(stub.body().get("dimensions").is_none());
    assert!(embed(&stub, Wire::Vllm, false, &[]).await.unwrap().is_empty());
    assert_eq!(stub.seen().len(), 1, "nothing is asked for nothing");
}

#[tokio::test]
async fn ollama_is_asked_in_its_own_way() {
    let vector: Vec<f64> = (0..384).map(|nth| if nth == 0 { 2.0 } else { 0.0 }).collect();
    let stub = Stub::plays([Play::json(200, json!({ "model": "m", "embeddings": [vector, vector] }))]).await;
    let embedded = embed(&stub, Wire::Ollama, true, &texts(2)).await.unwrap();
    assert_eq!((embedded.len(), embedded[1][0]), (2, 1.0));
    assert_eq!(stub.seen()[0].path, "/api/embed");
    let expected =
        json!({ "model": "m", "input": ["text 0", "text 1"], "truncate": false, "dimensions": 384 });
    assert_eq!(stub.body(), expected);
}

#[tokio::test]
async fn wrong_vectors_are_none() {
    let check = async |answer: Value, expected: &str| {
        let stub = Stub::plays([Play::json(200, answer)]).await;
        let error = embed(&stub, Wire::OpenAi, true, &texts(2)).await.unwrap_err();
        let EmbedError::Failed(source) = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains(expected), "{source}");
    };
    check(vectors(0..1, 384), "1 vectors came for 2 texts").await;
    check(vectors(0..3, 384), "a vector belongs to no text").await;
    check(vectors(0..2, 385), "a vector has 385 numbers, not 384").await;
    check(json!({ "data": [{ "index": 0, "embedding": "AAAA" }] }), "a vector is no list").await;
    check(json!({ "data": [{ "index": 0, "embedding": [null] }] }), "something in it that is no number")
        .await;
    check(json!({}), "there is no list").await;
    let mut twice = vectors(0..2, 384);
    twice["data"][1]["index"] = json!(1);
    check(twice, "a text has two vectors").await;
    let nothing = json!({ "index": 0, "embedding": vec![0; 384] });
    check(json!({ "data": [nothing, vectors(0..2, 384)["data"][0]] }), "a vector has no length").await;
}

#[tokio::test]
async fn errors_say_whether_asking_again_helps() {
    let check = async |play: Play| {
        let stub = Stub::plays([play]).await;
        embed(&stub, Wire::OpenAi, true, &texts(1)).await.unwrap_err()
    };
    let busy = check(Play::text(429, "").with("retry-after", "77")).await;
    assert!(matches!(busy, EmbedError::Busy { retry_after } if retry_after.as_secs() == 77), "{busy:?}");
    let text = check(Play::json(400, json!({ "error": { "message": "too long" } }))).await;
    let EmbedError::Text(source) = &text else { panic!("{text:?}") };
    assert!(source.to_string().contains("too long"), "{source}");
    let refused = check(Play::text(401, "")).await;
    let EmbedError::Failed(source) = &refused else { panic!("{refused:?}") };
    assert!(matches!(source.downcast_ref(), Some(Error::Refused { status: 401, .. })), "{source:?}");
}

#[tokio::test]
async fn a_model_is_known_by_where_and_as_what_it_is_asked() {
    let embedder = |settings: Settings, dimensions: usize| {
        let remote = athenaeum_providers::Remote::new(settings).unwrap();
        RemoteEmbedder::new(remote, dimensions, 512, true)
    };
    let settings = || Settings::new("small", "http://there", Wire::OpenAi);
    let one = embedder(settings(), 384);
    assert_eq!(
        (one.model().name.as_str(), one.model().dimensions, one.model().tokens_max),
        ("small", 384, 512)
    );
    assert_eq!(one.model(), embedder(settings(), 384).model());
    let others = [
        embedder(settings(), 385),
        embedder(Settings { model: "large".to_owned(), ..settings() }, 384),
        embedder(Settings { url: "http://here".to_owned(), ..settings() }, 384),
        embedder(Settings { wire: Wire::Vllm, ..settings() }, 384),
    ];
    assert!(others.iter().all(|other| other.model().fingerprint != one.model().fingerprint));
    assert_eq!((one.tokens(""), one.tokens("abc"), one.tokens("abcd")), (0, 1, 2));
}
