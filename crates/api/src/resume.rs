//! Streams that outlive the connection: a client that lost it comes back and hears the rest.
//!
//! A client asks for that by the header `x-athenaeum-resumable: true`. Each event then has an id, and goes into a log.
//! Whoever sends the last id that they saw as `Last-Event-ID` (WHATWG HTML §9.2) – to `/athenaeum/v1/streams/{id}`, or
//! to where they asked first – gets what came after it. When nobody has listened for a while the work ends.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use athenaeum_tenancy::{Scope, TenantId};
use axum::{
    body::{Body, Bytes},
    extract::{Path, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream::unfold};
use tokio::{sync::watch, time::sleep};
use tracing::Instrument as _;

use crate::{
    Api,
    problem::{Kind, Problem},
};

/// The streams that can be come back to. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<String, Arc<Stream>>>>);

/// One of them.
#[derive(Debug)]
struct Stream {
    /// What its events' ids begin with; nothing for those that are told apart in another way.
    marks: Option<String>,
    tenant: TenantId,
    log: Mutex<Log>,
    /// Counts events; whoever listens waits for it to change.
    news: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Bytes>,
    over: bool,
}

const RESUMABLE: HeaderName = HeaderName::from_static("x-athenaeum-resumable");
const LAST: HeaderName = HeaderName::from_static("last-event-id");
/// Streams that are kept at once; one more is sent without ids.
const STREAMS_MAX: usize = 256;
/// How long the rest of a stream is kept after its end.
const LINGER: Duration = Duration::from_secs(60);

/// Makes event streams of the routes within resumable, for clients that ask for it.
pub(crate) async fn layer(api: Api, request: Request, next: Next) -> Response {
    if let Some((id, seen)) = last_event(request.headers()) {
        return api.resumable.go_on(&api.scope, &id, seen).unwrap_or_else(IntoResponse::into_response);
    }
    let wanted = request.headers().get(RESUMABLE).is_some_and(|value| value.as_bytes() == b"true");
    let response = next.run(request).await;
    let is_stream = response.headers().get(header::CONTENT_TYPE);
    let is_stream = is_stream.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    if !(wanted && is_stream) {
        return response;
    }
    let id = format!("stream_{}", uuid::Uuid::new_v4().simple());
    let grace = Duration::from_secs(api.settings.resume_seconds);
    api.resumable.keep(&api.scope, (&id, Some(id.clone())), response, Some(grace))
}

/// Go on with a stream
///
/// A stream that was asked for with the header `x-athenaeum-resumable: true`, from the event after `Last-Event-ID` on,
/// or from its beginning. It is kept while it runs and for a minute after its end.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/streams/{id}",
    operation_id = "resumeStream",
    tag = "operation",
    params(
        ("id" = String, Path, description = "The stream: an event's id up to the colon."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event received."),
    ),
    responses((status = 200, description = "The events.", content_type = "text/event-stream", body = String)),
)]
pub(crate) async fn go_on(
    api: Api,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: axum::http::Uri,
) -> Result<Response, Problem> {
    crate::params::Params::read(&uri, &[])?;
    let seen = last_event(&headers).filter(|(last, _)| *last == id).map_or(0, |(_, seen)| seen);
    api.resumable.go_on(&api.scope, &id, seen)
}

/// Reads `STREAM:NUMBER`; ids of others' making are none of ours.
fn last_event(headers: &HeaderMap) -> Option<(String, usize)> {
    let (id, number) = headers.get(LAST)?.to_str().ok()?.rsplit_once(':')?;
    let is_ours = id.starts_with("stream_") && id.len() < 64;
    Some((id.to_owned(), number.parse().ok()?)).filter(|_| is_ours)
}

impl Streams {
    /// Answers with the events of a stream after the first `seen`.
    pub(crate) fn go_on(&self, scope: &Scope, id: &str, seen: usize) -> Result<Response, Problem> {
        let stream = self.lock().get(id).filter(|stream| stream.tenant == *scope.tenant()).cloned();
        let stream = stream.ok_or_else(|| {
            let detail =
                "There is no such stream any more: it is kept for a minute after its end. Ask again.";
            Problem::new(Kind::NotFound, detail)
        })?;
        Ok(stream.respond(seen))
    }

    /// Lets a stream run by itself under an id, and answers with what comes of it. Its events are marked, where marks
    /// are given. It ends when nobody has listened for `grace`; `None` for never.
    pub(crate) fn keep(
        &self,
        scope: &Scope,
        (id, marks): (&str, Option<String>),
        response: Response,
        grace: Option<Duration>,
    ) -> Response {
        let (news, _) = watch::channel(0);
        let stream = Arc::new(Stream { marks, tenant: scope.tenant().clone(), log: Mutex::default(), news });
        {
            let mut streams = self.lock();
            if streams.len() >= STREAMS_MAX {
                return response;
            }
            streams.insert(id.to_owned(), Arc::clone(&stream));
        }
        let (parts, body) = response.into_parts();
        let (streams, id) = (self.clone(), id.to_owned());
        let answer = stream.respond(0);
        let filling = async move {
            stream.fill(body, grace).await;
            sleep(LINGER).await;
            streams.lock().remove(&id);
        };
        tokio::spawn(filling.in_current_span());
        let (_, body) = answer.into_parts();
        Response::from_parts(parts, body)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Stream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// Reads all of a body, as long as somebody listens or may come back.
    async fn fill(&self, body: Body, grace: Option<Duration>) {
        let mut body = body.into_data_stream();
        loop {
            let frame = tokio::select! {
                frame = body.next() => frame,
                () = self.abandoned(grace) => None,
            };
            let Some(Ok(frame)) = frame else { break };
            self.add(&frame);
        }
        self.lock().over = true;
        self.news.send_modify(|_| {});
    }

    /// Completes when nobody has listened for so long.
    async fn abandoned(&self, grace: Option<Duration>) {
        let Some(grace) = grace else { return std::future::pending().await };
        loop {
            while self.news.receiver_count() > 0 {
                self.news.closed().await;
            }
            sleep(grace).await;
            if self.news.receiver_count() == 0 {
                return;
            }
        }
    }

    /// Adds events to the log, each with its id. Comments are for the connection alone.
    fn add(&self, frame: &[u8]) {
        let text = String::from_utf8_lossy(frame);
        let mut log = self.lock();
        for event in text.split_inclusive("\n\n").filter(|event| !event.starts_with(':')) {
            let number = log.events.len() + 1;
            log.events.push(match &self.marks {
                Some(mark) => Bytes::from(format!("id: {mark}:{number}\n{event}")),
                None => Bytes::copy_from_slice(event.as_bytes()),
            });
        }
        let count = log.events.len();
        drop(log);
        self.news.send_modify(|news| *news = count);
    }

    /// Answers with the events after the first `seen`, and those that are still to come.
    fn respond(self: &Arc<Self>, seen: usize) -> Response {
        let listener = (Arc::clone(self), self.news.subscribe(), seen);
        let body = unfold(listener, |(stream, mut news, mut seen)| async move {
            loop {
                news.borrow_and_update();
                let (events, over) = {
                    let log = stream.lock();
                    let events = log.events.get(seen..).unwrap_or_default().concat();
                    seen = seen.max(log.events.len());
                    (events, log.over)
                };
                if !events.is_empty() {
                    return Some((Ok::<Bytes, Infallible>(events.into()), (stream, news, seen)));
                }
                if over || news.changed().await.is_err() {
                    return None;
                }
            }
        });
        let mut response = Response::new(Body::from_stream(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
