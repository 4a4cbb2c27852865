//! `/v1/messages`, asked as Anthropic's clients ask.

use athenaeum_api::Settings;
use serde_json::{Value, json};

use crate::server::Server;

const MESSAGES: &str = "/v1/messages";
const SAID: &str =
    "I am Tiny, a very small language model. I know some poems by heart and can talk a little.";

fn asking(more: Value) -> Value {
    let mut body = json!({
        "model": "tiny", "max_tokens": 64, "temperature": 0,
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Who are you?" }] }],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_message_is_whole_or_comes_in_six_kinds_of_event() {
    let server = Server::with_model(Settings::default()).await;
    let whole = server.post(MESSAGES, &asking(json!({}))).await.json();
    assert_eq!(whole["content"], json!([{ "type": "text", "text": SAID }]));
    assert_eq!((&whole["type"], &whole["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!((&whole["stop_reason"], &whole["stop_sequence"]), (&json!("end_turn"), &Value::Null));

    let answer = server.post(MESSAGES, &asking(json!({ "stream": true }))).await;
    let (events, rest) = answer.events();
    assert!(rest.is_empty(), "{rest:?}");
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let named = answer.text().lines().filter_map(|line| line.strip_prefix("event: "));
    assert_eq!(named.collect::<Vec<_>>(), kinds);
    kinds.dedup();
    let order = ["message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop"];
    assert_eq!(kinds[..5], order);
    assert_eq!(kinds[5..], ["message_delta", "message_stop"]);
    let said = events.iter().filter_map(|event| event["delta"]["text"].as_str());
    assert_eq!(said.collect::<String>(), SAID);
    let end = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(end["delta"]["stop_reason"], "end_turn");
    assert_eq!(end["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
}

#[tokio::test]
async fn the_end_says_what_ended_it() {
    let server = Server::with_model(Settings::default()).await;
    let stopped = server.post(MESSAGES, &asking(json!({ "stop_sequences": ["very"] }))).await.json();
    assert_eq!(stopped["content"][0]["text"], "I am Tiny, a ");
    assert_eq!(
        (&stopped["stop_reason"], &stopped["stop_sequence"]),
        (&json!("stop_sequence"), &json!("very"))
    );
    let short = server.post(MESSAGES, &asking(json!({ "max_tokens": 3 }))).await.json();
    assert_eq!(short["stop_reason"], "max_tokens");
    assert_eq!(short["usage"]["output_tokens"], 3);
}

#[tokio::test]
async fn an_answer_that_was_begun_is_gone_on_with() {
    let server = Server::with_model(Settings::default()).await;
    let messages = json!([
        { "role": "user", "content": "Who are you?" }, { "role": "assistant", "content": "I am Tiny, a very" },
    ]);
    let answer = server.post(MESSAGES, &asking(json!({ "messages": messages }))).await.json();
    assert_eq!(answer["content"][0]["text"], SAID.strip_prefix("I am Tiny, a very").unwrap());
}

#[tokio::test]
async fn tokens_are_counted_as_the_answer_counts_them() {
    let server = Server::with_model(Settings::default()).await;
    let mut asked = asking(json!({ "system": "Be brief." }));
    let usage = server.post(MESSAGES, &asked).await.json()["usage"].clone();
    asked.as_object_mut().unwrap().remove("max_tokens");
    let count = server.post("/v1/messages/count_tokens", &asked).await.json();
    let prompt = usage["input_tokens"].as_u64().unwrap() + usage["cache_read_input_tokens"].as_u64().unwrap();
    assert_eq!(count["input_tokens"], prompt);
}

#[tokio::test]
async fn refusals_are_shaped_as_their_clients_expect() {
    let server = Server::with_model(Settings::default()).await;
    let check = async |more: Value, status: u16, kind: &str, says: &str| {
        let answer = server.post(MESSAGES, &asking(more.clone())).await;
        let body = answer.refusal(MESSAGES);
        assert_eq!((answer.status, body["error"]["type"].as_str().unwrap()), (status, kind), "{more}");
        assert!(body["error"]["message"].as_str().unwrap().contains(says), "{body}");
        assert_eq!((&body["type"], body["request_id"].is_string()), (&json!("error"), true));
    };
    check(json!({ "max_tokens": null }), 400, "invalid_request_error", "'max_tokens' is missing").await;
    check(json!({ "messages": [] }), 400, "invalid_request_error", "at least one message").await;
    check(json!({ "model": "claude" }), 404, "not_found_error", "claude").await;
    let image = json!([{ "role": "user", "content": [{ "type": "image", "source": {} }] }]);
    check(json!({ "messages": image }), 400, "invalid_request_error", "messages[0].content[0].source").await;
    let call = json!([{ "role": "assistant", "content": [{ "type": "tool_use", "name": "x" }] }]);
    check(json!({ "messages": call }), 400, "invalid_request_error", "messages[0].content[0].id").await;
    check(json!({ "top_p": 2 }), 400, "invalid_request_error", "from 0 to 1").await;
}

#[tokio::test]
async fn a_line_that_changes_with_each_request_spoils_no_beginning() {
    let server = Server::with_model(Settings::default()).await;
    let long = "You are kind and patient. ".repeat(40);
    let mut cached = Vec::new();
    for bill in ["cch=11111", "cch=22222"] {
        let system = json!([
            { "type": "text", "text": format!("x-anthropic-billing-header: {bill};") },
            { "type": "text", "text": long },
        ]);
        let answer = server.post(MESSAGES, &asking(json!({ "system": system }))).await.json();
        assert_eq!(answer["warnings"][0]["parameter"], "system");
        cached.push(answer["usage"]["cache_read_input_tokens"].as_u64().unwrap());
    }
    assert!(cached[0] == 0 && cached[1] > 100, "{cached:?}");
}
