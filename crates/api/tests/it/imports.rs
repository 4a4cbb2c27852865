//! Uploads, their progress, their records.

use std::time::Duration;

use athenaeum_api::Settings;
use athenaeum_core::Conversation;
use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::server::{Answer, Server, ask, forked, sourdough};

const IMPORTS: &str = "/athenaeum/v1/imports";

async fn upload(server: &Server, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    ask(&server.app, Method::POST, IMPORTS, headers, body.into()).await
}

/// Two conversations in our own format.
fn lines() -> String {
    [sourdough(), forked()].map(|conversation| athenaeum_ingest::to_json_line(&conversation)).join("\n")
}

async fn ended(server: &Server, id: &str) -> Value {
    for _ in 0..400 {
        let import = server.get(&format!("{IMPORTS}/{id}")).await.json();
        if import["status"] != "in_progress" {
            return import;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the import never ended");
}

#[tokio::test]
async fn an_upload_is_imported_and_recorded() {
    let server = Server::empty(Settings::default()).await;
    let headers = [
        ("content-type", "application/x-ndjson"),
        ("content-disposition", "attachment; filename=\"../../my chats.jsonl\""),
    ];
    let answer = upload(&server, &headers, lines()).await;
    assert_eq!(answer.status, 202);
    let started = answer.json();
    let id = started["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("{IMPORTS}/{id}"));
    let import = ended(&server, id).await;
    assert_eq!(import["status"], "completed", "{import}");
    assert_eq!(import["source"], "my chats.jsonl");
    assert_eq!((&import["report"]["conversations"], &import["report"]["added"]), (&json!(2), &json!(2)));
    assert_eq!(server.get("/athenaeum/v1/search?q=twelve").await.json()["hits"].as_array().unwrap().len(), 1);

    let listed = server.get(IMPORTS).await.json();
    assert_eq!(listed["imports"][0]["id"], id);
    assert!(listed["imports"][0]["report"]["problem_details"].is_null());
}

#[tokio::test]
async fn an_upload_is_answered_while_the_archive_is_busy() {
    let server = Server::empty(Settings::default()).await;
    let scope = athenaeum_tenancy::local();
    let mut writing = server.archive.begin_import(&scope, "elsewhere", None).await.unwrap();
    writing.add(forked()).await.unwrap();
    let headers = [("content-type", "application/x-ndjson")];
    let answer = tokio::time::timeout(Duration::from_secs(20), upload(&server, &headers, lines())).await;
    let answer = answer.expect("it waits for the writer");
    assert_eq!(answer.status, 202);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let import = server.get(&format!("{IMPORTS}/{id}")).await.json();
    assert_eq!((&import["status"], &import["progress"]["phase"]), (&json!("in_progress"), &json!("waiting")));
    writing.finish("{}").await.unwrap();
    assert_eq!(ended(&server, &id).await["status"], "completed");
}

#[tokio::test]
async fn what_was_exported_imports_unchanged() {
    let server = Server::start().await;
    let id = server.id_of("c-bread").await;
    let line = server.get(&format!("/athenaeum/v1/conversations/{id}/export?format=json")).await;
    let before = server.get(&format!("/athenaeum/v1/conversations/{id}")).await.json();
    let started = upload(&server, &[], line.body.clone()).await.json();
    let import = ended(&server, started["id"].as_str().unwrap()).await;
    assert_eq!(import["report"]["unchanged"], 1, "{import}");
    assert_eq!(server.get(&format!("/athenaeum/v1/conversations/{id}")).await.json(), before);
}

#[tokio::test]
async fn a_form_brings_files() {
    let server = Server::empty(Settings::default()).await;
    let part = |name: &str, text: &str| {
        format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let [bread, fork] = [sourdough(), forked()].map(|one| athenaeum_ingest::to_json_line(&one));
    let form = format!("{}{}{}--x--\r\n", part("a.jsonl", &bread), part("", ""), part("a.jsonl", &fork));
    let answer = upload(&server, &[("content-type", "multipart/form-data; boundary=x")], form).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let import = ended(&server, answer.json()["id"].as_str().unwrap()).await;
    assert_eq!(import["report"]["conversations"], 2, "{import}");
    assert_eq!(import["source"], "a.jsonl and 1 more");
}

#[tokio::test]
async fn what_cannot_be_an_export_is_refused() {
    let server = Server::empty(Settings { upload_bytes_max: 1_000, ..Settings::default() }).await;
    for (headers, body, status) in [
        (vec![("content-type", "image/png")], "x".to_owned(), 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], "a=b".to_owned(), 415),
        (vec![], String::new(), 422),
        (vec![("content-type", "multipart/form-data; boundary=x")], "--x--\r\n".to_owned(), 422),
        (
            vec![("content-type", "multipart/form-data; boundary=x")],
            "--x\r\ncontent-disposition: form-data; name=\"fill\"\r\n\r\na\r\n--x--\r\n".to_owned(),
            400,
        ),
        (vec![("content-type", "multipart/form-data")], "x".to_owned(), 400),
        (vec![("content-type", "multipart/form-data; boundary=x")], "--x\r\nbroken".to_owned(), 400),
        (vec![], "x".repeat(1_001), 413),
    ] {
        let answer = upload(&server, &headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        answer.problem();
    }
    // Without a length beforehand, the body itself runs into the limit.
    let chunks = stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; 100])));
    let answer = upload(&server, &[], Body::from_stream(chunks)).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    answer.problem();
    assert_eq!(server.get(IMPORTS).await.json()["imports"], json!([]));
}

#[tokio::test]
async fn nonsense_fails_with_a_reason() {
    let server = Server::empty(Settings::default()).await;
    let started = upload(&server, &[], "{\"neither\": \"here nor there\"}").await.json();
    let import = ended(&server, started["id"].as_str().unwrap()).await;
    assert_eq!(import["status"], "failed");
    assert!(import["error"].as_str().unwrap().len() > 10, "{import}");
}

#[tokio::test]
async fn events_tell_the_story_to_its_end() {
    let server = Server::empty(Settings::default()).await;
    let started = upload(&server, &[], lines()).await.json();
    let target = started["events"].as_str().unwrap();
    let answer = server.get(target).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = answer.text();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.contains("event: completed") && last.contains("id: end"), "{text}");
    let data = last.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["added"], 2);

    let after_the_end =
        ask(&server.app, Method::GET, target, &[("last-event-id", "end")], Body::empty()).await;
    assert_eq!(after_the_end.status, 204);
    assert_eq!(server.delete(&format!("{IMPORTS}/{}", started["id"].as_str().unwrap())).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_import_can_be_watched_and_cancelled() {
    let server = Server::empty(Settings::default()).await;
    let line = |number: usize| {
        let conversation = Conversation { external_id: format!("c-{number}"), ..sourdough() };
        athenaeum_ingest::to_json_line(&conversation)
    };
    let body: Vec<String> = (0..20_000).map(line).collect();
    let started = upload(&server, &[], body.join("\n")).await.json();
    let id = started["id"].as_str().unwrap();
    let watching = tokio::spawn({
        let (app, target) = (server.app.clone(), started["events"].as_str().unwrap().to_owned());
        async move { ask(&app, Method::GET, &target, &[("last-event-id", "41")], Body::empty()).await }
    });
    loop {
        let running = server.get(&format!("{IMPORTS}/{id}")).await.json();
        assert_eq!(running["status"], "in_progress", "{running}");
        if running["progress"]["conversations"].as_u64().is_some_and(|found| found > 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    assert_eq!(server.delete(&format!("{IMPORTS}/{id}")).await.status, 204);
    let import = ended(&server, id).await;
    assert_eq!(import["status"], "failed");
    assert!(import["error"].as_str().unwrap().contains("cancel"), "{import}");
    assert!(import["progress"].is_null());

    let watched = watching.await.unwrap();
    let text = watched.text();
    assert!(text.starts_with("event: progress\nid: 42\n"), "{text}");
    assert!(text.trim_end().rsplit("\n\n").next().unwrap().starts_with("event: failed\nid: end\n"), "{text}");
    let kept = server.get("/athenaeum/v1/stats").await.json()["conversations"].as_u64().unwrap();
    assert_eq!(Some(kept), import["report"]["added"].as_u64());
}

#[tokio::test]
async fn streams_are_bounded_in_number() {
    let server = Server::start_with(Settings { streams_max: 1, ..Settings::default() }).await;
    let id = server.get(IMPORTS).await.json()["imports"][0]["id"].as_str().unwrap().to_owned();
    // A recorded import's stream ends at once, so one place serves any number of them.
    for _ in 0..3 {
        let answer = server.get(&format!("{IMPORTS}/{id}/events")).await;
        assert!(answer.text().contains("event: completed"), "{}", answer.text());
    }
}

/// The whole way through a real socket: a slow upload of unknown length, and a client that goes away.
#[tokio::test]
async fn uploads_through_a_socket() {
    let server = Server::empty(Settings { upload_idle_seconds: 1, ..Settings::default() }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = server.app.clone();
    let serving = tokio::spawn(async move {
        axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await
    });
    let head = format!(
        "POST {IMPORTS} HTTP/1.1\r\nhost: {address}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    for line in lines().lines() {
        let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
        client.write_all(chunk.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");

    let mut stalled = TcpStream::connect(address).await.unwrap();
    stalled.write_all(format!("{head}5\r\n{{\"a\":\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stalled.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");

    let mut gone = TcpStream::connect(address).await.unwrap();
    gone.write_all(format!("{head}5\r\n{{\"a\":\r\n").as_bytes()).await.unwrap();
    drop(gone);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let imports = server.get(IMPORTS).await;
    assert_eq!(imports.response.status(), StatusCode::OK);
    assert_eq!(imports.json()["imports"].as_array().unwrap().len(), 1);
    serving.abort();
}
