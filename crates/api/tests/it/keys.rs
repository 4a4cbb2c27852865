//! Every route of the table, asked with every kind of key in every header that can carry one.

use std::{convert::Infallible, time::Duration};

use athenaeum_api::{Access, Settings, paths, protect};
use athenaeum_core::Timestamp;
use athenaeum_tenancy::Keys;
use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    http::{Method, Request},
    routing::get,
};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest as _},
};
use tower::ServiceExt as _;

use crate::server::{Answer, Server, ask};

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

type Headers = Vec<(&'static str, String)>;

/// Ways to show a key: each makes headers of it.
const WAYS: [fn(&str) -> Headers; 5] = [
    |key| vec![("authorization", format!("Bearer {key}"))],
    |key| vec![("authorization", format!("bearer {key}"))],
    |key| vec![("x-api-key", key.to_owned())],
    |key| vec![("api-key", key.to_owned())],
    |key| vec![("authorization", format!("Bearer {key}")), ("x-api-key", key.to_owned())],
];

/// Keys that open, and those that do not.
struct Ring {
    right: String,
    wrong: Vec<(&'static str, String)>,
}

async fn ring(server: &Server) -> Ring {
    let register = server.register();
    let right = register.add("right", None).await.unwrap().secret;
    let revoked = register.add("revoked", None).await.unwrap().secret;
    register.revoke("revoked").await.unwrap();
    let past = Timestamp::from_micros(Timestamp::now().as_micros() - 1);
    let expired = register.add("expired", Some(past)).await.unwrap().secret;
    let wrong = vec![
        ("never one", "ath_0000000000000000000000000000000000000000000".to_owned()),
        ("a name", "right".to_owned()),
        ("a beginning", right[..10].to_owned()),
        ("revoked", revoked),
        ("expired", expired),
    ];
    Ring { right, wrong }
}

fn patient() -> Settings {
    Settings { wrong_keys_burst: 1_000_000, searches_burst: 1_000_000, ..Settings::default() }
}

/// Paths of all routes, with something in place of what they leave open, and some that no route has.
fn targets(server: &Server) -> Vec<(String, bool)> {
    let settings = Settings::default();
    let of_route = |path: &'static str| {
        let filled: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        (filled.join("/"), settings.open_paths.iter().any(|open| open == path))
    };
    let targets: Vec<_> = paths(&server.api).into_iter().map(of_route).collect();
    assert!(targets.len() > 20 && targets.iter().filter(|(_, open)| *open).count() >= 2);
    let nowhere = [
        "/",
        "/nowhere",
        "//healthz",
        "/healthz/",
        "/HEALTHZ",
        "/healthz/..",
        "/%68ealthz",
        "/athenaeum/v1/search/",
    ];
    targets.into_iter().chain(nowhere.map(|path| (path.to_owned(), false))).collect()
}

async fn asked(app: &Router, method: &Method, path: &str, headers: &[(&'static str, String)]) -> Answer {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ask(app, method.clone(), path, &headers, Body::empty()).await
}

/// Checks a refusal, and returns what it says in the words of whichever wire format the address has.
fn refused(answer: &Answer, method: &Method, why: &str) -> String {
    assert_eq!(answer.status, 401, "{why}");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"athenaeum\"", "{why}");
    if *method == Method::HEAD {
        return String::new();
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    if answer.header("content-type") == "application/problem+json" {
        assert_eq!(answer.problem()["type"], "urn:athenaeum:problem:unauthorized", "{why}");
    } else {
        let kind = body["error"]["type"].as_str();
        assert!(kind.is_none_or(|kind| kind == "authentication_error"), "{why}: {body}");
    }
    let told = [&body["detail"], &body["error"]["message"], &body["error"]];
    told.into_iter().find_map(Value::as_str).expect("a sentence").to_owned()
}

#[tokio::test]
async fn no_route_answers_without_the_right_key() {
    let server = Server::start_with(patient()).await;
    let ring = ring(&server).await;
    let app = server.with_keys().await;
    let mut told: Vec<String> = Vec::new();
    for (path, open) in targets(&server) {
        for method in &METHODS {
            let none = asked(&app, method, &path, &[]).await;
            if open {
                assert_ne!(none.status, 401, "{method} {path}");
                continue;
            }
            refused(&none, method, &format!("{method} {path} without a key"));
            for way in WAYS {
                for (kind, key) in &ring.wrong {
                    let answer = asked(&app, method, &path, &way(key)).await;
                    let why = format!("{method} {path} with one that is {kind}");
                    told.extend(Some(refused(&answer, method, &why)).filter(|told| !told.is_empty()));
                }
            }
            let mut disagreeing = WAYS[0](&ring.right);
            disagreeing.extend(WAYS[2](&ring.wrong[0].1));
            refused(&asked(&app, method, &path, &disagreeing).await, method, "two that differ");
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the answer tells why a key does not open: {told:?}");
    let stats = asked(&app, &Method::GET, "/athenaeum/v1/stats", &WAYS[0](&ring.right)).await;
    assert_eq!(stats.json()["conversations"], 2, "nothing was done");
}

#[tokio::test]
async fn every_route_answers_the_right_key() {
    let server = Server::start_with(patient()).await;
    let ring = ring(&server).await;
    let app = server.with_keys().await;
    for (path, _) in targets(&server) {
        for way in WAYS {
            for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT] {
                let answer = asked(&app, &method, &path, &way(&ring.right)).await;
                assert_ne!(answer.status, 401, "{method} {path}");
                assert!(answer.status < 500, "{method} {path}: {}", answer.status);
            }
        }
    }
}

/// People get a page to sign in on, and programs and scripts of pages the plain refusal.
#[tokio::test]
async fn a_person_is_sent_to_sign_in_and_comes_back() {
    let server = Server::start().await;
    let ring = ring(&server).await;
    let app = server.with_keys().await;
    let person = |more: &[(&'static str, &str)]| {
        let mut headers = vec![("accept", "text/html,*/*;q=0.8".to_owned())];
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        headers
    };
    let wanted = "/search?q=rye&sort=recent";
    let answer = asked(&app, &Method::GET, wanted, &person(&[])).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/sign-in?next=/search%3Fq%3Drye%26sort%3Drecent")
    );
    let script = person(&[("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")]);
    assert_eq!(asked(&app, &Method::GET, wanted, &script).await.status, 401);
    assert_eq!(asked(&app, &Method::POST, wanted, &person(&[])).await.status, 401);
    let link = person(&[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")]);
    let page = asked(&app, &Method::GET, wanted, &link).await;
    assert!(
        page.status == 200 && page.text().contains("url=/search?q=rye&amp;sort=recent"),
        "{}",
        page.text()
    );

    let sign_in = async |key: &str, next: &str| {
        let form =
            [("content-type", "application/x-www-form-urlencoded"), ("origin", "http://localhost:7878")];
        let body = format!("key={key}&next={next}");
        ask(&app, Method::POST, "/sign-in", &form, Body::from(body)).await
    };
    let wrong = sign_in("hunter2", "/stats").await;
    assert_eq!((wrong.status, wrong.header("location")), (303, "/sign-in?wrong=1&next=/stats"));
    assert_eq!(wrong.header("set-cookie"), "");
    let astray = sign_in(&ring.right, "//evil.example").await;
    assert_eq!((astray.status, astray.header("location")), (303, "/"));
    let right = sign_in(&ring.right, "/stats").await;
    assert_eq!((right.status, right.header("location")), (303, "/stats"));
    let cookie = right.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict;") && !cookie.contains(&ring.right), "{cookie}");
    let session = vec![("cookie", cookie.split(';').next().unwrap().to_owned())];
    let stats = "/athenaeum/v1/stats";
    assert_eq!(asked(&app, &Method::GET, stats, &session).await.status, 200);
    let mut with_wrong_key = session.clone();
    with_wrong_key.extend(WAYS[2](&ring.wrong[0].1));
    assert_eq!(
        asked(&app, &Method::GET, stats, &with_wrong_key).await.status,
        401,
        "a key that is shown counts"
    );

    let out = asked(&app, &Method::POST, "/sign-out", &session).await;
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(asked(&app, &Method::GET, stats, &session).await.status, 401);
}

#[tokio::test]
async fn wrong_keys_are_counted_and_known_ones_are_not() {
    let settings = Settings { wrong_keys_burst: 5, wrong_keys_per_minute: 1, ..Settings::default() };
    let server = Server::start_with(settings).await;
    let ring = ring(&server).await;
    let app = server.with_keys().await;
    let stats = async |key: &str| asked(&app, &Method::GET, "/athenaeum/v1/stats", &WAYS[0](key)).await;
    assert_eq!(stats(&ring.right).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(stats("guess-guess-guess").await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    let refused = stats("guess-guess-guess").await;
    assert!(!refused.header("retry-after").is_empty());
    refused.problem();
    assert_eq!(asked(&app, &Method::GET, "/athenaeum/v1/stats", &[]).await.status, 401, "no key is no guess");
    assert_eq!(stats(&ring.right).await.status, 200);
}

/// A router of somebody else's, with a stream that never ends and an answer that never comes.
fn slow() -> Router {
    let drops = || async {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"drop")), ()))
        });
        Body::from_stream(drops)
    };
    Router::new().route("/drips", get(drops)).route("/hangs", get(std::future::pending::<()>))
}

#[tokio::test]
async fn revoking_a_key_ends_what_is_being_answered() {
    let folder = tempfile::tempdir().unwrap();
    let register = athenaeum_tenancy::Register::in_folder(folder.path());
    let secret = register.add("laptop", None).await.unwrap().secret;
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    let settings = Settings { timeout_seconds: 60, ..Settings::default() };
    let app = protect(slow(), &settings, &Access::new(keys, &settings));
    let request = |path: &str| {
        let request = Request::get(path).header("host", "localhost").header("x-api-key", &secret);
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let response = request("/drips").await.unwrap();
    assert!(response.body().size_hint().exact().is_none());
    let mut stream = response.into_body().into_data_stream();
    for _ in 0..3 {
        assert_eq!(stream.next().await.unwrap().unwrap(), "drop");
    }
    let hanging = tokio::spawn(request("/hangs"));
    register.revoke("laptop").await.unwrap();
    let cut = async {
        while let Some(piece) = stream.next().await {
            if piece.is_err() {
                return true;
            }
        }
        false
    };
    assert!(timeout(Duration::from_secs(10), cut).await.unwrap(), "the stream ended as if it were whole");
    let hanging = timeout(Duration::from_secs(10), hanging).await.unwrap().unwrap().unwrap();
    assert_eq!(hanging.status(), 401);
    assert_eq!(request("/drips").await.unwrap().status(), 401);
}

/// The same for a stream of our own: an import that waits for another one, followed by somebody whose key goes.
#[tokio::test]
async fn revoking_a_key_ends_following_an_import() {
    let server = Server::start().await;
    let secret = ring(&server).await.right;
    let app = server.with_keys().await;
    let scope = athenaeum_tenancy::local();
    let mut other = server.archive.begin_import(&scope, "another.json", None).await.unwrap();
    let more = athenaeum_core::Conversation { external_id: "c-more".to_owned(), ..crate::server::forked() };
    other.add(more).await.unwrap();
    let key = [("x-api-key", secret.as_str())];
    let upload = Body::from(athenaeum_ingest::to_json_line(&crate::server::sourdough()));
    let started = ask(&app, Method::POST, "/athenaeum/v1/imports", &key, upload).await;
    let target = started.json()["events"].as_str().unwrap().to_owned();
    let request = Request::get(target).header("host", "localhost").header("x-api-key", &secret);
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut events = response.into_body().into_data_stream();
    let first = timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with(b"event: progress"), "{first:?}");
    server.register().revoke("right").await.unwrap();
    let cut = async {
        loop {
            match events.next().await {
                Some(Ok(_)) => {}
                ended => return ended.is_some(),
            }
        }
    };
    assert!(timeout(Duration::from_secs(10), cut).await.unwrap(), "the events ended as if that were all");
    other.finish("{}").await.unwrap();
}

/// A socket leaves the guard behind, so it waits for the end of the key by itself.
#[tokio::test]
async fn revoking_a_key_ends_its_sockets() {
    let server = Server::start().await;
    let secret = ring(&server).await.right;
    let app = server.with_keys().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let open = async |key: &str| {
        let mut request = format!("ws://{address}/v1/ws").into_client_request().unwrap();
        request.headers_mut().insert("x-api-key", key.parse().unwrap());
        connect_async(request).await
    };
    match open("never-a-key-never-a-key").await {
        Err(Error::Http(refusal)) => assert_eq!(refusal.status(), 401),
        other => panic!("{other:?}"),
    }
    let (mut socket, _) = open(&secret).await.unwrap();
    server.register().revoke("right").await.unwrap();
    let ended = async { while let Some(Ok(_)) = socket.next().await {} };
    timeout(Duration::from_secs(10), ended).await.expect("the socket goes on without its key");
    assert!(matches!(open(&secret).await, Err(Error::Http(_))));
    serving.abort();
}
