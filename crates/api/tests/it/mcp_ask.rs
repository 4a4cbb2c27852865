//! Questions over the Model Context Protocol, and calls that are called off while they run.

use std::{sync::Arc, time::Duration};

use athenaeum_api::{Mcp, Models, Settings, app};
use athenaeum_archive::library::Library;
use athenaeum_inference::{
    catalog::{self, Catalog, Named},
    residents::{self, Residents},
};
use athenaeum_retrieval::{
    documents::Options,
    librarian::{Librarian, Open, Opening},
    meaning::Meaning,
};
use axum::{Router, body::Body, http::Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    sync::Notify,
};

use crate::server::{Server, TINY, ask, sourdough};

async fn tool(app: &Router, arguments: Value) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "ask", "arguments": arguments } });
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let answer = ask(app, Method::POST, "/mcp", &headers, Body::from(call.to_string())).await.json();
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// The same server with the small model, which is the default one where that is said.
async fn with_model(default: Option<&str>) -> (Server, Router) {
    let server = Server::start().await;
    let files = vec![Named { name: "tiny".to_owned(), path: TINY.into() }];
    let default = default.map(str::to_owned);
    let catalog = Catalog::new(catalog::Settings { files, default, ..catalog::Settings::default() });
    let models = Models::new(catalog, Residents::new(residents::Settings::default()));
    let app = app(server.api.clone().with_models(models), Router::new());
    (server, app)
}

#[tokio::test]
async fn a_question_is_answered_with_what_the_answer_rests_on() {
    let (server, app) = with_model(None).await;
    let result = tool(&app, json!({ "question": "Does it take about twelve hours?", "in": "chats" })).await;
    assert_eq!(result["isError"], false, "{result}");
    let answer = &result["structuredContent"];
    assert_eq!((&answer["kind"], &answer["model"]), (&json!("extractive"), &Value::Null));
    assert!(answer["answer"].as_str().unwrap().contains("[1]"), "{answer}");
    let cited = &answer["citations"][0];
    let (conversation, message) = (cited["id"].as_str().unwrap(), cited["message"].as_i64().unwrap());
    assert!(cited["link"].as_str().unwrap_or("/messages/").contains("/messages/"));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(cited["text"].as_str().unwrap()) && text.contains(conversation), "{text}");
    let source = server.get(&format!("/athenaeum/v1/messages/{message}")).await.json();
    assert!(source.to_string().contains(conversation), "{source}");

    let empty = tool(&app, json!({ "question": "Who was the first on the moon?", "in": "library" })).await;
    assert_eq!(empty["structuredContent"]["kind"], "nothing");
    for wrong in [json!({}), json!({ "question": " " }), json!({ "question": "x", "in": "nowhere" })] {
        assert_eq!(tool(&app, wrong.clone()).await["isError"], true, "{wrong}");
    }
    let stranger = server.asked_by_stranger();
    let theirs = tool(&stranger, json!({ "question": "Does it take about twelve hours?" })).await;
    assert_eq!(theirs["structuredContent"]["kind"], "nothing", "{theirs}");
}

#[tokio::test]
async fn the_default_model_writes_where_none_is_named() {
    let (_server, app) = with_model(Some("tiny")).await;
    let question = "Does it take about twelve hours?";
    let rest = async |body: Value| {
        let headers = [("content-type", "application/json")];
        let body = Body::from(body.to_string());
        ask(&app, Method::POST, "/athenaeum/v1/ask", &headers, body).await.json()
    };
    let written = rest(json!({ "question": question, "max_tokens": 8 })).await;
    assert_eq!((&written["kind"], &written["model"]), (&json!("generated"), &json!("tiny")), "{written}");
    let quoted = rest(json!({ "question": question, "model": "none" })).await;
    assert_eq!(quoted["kind"], "extractive");
    let written = tool(&app, json!({ "question": question })).await;
    assert_eq!(written["structuredContent"]["model"], "tiny", "{written}");
    let quoted = tool(&app, json!({ "question": question, "model": "none" })).await;
    assert_eq!(quoted["structuredContent"]["kind"], "extractive");
    // Where there is a model but none is the default, nobody writes unasked.
    let (_server, app) = with_model(None).await;
    let quoted = tool(&app, json!({ "question": question })).await;
    assert_eq!(quoted["structuredContent"]["kind"], "extractive");
}

/// A library that never opens, and says when that is begun and given up.
struct Endless {
    begun: Arc<Notify>,
    given_up: Arc<Notify>,
}

struct GivesUp(Arc<Notify>);

impl Drop for GivesUp {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Open for Endless {
    fn library(&self) -> Opening<Library, athenaeum_archive::Error> {
        let (begun, gives_up) = (Arc::clone(&self.begun), GivesUp(Arc::clone(&self.given_up)));
        Box::pin(async move {
            let _gives_up = gives_up;
            begun.notify_one();
            std::future::pending().await
        })
    }

    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn std::error::Error + Send + Sync>> {
        Box::pin(async { Ok(None) })
    }
}

/// Whoever calls off is not answered, and what they called off ends; nothing else does.
#[tokio::test]
async fn a_call_ends_when_its_client_calls_it_off() {
    let server = Server::empty(Settings::default()).await;
    server.add(vec![sourdough()]).await;
    let (begun, given_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let shelf = Endless { begun: Arc::clone(&begun), given_up: Arc::clone(&given_up) };
    let librarian = Librarian::new(shelf, &server.folder.path().join("drop"), Options::default());
    let mcp = Mcp::of(&server.api.clone().with_librarian(librarian), None);

    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (from, to) = tokio::io::split(theirs);
    let talk = tokio::spawn(mcp.talk(from, to));
    let (from, mut to) = tokio::io::split(ours);
    let mut lines = BufReader::new(from).lines();
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } });
    let send = async |to: &mut tokio::io::WriteHalf<tokio::io::DuplexStream>, message: Value| {
        to.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    };
    send(&mut to, json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello })).await;
    send(&mut to, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let question = json!({ "name": "ask", "arguments": { "question": "How long does it rise?" } });
    send(&mut to, json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": question })).await;
    lines.next_line().await.unwrap().unwrap();
    let soon = Duration::from_secs(20);
    tokio::time::timeout(soon, begun.notified()).await.expect("the call does not begin");
    assert!(tokio::time::timeout(Duration::from_millis(100), given_up.notified()).await.is_err());

    let off = json!({ "requestId": 2, "reason": "the person lost interest" });
    send(&mut to, json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": off })).await;
    tokio::time::timeout(soon, given_up.notified()).await.expect("what was called off goes on");
    send(&mut to, json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" })).await;
    let next: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(next["id"], 3, "who calls off is not answered: {next}");
    to.shutdown().await.unwrap();
    drop((to, lines));
    talk.await.unwrap().unwrap();
}
