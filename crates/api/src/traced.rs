//! Where log lines come from: all that is done for a request is done within its span, which carries the request's id, and the id
//! under which its client does several things, where it says one.
//!
//! Its steps are spans within that one, at the level `debug`: `route`, `validate` (reading the body against its table),
//! `session` (finding what was said before), `model` (bringing it into memory), `queue` (until the model begins to answer),
//! `infer` (until it has ended), `format` (writing the answer).

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::HeaderMap,
    response::Response,
};
use http_body::{Frame, SizeHint};
use tracing::Span;

use crate::{CorrelationId, RequestId};

/// The ids by which a request is spoken of.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) request: RequestId,
    pub(crate) correlation: Option<CorrelationId>,
}

impl Ids {
    /// Takes over what the client sent; a request always has an id.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { request: RequestId::of(headers), correlation: CorrelationId::of(headers) }
    }

    /// Makes the span of the request. It is there at every level, so that warnings tell whose they are.
    pub(crate) fn span(&self) -> Span {
        let correlation_id = self.correlation.as_ref().map(CorrelationId::as_str);
        tracing::error_span!("request", request_id = self.request.as_str(), correlation_id)
    }

    /// Writes them into the answer.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        if let Some(value) = self.request.header_value() {
            headers.insert(RequestId::HEADER, value);
        }
        if let Some(value) = self.correlation.as_ref().and_then(CorrelationId::header_value) {
            headers.insert(CorrelationId::HEADER, value);
        }
    }
}

/// The span of a request, in its extensions, for what is done for it by tasks of their own.
#[derive(Debug, Clone)]
pub(crate) struct RequestSpan(pub(crate) Span);

/// Has what is still to come of an answer done within `span`.
pub(crate) fn within(span: Span, response: Response) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(Within { body, span }))
}

struct Within {
    body: Body,
    span: Span,
}

impl HttpBody for Within {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, span } = self.get_mut();
        let _within = span.enter();
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let _within = self.span.enter();
        // Whoever hung up ends the work with it.
        self.body = Body::empty();
    }
}
