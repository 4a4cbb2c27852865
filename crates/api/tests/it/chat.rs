//! `/v1/chat/completions`, asked as its clients ask.

use std::time::Duration;

use athenaeum_api::Settings;
use axum::{body::Body, http::Request};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::ServiceExt as _;

use crate::server::Server;

fn asking(more: Value) -> Value {
    let mut body = json!({
        "model": "tiny", "temperature": 0, "messages": [{ "role": "user", "content": "Who are you?" }],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

const CHAT: &str = "/v1/chat/completions";
const SAID: &str =
    "I am Tiny, a very small language model. I know some poems by heart and can talk a little.";

#[tokio::test]
async fn an_answer_is_whole_or_comes_in_pieces_and_is_the_same() {
    let server = Server::with_model(Settings::default()).await;
    let whole = server.post(CHAT, &asking(json!({}))).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], SAID);
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert_eq!(whole["usage"]["completion_tokens"], 30);
    assert!(whole.get("warnings").is_none());

    let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let (chunks, end) = server.post(CHAT, &asking(options)).await.events();
    let said = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(said.collect::<String>(), SAID);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let counts = |usage: &Value| (usage["prompt_tokens"].clone(), usage["completion_tokens"].clone());
    assert_eq!(counts(&chunks.last().unwrap()["usage"]), counts(&whole["usage"]));
    assert_eq!(end, ["[DONE]"]);
}

#[tokio::test]
async fn nothing_is_left_undone_in_silence() {
    let server = Server::with_model(Settings::default()).await;
    let odd = json!({ "user": "me", "frobnicate": 1, "stream_options": { "include_obfuscation": true }, "n": null });
    let answer = server.post(CHAT, &asking(odd.clone())).await;
    let told: Vec<Value> = answer.json()["warnings"].as_array().unwrap().clone();
    let names: Vec<&str> = told.iter().map(|warning| warning["parameter"].as_str().unwrap()).collect();
    assert_eq!(names, ["user", "frobnicate", "stream_options.include_obfuscation"]);
    let header: Value = serde_json::from_str(answer.header("x-athenaeum-warnings")).unwrap();
    assert_eq!(header, json!(told));

    let mut streamed = odd;
    streamed["stream"] = true.into();
    let (chunks, _) = server.post(CHAT, &asking(streamed)).await.events();
    assert_eq!(chunks.last().unwrap()["warnings"], json!(told));

    let strict = Server::with_model(Settings { strict: true, ..Settings::default() }).await;
    let answer = strict.post(CHAT, &asking(json!({ "user": "me" }))).await;
    assert_eq!((answer.status, &answer.refusal(CHAT)["error"]["param"]), (400, &json!("user")));
    assert_eq!(strict.post(CHAT, &asking(json!({}))).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_is_right() {
    let server = Server::with_model(Settings::default()).await;
    let check = async |more: Value, status: u16, parameter: &str, says: &str| {
        let answer = server.post(CHAT, &asking(more.clone())).await;
        let error = answer.refusal(CHAT)["error"].clone();
        assert_eq!(
            (answer.status, error["param"].as_str().unwrap_or_default()),
            (status, parameter),
            "{more}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{more}: {message}");
    };
    check(json!({ "temperature": "hot" }), 400, "temperature", "a number from 0 to 100").await;
    check(json!({ "temperature": -1 }), 400, "temperature", "a number from 0 to 100").await;
    check(json!({ "n": i64::MAX }), 400, "n", "from 1 to 128").await;
    check(json!({ "top_k": 1.5 }), 400, "top_k", "a whole number").await;
    check(json!({ "messages": [] }), 400, "messages", "at least one message").await;
    check(json!({ "messages": null }), 400, "messages", "missing").await;
    check(json!({ "messages": [{ "role": "user" }] }), 400, "messages[0].content", "missing").await;
    check(json!({ "messages": [{ "role": "robot", "content": "" }] }), 400, "messages[0].role", "\"user\"")
        .await;
    let image = json!([{ "type": "image_url", "image_url": { "url": "data:" } }]);
    let image = json!({ "messages": [{ "role": "user", "content": image }] });
    check(image, 400, "messages[0].content[0].image_url.url", "reads text only").await;
    check(json!({ "top_logprobs": 3 }), 400, "top_logprobs", "logprobs").await;
    check(json!({ "logit_bias": [[1]] }), 400, "logit_bias", "tokens").await;
    check(
        json!({ "response_format": { "type": "json_schema" } }),
        400,
        "response_format.json_schema.schema",
        "missing",
    )
    .await;
    let schema = json!({ "type": "object", "patternProperties": { "(": {} } });
    let schema = json!({ "response_format": { "type": "json_schema", "json_schema": { "schema": schema } } });
    check(schema, 400, "response_format", "cannot be kept").await;
    check(json!({ "model": "tinier" }), 404, "model", "tiny").await;
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_refused_or_cut_and_told_of() {
    let server = Server::with_model(Settings::default()).await;
    let long = "a tale of many words ".repeat(400);
    let messages = json!([
        { "role": "user", "content": long }, { "role": "assistant", "content": "Yes." },
        { "role": "user", "content": "Who are you?" },
    ]);
    let answer = server.post(CHAT, &asking(json!({ "messages": messages }))).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.refusal(CHAT)["error"]["code"], "context_length_exceeded");

    let answer =
        server.post(CHAT, &asking(json!({ "messages": messages, "truncation": "auto" }))).await.json();
    assert!(answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(answer["warnings"][0]["parameter"], "truncation");
    assert!(answer["warnings"][0]["reason"].as_str().unwrap().contains("oldest"), "{answer}");
}

#[tokio::test]
async fn forms_are_kept_and_likelihoods_told() {
    let server = Server::with_model(Settings::default()).await;
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "maximum": 9, "minimum": 0 } },
        "required": ["n"], "additionalProperties": false });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
    let body = asking(json!({ "response_format": format, "logprobs": true, "top_logprobs": 2, "n": 2 }));
    let answer = server.post(CHAT, &body).await.json();
    for choice in answer["choices"].as_array().unwrap() {
        let said: Value = serde_json::from_str(choice["message"]["content"].as_str().unwrap()).unwrap();
        assert!(said["n"].is_u64(), "{said}");
        let first = &choice["logprobs"]["content"][0];
        assert_eq!(first["top_logprobs"].as_array().unwrap().len(), 2);
    }
    assert_eq!(answer["choices"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn likelihoods_are_those_of_what_is_said_whole_or_in_pieces() {
    let server = Server::with_model(Settings::default()).await;
    let body = asking(json!({ "logprobs": true, "top_logprobs": 1 }));
    let whole = server.post(CHAT, &body).await.json();
    let told = whole["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    let text = |told: &[Value]| told.iter().map(|one| one["token"].as_str().unwrap()).collect::<String>();
    assert_eq!(text(&told), SAID);
    let mut streamed = body;
    streamed["stream"] = true.into();
    let (chunks, _) = server.post(CHAT, &streamed).await.events();
    let mut all = Vec::new();
    for choice in chunks.iter().map(|chunk| &chunk["choices"][0]) {
        let of_chunk = choice["logprobs"]["content"].as_array().cloned().unwrap_or_default();
        if let Some(said) = choice["delta"]["content"].as_str().filter(|said| !said.is_empty()) {
            assert_eq!(text(&of_chunk), said);
        }
        all.extend(of_chunk);
    }
    assert_eq!(all, told);
}

#[tokio::test]
async fn what_models_do_is_counted() {
    let server = Server::with_model(Settings::default()).await;
    assert!(!server.get("/metrics").await.text().contains("athenaeum_model_"));
    server.post(CHAT, &asking(json!({}))).await.json();
    // The place is free a moment after the last word.
    while server.running().await != 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let metrics = server.get("/metrics").await;
    for line in ["waiting{model=\"tiny\"} 0", "generated_tokens_total{model=\"tiny\"} 30"] {
        assert!(metrics.text().contains(&format!("athenaeum_model_{line}")), "{line}: {}", metrics.text());
    }
}

#[tokio::test]
async fn whoever_hangs_up_frees_the_place() {
    let server = Server::with_model(Settings::default()).await;
    let body = asking(json!({ "stream": true, "ignore_eos": true, "max_tokens": 1000 })).to_string();
    let request = Request::post(CHAT).header("host", "localhost").header("content-type", "application/json");
    let response = server.app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    for _ in 0..3 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    while server.running().await != 0 {
        sleep(Duration::from_millis(5)).await;
    }

    let metrics = server.get("/metrics").await;
    let free = "athenaeum_model_cache_pages_in_use{model=\"tiny\"} 0";
    assert!(metrics.text().contains(free), "{}", metrics.text());
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_unread() {
    let server = Server::with_model(Settings { request_bytes_max: 1000, ..Settings::default() }).await;
    let answer = server.post(CHAT, &asking(json!({ "stop": ["x".repeat(900), "y".repeat(900)] }))).await;
    let error = answer.refusal(CHAT)["error"].clone();
    assert_eq!(answer.status, 413);
    assert!(error["message"].as_str().unwrap().contains("1000 bytes"), "{error}");
}
