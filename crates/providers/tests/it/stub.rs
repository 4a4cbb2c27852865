//! A server over loopback that plays what a test wants played, and remembers what it was asked.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use athenaeum_providers::{
    Call, Conversation, Error, Event, Input, Message, Part, Remote, Request, Settings, Wire,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Response,
    body::{Body, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A running server; it ends with the test's runtime.
pub(crate) struct Stub {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    hung_up: Arc<AtomicUsize>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    /// `null` where there was no body.
    pub(crate) body: Value,
    /// Which connection it came by.
    pub(crate) connection: usize,
}

/// What is played to one request.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// A status, headers, and pieces of a body, each sent by itself.
    Answer { status: u16, headers: Vec<(&'static str, String)>, pieces: Vec<Bytes>, end: End },
    /// The connection breaks before there is an answer.
    Break,
    /// There never is an answer.
    Silence,
}

/// What becomes of a body whose pieces were all sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Whole,
    Broken,
    Open,
}

impl Stub {
    /// Plays these one after the other, and the last one again and again.
    pub(crate) async fn plays(plays: impl Into<Vec<Play>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, hung_up) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (plays, log, counter) = (Arc::new(plays.into()), Arc::clone(&seen), Arc::clone(&hung_up));
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (plays, log, counter) = (Arc::clone(&plays), Arc::clone(&log), Arc::clone(&counter));
                let service = service_fn(move |request| {
                    converse(request, connection, Arc::clone(&plays), Arc::clone(&log), Arc::clone(&counter))
                });
                let served = hyper::server::conn::http1::Builder::new();
                tokio::spawn(served.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { addr, seen, hung_up }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What the only request asked for.
    pub(crate) fn body(&self) -> Value {
        let [seen] = &self.seen()[..] else { panic!("{:?}", self.seen()) };
        seen.body.clone()
    }

    /// Settings of a model behind it, with waits that a test can bear.
    pub(crate) fn settings(&self, wire: Wire) -> Settings {
        Settings {
            model: "m".to_owned(),
            retry_wait: Duration::from_millis(1),
            silence: Duration::from_secs(20),
            ..Settings::new("mine", &self.url(), wire)
        }
    }

    pub(crate) fn remote(&self, wire: Wire) -> Remote {
        Remote::new(self.settings(wire)).unwrap()
    }

    /// Waits until so many clients have hung up in the middle of an answer.
    pub(crate) async fn hang_ups(&self, count: usize) {
        let wait = async {
            while self.hung_up.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
    }
}

async fn converse(
    request: hyper::Request<Incoming>,
    connection: usize,
    plays: Arc<Vec<Play>>,
    log: Arc<Mutex<Vec<Seen>>>,
    hung_up: Arc<AtomicUsize>,
) -> Result<Response<Played>, io::Error> {
    let authorization =
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let nth = {
        let mut log = log.lock().unwrap();
        log.push(Seen { method, path, authorization, body, connection });
        log.len() - 1
    };
    match plays[nth.min(plays.len() - 1)].clone() {
        Play::Answer { status, headers, pieces, end } => {
            let response = Response::builder().status(status);
            let response =
                headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
            let played = Played { pieces: pieces.into(), end, pause: true, whole: false, hung_up };
            Ok(response.body(played).unwrap())
        }
        Play::Break => Err(io::Error::other("as the test wants it")),
        Play::Silence => std::future::pending().await,
    }
}

struct Played {
    pieces: VecDeque<Bytes>,
    end: End,
    /// Gives the pieces time to go out one by one.
    pause: bool,
    whole: bool,
    hung_up: Arc<AtomicUsize>,
}

impl Body for Played {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if std::mem::replace(&mut self.pause, false) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.pause = true;
        match (self.pieces.pop_front(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, End::Whole) => {
                self.whole = true;
                Poll::Ready(None)
            }
            (None, End::Broken) => {
                self.whole = true;
                Poll::Ready(Some(Err(io::Error::other("as the test wants it"))))
            }
            (None, End::Open) => {
                self.pause = false;
                Poll::Pending
            }
        }
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        if !self.whole {
            self.hung_up.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Play {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::text(status, &body.to_string()).with("content-type", "application/json")
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        let pieces = vec![Bytes::from(body.to_owned())];
        Self::Answer { status, headers: Vec::new(), pieces, end: End::Whole }
    }

    /// Server-sent events, one for each object, and `[DONE]`.
    pub(crate) fn events(events: impl IntoIterator<Item = Value>) -> Self {
        let events = events.into_iter().map(|event| Bytes::from(format!("data: {event}\n\n")));
        let pieces = events.chain([Bytes::from("data: [DONE]\n\n")]).collect();
        let headers = vec![("content-type", "text/event-stream; charset=utf-8".to_owned())];
        Self::Answer { status: 200, headers, pieces, end: End::Whole }
    }

    /// An object to a line.
    pub(crate) fn lines(lines: impl IntoIterator<Item = Value>) -> Self {
        let pieces = lines.into_iter().map(|line| Bytes::from(format!("{line}\n"))).collect();
        let headers = vec![("content-type", "application/x-ndjson".to_owned())];
        Self::Answer { status: 200, headers, pieces, end: End::Whole }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    pub(crate) fn ending(mut self, how: End) -> Self {
        if let Self::Answer { end, .. } = &mut self {
            *end = how;
        }
        self
    }

    /// Leaves the last pieces out.
    pub(crate) fn without_last(mut self, count: usize) -> Self {
        if let Self::Answer { pieces, .. } = &mut self {
            pieces.truncate(pieces.len() - count);
        }
        self
    }

    /// Sends every byte by itself.
    pub(crate) fn byte_by_byte(mut self) -> Self {
        if let Self::Answer { pieces, .. } = &mut self {
            *pieces = pieces.concat().into_iter().map(|byte| Bytes::from(vec![byte])).collect();
        }
        self
    }
}

/// The shortest answer that a wire knows.
pub(crate) fn ok(wire: Wire) -> Play {
    match wire {
        Wire::Ollama => Play::lines([
            json!({ "message": { "role": "assistant", "content": "Hi" }, "done": false }),
            json!({ "message": { "role": "assistant", "content": "" }, "done": true, "done_reason": "stop" }),
        ]),
        _ => Play::events([
            json!({ "choices": [{ "index": 0, "delta": { "content": "Hi" }, "finish_reason": null }] }),
            json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
        ]),
    }
}

/// A conversation of one question.
pub(crate) fn question() -> Request {
    Request::new(Input::Conversation(Conversation::new([Message::new("user", "Hello?")])))
}

/// A conversation with everything in it that a conversation may have.
pub(crate) fn conversation() -> Conversation {
    let call = |id: &str, arguments: &str| Call {
        id: id.to_owned(),
        name: "look".to_owned(),
        arguments: arguments.to_owned(),
    };
    let picture = Part::Picture { media_type: "image/png".to_owned(), base64: "iVBOR".to_owned() };
    Conversation::new([
        Message {
            parts: vec![Part::Text("Be".into()), Part::Text("short.".into())],
            ..Message::new("system", "")
        },
        Message { parts: vec![picture, Part::Text("What is it?".into())], ..Message::new("user", "") },
        Message {
            role: "assistant".to_owned(),
            reasoning: Some("I should look.".to_owned()),
            calls: vec![call("c1", r#"{"at": "it"}"#), call("c2", "")],
            ..Message::default()
        },
        Message {
            call_id: Some("c1".to_owned()),
            name: Some("look".to_owned()),
            ..Message::new("tool", "a cat")
        },
    ])
}

/// A tool named so.
pub(crate) fn tool(name: &str) -> Value {
    json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object" } } })
}

/// Everything that the model says.
pub(crate) async fn answer(remote: &Remote, request: Request) -> Result<Vec<Event>, Error> {
    let mut reply = remote.ask(request).await?;
    let mut events = Vec::new();
    while let Some(event) = reply.next().await {
        events.push(event?);
    }
    assert!(matches!(events.last(), Some(Event::End(_))), "{events:?}");
    Ok(events)
}

/// What is sent for a request.
pub(crate) async fn sent(wire: Wire, request: Request) -> (String, Value) {
    let stub = Stub::plays([ok_of(wire, &request)]).await;
    let _ = answer(&stub.remote(wire), request).await.unwrap();
    let seen = stub.seen().remove(0);
    assert_eq!(seen.method, "POST");
    (seen.path, seen.body)
}

/// The events of an answer to a request.
pub(crate) async fn said(wire: Wire, request: Request, play: Play) -> Vec<Event> {
    let stub = Stub::plays([play.clone()]).await;
    let events = answer(&stub.remote(wire), request.clone()).await.unwrap();
    let stub = Stub::plays([play.byte_by_byte()]).await;
    assert_eq!(answer(&stub.remote(wire), request).await.unwrap(), events, "cut into bytes");
    events
}

fn ok_of(wire: Wire, request: &Request) -> Play {
    match (wire, &request.input) {
        (Wire::LlamaCpp, Input::Text(_)) => {
            Play::events([json!({ "content": "Hi", "stop": true, "stop_type": "eos" })])
        }
        (Wire::Ollama, Input::Text(_)) => {
            Play::lines([json!({ "response": "Hi", "done": true, "done_reason": "stop" })])
        }
        _ => ok(wire),
    }
}

pub(crate) fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

pub(crate) fn thought(text: &str) -> Event {
    Event::Reasoning(text.to_owned())
}

pub(crate) fn started(index: usize, id: Option<&str>, name: &str) -> Event {
    Event::CallStarted { index, id: id.map(str::to_owned), name: name.to_owned() }
}

pub(crate) fn arguments(index: usize, delta: &str) -> Event {
    Event::CallArguments { index, delta: delta.to_owned() }
}
