//! llama.cpp's own addresses, asked as its clients ask.

use athenaeum_api::Settings;
use serde_json::{Value, json};

use crate::server::Server;

const POEM: &str = "Shall I compare thee";

async fn server() -> Server {
    Server::with_model(Settings::default()).await
}

fn asking(more: Value) -> Value {
    let mut body = json!({ "prompt": POEM, "temperature": 0, "n_predict": 12 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_completion_is_whole_or_comes_in_pieces_and_is_the_same() {
    let server = server().await;
    let whole = server.post("/completion", &asking(json!({ "return_tokens": true }))).await.json();
    assert_eq!((&whole["stop_type"], &whole["tokens_predicted"]), (&json!("limit"), &json!(12)));
    assert_eq!(whole["tokens"].as_array().unwrap().len(), 12);
    assert_eq!((&whole["prompt"], &whole["truncated"]), (&json!(POEM), &json!(false)));
    assert_eq!(whole["generation_settings"]["n_predict"], 12);
    assert_eq!(whole["timings"]["predicted_n"], 12);

    let asked = json!({ "stream": true, "return_progress": true, "timings_per_token": true });
    let (frames, end) = server.post("/completions", &asking(asked)).await.events();
    assert!(end.is_empty());
    let content: String = frames.iter().filter_map(|frame| frame["content"].as_str()).collect();
    assert_eq!(content, whole["content"].as_str().unwrap());
    let told: Vec<&Value> = frames.iter().filter_map(|frame| frame.get("prompt_progress")).collect();
    assert_eq!(told.first().unwrap()["cache"], told.first().unwrap()["processed"]);
    assert_eq!(told.last().unwrap()["processed"], told.last().unwrap()["total"]);
    assert_eq!(frames.last().unwrap()["stop"], true);
}

#[tokio::test]
async fn prompts_may_be_several_and_answers_cut_to_fields() {
    let server = server().await;
    let tokens = server.post("/tokenize", &json!({ "content": POEM })).await.json()["tokens"].clone();
    let prompts =
        json!({ "prompt": [POEM, tokens, { "prompt_string": POEM }], "response_fields": ["content"] });
    let answers = server.post("/completion", &asking(prompts)).await.json();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 3);
    assert!(
        answers.iter().all(|one| *one == answers[0] && one.as_object().unwrap().len() == 1),
        "{answers:?}"
    );
}

#[tokio::test]
async fn probabilities_are_told_before_or_after_sampling() {
    let server = server().await;
    for (as_drawn, name, top) in [(false, "logprob", "top_logprobs"), (true, "prob", "top_probs")] {
        let asked = asking(json!({ "n_probs": 3, "post_sampling_probs": as_drawn, "temperature": 1.0 }));
        let told = server.post("/completion", &asked).await.json()["completion_probabilities"].clone();
        assert_eq!(told.as_array().unwrap().len(), 12);
        let first = &told[0];
        assert!(first[name].is_number() && !first[top].as_array().unwrap().is_empty(), "{first}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_in_its_words() {
    let server = server().await;
    for (body, kind) in [
        (json!({}), "invalid_request_error"),
        (json!({ "prompt": [] }), "invalid_request_error"),
        (json!({ "prompt": "x", "samplers": ["wish"] }), "invalid_request_error"),
        (json!({ "prompt": "x".repeat(20_000) }), "exceed_context_size_error"),
        (json!({ "prompt": { "prompt_string": "x", "multimodal_data": ["aGk="] } }), "invalid_request_error"),
    ] {
        let error = server.post("/completion", &body).await.refusal("/completion")["error"].clone();
        assert_eq!(error["type"], kind, "{error}");
        assert!(error["code"].as_u64().unwrap() >= 400, "{error}");
    }
    let infill = json!({ "input_prefix": "a", "input_suffix": "b" });
    let refused = server.post("/infill", &infill).await;
    assert_eq!(refused.status, 400, "from 500 up, clients ask again and operators are woken");
    let error = refused.refusal("/infill")["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("not learnt to fill gaps"), "{error}");
}

#[tokio::test]
async fn tokens_and_text_become_each_other() {
    let server = server().await;
    let text = "What is 媽 🤗?";
    let tokens = server.post("/tokenize", &json!({ "content": text })).await.json()["tokens"].clone();
    assert_eq!(server.post("/detokenize", &json!({ "tokens": tokens })).await.json()["content"], text);
    let pieces = server.post("/tokenize", &json!({ "content": text, "with_pieces": true })).await.json();
    let bytes: Vec<u8> = pieces["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|token| match &token["piece"] {
            Value::String(text) => text.clone().into_bytes(),
            bytes => serde_json::from_value(bytes.clone()).unwrap(),
        })
        .collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    assert_eq!(server.post("/detokenize", &json!({ "tokens": [4_000_000] })).await.status, 400);
}

#[tokio::test]
async fn an_answer_that_stands_last_is_gone_on_with() {
    let server = server().await;
    let messages = json!([{ "role": "user", "content": "Hi" }, { "role": "assistant", "content": "I am" }]);
    let prompt = server.post("/apply-template", &json!({ "messages": messages })).await.json();
    assert!(prompt["prompt"].as_str().unwrap().ends_with("I am"), "{prompt}");
    let two = json!([{ "role": "assistant", "content": "a" }, { "role": "assistant", "content": "b" }]);
    assert_eq!(server.post("/chat/completions", &json!({ "messages": two })).await.status, 400);
    let counted =
        server.post("/chat/completions/input_tokens", &json!({ "messages": messages })).await.json();
    assert!(counted["input_tokens"].as_u64().unwrap() > 5, "{counted}");
}

#[tokio::test]
async fn a_server_tells_of_itself_and_of_what_it_did() {
    let server = server().await;
    assert_eq!(server.get("/props").await.json()["is_sleeping"], true);
    let answer = server.post("/completion", &asking(json!({}))).await.json();
    assert_eq!(server.get("/props").await.json()["is_sleeping"], false);
    assert_eq!(server.get("/models").await.json()["data"][0]["status"]["value"], "loaded");
    let slots = server.get("/slots").await.json();
    assert!(slots.as_array().unwrap().iter().all(|slot| slot["is_processing"] == false));
    let metrics = server.get("/metrics").await;
    let metrics = metrics.text();
    let counted = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("llamacpp:{name} "))).unwrap();
        line.parse::<f64>().unwrap()
    };
    assert_eq!(counted("tokens_predicted_total"), 12.0);
    assert_eq!(counted("prompt_tokens_total"), answer["timings"]["prompt_n"].as_f64().unwrap());
    assert_eq!(counted("requests_processing") + counted("requests_deferred"), 0.0);
}

#[tokio::test]
async fn vectors_are_listed() {
    let server = Server::with_model(Settings::default()).await;
    let usual = server.post("/v1/embeddings", &json!({ "model": "tiny", "input": ["a", "b"] })).await.json();
    let listed = server.post("/embedding", &json!({ "content": ["a", "b"] })).await;
    assert_eq!(listed.header("content-type"), "application/json");
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    for index in 0..2 {
        assert_eq!(listed[index]["index"], index);
        assert_eq!(listed[index]["embedding"], json!([usual["data"][index]["embedding"]]));
    }
    for wrong in [json!({}), json!({ "content": "a", "input": "b" })] {
        let answer = server.post("/embedding", &wrong).await;
        assert_eq!(answer.status, 400);
        answer.refusal("/embedding");
    }
}

#[tokio::test]
async fn tokens_are_counted_by_the_usual_model_where_none_is_named() {
    let server = Server::with_model(Settings::default()).await;
    let body = json!({ "messages": [{ "role": "user", "content": "Who are you?" }] });
    let count = server.post("/v1/messages/count_tokens", &body).await.json();
    assert!(count["input_tokens"].as_u64().unwrap() > 3, "{count}");
}
