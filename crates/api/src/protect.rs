use std::{
    any::Any,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use athenaeum_tenancy::Caller;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State},
    http::{self, HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use tokio::{sync::Semaphore, time::timeout};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, NotForContentType, Predicate},
    },
    limit::RequestBodyLimitLayer,
    timeout::RequestBodyTimeoutLayer,
};
use tracing::Instrument as _;

use crate::{
    Access, RequestId, Settings,
    access::until_revoked,
    cors, host,
    limits::{self, SearchRate},
    origin::{self, Asker},
    problem::{Kind, Problem},
    sign_in,
    traced::{self, Ids, RequestSpan},
};

/// Puts every guard in front of `router`: apply it once, to all routes that share a listener.
///
/// From the outside in: request ids, problems as the answer to all that fails, security headers, panics caught;
/// then `Host` and `Origin` checked, sizes, the key, search rate, requests at once, time; then compression. Routes may
/// set their own `Content-Security-Policy` and `Cache-Control`.
///
/// Every request that gets through carries a [`Caller`] in its extensions. What is still being answered when the caller
/// may go on no longer is cut off, also in the middle of a stream; what leaves HTTP behind (a WebSocket) waits for
/// [`Caller::revoked`] by itself. People without a key are sent to `/sign-in`, whose page somebody has to serve.
///
/// The search rate is per client address where the server was started with
/// [`into_make_service_with_connect_info::<SocketAddr>`](Router::into_make_service_with_connect_info), and one
/// for all clients where it was not.
pub fn protect(router: Router, settings: &Settings, access: &Access) -> Router {
    let upload_bytes_max = usize::try_from(settings.upload_bytes_max).unwrap_or(usize::MAX);
    let gate = Arc::new(Gate {
        rate: SearchRate::new(settings),
        at_once: Semaphore::new(settings.requests_max.max(1)),
        access: access.clone(),
        settings: settings.clone(),
    });
    router
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth_compressing()))
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(upload_bytes_max))
        .layer(RequestBodyTimeoutLayer::new(Duration::from_secs(settings.upload_idle_seconds)))
        .layer(from_fn_with_state(Arc::clone(&gate), guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(gate, finish))
}

/// Small answers, pictures and streams go as they are; what comes line by line is a stream too.
fn worth_compressing() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::const_new("application/x-ndjson"))
}

struct Gate {
    rate: SearchRate,
    at_once: Semaphore,
    access: Access,
    settings: Settings,
}

async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let request = http::Request::from_parts(head, ());
    if let Err(problem) = host::check(request.uri(), request.headers(), &gate.settings.allowed_hosts) {
        return problem.into_response();
    }
    if cors::is_preflight(request.method(), request.headers()) {
        return cors::preflight(request.headers());
    }
    let caller = match admit(&gate, &request).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let mut request = request.map(|()| body);
    request.extensions_mut().insert(caller.clone());
    if route_of(&request) == "/healthz" {
        return next.run(request).await;
    }
    let mut response = tokio::select! {
        response = bounded(&gate, request, next) => until_revoked(response, &caller),
        () = caller.revoked() => Problem::new(Kind::Unauthorized, "The key does not open this server.").into_response(),
    };
    response.extensions_mut().insert(caller);
    response
}

/// Finds out who asks, and whether they may.
async fn admit(gate: &Gate, request: &http::Request<()>) -> Result<Caller, Response> {
    let (uri, headers, settings) = (request.uri(), request.headers(), &gate.settings);
    let refused = |problem: Problem| problem.into_response();
    let asker = origin::check(request.method(), headers, &settings.allowed_origins).map_err(refused)?;
    limits::check_sizes(uri, headers, settings).map_err(refused)?;
    let (route, client) = (route_of(request), client_of(request));
    if settings.open_paths.iter().any(|path| path == route) {
        return Ok(Caller::local());
    }
    let caller = match gate.access.admit(headers, client, asker != Asker::OtherSite).await {
        Ok(caller) => caller,
        Err(problem) if problem.is_unauthorized() && is_of_a_person(request) => {
            return Err(sign_in::ask(request.uri(), asker));
        }
        Err(problem) => return Err(refused(problem)),
    };
    if settings.search_paths.iter().any(|path| path == route) {
        gate.rate.check(client).map_err(refused)?;
    }
    Ok(caller)
}

/// Somebody opened a page, rather than a program or a script on one.
fn is_of_a_person<B>(request: &http::Request<B>) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mode = request.headers().get("sec-fetch-mode");
    reads && wants_page(request) && mode.is_none_or(|mode| mode == "navigate")
}

/// Runs the request when one of the places is free. Uploads take as long as they take: they are bounded in
/// number where they are received, and in pauses by the body's own timeout.
async fn bounded(gate: &Gate, request: Request, next: Next) -> Response {
    let route = tracing::debug_span!("route", path = route_of(&request));
    in_bounds(gate, request, next).instrument(route).await
}

async fn in_bounds(gate: &Gate, request: Request, next: Next) -> Response {
    if *request.method() == Method::POST {
        return next.run(request).await;
    }
    let Ok(Ok(_place)) = timeout(WAIT_FOR_PLACE, gate.at_once.acquire()).await else {
        let detail = "Too many requests are being worked on; the Retry-After header tells when to come back.";
        return Problem::new(Kind::Busy, detail).retry_after(WAIT_FOR_PLACE).into_response();
    };
    let seconds = gate.settings.timeout_seconds.max(1);
    match timeout(Duration::from_secs(seconds), next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("No answer within {seconds} seconds; a narrower request may help.");
            Problem::new(Kind::TimedOut, detail).retry_after(WAIT_FOR_PLACE).into_response()
        }
    }
}

/// Gives every answer its id, its security headers, what other sites may do with it and, where it failed, the shape
/// of a problem.
async fn finish(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let ids = Ids::of(request.headers());
    let path: String = request.uri().path().chars().take(500).collect();
    let for_people = wants_page(&request);
    request.extensions_mut().insert(ids.request.clone());
    if let Some(correlation) = ids.correlation.clone() {
        request.extensions_mut().insert(correlation);
    }
    let asked = request.headers().clone();
    let span = ids.span();
    request.extensions_mut().insert(RequestSpan(span.clone()));
    let response = next.run(request).instrument(span.clone()).await;
    let response = as_problem(response, &path, &ids.request, for_people).instrument(span.clone()).await;
    let mut response = traced::within(span, response);
    let headers = response.headers_mut();
    ids.tell(headers);
    add_security_headers(headers);
    cors::permit(&asked, &gate.settings.allowed_origins, headers);
    response
}

/// Turns failures without a body worth keeping into problems that name this request.
async fn as_problem(response: Response, path: &str, id: &RequestId, for_people: bool) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let problem = match parts.extensions.get::<Problem>() {
        Some(problem) => problem.clone(),
        None if is_bare(&parts.headers) => {
            let text = to_bytes(body, 4_096).await.unwrap_or_default();
            Problem::of_status(status, &String::from_utf8_lossy(&text))
        }
        None => return Response::from_parts(parts, body),
    };
    let mut answer = problem.respond(Some(path), Some(id.as_str()));
    if for_people {
        let page = problem.page(id.as_str());
        *answer.body_mut() = Body::from(page);
        let media_type = HeaderValue::from_static("text/html; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    *answer.status_mut() = status;
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

/// The framework's own refusals are empty or plain text; pages and JSON are somebody's answer.
fn is_bare(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|value| value.as_bytes().starts_with(b"text/plain"))
}

/// Somebody typed an address of a page or followed a link to it; the API's own routes always answer programs.
fn wants_page<B>(request: &http::Request<B>) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
        && !request.uri().path().starts_with("/athenaeum/")
}

fn add_security_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a request panicked");
    let detail = "The request hit a defect; please report it with the request id and the server's log.";
    Problem::new(Kind::Internal, detail).into_response()
}

pub(crate) fn client_of<B>(request: &http::Request<B>) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

/// Returns the template of the route that will answer, `unmatched` where there is none.
pub(crate) fn route_of<B>(request: &http::Request<B>) -> &str {
    request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str)
}

/// How long a request waits for a place before it is turned away.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(2);
