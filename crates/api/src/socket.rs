//! One WebSocket for many answers: each token a frame, each answer called off by a frame.
//!
//! A client sends objects. `{"id": "a", "path": "/v1/chat/completions", "body": {…}}` asks, at any address of a dialect
//! that answers with models; the body is what one would post there, and is always answered as it comes.
//! `{"id": "a", "cancel": true}` calls off. The server sends `{"id": "a", "event": NAME, "data": {…}}` for each event,
//! and `{"id": "a", "end": true, "status": 200}` when an answer is over, with `"error"` where it was refused.

use std::collections::HashMap;

use athenaeum_tenancy::Caller;
use axum::{
    Extension, Router,
    body::Body,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    http::{Method, Request, header},
    response::Response,
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::{
    Api, anthropic, ollama, openai,
    parameters::{Parameter, Read, Takes},
    problem::{Kind, Problem},
};

/// What a frame may say.
const FRAME: &[Parameter] = &[
    Parameter::required("id", Takes::Text(256), "Tells answers apart; the client's choice."),
    Parameter::new("path", Takes::Text(256), "What is asked; /v1/chat/completions where nothing is said."),
    Parameter::new("body", Takes::Map(&Takes::Any), "What would be posted there."),
    Parameter::new("cancel", Takes::Bool, "Calls the answer of this id off."),
];

const BUFFER_BYTES: usize = 4 << 10;

/// Answers that one socket may wait for at once.
const ANSWERS_MAX: usize = 64;

/// Open a WebSocket
///
/// Many answers over one connection. A frame asks (`id`, `path`, `body` as one would post it there) or calls off (`id`,
/// `cancel`); frames that come back carry the `id` with `event` and `data`, and at last `end` and `status`.
#[utoipa::path(
    get,
    path = "/v1/ws",
    operation_id = "openSocket",
    tag = "openai",
    responses((status = 101, description = "The connection is a WebSocket from now on.")),
)]
pub(crate) async fn open(
    api: Api,
    caller: Option<Extension<Caller>>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        Problem::new(Kind::BadRequest, format!("This address opens a WebSocket: {rejection}."))
    })?;
    let bytes_max = api.settings.request_bytes_max;
    let upgrade = upgrade.max_message_size(bytes_max).max_frame_size(bytes_max);
    // The usual ones take 128 KiB for each connection, idle or not.
    let upgrade = upgrade.read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
    let caller = caller.map_or_else(Caller::local, |Extension(caller)| caller);
    let span = tracing::Span::current();
    Ok(upgrade.on_upgrade(move |socket| talk(api, caller, socket).instrument(span)))
}

async fn talk(api: Api, caller: Caller, socket: WebSocket) {
    // Made when something is first asked: a thousand idle sockets pay for none.
    let mut routes: Option<Router> = None;
    let make = || {
        let routes = openai::routes().merge(anthropic::routes()).merge(ollama::routes());
        routes.into_router().with_state(api.clone())
    };
    let (mut sink, mut frames) = socket.split();
    // Bounded: a client that does not read holds up its own answers.
    let (out, mut outgoing) = mpsc::channel::<Message>(16);
    let mut answers: HashMap<String, DropGuard> = HashMap::new();
    let (over, mut overs) = mpsc::channel::<String>(8);
    let revoked = caller.revoked();
    tokio::pin!(revoked);
    loop {
        tokio::select! {
            frame = frames.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    let heard = hear(text.as_bytes(), &mut answers);
                    let (id, asked) = match heard {
                        Ok((id, Some(asked))) => (id, asked),
                        Ok((_, None)) => continue,
                        Err(refusal) => {
                            let (id, problem) = *refusal;
                            if sink.send(refused(&id, &problem)).await.is_err() { break }
                            continue;
                        }
                    };
                    let cancelled = CancellationToken::new();
                    answers.insert(id.clone(), cancelled.clone().drop_guard());
                    let routes = routes.get_or_insert_with(&make).clone();
                    let answer =
                        answer(routes, caller.clone(), id, asked, out.clone(), over.clone(), cancelled);
                    tokio::spawn(answer.in_current_span());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(Message::Binary(_))) => {
                    let problem = Problem::new(Kind::BadRequest, "Frames are JSON text.");
                    if sink.send(refused("", &problem)).await.is_err() { break }
                }
                // The library answers pings by itself.
                Some(Ok(_)) => {}
            },
            Some(message) = outgoing.recv() => if sink.send(message).await.is_err() { break },
            Some(id) = overs.recv() => drop(answers.remove(&id)),
            () = &mut revoked => break,
        }
    }
    let _ = sink.close().await;
}

/// What is asked: where, and with what.
struct Asked {
    path: String,
    body: Map<String, Value>,
}

/// Which frame was refused, and why.
type Refusal = Box<(String, Problem)>;

/// Reads a frame; nothing is asked by one that calls off.
fn hear(text: &[u8], answers: &mut HashMap<String, DropGuard>) -> Result<(String, Option<Asked>), Refusal> {
    let mut read = Read::of(text, FRAME).map_err(|problem| Box::new((String::new(), problem)))?;
    let id = read.text("id").unwrap_or_default().to_owned();
    if let Some(unknown) = read.warnings.first() {
        return Err(Box::new((
            id,
            Problem::parameter(&unknown.parameter, "nothing: it is not known in a frame"),
        )));
    }
    if read.flag("cancel") == Some(true) {
        return match answers.remove(&id) {
            Some(_cancelled) => Ok((id, None)),
            None => Err(Box::new((id, Problem::parameter("id", "that of an answer that is being given")))),
        };
    }
    if answers.contains_key(&id) {
        return Err(Box::new((id, Problem::parameter("id", "one that no answer has that is being given"))));
    }
    if answers.len() >= ANSWERS_MAX {
        let detail =
            format!("At most {ANSWERS_MAX} answers are given at once; wait for one, or call one off.");
        return Err(Box::new((id, Problem::new(Kind::QueueFull, detail))));
    }
    let path = read.text("path").unwrap_or("/v1/chat/completions").to_owned();
    let Some(Value::Object(mut body)) = read.take("body") else {
        return Err(Box::new((
            id,
            Problem::missing_parameter("body", "an object: what would be posted there"),
        )));
    };
    body.insert("stream".to_owned(), true.into());
    Ok((id, Some(Asked { path, body })))
}

/// Has one request answered, until it is over or called off.
async fn answer(
    routes: Router,
    caller: Caller,
    id: String,
    asked: Asked,
    out: mpsc::Sender<Message>,
    over: mpsc::Sender<String>,
    cancelled: CancellationToken,
) {
    let last = tokio::select! {
        last = given(routes, caller, &id, asked, &out) => last,
        () = cancelled.cancelled() => json!({ "id": id, "end": true, "status": 499, "cancelled": true }),
    };
    let _ = over.send(id).await;
    let _ = out.send(Message::Text(last.to_string().into())).await;
}

/// Sends what comes of a request, and returns the last frame.
async fn given(routes: Router, caller: Caller, id: &str, asked: Asked, out: &mpsc::Sender<Message>) -> Value {
    let body = Body::from(Value::Object(asked.body).to_string());
    let request = Request::builder().method(Method::POST).uri(asked.path.as_str());
    let request = request.header(header::CONTENT_TYPE, "application/json").extension(caller).body(body);
    let Ok(request) = request else {
        let problem = Problem::parameter("path", "an address that answers with a model");
        return last_of(id, &problem);
    };
    let response = match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    if !status.is_success() {
        let problem = response.extensions().get::<Problem>().cloned();
        return last_of(id, &problem.unwrap_or_else(|| Problem::of_status(status, "")));
    }
    let mut body = response.into_body().into_data_stream();
    while let Some(Ok(bytes)) = body.next().await {
        // Each piece of these streams holds whole events.
        for event in String::from_utf8_lossy(&bytes).split("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let lines = if event.starts_with('{') { Some(event) } else { field("data: ") };
            for data in lines.into_iter().flat_map(str::lines).filter(|data| data.starts_with('{')) {
                let data: Value = serde_json::from_str(data).unwrap_or_default();
                let frame = json!({ "id": id, "event": field("event: "), "data": data });
                if out.send(Message::Text(frame.to_string().into())).await.is_err() {
                    return Value::Null;
                }
            }
        }
    }
    json!({ "id": id, "end": true, "status": status.as_u16() })
}

fn refused(id: &str, problem: &Problem) -> Message {
    Message::Text(last_of(id, problem).to_string().into())
}

fn last_of(id: &str, problem: &Problem) -> Value {
    let status = problem.kind().parts().0.as_u16();
    json!({ "id": id, "end": true, "status": status, "error": problem.body(None, None) })
}
