use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    dialect::Dialect,
    dto::{
        problem::{ParameterProblem, ProblemBody},
        search::escape,
    },
};

/// Why a request was not done, in the shape of RFC 9457.
///
/// Handlers return it as their error; the layer of [`crate::protect`] adds the request's path and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    parameter: Option<(String, String)>,
    retry_after: Option<Duration>,
    /// Tokens of the prompt and of the context, where the one is too long for the other.
    tokens: Option<(usize, usize)>,
}

/// The kinds of problem: each has one status, one title and one type address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    BadParameter,
    ContextLength,
    UnknownModel,
    Unauthorized,
    ForeignHost,
    ForeignOrigin,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    UploadStalled,
    Conflict,
    TooLarge,
    TargetTooLong,
    MediaType,
    Unprocessable,
    RateLimited,
    WrongKeys,
    HeadersTooLarge,
    Internal,
    Busy,
    TimedOut,
    QueueFull,
    NoRoom,
    Unsupported,
    Elsewhere,
}

impl Kind {
    pub(crate) const ALL: [Self; 26] = [
        Self::BadRequest,
        Self::BadParameter,
        Self::Unauthorized,
        Self::ForeignHost,
        Self::ForeignOrigin,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::UploadStalled,
        Self::Conflict,
        Self::TooLarge,
        Self::TargetTooLong,
        Self::MediaType,
        Self::Unprocessable,
        Self::RateLimited,
        Self::WrongKeys,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::Busy,
        Self::TimedOut,
        Self::ContextLength,
        Self::UnknownModel,
        Self::QueueFull,
        Self::NoRoom,
        Self::Unsupported,
        Self::Elsewhere,
    ];

    /// Returns status, last part of the type's URN, and title.
    pub(crate) fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read"),
            Self::BadParameter => {
                (StatusCode::BAD_REQUEST, "bad-parameter", "A parameter is not what it should be")
            }
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A key is needed"),
            Self::ForeignHost => {
                (StatusCode::FORBIDDEN, "foreign-host", "This server does not answer to that name")
            }
            Self::ForeignOrigin => {
                (StatusCode::FORBIDDEN, "foreign-origin", "The request comes from another site")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing here"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This address does not do that")
            }
            Self::NotAcceptable => {
                (StatusCode::NOT_ACCEPTABLE, "not-acceptable", "The answer has no form that was asked for")
            }
            Self::UploadStalled => {
                (StatusCode::REQUEST_TIMEOUT, "upload-stalled", "The upload stopped coming")
            }
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "The present state does not allow it"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target-too-long", "The address is too long"),
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body's media type is not accepted")
            }
            Self::Unprocessable => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "The body holds nothing to work on")
            }
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many searches"),
            Self::WrongKeys => (StatusCode::TOO_MANY_REQUESTS, "wrong-keys", "Too many wrong keys"),
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers-too-large",
                "The headers are too large",
            ),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something broke on our side"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "The server is busy"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed-out", "The answer took too long"),
            Self::ContextLength => {
                (StatusCode::BAD_REQUEST, "context-length", "The prompt is longer than the model's context")
            }
            Self::UnknownModel => (StatusCode::NOT_FOUND, "unknown-model", "There is no such model here"),
            Self::QueueFull => {
                (StatusCode::TOO_MANY_REQUESTS, "queue-full", "Too many requests wait for the model")
            }
            Self::NoRoom => {
                (StatusCode::SERVICE_UNAVAILABLE, "no-room", "There is no room for the model in memory")
            }
            Self::Unsupported => {
                (StatusCode::NOT_IMPLEMENTED, "not-supported", "This server was not set up to do that")
            }
            Self::Elsewhere => (
                StatusCode::BAD_GATEWAY,
                "engine-failed",
                "The model's own engine did not answer as it should",
            ),
        }
    }

    /// Finds the kind that speaks for a bare status, for answers that the framework makes.
    fn of_status(status: StatusCode) -> Self {
        let fits = |kind: &Self| kind.parts().0 == status;
        Self::ALL.into_iter().find(fits).unwrap_or(if status.is_server_error() {
            Self::Internal
        } else {
            Self::BadRequest
        })
    }
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), parameter: None, retry_after: None, tokens: None }
    }

    /// A parameter whose value cannot be taken; `accepted` tells what can.
    pub(crate) fn parameter(name: &str, accepted: impl Into<String>) -> Self {
        let accepted = accepted.into();
        let name: String = name.chars().take(64).collect();
        Self {
            kind: Kind::BadParameter,
            detail: format!("The parameter '{name}' accepts {accepted}."),
            parameter: Some((name, accepted)),
            retry_after: None,
            tokens: None,
        }
    }

    /// A parameter without which there is nothing to do.
    pub(crate) fn missing_parameter(name: &str, accepted: impl Into<String>) -> Self {
        let mut problem = Self::parameter(name, accepted);
        if let Some((name, accepted)) = &problem.parameter {
            problem.detail = format!("The parameter '{name}' is missing; it accepts {accepted}.");
        }
        problem
    }

    /// A prompt that does not fit the context.
    pub(crate) fn context_length(tokens: usize, context_tokens: usize, detail: impl Into<String>) -> Self {
        Self { tokens: Some((tokens, context_tokens)), ..Self::new(Kind::ContextLength, detail) }
    }

    /// The same, laid to a parameter.
    pub(crate) fn about(mut self, parameter: &str) -> Self {
        self.parameter = Some((parameter.to_owned(), String::new()));
        self
    }

    /// Returns what kind it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what happened, and what to do next.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the name of the parameter at fault.
    pub(crate) fn parameter_name(&self) -> Option<&str> {
        self.parameter.as_ref().map(|(name, _)| name.as_str())
    }

    /// Returns the tokens of the prompt and of the context, where the one is too long for the other.
    pub(crate) fn tokens(&self) -> Option<(usize, usize)> {
        self.tokens
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns when to come back, where that is known.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Tells whether a key was missing or wrong.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.kind == Kind::Unauthorized
    }

    /// Tells which answer the framework's bare `status` deserves; `text` is what the framework said.
    pub(crate) fn of_status(status: StatusCode, text: &str) -> Self {
        let kind = Kind::of_status(status);
        let detail = match kind {
            Kind::NotFound => "No route has this address; see /docs for those that exist.".to_owned(),
            Kind::MethodNotAllowed => "The Allow header lists the methods of this address.".to_owned(),
            _ if text.is_empty() => format!("{}.", kind.parts().2),
            _ => text.chars().take(500).collect(),
        };
        Self::new(kind, detail)
    }

    /// Builds the wire form.
    pub(crate) fn body(&self, instance: Option<&str>, request_id: Option<&str>) -> ProblemBody {
        let (status, slug, title) = self.kind.parts();
        ProblemBody {
            problem_type: format!("urn:athenaeum:problem:{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.map(str::to_owned),
            request_id: request_id.map(str::to_owned),
            parameter: self.parameter.clone().map(|(name, accepted)| ParameterProblem {
                name,
                accepted: Some(accepted).filter(|text| !text.is_empty()),
            }),
        }
    }

    /// Writes the same for people: a page that needs neither styles nor scripts.
    pub(crate) fn page(&self, request_id: &str) -> String {
        let (status, _, title) = self.kind.parts();
        let mut html = String::from("<!doctype html><html lang=en><meta charset=utf-8><title>");
        escape(title, &mut html);
        html.push_str("</title><h1>");
        escape(title, &mut html);
        html.push_str("</h1><p>");
        escape(&self.detail, &mut html);
        html.push_str(&format!("</p><p><small>{}, request ", status.as_u16()));
        escape(request_id, &mut html);
        html.push_str("</small></p><p><a href=/>To the library</a></p></html>");
        html
    }

    /// Renders the answer; the problem stays in its extensions, so that an outer layer can add what it knows.
    pub(crate) fn respond(&self, instance: Option<&str>, request_id: Option<&str>) -> Response {
        let dialect = instance.map_or(Dialect::Own, Dialect::of);
        let (media_type, body) = dialect.failure(self, instance, request_id);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.kind.parts().0;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.kind == Kind::Unauthorized {
            let how = HeaderValue::from_static("Bearer realm=\"athenaeum\"");
            headers.insert(header::WWW_AUTHENTICATE, how);
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.respond(None, None)
    }
}
