//! What is remembered, over the wire, and nobody else's.

use axum::{Router, body::Body, http::Method};
use serde_json::{Value, json};

use crate::server::{Answer, Server, ask};

async fn remember(app: &Router, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    ask(app, Method::POST, "/athenaeum/v1/memories", &headers, Body::from(body.to_string())).await
}

#[tokio::test]
async fn what_is_remembered_is_found_and_forgotten_and_nobody_elses() {
    let server = Server::start().await;
    let source = "019a0000-0000-7000-8000-000000000001";
    let said = json!({"text": "Ada is allergic to walnuts", "conversation_id": source, "message_id": 7});
    let answer = remember(&server.app, &said).await.json();
    assert_eq!((&answer["kept"], &answer["new"]), (&json!(true), &json!(true)), "{answer}");
    assert_eq!(answer["perplexity_fallback"], true);
    let memory = &answer["memory"];
    assert_eq!((&memory["conversation_id"], &memory["message_id"]), (&json!(source), &json!(7)));
    let id = memory["id"].as_str().unwrap();
    assert_eq!(remember(&server.app, &said).await.json()["new"], false, "a text is there once");

    let passed = json!({"text": "The sun shines", "if_surprising": true});
    let passed = remember(&server.app, &passed).await.json();
    assert_eq!((&passed["kept"], &passed["memory"]), (&json!(false), &Value::Null));
    for refused in [json!({}), json!({"text": " "}), json!({"text": "a", "unknown": 1})] {
        assert_eq!(remember(&server.app, &refused).await.status, 400, "{refused}");
    }
    let refused = json!({"text": "a", "conversation_id": "walnut"});
    assert_eq!(remember(&server.app, &refused).await.status, 400);

    let found = server.get("/athenaeum/v1/memories?q=walnut").await.json();
    assert_eq!(
        (&found["memories"][0]["id"], &found["memories"][0]["found"]["words"]),
        (&json!(id), &json!(1.0))
    );
    let listed = server.get("/athenaeum/v1/memories").await.json();
    assert_eq!(
        (listed["memories"].as_array().unwrap().len(), &listed["memories"][0]["uses"]),
        (1, &json!(1))
    );
    for (tier, count) in [("found", 1), ("hot", 1), ("warm", 0), ("cold", 0), ("all", 1)] {
        let listed = server.get(&format!("/athenaeum/v1/memories?tier={tier}")).await.json();
        assert_eq!(listed["memories"].as_array().unwrap().len(), count, "{tier}");
    }
    assert_eq!(server.get("/athenaeum/v1/memories?tier=tepid").await.status, 400);

    for stranger in [server.as_stranger(), server.asked_by_stranger()] {
        for target in ["memories", "memories?q=walnut", "memories?tier=all"] {
            let target = format!("/athenaeum/v1/{target}");
            let answer = ask(&stranger, Method::GET, &target, &[], Body::empty()).await;
            assert_eq!(answer.json()["memories"], json!([]), "{target}");
        }
        let target = format!("/athenaeum/v1/memories/{id}");
        assert_eq!(ask(&stranger, Method::DELETE, &target, &[], Body::empty()).await.status, 404);
    }
    assert_eq!(server.delete(&format!("/athenaeum/v1/memories/{id}")).await.status, 204);
    assert_eq!(server.delete(&format!("/athenaeum/v1/memories/{id}")).await.status, 404);
}
