//! `/v1/responses`, stored completions and resumable streams.

use std::time::Duration;

use athenaeum_api::Settings;
use axum::{body::Body, http::Method};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::server::{Answer, Server, ask};

const SAID: &str =
    "I am Tiny, a very small language model. I know some poems by heart and can talk a little.";

fn asking(more: Value) -> Value {
    let mut body = json!({ "model": "tiny", "temperature": 0, "input": "Who are you?" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn said(response: &Value) -> String {
    response["output"][0]["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_response_is_kept_and_gone_on_from_until_it_is_deleted() {
    let server = Server::with_model(Settings::default()).await;
    let first = server.post("/v1/responses", &asking(json!({ "metadata": { "a": "b" } }))).await.json();
    assert_eq!((said(&first).as_str(), &first["status"]), (SAID, &json!("completed")));
    let at = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    assert_eq!(server.get(&at).await.json(), first);

    let second = json!({ "input": "Thank you.", "previous_response_id": first["id"] });
    let second = server.post("/v1/responses", &asking(second)).await.json();
    // The question and the answer before stand in its prompt.
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&second) > tokens(&first) + 30);

    let items = server.get(&format!("{at}/input_items")).await.json();
    assert_eq!(items["data"][0]["content"], json!([{ "type": "input_text", "text": "Who are you?" }]));

    let stranger = server.as_stranger();
    for (method, path) in [
        (Method::GET, at.clone()),
        (Method::DELETE, at.clone()),
        (Method::POST, format!("{at}/cancel")),
        (Method::GET, format!("{at}/input_items")),
    ] {
        assert_eq!(
            ask(&stranger, method.clone(), &path, &[], Body::empty()).await.status,
            404,
            "{method} {path}"
        );
    }
    let json = [("content-type", "application/json")];
    let theirs = asking(json!({ "previous_response_id": first["id"] })).to_string();
    assert_eq!(ask(&stranger, Method::POST, "/v1/responses", &json, Body::from(theirs)).await.status, 404);

    assert_eq!(server.delete(&at).await.json()["deleted"], true);
    assert_eq!(server.get(&at).await.status, 404);
    let gone = server.post("/v1/responses", &asking(json!({ "previous_response_id": first["id"] }))).await;
    assert_eq!((gone.status, &gone.refusal(&at)["error"]["param"]), (404, &json!("previous_response_id")));
    let forgotten = server.post("/v1/responses", &asking(json!({ "store": false }))).await.json();
    assert_eq!(server.get(&format!("/v1/responses/{}", forgotten["id"].as_str().unwrap())).await.status, 404);
}

#[tokio::test]
async fn events_tell_of_a_response_in_order_and_end_with_it() {
    let server = Server::with_model(Settings::default()).await;
    let (events, _) = server.post("/v1/responses", &asking(json!({ "stream": true }))).await.events();
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds, expected.map(|kind| format!("response.{kind}")));
    assert!(events.iter().enumerate().all(|(at, event)| event["sequence_number"] == at));
    let last = &events.last().unwrap()["response"];
    assert_eq!(said(last), SAID);
    assert_eq!(&server.get(&format!("/v1/responses/{}", last["id"].as_str().unwrap())).await.json(), last);
}

#[tokio::test]
async fn one_that_is_made_in_the_background_can_be_followed_and_called_off() {
    let server = Server::with_model(Settings::default()).await;
    let begun = server.post("/v1/responses", &asking(json!({ "background": true }))).await.json();
    assert_eq!(begun["status"], "in_progress");
    let at = format!("/v1/responses/{}", begun["id"].as_str().unwrap());
    let (events, _) = server.get(&format!("{at}?stream=true&starting_after=3")).await.events();
    assert_eq!(events[0]["sequence_number"], 4);
    assert_eq!(events.last().unwrap()["type"], "response.completed");
    assert_eq!(said(&server.get(&at).await.json()), SAID);

    let endless = json!({ "background": true, "ignore_eos": true, "input": "Tell me a tale." });
    let begun = server.post("/v1/responses", &asking(endless)).await.json();
    let at = format!("/v1/responses/{}", begun["id"].as_str().unwrap());
    assert_eq!(server.post(&format!("{at}/cancel"), &json!({})).await.json()["status"], "cancelled");
    while server.get(&at).await.json()["status"] == "in_progress" {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.get(&at).await.json()["status"], "cancelled");
}

#[tokio::test]
async fn a_lost_stream_is_come_back_to() {
    let server = Server::with_model(Settings::default()).await;
    let body = json!({
        "model": "tiny", "temperature": 0, "stream": true, "messages": [{ "role": "user", "content": "Who are you?" }],
    });
    let headers = [("content-type", "application/json"), ("x-athenaeum-resumable", "true")];
    let chat = "/v1/chat/completions";
    let answer = ask(&server.app, Method::POST, chat, &headers, Body::from(body.to_string())).await;
    let ids: Vec<&str> = answer.text().lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let (id, number) = ids[4].split_once(':').unwrap();
    assert_eq!(number, "5");

    let rest = |answer: &Answer| answer.text().split("\n\n").map(str::to_owned).collect::<Vec<_>>();
    let all = rest(&answer);
    let resume = format!("/athenaeum/v1/streams/{id}");
    let again = ask(&server.app, Method::GET, &resume, &[("last-event-id", ids[4])], Body::empty()).await;
    assert_eq!(rest(&again), all[5..]);
    let headers = [("content-type", "application/json"), ("last-event-id", ids[4])];
    let again = ask(&server.app, Method::POST, chat, &headers, Body::from(body.to_string())).await;
    assert_eq!(rest(&again), all[5..]);
    assert_eq!(rest(&server.get(&resume).await), all);
    let stranger = ask(&server.as_stranger(), Method::GET, &resume, &[], Body::empty()).await;
    assert_eq!(stranger.status, 404);
}

#[tokio::test]
async fn stored_completions_are_listed_changed_and_deleted() {
    let server = Server::with_model(Settings::default()).await;
    let chat = "/v1/chat/completions";
    let body = json!({
        "model": "tiny", "temperature": 0, "max_tokens": 4, "store": true, "metadata": { "of": "me" },
        "messages": [{ "role": "user", "content": "Who are you?" }],
    });
    let one = server.post(chat, &body).await.json();
    let two = server.post(chat, &body).await.json();
    let list = server.get(&format!("{chat}?limit=1")).await.json();
    assert_eq!((&list["data"][0]["id"], &list["has_more"]), (&one["id"], &json!(true)));
    let rest = server.get(&format!("{chat}?after={}", one["id"].as_str().unwrap())).await.json();
    assert_eq!((&rest["data"][0]["id"], &rest["has_more"]), (&two["id"], &json!(false)));

    let at = format!("{chat}/{}", one["id"].as_str().unwrap());
    assert_eq!(server.get(&at).await.json()["metadata"]["of"], "me");
    let changed = server.post(&at, &json!({ "metadata": { "of": "you" } })).await.json();
    assert_eq!(changed["metadata"]["of"], "you");
    assert_eq!(server.get(&format!("{at}/messages")).await.json()["data"][0]["content"], "Who are you?");
    let stranger = ask(&server.as_stranger(), Method::GET, &at, &[], Body::empty()).await;
    assert_eq!(stranger.status, 404);
    assert_eq!(server.delete(&at).await.json()["deleted"], true);
    assert_eq!(server.get(&at).await.status, 404);
}

#[tokio::test]
async fn a_response_takes_history_and_cache_from_the_one_before_while_that_is_kept() {
    let server = Server::with_model(Settings { kept_max: 2, ..Settings::default() }).await;
    let ask = async |input: &str, before: &Value| {
        let body = json!({ "temperature": 0, "max_output_tokens": 8, "input": input, "previous_response_id": before });
        server.post("/v1/responses", &body).await
    };
    // Whole pages of a prompt are kept.
    let long = "a tale of many words ".repeat(40);
    let first = ask(&long, &Value::Null).await.json();
    let second = ask("And what else?", &first["id"]).await.json();
    let usage = &second["usage"];
    let before = first["usage"]["total_tokens"].as_u64().unwrap();
    assert!(usage["input_tokens"].as_u64().unwrap() > before, "{usage}");
    assert!(usage["input_tokens_details"]["cached_tokens"].as_u64().unwrap() > 0, "{usage}");
    // The oldest goes when there are more than are kept, and with it what goes on from it.
    ask("Something else.", &Value::Null).await.json();
    let gone = ask("And what else?", &first["id"]).await;
    assert_eq!(
        (gone.status, &gone.refusal("/v1/responses")["error"]["param"]),
        (404, &json!("previous_response_id"))
    );
}
