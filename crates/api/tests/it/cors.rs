//! What browsers are told about pages of other sites.

use athenaeum_api::{Settings, app};
use axum::{Router, body::Body, http::Method};

use crate::server::{Answer, Server, ask};

const TARGET: &str = "/athenaeum/v1/stats";

async fn server(allowed: &[&str]) -> Server {
    let allowed_origins = allowed.iter().map(|&origin| origin.to_owned()).collect();
    Server::start_with(Settings { allowed_origins, ..Settings::default() }).await
}

async fn preflight(app: &Router, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("sec-fetch-site", "cross-site"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    ask(app, Method::OPTIONS, "/v1/chat/completions", &headers, Body::empty()).await
}

async fn read(app: &Router, origin: &str) -> Answer {
    let headers = [("origin", origin), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    ask(app, Method::GET, TARGET, &headers, Body::empty()).await
}

#[tokio::test]
async fn an_allowed_page_asks_and_reads() {
    let server = server(&["https://app.example", "localhost"]).await;
    for origin in ["https://app.example", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:3000"] {
        let answer = preflight(&server.app, origin).await;
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("access-control-allow-origin", origin),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, POST, DELETE, OPTIONS"),
            ("access-control-allow-headers", "authorization,content-type"),
            ("vary", "origin"),
        ] {
            assert_eq!(answer.header(name), value, "{name} for {origin}");
        }
        let answer = read(&server.app, origin).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, origin));
        assert!(answer.header("access-control-expose-headers").contains("x-request-id"));
        assert_eq!(answer.json()["conversations"], 2);
    }
}

#[tokio::test]
async fn every_other_page_is_told_nothing() {
    let origins =
        ["http://evil.example", "http://localhost.evil.example", "http://notlocalhost", "null", "file://"];
    for allowed in [&["https://app.example", "localhost"][..], &[]] {
        let server = server(allowed).await;
        for origin in origins {
            let answer = preflight(&server.app, origin).await;
            assert_eq!(answer.status, 200);
            let refused = read(&server.app, origin).await;
            assert_eq!(refused.status, 403, "{origin}");
            refused.problem();
            for answer in [&answer, &refused] {
                let told = answer
                    .response
                    .headers()
                    .keys()
                    .filter(|name| name.as_str().starts_with("access-control"));
                assert_eq!(told.count(), 0, "{origin}: {:?}", answer.response.headers());
            }
        }
        let rebound = [
            ("host", "rebound.example"),
            ("origin", "https://app.example"),
            ("access-control-request-method", "GET"),
        ];
        assert_eq!(ask(&server.app, Method::OPTIONS, TARGET, &rebound, Body::empty()).await.status, 403);
    }
}

#[tokio::test]
async fn everybody_may_read_only_without_what_browsers_add() {
    let server = server(&["*"]).await;
    for answer in
        [preflight(&server.app, "https://any.example").await, read(&server.app, "https://any.example").await]
    {
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

/// A browser adds the cookie of a session by itself, also to what an allowed page of another site asks.
#[tokio::test]
async fn a_session_is_of_no_use_to_other_sites() {
    let server = server(&["http://localhost:3000"]).await;
    let secret = server.register().add("laptop", None).await.unwrap().secret;
    let keys = athenaeum_tenancy::Keys::open(server.folder.path(), Vec::new()).await.unwrap();
    let cookie = format!("athenaeum_session={}", keys.begin_session(&secret).await.unwrap().as_str());
    let app = app(server.api.clone().with_keys(keys), Router::new());
    let own = [("origin", "http://localhost:7878"), ("cookie", &*cookie)];
    assert_eq!(ask(&app, Method::GET, TARGET, &own, Body::empty()).await.status, 200);
    let other = [("origin", "http://localhost:3000"), ("cookie", &*cookie)];
    let refused = ask(&app, Method::GET, TARGET, &other, Body::empty()).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), "http://localhost:3000", "it can read why");
    let with_key = [("origin", "http://localhost:3000"), ("x-api-key", &*secret)];
    assert_eq!(ask(&app, Method::GET, TARGET, &with_key, Body::empty()).await.status, 200);
}
