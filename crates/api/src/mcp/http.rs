//! The protocol over HTTP, at `/mcp`: every request stands for itself, there are no sessions.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::never::NeverSessionManager,
};
use serde::de::IgnoredAny;
use serde_json::json;

use super::Mcp;
use crate::{
    Api,
    host::name_of,
    problem::{Kind, Problem},
};

/// Makes the route of `/mcp`. `GET` and `DELETE` are not allowed: both belong to sessions.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(api: &Api) -> MethodRouter<S> {
    let mcp = Mcp::of(api, None);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES_MAX)
        // The guards in front of all routes know by which names we may be called, and which pages may call.
        .disable_allowed_hosts();
    let service =
        StreamableHttpService::new(move || Ok(mcp.clone()), Arc::new(NeverSessionManager::default()), config);
    post(move |request: Request| answer(service.clone(), request))
}

type Service = StreamableHttpService<Mcp, NeverSessionManager>;

async fn answer(service: Service, request: Request) -> Response {
    if request.headers().contains_key(SESSION) {
        let detail =
            "There is no such session, as there are none here; initialize again, and send no Mcp-Session-Id.";
        return Problem::new(Kind::NotFound, detail).into_response();
    }
    if !takes_json(request.headers()) {
        let detail =
            "Answers are JSON: accept application/json, and text/event-stream for those that come in parts.";
        return Problem::new(Kind::NotAcceptable, detail).into_response();
    }
    let (mut parts, body) = request.into_parts();
    // The library answers only those who accept both; what we answer is always JSON, and most of what people try a
    // server with does not say what it accepts.
    parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        let detail = format!("A message may hold {BODY_BYTES_MAX} bytes, and must come whole.");
        return Problem::new(Kind::TooLarge, detail).into_response();
    };
    let is_json = is_json(&parts);
    if is_json && serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return malformed(PARSE_ERROR, "The body is not JSON.");
    }
    let response = service.handle(Request::from_parts(parts, Body::from(body))).await.map(Body::new);
    // The library calls a body that is JSON but no message of the protocol another media type.
    if is_json && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return malformed(INVALID_REQUEST, "The body is not one JSON-RPC 2.0 message of this protocol.");
    }
    response
}

/// Returns where the client found us, for links: the guards have checked the name.
pub(super) fn own_address(request: &Parts) -> Option<String> {
    let host = request.headers.get(header::HOST)?.to_str().ok()?;
    name_of(host).map(|_| format!("http://{host}"))
}

fn takes_json(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    let fits =
        |text: &str| ["application/json", "*/*", "application/*"].iter().any(|form| text.contains(form));
    accepted.peek().is_none() || accepted.any(|value| value.to_str().is_ok_and(fits))
}

fn is_json(request: &Parts) -> bool {
    let media_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|text| text.split(';').next());
    essence.is_some_and(|text| text.trim().eq_ignore_ascii_case("application/json"))
}

fn malformed(code: i32, message: &str) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Longest message of a client. The longest that makes sense is a query of 4 KiB with some filters.
const BODY_BYTES_MAX: usize = 256 * 1_024;
const SESSION: &str = "mcp-session-id";
/// JSON-RPC 2.0, section 5.1.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
