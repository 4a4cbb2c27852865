//! Conversations that come over the API and are kept in the archive.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use athenaeum_api::Settings;
use athenaeum_archive::{Archive, Conversation, Filters, SearchRequest};
use athenaeum_core::{BlockKind, Message};
use athenaeum_tenancy::{Scope, for_test, local};
use axum::{
    body::Body,
    http::{Method, Request},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use crate::server::{Server, ask};

const SAID: &str =
    "I am Tiny, a very small language model. I know some poems by heart and can talk a little.";

async fn kept(server: &Server, scope: &Scope) -> Vec<Conversation> {
    let page = server.archive.conversations(scope, &Filters::default(), None, 50).await.unwrap();
    let mut kept = Vec::new();
    for summary in page.items {
        kept.push(server.archive.conversation(scope, summary.id).await.unwrap());
    }
    kept
}

/// The messages of the one conversation that is kept.
async fn only(server: &Server) -> Vec<Message> {
    let mut kept = kept(server, &local()).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept.remove(0).messages.into_iter().map(|stored| stored.message).collect()
}

fn said(messages: &[Message]) -> Vec<(&'static str, String)> {
    messages.iter().map(|message| (message.role.as_str(), message.content())).collect()
}

fn turns(answered: &[&str]) -> Value {
    let mut turns = vec![json!({ "role": "user", "content": "Who are you?" })];
    for text in answered {
        turns.push(json!({ "role": "assistant", "content": text }));
        turns.push(json!({ "role": "user", "content": "And what else?" }));
    }
    turns.into()
}

/// Asks in a wire format for a first and for a second answer, and looks at what is kept.
async fn check(path: &str, ask: fn(Value) -> Value, answer: fn(&Value) -> &Value) {
    let server = Server::that_keeps().await;
    let first = server.post(path, &ask(turns(&[]))).await.json();
    let first = answer(&first).as_str().unwrap().to_owned();
    assert_eq!(first, SAID, "{path}");
    let once = only(&server).await;
    assert_eq!(said(&once), [("user", "Who are you?".to_owned()), ("assistant", SAID.to_owned())], "{path}");
    assert_eq!(once[1].model.as_deref(), Some("tiny"));
    assert_eq!(once[1].finish_reason.as_deref(), Some("stop"));
    assert_eq!(once[1].tokens, Some(30));

    let second = server.post(path, &ask(turns(&[SAID]))).await.json();
    let second = answer(&second).as_str().unwrap().to_owned();
    let twice = only(&server).await;
    assert_eq!(twice.len(), 4, "{path}");
    assert_eq!(said(&twice)[2..], [("user", "And what else?".to_owned()), ("assistant", second)], "{path}");
    assert_eq!(
        twice.iter().map(|message| message.parent).collect::<Vec<_>>(),
        [None, Some(0), Some(1), Some(2)]
    );
}

#[tokio::test]
async fn what_goes_on_from_a_conversation_updates_it_in_every_format() {
    let chat = |messages: Value| json!({ "model": "tiny", "temperature": 0, "messages": messages });
    check("/v1/chat/completions", chat, |answer| &answer["choices"][0]["message"]["content"]).await;
    let message = |messages: Value| json!({ "model": "tiny", "temperature": 0, "max_tokens": 99, "messages": messages });
    check("/v1/messages", message, |answer| &answer["content"][0]["text"]).await;
    let response = |messages: Value| json!({ "model": "tiny", "temperature": 0, "input": messages });
    check("/v1/responses", response, |answer| &answer["output"][0]["content"][0]["text"]).await;
    let ollama = |messages: Value| json!({ "model": "tiny", "stream": false, "options": { "temperature": 0 }, "messages": messages });
    check("/api/chat", ollama, |answer| &answer["message"]["content"]).await;
}

#[tokio::test]
async fn formats_may_change_within_a_conversation() {
    let server = Server::that_keeps().await;
    let first = json!({ "model": "tiny", "temperature": 0, "messages": [
        { "role": "system", "content": "Be brief." }, { "role": "user", "content": "Who are you?" },
    ]});
    let answer = server.post("/v1/chat/completions", &first).await.json();
    let answer = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let second = json!({
        "model": "tiny", "temperature": 0, "max_tokens": 9, "system": "Be long.", "stream": true,
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "Who are you?" }] },
            { "role": "assistant", "content": format!("{answer}\n") },
            { "role": "user", "content": "More." },
        ],
    });
    assert_eq!(server.post("/v1/messages", &second).await.status, 200);
    assert_eq!(only(&server).await.len(), 4);
    assert_eq!(kept(&server, &local()).await[0].system_prompt.as_deref(), Some("Be long."));
}

#[tokio::test]
async fn responses_that_name_the_one_before_are_one_conversation() {
    let server = Server::that_keeps().await;
    let first =
        server.post("/v1/responses", &json!({ "temperature": 0, "input": "Who are you?" })).await.json();
    let second = json!({ "temperature": 0, "input": "And what else?", "previous_response_id": first["id"] });
    assert_eq!(server.post("/v1/responses", &second).await.status, 200);
    assert_eq!(only(&server).await.len(), 4);
}

#[tokio::test]
async fn it_is_found_when_the_client_hears_of_the_end() {
    let server = Server::that_keeps().await;
    let body = json!({ "model": "tiny", "temperature": 0, "stream": true, "messages": turns(&[]) });
    let request = Request::post("/v1/chat/completions").header("host", "localhost");
    let request =
        request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
    let mut frames = server.app.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    loop {
        let frame = frames.next().await.unwrap().unwrap();
        if String::from_utf8_lossy(&frame).contains("\"finish_reason\":\"stop\"") {
            break;
        }
    }
    let found = server.get("/athenaeum/v1/search?q=%22very+small+language%22").await.json();
    assert_eq!(found["hits"].as_array().unwrap().len(), 1, "{found}");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_kept_as_far_as_it_came() {
    let server = Server::that_keeps().await;
    let body = json!({
        "model": "tiny", "temperature": 0, "stream": true, "ignore_eos": true, "messages": turns(&[]),
    });
    let request = Request::post("/v1/chat/completions").header("host", "localhost");
    let request =
        request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
    let mut frames = server.app.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    let mut heard = String::new();
    while !heard.contains("small") {
        heard += &String::from_utf8_lossy(&frames.next().await.unwrap().unwrap());
    }
    drop(frames);
    let wait = async {
        while kept(&server, &local()).await.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.unwrap();
    let messages = only(&server).await;
    assert_eq!(messages[1].finish_reason.as_deref(), Some("cancelled"));
    assert!(messages[1].content().starts_with("I am Tiny, a very small"), "{}", messages[1].content());
}

#[tokio::test]
async fn calls_of_tools_and_what_they_gave_are_kept() {
    let server = Server::that_keeps().await;
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string", "maxLength": 9 } },
        "required": ["city"], "additionalProperties": false });
    let tools = json!([{ "type": "function", "function": { "name": "weather", "parameters": parameters } }]);
    let mut body = json!({ "model": "tiny", "temperature": 0, "tools": tools, "tool_choice": "required",
        "parallel_tool_calls": false, "max_tokens": 200, "messages": turns(&[]) });
    let answer = server.post("/v1/chat/completions", &body).await.json();
    let message = answer["choices"][0]["message"].clone();
    let id = message["tool_calls"][0]["id"].clone();
    let asked = turns(&[])[0].clone();
    body["messages"] = json!([asked, message, { "role": "tool", "tool_call_id": id, "content": "Rain." }]);
    body["tool_choice"] = "none".into();
    server.post("/v1/chat/completions", &body).await.json();
    let messages = only(&server).await;
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert_eq!(messages[1].tool_calls[0].name, "weather");
    assert_eq!(messages[1].finish_reason.as_deref(), Some("tool_calls"));
    assert!(messages[2].has(BlockKind::ToolResult));
}

#[tokio::test]
async fn each_choice_is_a_branch() {
    let server = Server::that_keeps().await;
    let body = json!({ "model": "tiny", "temperature": 1.5, "n": 3, "seed": 4, "max_tokens": 12,
        "messages": turns(&["Somebody."]) });
    let answer = server.post("/v1/chat/completions", &body).await.json();
    let said = |choice: &Value| choice["message"]["content"].as_str().unwrap().trim().to_owned();
    let answers: Vec<String> = answer["choices"].as_array().unwrap().iter().map(said).collect();
    // Two that say the same are one.
    let different: HashSet<&String> = answers.iter().collect();
    assert!(different.len() > 1, "{answers:?}");
    let messages = only(&server).await;
    assert_eq!(messages.len(), 3 + different.len(), "{messages:?}");
    let current: Vec<_> = messages.iter().filter(|message| !message.off_branch).collect();
    assert_eq!(current.len(), 4);
    assert_eq!(current[3].content().trim(), answers[0]);
}

#[tokio::test]
async fn nothing_is_kept_unless_it_is_to_be() {
    let silent = Server::with_model(Settings::default()).await;
    let body = json!({ "model": "tiny", "temperature": 0, "max_tokens": 3, "messages": turns(&[]) });
    assert_eq!(silent.post("/v1/chat/completions", &body).await.status, 200);
    assert!(kept(&silent, &local()).await.is_empty());

    let server = Server::that_keeps().await;
    let post = async |keep: &str| {
        let headers = [("content-type", "application/json"), ("x-athenaeum-keep", keep)];
        ask(&server.app, Method::POST, "/v1/chat/completions", &headers, Body::from(body.to_string()))
            .await
            .status
    };
    assert_eq!(post("false").await, 200);
    let text = json!({ "model": "tiny", "prompt": "Who", "max_tokens": 3 });
    assert_eq!(server.post("/v1/completions", &text).await.status, 200);
    assert_eq!(post("perhaps").await, 400);
    assert!(kept(&server, &local()).await.is_empty());
    assert_eq!(post("true").await, 200);
    assert_eq!(kept(&server, &local()).await.len(), 1);
}

#[tokio::test]
async fn it_belongs_to_who_asked() {
    let server = Server::that_keeps().await;
    let stranger = server.asked_by_stranger();
    let headers = [("content-type", "application/json")];
    let body =
        json!({ "model": "tiny", "temperature": 0, "store": true, "max_tokens": 3, "messages": turns(&[]) });
    let post = Body::from(body.to_string());
    let answer = ask(&stranger, Method::POST, "/v1/chat/completions", &headers, post).await.json();
    assert!(kept(&server, &local()).await.is_empty());
    assert_eq!(kept(&server, &for_test("stranger")).await.len(), 1);
    // The completion itself, too.
    let stored = format!("/v1/chat/completions/{}", answer["id"].as_str().unwrap());
    assert_eq!(server.get(&stored).await.status, 404);
    assert_eq!(ask(&stranger, Method::GET, &stored, &[], Body::empty()).await.status, 200);
    let list = ask(&stranger, Method::GET, "/athenaeum/v1/conversations", &[], Body::empty()).await.json();
    assert_eq!(list["conversations"].as_array().unwrap().len(), 1);
}

/// Says where it keeps things once a client has heard all of an answer, and is in the middle of the next one then.
async fn be_killed() {
    let server = Server::that_keeps().await;
    let body = json!({ "model": "tiny", "temperature": 0, "messages": turns(&[]) });
    assert_eq!(server.post("/v1/chat/completions", &body).await.status, 200);
    let body = json!({
        "model": "tiny", "temperature": 0, "stream": true, "ignore_eos": true, "messages": turns(&[SAID]),
    });
    let request = Request::post("/v1/chat/completions").header("host", "localhost");
    let request =
        request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
    let mut frames = server.app.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    frames.next().await.unwrap().unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "kept in {}", server.folder.path().display()).unwrap();
    out.flush().unwrap();
    while frames.next().await.is_some() {
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn not_even_a_kill_takes_back_what_was_heard() {
    const KILLED: &str = "ATHENAEUM_TEST_IS_KILLED";
    if std::env::var_os(KILLED).is_some() {
        return be_killed().await;
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kept::not_even_a_kill_takes_back_what_was_heard", "--nocapture"])
        .env(KILLED, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let folder = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("kept in ").map(|(_, folder)| PathBuf::from(folder)));
    server.kill().unwrap();
    server.wait().unwrap();
    let folder = folder.unwrap();
    let archive = Archive::open(&folder, &athenaeum_archive::Settings::default()).await.unwrap();
    let page = archive.conversations(&local(), &Filters::default(), None, 50).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let kept = archive.conversation(&local(), page.items[0].id).await.unwrap();
    let kept: Vec<Message> = kept.messages.into_iter().map(|stored| stored.message).collect();
    assert_eq!(said(&kept), [("user", "Who are you?".to_owned()), ("assistant", SAID.to_owned())]);
    let query = "\"very small language\"".to_owned();
    let found = archive.search(&local(), &SearchRequest { query, ..SearchRequest::default() }).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    assert!(archive.check().await.unwrap().is_empty());
    archive.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}
