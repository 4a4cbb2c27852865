//! Where log lines come from: all that is done for a request is done within its span, which carries the request's id.
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
    response::Response,
};
use http_body::{Frame, SizeHint};
use tracing::Span;

use crate::RequestId;

/// Makes the span of a request. It is there at every level, so that warnings tell whose they are.
pub(crate) fn span(id: &RequestId) -> Span {
    tracing::error_span!("request", request_id = id.as_str())
}

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
