mod html;

use axum::{
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::{json, openapi::COMMITTED, params::Params, problem::Problem};

/// Answers the committed OpenAPI description.
pub(crate) async fn openapi(headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    Ok(json::tagged_body(&headers, COMMITTED.as_bytes().to_vec(), "application/json"))
}

/// Renders the OpenAPI description for people: one page without scripts that asks nobody else for anything.
pub(crate) async fn page(headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let document: Value = serde_json::from_str(COMMITTED).unwrap_or_default();
    let mut response =
        json::tagged_body(&headers, html::render(&document).into_bytes(), "text/html; charset=utf-8");
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    );
    Ok(response)
}

pub(crate) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
    ];
    (headers, include_str!("docs/style.css")).into_response()
}
