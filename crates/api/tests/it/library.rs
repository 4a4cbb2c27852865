//! Documents over the wire: handed in, listed, searched, asked, forgotten, and nobody else's.

use athenaeum_api::Settings;
use axum::{Router, body::Body, http::Method};
use serde_json::{Value, json};

use crate::{
    elsewhere,
    server::{Answer, Server, ask},
};

const CONTRACT: &str = "# Lease\n\nThe notice period is three months. The rent is due on the first.\n";

/// Hands in files as a form does, and waits until they are read.
async fn hand_in(app: &Router, files: &[(&str, &str)]) -> Value {
    let mut form = String::new();
    for (name, text) in files {
        form.push_str(&format!(
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{text}\r\n"
        ));
    }
    form.push_str("--b--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let answer = ask(app, Method::POST, "/athenaeum/v1/library/files", &headers, Body::from(form)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let events = get(app, "/athenaeum/v1/library/events").await;
    assert!(events.text().starts_with("event: activity\ndata: {"), "{}", events.text());
    answer.json()
}

async fn get(app: &Router, target: &str) -> Answer {
    ask(app, Method::GET, target, &[], Body::empty()).await
}

async fn post(app: &Router, target: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    ask(app, Method::POST, target, &headers, Body::from(body.to_string())).await
}

#[tokio::test]
async fn documents_are_handed_in_listed_read_and_forgotten() {
    let server = Server::start().await;
    let taken = hand_in(
        &server.app,
        &[("../lease.md", CONTRACT), ("broken.docx", "PK\u{3}\u{4} and nothing of the kind")],
    )
    .await;
    assert_eq!(taken["files"][0]["name"], "lease.md");
    let path = taken["files"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("/drop/local/lease.md"), "{path}");

    let status = server.get("/athenaeum/v1/library").await.json();
    assert_eq!((&status["documents"], &status["formats"][0]["name"]), (&json!(1), &json!("markdown")));
    assert_eq!(status["activity"]["last"]["added"], 1);
    assert_eq!(status["activity"]["embedding"]["state"], "no_model");
    let files = server.get("/athenaeum/v1/library/files").await.json();
    assert_eq!(files["files"].as_array().unwrap().len(), 2);
    let kept = server.get("/athenaeum/v1/library/files?state=kept").await.json();
    assert_eq!((&kept["files"][0]["path"], kept["files"].as_array().unwrap().len()), (&json!(path), 1));
    let other = files["files"].as_array().unwrap().iter().find(|file| file["state"] != "kept").unwrap();
    assert!(!other["reason"].as_str().unwrap().is_empty());

    let documents = server.get("/athenaeum/v1/documents").await.json();
    let id = documents["documents"][0]["id"].as_str().unwrap();
    let document = server.get(&format!("/athenaeum/v1/documents/{id}")).await.json();
    assert!(document["text"].as_str().unwrap().contains("notice period"));
    assert_eq!(document["paths"], json!([path]));

    let retried = post(&server.app, "/athenaeum/v1/library/retry", &json!({})).await;
    assert_eq!(retried.status, 202, "{}", retried.text());
    let missing = server.delete("/athenaeum/v1/library/files?path=/etc/passwd").await;
    assert_eq!(missing.status, 404);
    missing.problem();
    let gone = server.delete(&format!("/athenaeum/v1/library/files?path={}", path.replace('/', "%2F"))).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert!(!std::path::Path::new(path).exists());
    assert_eq!(server.get("/athenaeum/v1/library").await.json()["documents"], 0);
}

#[tokio::test]
async fn one_search_finds_messages_and_documents_and_says_why() {
    let server = Server::start().await;
    hand_in(&server.app, &[("bread.md", "Sourdough ferments for twelve hours.\n")]).await;
    // Clients that ask as before hear what they heard before.
    let before = server.get("/athenaeum/v1/search?q=sourdough").await.json();
    assert!(before["total"]["count"].as_u64().unwrap() > 0 && before["hits"][0]["conversation"].is_object());

    let all = server.get("/athenaeum/v1/search?q=sourdough&in=all").await.json();
    let kinds: Vec<&str> =
        all["hits"].as_array().unwrap().iter().map(|hit| hit["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"message") && kinds.contains(&"document"), "{kinds:?}");
    assert!(all["notices"][0].as_str().unwrap().contains("no model"), "{all}");
    let library = server.get("/athenaeum/v1/search?q=sourdough&in=library&mode=text").await.json();
    let hit = &library["hits"][0];
    assert_eq!((&hit["kind"], &hit["why"]["text"]["rank"]), (&json!("document"), &json!(1)));
    assert_eq!(hit["document"]["text_range"], json!([0, 36]));
    assert!(hit["document"]["snippet"]["html"].as_str().unwrap().contains("<mark>Sourdough</mark>"));
    let none = server.get("/athenaeum/v1/search?q=sourdough&format=pdf").await.json();
    assert_eq!(none["hits"], json!([]));
    let first = server.get("/athenaeum/v1/search?q=sourdough&in=all&mode=text&limit=1").await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let second =
        server.get(&format!("/athenaeum/v1/search?q=sourdough&in=all&mode=text&limit=1&cursor={next}")).await;
    assert_ne!(second.json()["hits"][0], first["hits"][0]);
    for (wrong, status) in [
        ("in=here", 400),
        ("mode=best", 400),
        ("min_score=nan", 400),
        ("min_score=", 400),
        ("in=all&cursor=-1", 404),
        ("in=all&cursor=o20", 404),
    ] {
        assert_eq!(server.get(&format!("/athenaeum/v1/search?q=a&{wrong}")).await.status, status, "{wrong}");
    }
    let above = server.get("/athenaeum/v1/search?q=sourdough&min_score=1000").await.json();
    assert_eq!(above["hits"], json!([]));
    let newest = server.get("/athenaeum/v1/search?q=sourdough&in=all&mode=text&sort=recent").await.json();
    assert!(newest["notices"].to_string().contains("by relevance"), "{newest}");
}

#[tokio::test]
async fn a_question_is_answered_by_quotes_that_verify() {
    let server = Server::start().await;
    let taken = hand_in(&server.app, &[("lease.md", CONTRACT)]).await;
    let question = json!({"question": "How long is the notice period?", "in": "library"});
    let answer = server.post("/athenaeum/v1/ask", &question).await.json();
    assert_eq!(answer["kind"], "extractive");
    assert!(answer["text"].as_str().unwrap().contains("three months"), "{answer}");
    assert_eq!(answer["citations"][0]["origin"], "document");
    let verified = server.post("/athenaeum/v1/verify", &answer).await.json();
    assert_eq!((&verified["holds"], &verified["citations"][0]["verdict"]), (&json!(true), &json!("holds")));
    // Whoever does not have the file learns nothing of it.
    let stranger = server.asked_by_stranger();
    let unseen = post(&stranger, "/athenaeum/v1/verify", &answer).await.json();
    assert_eq!(unseen["citations"][0]["verdict"], "unseen");
    std::fs::write(taken["files"][0]["path"].as_str().unwrap(), "Something else.").unwrap();
    let missing = server.post("/athenaeum/v1/verify", &answer).await.json();
    assert_eq!((&missing["holds"], &missing["citations"][0]["verdict"]), (&json!(false), &json!("missing")));

    let streamed = json!({"question": "How long is the notice period?", "stream": true});
    let streamed = server.post("/athenaeum/v1/ask", &streamed).await;
    let (events, _) = streamed.events();
    assert!(events[0]["citations"].is_array() && events[1]["kind"] == "extractive", "{events:?}");
    let nothing =
        server.post("/athenaeum/v1/ask", &json!({"question": "zeppelin", "mode": "text"})).await.json();
    assert_eq!(nothing["kind"], "nothing");
    for wrong in [json!({}), json!({"question": " "}), json!({"question": "a", "temperature": 1})] {
        let answer = server.post("/athenaeum/v1/ask", &wrong).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
        answer.problem();
    }
    assert_eq!(server.post("/athenaeum/v1/verify", &json!({"text": 1})).await.status, 422);
}

#[tokio::test]
async fn a_model_writes_the_answer_as_it_comes() {
    let server = Server::with_model(Settings::default()).await;
    hand_in(&server.app, &[("lease.md", "The notice period is three months.\n")]).await;
    let question = json!({
        "question": "notice period", "model": "tiny", "budget": 64, "max_tokens": 8, "stream": true
    });
    let streamed = server.post("/athenaeum/v1/ask", &question).await;
    let (events, _) = streamed.events();
    let last = events.last().unwrap();
    assert_eq!((&last["kind"], &last["model"]), (&json!("generated"), &json!("tiny")));
    let pieces: String = events
        .iter()
        .filter_map(|event| event["text"].as_str().filter(|_| event["kind"].is_null()))
        .collect();
    assert_eq!(pieces.trim(), last["text"].as_str().unwrap());
    let mut whole = question;
    whole["stream"] = json!(false);
    assert_eq!(server.post("/athenaeum/v1/ask", &whole).await.json()["text"], last["text"]);
    assert_eq!(server.get("/athenaeum/v1/stats").await.json()["conversations"], 0);
}

#[tokio::test]
async fn a_model_of_another_engine_writes_the_answer() {
    let engine = Server::with_model(Settings::default()).await;
    let server = elsewhere::over(&engine).await;
    hand_in(&server.app, &[("lease.md", "The notice period is three months.\n")]).await;
    let question = json!({ "question": "notice period", "model": "far", "budget": 64, "max_tokens": 8 });
    let answer = server.post("/athenaeum/v1/ask", &question).await.json();
    assert_eq!((&answer["kind"], &answer["model"]), (&json!("generated"), &json!("far")));
    assert!(!answer["text"].as_str().unwrap().is_empty());
    assert_eq!(answer["citations"][0]["text"], "The notice period is three months.");
}

#[tokio::test]
async fn a_library_is_its_tenants_alone() {
    let server = Server::start().await;
    let taken = hand_in(&server.app, &[("lease.md", CONTRACT)]).await;
    let path = taken["files"][0]["path"].as_str().unwrap();
    let id =
        server.get("/athenaeum/v1/documents").await.json()["documents"][0]["id"].as_str().unwrap().to_owned();
    for stranger in [server.as_stranger(), server.asked_by_stranger()] {
        for target in ["library", "library/files", "documents", "search?q=notice&in=all"] {
            let answer = get(&stranger, &format!("/athenaeum/v1/{target}")).await;
            assert!(answer.status == 200 && !answer.text().contains("lease"), "{target}: {}", answer.text());
        }
        assert_eq!(get(&stranger, "/athenaeum/v1/library").await.json()["documents"], 0);
        assert_eq!(get(&stranger, &format!("/athenaeum/v1/documents/{id}")).await.status, 404);
        let question = json!({"question": "How long is the notice period?"});
        assert_eq!(post(&stranger, "/athenaeum/v1/ask", &question).await.json()["kind"], "nothing");
        let target = format!("/athenaeum/v1/library/files?path={path}");
        assert_eq!(ask(&stranger, Method::DELETE, &target, &[], Body::empty()).await.status, 404);
        let target = format!("/athenaeum/v1/library/retry?path={path}");
        assert_eq!(post(&stranger, &target, &json!({})).await.status, 404);
    }
    // The same name is two files, each its owner's.
    let theirs = hand_in(&server.asked_by_stranger(), &[("lease.md", "Mine.\n")]).await;
    assert!(theirs["files"][0]["path"].as_str().unwrap().ends_with("/drop/stranger/lease.md"));
    assert_eq!(server.get("/athenaeum/v1/library").await.json()["documents"], 1);
    assert!(std::path::Path::new(path).exists());
}

#[tokio::test]
async fn topics_are_asked_for_rightly_and_are_none_without_a_model() {
    let server = Server::start().await;
    hand_in(&server.app, &[("lease.md", CONTRACT)]).await;
    for target in ["topics", "topics?in=chats&count=200", "topics?in=library&count=1"] {
        let answer = server.get(&format!("/athenaeum/v1/{target}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!((&answer["topics"], &answer["coverage"]), (&json!([]), &Value::Null), "{answer}");
        assert!(answer["notices"][0].as_str().unwrap().contains("no model that makes vectors"), "{answer}");
    }
    for wrong in ["count=0", "count=201", "count=some", "in=nowhere", "q=bread"] {
        let answer = server.get(&format!("/athenaeum/v1/topics?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
}
