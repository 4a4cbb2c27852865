//! What is asked again, how long is waited, and what nobody hears of.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use athenaeum_providers::{Error, Event, Proxy, Reason, Remote, Request, Settings, Token, Wire};
use serde_json::{Value, json};
use tokio::net::TcpListener;
#[cfg(target_os = "linux")]
use tokio::net::{TcpSocket, TcpStream};

use crate::stub::{End, Play, Stub, answer, ok, question};

const SHORT: Duration = Duration::from_millis(400);

async fn error(stub: &Stub) -> Error {
    answer(&stub.remote(Wire::OpenAi), question()).await.unwrap_err()
}

#[tokio::test]
async fn an_engine_that_fails_twice_is_asked_a_third_time() {
    for wire in [Wire::OpenAi, Wire::Vllm, Wire::LlamaCpp, Wire::Ollama] {
        let stub = Stub::plays([Play::text(500, "not yet"), Play::Break, ok(wire)]).await;
        let events = answer(&stub.remote(wire), question()).await.unwrap();
        assert_eq!(events[0], Event::Text("Hi".to_owned()));
        let seen = stub.seen();
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|again| (&again.path, &again.body) == (&seen[0].path, &seen[0].body)));
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let stub = Stub::plays([Play::text(status, "no"), Play::text(status, "no"), ok(Wire::OpenAi)]).await;
        answer(&stub.remote(Wire::OpenAi), question()).await.unwrap();
        assert_eq!(stub.seen().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn attempts_are_counted_and_the_last_one_is_told() {
    let stub = Stub::plays([Play::text(500, "first"), Play::json(502, json!({ "message": "last" }))]).await;
    let error_of_last = error(&stub).await;
    assert!(
        matches!(&error_of_last, Error::Unwell { status: 502, said, .. } if said == "last"),
        "{error_of_last:?}"
    );
    assert_eq!(stub.seen().len(), 3);
    for (status, retries) in [(429, 3), (503, 3), (501, 1)] {
        let stub = Stub::plays([Play::text(status, "")]).await;
        let error = error(&stub).await;
        assert_eq!(matches!(error, Error::Busy { retry_after: None, .. }), retries == 3, "{error:?}");
        assert_eq!(stub.seen().len(), retries, "{status}");
    }
    let stub = Stub::plays([Play::Break]).await;
    let error = error(&stub).await;
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn what_would_be_refused_again_is_not_sent_again() {
    let said =
        json!({ "error": { "message": "no such model\n\u{1b}[31m", "type": "invalid_request_error" } });
    for status in [400, 401, 403, 404, 422] {
        let stub = Stub::plays([Play::json(status, said.clone())]).await;
        let error = error(&stub).await;
        let Error::Refused { status: told, said, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*told, said.as_str(), stub.seen().len()), (status, "no such model  [31m", 1));
    }
    let check = async |play: Play, expected: &str| {
        let Error::Refused { said, .. } = error(&Stub::plays([play]).await).await else { panic!() };
        assert_eq!(said, expected);
    };
    check(Play::json(404, json!({ "detail": "Not Found" })), "Not Found").await;
    check(Play::json(400, json!({ "detail": [{ "loc": ["body"] }] })), r#"{"detail":[{"loc":["body"]}]}"#)
        .await;
    check(Play::text(400, ""), "Bad Request").await;
    check(Play::text(400, &"x".repeat(100_000)), &"x".repeat(300)).await;
    let elsewhere = Stub::plays([ok(Wire::OpenAi)]).await;
    let stub = Stub::plays([Play::text(307, "").with("location", &elsewhere.url())]).await;
    let error = error(&stub).await;
    assert!(matches!(&error, Error::NotUnderstood { reason, .. } if reason.contains("307")), "{error:?}");
    assert!(elsewhere.seen().is_empty(), "a key goes nowhere else");
}

#[tokio::test]
async fn an_engine_is_left_alone_as_long_as_it_wants() {
    let stub = Stub::plays([Play::text(429, "").with("retry-after", "1"), ok(Wire::OpenAi)]).await;
    let started = Instant::now();
    answer(&stub.remote(Wire::OpenAi), question()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    let stub = Stub::plays([Play::text(503, "").with("retry-after", "31")]).await;
    let error = error(&stub).await;
    assert!(
        matches!(error, Error::Busy { retry_after: Some(wait), .. } if wait.as_secs() == 31),
        "{error:?}"
    );
    assert_eq!(stub.seen().len(), 1);
    // Nobody waits for longer than the answer may take.
    let stub = Stub::plays([Play::text(503, "").with("retry-after", "30")]).await;
    let request = Request { deadline: Some(Instant::now() + Duration::from_secs(10)), ..question() };
    let error = answer(&stub.remote(Wire::OpenAi), request).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_looked_for_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let settings = Settings {
        retry_wait: Duration::from_millis(1),
        ..Settings::new("mine", &format!("http://{addr}"), Wire::OpenAi)
    };
    let error = answer(&Remote::new(settings).unwrap(), question()).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { host, .. } if *host == addr.to_string()), "{error:?}");
}

/// A socket whose queue is full answers nothing to who wants to connect, as a machine that is switched off does.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connecting_takes_no_longer_than_it_may() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(connected) = tokio::time::timeout(SHORT, TcpStream::connect(addr)).await {
        queued.push(connected.unwrap());
    }
    let url = format!("http://{addr}");
    let settings = Settings { connect: SHORT, attempts: 1, ..Settings::new("mine", &url, Wire::OpenAi) };
    let error = Remote::new(settings).unwrap().ask(question()).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { source, .. } if source.is_timeout()), "{error:?}");
}

#[tokio::test]
async fn silence_is_told_before_an_answer_and_in_the_middle_of_it() {
    let silent = |stub: &Stub| Settings { silence: SHORT, ..stub.settings(Wire::OpenAi) };
    let stub = Stub::plays([Play::Silence]).await;
    let error = Remote::new(silent(&stub)).unwrap().ask(question()).await.unwrap_err();
    assert!(matches!(error, Error::Silent { silence: SHORT, .. }), "{error:?}");
    assert_eq!(stub.seen().len(), 1, "it may be at work on it");
    let stub = Stub::plays([ok(Wire::OpenAi).without_last(2).ending(End::Open)]).await;
    let mut reply = Remote::new(silent(&stub)).unwrap().ask(question()).await.unwrap();
    assert_eq!(reply.next().await.unwrap().unwrap(), Event::Text("Hi".to_owned()));
    assert!(matches!(reply.next().await, Some(Err(Error::Silent { .. }))));
    assert!(reply.next().await.is_none());
    stub.hang_ups(1).await;
}

#[tokio::test]
async fn an_answer_whose_time_is_over_ends() {
    let stub = Stub::plays([Play::Silence]).await;
    let request = || Request { deadline: Some(Instant::now() + SHORT), ..question() };
    let error = stub.remote(Wire::OpenAi).ask(request()).await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error:?}");
    let stub = Stub::plays([ok(Wire::OpenAi).without_last(2).ending(End::Open)]).await;
    let events = answer(&stub.remote(Wire::OpenAi), request()).await.unwrap();
    let [Event::Text(_), Event::End(end)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(end.reason, Reason::Deadline);
    stub.hang_ups(1).await;
}

/// Servers answer in tasks that any thread may go on with.
#[test]
fn an_answer_may_be_waited_for_on_any_thread() {
    fn waits(_: impl Send) {}
    let remote = Remote::new(Settings::new("mine", "http://there", Wire::OpenAi)).unwrap();
    waits(remote.models());
    waits(async {
        let mut reply = remote.ask(question()).await?;
        reply.next().await.transpose()
    });
}

#[tokio::test]
async fn who_drops_an_answer_hangs_up() {
    let stub = Stub::plays([ok(Wire::Ollama).without_last(1).ending(End::Open)]).await;
    let mut reply = stub.remote(Wire::Ollama).ask(question()).await.unwrap();
    assert!(reply.next().await.unwrap().is_ok());
    drop(reply);
    stub.hang_ups(1).await;
}

#[tokio::test]
async fn what_breaks_off_is_an_error_and_not_asked_again() {
    let begun = |end| ok(Wire::OpenAi).without_last(2).ending(end);
    for (end, broken) in [(End::Broken, true), (End::Whole, false)] {
        let stub = Stub::plays([begun(end)]).await;
        let mut reply = stub.remote(Wire::OpenAi).ask(question()).await.unwrap();
        assert_eq!(reply.next().await.unwrap().unwrap(), Event::Text("Hi".to_owned()));
        let error = reply.next().await.unwrap().unwrap_err();
        assert_eq!(matches!(error, Error::Broken { .. }), broken, "{error:?}");
        assert_eq!(matches!(error, Error::NotUnderstood { .. }), !broken, "{error:?}");
        assert!(reply.next().await.is_none());
        assert_eq!(stub.seen().len(), 1);
    }
    // All was said but the last formality.
    for end in [End::Broken, End::Whole] {
        let stub = Stub::plays([ok(Wire::OpenAi).without_last(1).ending(end)]).await;
        assert_eq!(answer(&stub.remote(Wire::OpenAi), question()).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn the_next_request_goes_over_the_same_connection() {
    let stub = Stub::plays([ok(Wire::OpenAi)]).await;
    let remote = stub.remote(Wire::OpenAi);
    for _ in 0..3 {
        answer(&remote.clone(), question()).await.unwrap();
    }
    assert_eq!(stub.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0, 0]);
}

/// A vendor that repeats the key in its refusal would have put it into every log.
#[tokio::test]
async fn the_key_goes_to_the_engine_and_into_no_text() {
    let stub =
        Stub::plays([Play::json(401, json!({ "error": { "message": "Incorrect key: sk-secret." } }))]).await;
    let settings = Settings { key: Token::new(" sk-secret\n"), ..stub.settings(Wire::OpenAi) };
    let remote = Remote::new(settings).unwrap();
    let error = remote.ask(question()).await.unwrap_err();
    assert_eq!(stub.seen()[0].authorization.as_deref(), Some("Bearer sk-secret"));
    let texts =
        [format!("{error} {error:?} {:?}", error.source().map(ToString::to_string)), format!("{remote:?}")];
    assert!(texts.iter().all(|text| !text.contains("secret")), "{texts:?}");
    let settings = Settings { key: Token::new("a\nb"), ..stub.settings(Wire::OpenAi) };
    assert!(matches!(Remote::new(settings), Err(Error::Key { .. })));
    let proxy = Proxy::new("http://me:secret@proxy:3128").unwrap();
    let settings = Settings { proxy: Some(proxy), ..stub.settings(Wire::OpenAi) };
    assert!(!format!("{settings:?}").contains("secret"));
}

/// Connections to this machine go past a proxy; those to others go to it.
#[tokio::test]
async fn a_proxy_is_asked_for_other_machines_only() {
    let proxy = Stub::plays([ok(Wire::OpenAi)]).await;
    let through = |settings: Settings| Settings { proxy: Proxy::new(&proxy.url()), ..settings };
    let stub = Stub::plays([ok(Wire::OpenAi)]).await;
    answer(&Remote::new(through(stub.settings(Wire::OpenAi))).unwrap(), question()).await.unwrap();
    assert_eq!((stub.seen().len(), proxy.seen().len()), (1, 0));
    let elsewhere = through(Settings::new("mine", "http://engine.example:8000", Wire::OpenAi));
    answer(&Remote::new(elsewhere).unwrap(), question()).await.unwrap();
    assert_eq!(proxy.seen()[0].path, "http://engine.example:8000/v1/chat/completions");
    assert!(Proxy::new("socks5://here").is_none());
}

#[tokio::test]
async fn models_are_listed_by_their_own_names() {
    let list = json!({ "object": "list", "data": [{ "id": "b" }, { "id": "a" }] });
    let stub = Stub::plays([Play::text(503, ""), Play::json(200, list)]).await;
    assert_eq!(stub.remote(Wire::Vllm).models().await.unwrap(), ["b", "a"]);
    assert_eq!((stub.seen()[1].method.as_str(), stub.seen()[1].path.as_str()), ("GET", "/v1/models"));
    let list = json!({ "models": [{ "name": "qwen3:8b", "model": "qwen3:8b" }] });
    let stub = Stub::plays([Play::json(200, list)]).await;
    assert_eq!(stub.remote(Wire::Ollama).models().await.unwrap(), ["qwen3:8b"]);
    assert_eq!(stub.seen()[0].path, "/api/tags");
    for wrong in [Play::json(200, json!({})), Play::text(200, "<html>")] {
        let stub = Stub::plays([wrong]).await;
        let error = stub.remote(Wire::OpenAi).models().await.unwrap_err();
        assert!(matches!(error, Error::NotUnderstood { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn addresses_may_be_written_with_or_without_what_the_wire_begins_with() {
    let stub = Stub::plays([Play::json(200, json!({ "data": [], "models": [] }))]).await;
    let check = async |wire: Wire, end: &str, expected: &str| {
        let settings = Settings { url: format!("{}{end}", stub.url()), ..stub.settings(wire) };
        let _ = Remote::new(settings).unwrap().models().await.unwrap();
        assert_eq!(stub.seen().last().unwrap().path, expected, "{end}");
    };
    for end in ["", "/", "/v1", "/v1/"] {
        check(Wire::OpenAi, end, "/v1/models").await;
    }
    check(Wire::OpenAi, "/gateway/api", "/gateway/api/v1/models").await;
    check(Wire::OpenAi, "/api/paas/v4/", "/api/paas/v4/models").await;
    check(Wire::OpenAi, "/v1beta/openai/", "/v1beta/openai/models").await;
    for end in ["", "/", "/api", "/api/", "/v1"] {
        check(Wire::Ollama, end, "/api/tags").await;
    }
    let check = |url: &str, expected: &str| {
        let error = Remote::new(Settings::new("mine", url, Wire::OpenAi)).unwrap_err();
        assert!(matches!(&error, Error::Address { .. }) && error.to_string().contains(expected), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    };
    check("127.0.0.1:8000", "no address");
    check("ftp://there", "does not begin with http");
    check("http://me:secret@there", "a key has a setting of its own");
    check("http://there?key=secret", "there is a ?");
    check("http://me:secret@ bad", "no address");
    let seen: Vec<Value> = stub.seen().into_iter().map(|seen| seen.body).collect();
    assert!(seen.iter().all(Value::is_null));
}
