//! What `protect` does to any router, ours or a stranger's.

use std::{net::SocketAddr, time::Duration};

use athenaeum_api::{Access, Metrics, Settings, observe};
use athenaeum_tenancy::Keys;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Response, StatusCode},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
};
use tower::ServiceExt as _;

fn stranger() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/search", get(async || "found"))
        .route("/panics", get(async || panic!("on purpose") as &'static str))
        .route("/sleeps", get(async || tokio::time::sleep(Duration::from_secs(60)).await))
        .route("/swallows", post(async |body: axum::body::Bytes| body.len().to_string()))
}

/// With nobody asked for a key.
fn protect(router: Router, settings: &Settings) -> Router {
    athenaeum_api::protect(router, settings, &Access::new(Keys::none(), settings))
}

async fn ask(app: &Router, request: Request) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

fn get_from(path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::get(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:7878");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn problem(response: Response<Body>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let body: Value =
        serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap();
    assert_eq!(body["request_id"], id.as_str());
    assert_eq!(body["status"], status);
    for field in ["type", "title", "detail", "instance"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {body}");
    }
    body
}

#[tokio::test]
async fn every_failure_is_a_problem() {
    let settings = Settings { timeout_seconds: 1, upload_bytes_max: 100, ..Settings::default() };
    let app = protect(stranger(), &settings);
    let long = format!("/?q={}", "a".repeat(10_000));
    let header = "a".repeat(40_000);
    for (request, status, kind) in [
        (get_from("/nowhere", &[]), 404, "not-found"),
        (get_from("/panics", &[]), 500, "internal"),
        (get_from("/sleeps", &[]), 503, "timed-out"),
        (get_from(&long, &[]), 414, "target-too-long"),
        (get_from("/", &[("x-long", &header)]), 431, "headers-too-large"),
        (get_from("/", &[("host", "rebound.example")]), 403, "foreign-host"),
        (get_from("/", &[("origin", "http://rebound.example")]), 403, "foreign-origin"),
    ] {
        let instance = request.uri().path().to_owned();
        let response = ask(&app, request).await;
        assert_eq!(response.status(), status, "{instance}");
        let body = problem(response).await;
        assert_eq!(body["type"], format!("urn:athenaeum:problem:{kind}"));
        assert_eq!(body["instance"], instance);
    }
    let wrong_method = Request::post("/").header("host", "localhost").body(Body::empty()).unwrap();
    let response = ask(&app, wrong_method).await;
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(response).await["type"], "urn:athenaeum:problem:method-not-allowed");

    let upload =
        |size: usize| Request::post("/swallows").header("host", "localhost").body(Body::from(vec![0; size]));
    let response = ask(&app, upload(101).unwrap()).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    problem(response).await;
    assert_eq!(ask(&app, upload(100).unwrap()).await.status(), 200);
}

#[tokio::test]
async fn every_answer_carries_id_and_security_headers() {
    let app = protect(stranger(), &Settings::default());
    for path in ["/", "/nowhere", "/panics"] {
        let response = ask(&app, get_from(path, &[("x-request-id", "trace-7")])).await;
        for (name, value) in [
            ("x-request-id", "trace-7"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.headers()[name], value, "{name} of {path}");
        }
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn searches_are_limited_and_other_reads_are_not() {
    let settings = Settings { searches_per_second: 1, searches_burst: 2, ..Settings::default() };
    let app = protect(stranger(), &settings);
    for _ in 0..2 {
        assert_eq!(ask(&app, get_from("/search", &[])).await.status(), 200);
    }
    let response = ask(&app, get_from("/search", &[])).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    problem(response).await;
    for _ in 0..20 {
        assert_eq!(ask(&app, get_from("/", &[])).await.status(), 200);
    }
}

#[tokio::test]
async fn a_full_house_says_when_to_come_back() {
    let settings = Settings { requests_max: 1, timeout_seconds: 5, ..Settings::default() };
    let app = protect(stranger(), &settings);
    let sleeper = tokio::spawn({
        let app = app.clone();
        async move { ask(&app, get_from("/sleeps", &[])).await.status() }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let response = ask(&app, get_from("/", &[])).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    sleeper.abort();
    let _ = sleeper.await;
    assert_eq!(ask(&app, get_from("/", &[])).await.status(), 200);
}

#[tokio::test]
async fn what_happened_is_counted_by_route() {
    let metrics = Metrics::new();
    let settings = Settings::default();
    let app = observe(protect(stranger(), &settings), &metrics, &settings.search_paths);
    ask(&app, get_from("/search?q=secret", &[])).await;
    ask(&app, get_from("/x1", &[])).await;
    ask(&app, get_from("/x2", &[])).await;
    let text = metrics.render();
    for line in [
        r#"athenaeum_http_requests_total{method="GET",path="/search",status="200"} 1"#,
        r#"athenaeum_http_requests_total{method="GET",path="unmatched",status="404"} 2"#,
        r#"athenaeum_searches_total{path="/search",status="200"} 1"#,
        r#"athenaeum_search_duration_seconds_count{path="/search"} 1"#,
        r#"athenaeum_http_request_duration_seconds_bucket{path="unmatched",le="+Inf"} 2"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains("/x1"));
}

#[tokio::test]
async fn people_get_a_page_and_programs_get_json() {
    let app = protect(stranger(), &Settings::default());
    let accept = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let response = ask(&app, get_from("/nowhere", &[accept])).await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let page = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&page).contains("<h1>There is nothing here</h1>"));
    problem(ask(&app, get_from("/athenaeum/nowhere", &[accept])).await).await;
}

/// Each client has its own allowance: seen through a socket, because only there clients have addresses. Linux
/// alone has more than one loopback address without being asked.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_are_told_apart_by_address() {
    let settings = Settings { searches_per_second: 1, searches_burst: 1, ..Settings::default() };
    let service = protect(stranger(), &settings).into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });
    let mut statuses = Vec::new();
    for client in ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2"] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{client}:0").parse().unwrap()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let request = format!("GET /search HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        statuses.push(answer[9..12].to_owned());
    }
    assert_eq!(statuses, ["200", "429", "200", "429"]);
    serving.abort();
}
