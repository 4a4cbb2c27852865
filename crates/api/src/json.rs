use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::problem::{Kind, Problem};

/// Writes `value` as JSON with an entity tag; 304 where the client has that already. The client may keep it but
/// asks each time.
pub(crate) fn tagged<T: Serialize>(request: &HeaderMap, value: &T) -> Result<Response, Problem> {
    Ok(tagged_body(request, to_bytes(value)?, "application/json"))
}

/// Writes `value` as JSON that nobody keeps.
pub(crate) fn fresh<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let bytes = tracing::debug_span!("format").in_scope(|| to_bytes(value))?;
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Like [`tagged`], of any media type. The tag is weak, because compression changes the bytes behind it.
pub(crate) fn tagged_body(request: &HeaderMap, body: Vec<u8>, media_type: &'static str) -> Response {
    let tag = format!("W/\"{:032x}\"", xxh3_128(&body));
    let known = knows(request, &tag);
    let mut response = Response::new(if known { Body::empty() } else { Body::from(body) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if !known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// Compares as RFC 9110 §13.1.2 asks: weakly, any tag of the list, `*` for any.
fn knows(request: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        Problem::new(Kind::Internal, "The answer could not be written; the server's log has the reason.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_tag_gets_no_body() {
        let mut request = HeaderMap::new();
        let first = tagged(&request, &["a"]).unwrap();
        let tag = first.headers()[header::ETAG].clone();
        request.insert(header::IF_NONE_MATCH, format!("\"x\", {}", tag.to_str().unwrap()).parse().unwrap());
        assert_eq!(tagged(&request, &["a"]).unwrap().status(), 304);
        assert_eq!(tagged(&request, &["b"]).unwrap().status(), 200);
        request.insert(header::IF_NONE_MATCH, "*".parse().unwrap());
        assert_eq!(tagged(&request, &["b"]).unwrap().status(), 304);
    }
}
