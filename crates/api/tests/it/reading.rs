//! Searching, reading, exporting, deleting.

use axum::{body::Body, http::Method};
use serde_json::json;

use crate::server::{Server, ask, sourdough};

#[tokio::test]
async fn a_search_finds_marks_and_escapes() {
    let server = Server::start().await;
    let results = server.get("/athenaeum/v1/search?q=ferment").await.json();
    let hit = results["hits"].as_array().unwrap().iter().find(|hit| hit["position"] == 0).unwrap().clone();
    assert_eq!(hit["conversation"]["external_id"], "c-bread");
    assert_eq!(hit["created_at"], "2024-05-17T08:30:00Z");
    assert_eq!(hit["conversation"]["created_at"], "2024-05-17T08:30:00.123456Z");
    let snippet = &hit["snippet"];
    let text: Vec<char> = snippet["text"].as_str().unwrap().chars().collect();
    let mark = snippet["marks"][0].as_array().unwrap();
    let (start, end) = (mark[0].as_u64().unwrap() as usize, mark[1].as_u64().unwrap() as usize);
    assert_eq!(text[start..end].iter().collect::<String>(), "ferment");
    assert!(snippet["html"].as_str().unwrap().contains("<mark>ferment</mark>"));
    assert!(results["elapsed_ms"].as_f64().unwrap() >= 0.0);

    let html = server.get("/athenaeum/v1/search?q=twelve").await.json();
    let html = html["hits"][0]["snippet"]["html"].as_str().unwrap().to_owned();
    assert!(html.contains("&lt;b&gt;<mark>twelve</mark>&lt;/b&gt; hours &amp; a bit"), "{html}");
}

#[tokio::test]
async fn filters_narrow_what_is_found() {
    let server = Server::start().await;
    let positions = async |parameters: &str| {
        let results = server.get(&format!("/athenaeum/v1/search?{parameters}")).await.json();
        let mut found: Vec<(String, u64)> = results["hits"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|hit| !hit["message_id"].is_null())
            .map(|hit| {
                let id = hit["conversation"]["external_id"].as_str().unwrap().to_owned();
                (id, hit["position"].as_u64().unwrap())
            })
            .collect();
        found.sort();
        found
    };
    let bread = |at: &[u64]| at.iter().map(|at| ("c-bread".to_owned(), *at)).collect::<Vec<_>>();
    let fork = |at: &[u64]| at.iter().map(|at| ("c-fork".to_owned(), *at)).collect::<Vec<_>>();
    assert_eq!(positions("q=sourdough&provider=openai").await, bread(&[0]));
    assert_eq!(positions("q=sourdough&provider=claude&provider=chatgpt").await.len(), 2);
    assert_eq!(positions("q=sourdough&after=2024").await, bread(&[0]));
    assert_eq!(positions("q=sourdough&before=2023-03-01").await, fork(&[0]));
    assert_eq!(positions("q=sourdough&after=2023-03-02&before=2024-04").await, []);
    assert_eq!(positions("q=sourdough&before=2024-05-17T10:30:00%2B02:00").await.len(), 2);
    assert_eq!(positions("q=sourdough&before=2024-05-17T08:29:59Z").await, fork(&[0]));
    assert_eq!(positions("q=sourdough&after=30d").await, []);
    assert_eq!(positions("q=twelve&role=assistant").await, bread(&[1]));
    assert_eq!(positions("q=twelve&role=user").await, []);
    assert_eq!(positions("q=twelve&model=GPT-4*").await, bread(&[1]));
    assert_eq!(positions("q=ferment&has=code").await, bread(&[2]));
    assert_eq!(positions("q=sourdough&user=account-7").await, bread(&[0]));
    let id = server.id_of("c-fork").await;
    assert_eq!(positions(&format!("q=sourdough&conversation={id}")).await, fork(&[0]));
}

#[tokio::test]
async fn pages_of_hits_and_conversations_do_not_overlap() {
    let server = Server::start().await;
    for (first, list) in [
        ("/athenaeum/v1/search?q=sourdough&limit=1", "hits"),
        ("/athenaeum/v1/conversations?limit=1", "conversations"),
    ] {
        let mut seen = Vec::new();
        let mut target = first.to_owned();
        loop {
            let page = server.get(&target).await.json();
            let items = page[list].as_array().unwrap();
            assert!(items.len() <= 1);
            seen.extend(items.iter().map(|item| {
                item["conversation"]["id"]
                    .as_str()
                    .or(item["id"].as_str())
                    .map(|id| (id.to_owned(), item["message_id"].clone()))
            }));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            target = format!("{first}&cursor={cursor}");
        }
        assert!(seen.len() >= 2, "{first}");
        let mut unique = seen.clone();
        unique.dedup();
        assert_eq!(unique, seen);
    }
    let cursor = server.get("/athenaeum/v1/conversations?cursor=nonsense").await;
    assert_eq!(cursor.status, 404);
    cursor.problem();
}

#[tokio::test]
async fn a_conversation_is_whole_and_tagged() {
    let server = Server::start().await;
    let target = format!("/athenaeum/v1/conversations/{}", server.id_of("c-fork").await);
    let answer = server.get(&target).await;
    let conversation = answer.json();
    assert_eq!(conversation["messages"].as_array().unwrap().len(), 4);
    assert_eq!(conversation["messages"][3]["off_branch"], true);
    assert_eq!(conversation["branches"], json!([{ "after": 0, "alternatives": [1, 3] }]));
    let tag = answer.header("etag").to_owned();
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let again = ask(&server.app, Method::GET, &target, &[("if-none-match", &tag)], Body::empty()).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), tag);

    let bread =
        server.get(&format!("/athenaeum/v1/conversations/{}", server.id_of("c-bread").await)).await.json();
    assert_eq!(bread["system_prompt"], "Be brief.");
    assert_eq!(bread["temperature"], 0.5);
    assert_eq!(bread["user_id"], "account-7");
    assert_eq!(
        bread["messages"][2]["blocks"][0],
        json!({ "kind": "code", "text": "fn ferment() {}", "label": "rust" })
    );
    assert_eq!(bread["messages"][1]["tool_calls"][0]["name"], "timer");

    let message = bread["messages"][1]["id"].as_i64().unwrap();
    let place = server.get(&format!("/athenaeum/v1/messages/{message}")).await.json();
    assert_eq!(place, json!({ "id": message, "conversation_id": bread["id"], "position": 1 }));
}

#[tokio::test]
async fn messages_come_in_pages() {
    let server = Server::start().await;
    let target = format!("/athenaeum/v1/conversations/{}/messages", server.id_of("c-bread").await);
    let first = server.get(&format!("{target}?limit=2")).await.json();
    assert_eq!(first["messages"].as_array().unwrap().len(), 2);
    let rest = server
        .get(&format!("{target}?limit=2&cursor={}", first["next_cursor"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(rest["messages"][0]["position"], 2);
    assert!(rest["next_cursor"].is_null());
    for end in ["99", "4294967295"] {
        assert_eq!(server.get(&format!("{target}?cursor={end}")).await.json()["messages"], json!([]));
    }
}

#[tokio::test]
async fn the_source_comes_back_to_the_letter() {
    let server = Server::start().await;
    let answer =
        server.get(&format!("/athenaeum/v1/conversations/{}/raw", server.id_of("c-bread").await)).await;
    assert_eq!(answer.text(), sourdough().raw_json);
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn exports_are_files() {
    let server = Server::start().await;
    let target = format!("/athenaeum/v1/conversations/{}/export", server.id_of("c-bread").await);
    for (query, media_type, ending, part) in [
        ("", "text/markdown; charset=utf-8", ".md\"", "```rust\nfn ferment() {}\n```"),
        ("?format=md", "text/markdown; charset=utf-8", ".md\"", "# Sourdough <starter> care"),
        ("?format=text", "text/plain; charset=utf-8", ".txt\"", "[1] User · 2024-05-17T08:30:00Z"),
        ("?format=json", "application/jsonl", ".jsonl\"", "\"id\":\"c-bread\""),
    ] {
        let answer = server.get(&format!("{target}{query}")).await;
        assert_eq!(answer.header("content-type"), media_type);
        let disposition = answer.header("content-disposition");
        assert!(disposition.starts_with("attachment; filename=\"sourdough-starter-care-"), "{disposition}");
        assert!(disposition.ends_with(ending), "{disposition}");
        assert!(answer.text().contains(part), "{query}: {}", answer.text());
    }
    assert_eq!(
        server.get(&format!("{target}?format=pdf")).await.problem()["parameter"]["accepted"],
        "md, json or text"
    );
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_everywhere() {
    let server = Server::start().await;
    let target = format!("/athenaeum/v1/conversations/{}", server.id_of("c-bread").await);
    assert_eq!(server.delete(&target).await.status, 204);
    assert_eq!(server.get(&target).await.status, 404);
    assert_eq!(server.delete(&target).await.status, 404);
    let hits = server.get("/athenaeum/v1/search?q=twelve").await.json();
    assert_eq!(hits["hits"], json!([]));
    assert_eq!(
        server.get("/athenaeum/v1/conversations").await.json()["conversations"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn counts_and_titles() {
    let server = Server::start().await;
    let facets = server.get("/athenaeum/v1/facets?q=sourdough").await.json();
    let providers = facets["providers"].as_array().unwrap();
    assert!(providers.contains(&json!({ "value": "claude", "count": 1 })), "{facets}");
    let stats = server.get("/athenaeum/v1/stats").await.json();
    assert_eq!((&stats["conversations"], &stats["messages"]), (&json!(2), &json!(7)));
    assert_eq!(stats["first_message_at"], "2023-03-01T00:00:00Z");
    let titles = server.get("/athenaeum/v1/suggestions?prefix=sour").await.json();
    assert_eq!(titles["suggestions"][0]["external_id"], "c-bread");
    assert!(server.get("/athenaeum/v1/query-language").await.json()["forms"].as_array().unwrap().len() > 10);
}

#[tokio::test]
async fn the_operator_sees_health_and_counters() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.json(), json!({ "status": "ok" }));
    assert_eq!(server.get("/readyz").await.json(), json!({ "status": "ok" }));
    server.get("/athenaeum/v1/search?q=bread").await;
    server.get(&format!("/athenaeum/v1/conversations/{}", server.id_of("c-bread").await)).await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "athenaeum_conversations_count 2",
        "athenaeum_messages_count 7",
        "athenaeum_database_size_bytes ",
        r#"athenaeum_imports_total{provider="several",status="completed"} 1"#,
        "athenaeum_import_conversations_total 2",
        "athenaeum_import_messages_total 7",
        "athenaeum_import_duration_seconds_count 1",
        r#"athenaeum_searches_total{path="/athenaeum/v1/search",status="200"} 1"#,
        r#"athenaeum_http_requests_total{method="GET",path="/athenaeum/v1/conversations/{id}",status="200"} 1"#,
    ] {
        assert!(answer.text().contains(line), "{line} in\n{}", answer.text());
    }
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_ask() {
    let server = Server::start().await;
    let headers = [("accept-encoding", "gzip")];
    let answer = ask(&server.app, Method::GET, "/openapi.json", &headers, Body::empty()).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    let plain = server.get("/openapi.json").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(answer.body.len() * 3 < plain.body.len());
}

#[tokio::test]
async fn unknown_addresses_answer_programs_whatever_else_is_mounted() {
    let server = Server::start().await;
    let pages = axum::Router::new().fallback(async || axum::response::Html("a page"));
    let both = athenaeum_api::app(server.api.clone(), pages);
    let answer = ask(&both, Method::GET, "/athenaeum/v1/nowhere", &[], Body::empty()).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.problem()["instance"], "/athenaeum/v1/nowhere");
    assert_eq!(ask(&both, Method::GET, "/nowhere", &[], Body::empty()).await.text(), "a page");
}
