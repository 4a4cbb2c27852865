//! Every route against every kind of bad request: refused, never broken.

use athenaeum_api::{Settings, document};
use axum::{body::Body, http::Method};
use serde_json::Value;

use crate::server::{Server, ask};

/// Method, path with real ids, names of query parameters: of every operation that the OpenAPI knows.
async fn operations(server: &Server) -> Vec<(Method, String, Vec<String>)> {
    let conversation = server.id_of("c-bread").await;
    let import =
        server.get("/athenaeum/v1/imports").await.json()["imports"][0]["id"].as_str().unwrap().to_owned();
    let document: Value = serde_json::from_str(&document().to_json().unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let id = match path {
            path if path.contains("/messages/{id}") => "1",
            path if path.contains("/imports/{id}") => &import,
            _ => &conversation,
        };
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let names = parameters.iter().filter(|parameter| parameter["in"] == "query");
            let names = names.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
            operations.push((
                method.to_uppercase().parse().unwrap(),
                path.replace("{id}", id).replace("{model}", "none"),
                names,
            ));
        }
    }
    assert!(operations.len() >= 20);
    operations
}

fn roomy() -> Settings {
    Settings { searches_burst: 100_000, ..Settings::default() }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_everywhere() {
    let server = Server::start_with(roomy()).await;
    let undocumented = ["/docs", "/docs/style.css", "/openapi.json", "/nowhere", "/"];
    let undocumented = undocumented.map(|path| (Method::GET, path.to_owned(), Vec::new()));
    for (method, path, _) in operations(&server).await.into_iter().chain(undocumented) {
        for headers in [
            [("host", "rebound.example:7878"), ("accept", "*/*")],
            [("host", "127.0.0.1.rebound.example"), ("accept", "*/*")],
            [("host", "localhost:7878"), ("origin", "http://rebound.example")],
            [("host", "localhost:7878"), ("origin", "null")],
            [("host", "localhost:7878"), ("sec-fetch-site", "cross-site")],
        ] {
            let answer = ask(&server.app, method.clone(), &path, &headers, Body::empty()).await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}");
            answer.refusal(&path);
        }
    }
    assert_eq!(server.get("/athenaeum/v1/stats").await.json()["conversations"], 2);
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    let server = Server::start_with(roomy()).await;
    for (_, path, _) in operations(&server).await {
        for method in [Method::PUT, Method::PATCH, Method::OPTIONS, Method::TRACE] {
            let answer = ask(&server.app, method.clone(), &path, &[], Body::empty()).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(!answer.header("allow").is_empty(), "{method} {path}");
            answer.refusal(&path);
        }
    }
}

#[tokio::test]
async fn other_peoples_ids_name_nothing() {
    let server = Server::start_with(roomy()).await;
    // Somebody else's server over the same archive, and the same server with somebody else's key.
    for stranger in [server.as_stranger(), server.asked_by_stranger()] {
        for (method, path, _) in operations(&server).await {
            let about_one = path.split('/').nth(4).is_some() && !path.contains("/library/");
            let answer = ask(&stranger, method.clone(), &path, &[], Body::empty()).await;
            if about_one {
                assert_eq!(answer.status, 404, "{method} {path}");
            } else {
                assert!(!answer.text().contains("c-bread"), "{method} {path}");
            }
        }
    }
    assert_eq!(server.get("/athenaeum/v1/stats").await.json()["conversations"], 2);
}

#[tokio::test]
async fn junk_in_parameters_never_breaks_a_route() {
    let server = Server::start_with(roomy()).await;
    let long = "a".repeat(10_000);
    let junk = [
        "-1",
        "1e400",
        "9223372036854775808",
        "NaN",
        "..%2F..%2Fetc%2Fpasswd",
        "..\\..\\",
        "%00",
        "a%00b",
        "%ff%fe",
        "%f0%9f%92",
        "%",
        "%zz",
        "'%20OR%201%3D1--",
        "%27%3B%20DROP%20TABLE%20messages%3B--",
        "%22%20OR%20%22%22%3D%22",
        "%22%22%22%22",
        "((((((((((((",
        "*",
        "AND",
        "NOT%20NOT%20NOT",
        "%F0%9F%98%80",
        "%E2%80%AE",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "{{7*7}}",
        "",
        long.as_str(),
    ];
    for (method, path, names) in operations(&server).await {
        // A delete without parameters would really delete, and an import has its own tests.
        if method != Method::GET {
            continue;
        }
        for name in names.iter().map(String::as_str).chain(["unknown"]) {
            for value in junk {
                let target = format!("{path}?{name}={value}");
                let Ok(_) = target.parse::<axum::http::Uri>() else { continue };
                let answer = ask(&server.app, method.clone(), &target, &[], Body::empty()).await;
                assert!(answer.status < 500, "{} for {target}: {}", answer.status, answer.text());
                if answer.status >= 400 {
                    answer.refusal(&path);
                }
                // The dialects of others warn where we refuse: their clients send what they like.
                if name == "unknown" && (path.starts_with("/v1") || path.starts_with("/api")) {
                    assert!(
                        answer.status >= 400 || !answer.header("x-athenaeum-warnings").is_empty(),
                        "{target}"
                    );
                } else if name == "unknown"
                    && !["/health", "/healthz", "/readyz", "/metrics"].contains(&path.as_str())
                {
                    assert!(answer.status == 400 || answer.status == 414, "{target}");
                }
            }
        }
    }
    assert_eq!(server.get("/athenaeum/v1/stats").await.json()["messages"], 7);
}

#[tokio::test]
async fn junk_in_paths_names_nothing() {
    let server = Server::start_with(roomy()).await;
    for junk in
        ["-1", "0", "1e400", "..%2F..%2Fetc%2Fpasswd", "%00", "%ff", "'%20OR%201%3D1--", &"a".repeat(7_000)]
    {
        for path in ["conversations", "messages", "imports"] {
            for end in ["", "/raw", "/export", "/messages", "/events"] {
                for method in [Method::GET, Method::DELETE] {
                    let target = format!("/athenaeum/v1/{path}/{junk}{end}");
                    let answer = ask(&server.app, method.clone(), &target, &[], Body::empty()).await;
                    assert!([400, 404, 405].contains(&answer.status), "{} {method} {target}", answer.status);
                    answer.problem();
                }
            }
        }
    }
    assert_eq!(server.get("/athenaeum/v1/stats").await.json()["conversations"], 2);
}

#[tokio::test]
async fn a_wrong_parameter_is_told_its_name_and_range() {
    let server = Server::start().await;
    for (target, name, accepted) in [
        ("/athenaeum/v1/search?limit=0", "limit", "a whole number from 1 to 200"),
        ("/athenaeum/v1/search?role=robot", "role", "user, assistant, system or tool"),
        ("/athenaeum/v1/search?sort=best", "sort", "relevance or recent"),
        ("/athenaeum/v1/search?q=a&q=b", "q", "one value; it was given more than once"),
        ("/athenaeum/v1/stats?verbose=1", "verbose", "nothing: this address takes no parameters"),
        (
            "/athenaeum/v1/conversations?before=soon",
            "before",
            "a time: 2024, 2024-05, 2024-05-17, 2024-05-17T08:30:00Z, today, last-month, 7d",
        ),
    ] {
        let answer = server.get(target).await;
        assert_eq!(answer.status, 400, "{target}");
        let problem = answer.problem();
        assert_eq!(problem["parameter"]["name"], name);
        assert_eq!(problem["parameter"]["accepted"], accepted);
    }
}
