use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::problem::{Kind, Problem};

/// Whose wire format an address speaks. Failures are written in it, those of the guards included, so that every
/// client finds them where it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Athenaeum's own: RFC 9457.
    Own,
    OpenAi,
    Anthropic,
    Ollama,
    /// llama.cpp's server.
    LlamaCpp,
}

/// The addresses that llama.cpp's server has beside OpenAI's.
const LLAMA_CPP: [&str; 16] = [
    "/health",
    "/completion",
    "/completions",
    "/chat",
    "/embedding",
    "/embeddings",
    "/rerank",
    "/reranking",
    "/tokenize",
    "/detokenize",
    "/apply-template",
    "/infill",
    "/props",
    "/slots",
    "/lora-adapters",
    "/models",
];

impl Dialect {
    /// Tells by the path.
    pub(crate) fn of(path: &str) -> Self {
        let within =
            |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match () {
            () if within("/v1/messages") => Self::Anthropic,
            () if within("/v1") || within("/v2") => Self::OpenAi,
            () if within("/api") => Self::Ollama,
            () if LLAMA_CPP.iter().any(|root| within(root)) => Self::LlamaCpp,
            () => Self::Own,
        }
    }

    /// Writes a failure: media type and body.
    pub(crate) fn failure(
        self,
        problem: &Problem,
        instance: Option<&str>,
        request_id: Option<&str>,
    ) -> (&'static str, Vec<u8>) {
        let media_type = if self == Self::Own { "application/problem+json" } else { "application/json" };
        let body = match self.failure_object(problem, request_id) {
            Some(object) => serde_json::to_vec(&object),
            None => serde_json::to_vec(&problem.body(instance, request_id)),
        };
        (media_type, body.unwrap_or_default())
    }

    /// The object of a failure as it also comes in the middle of a stream; `None` for our own.
    pub(crate) fn failure_object(self, problem: &Problem, request_id: Option<&str>) -> Option<Value> {
        let status = problem.kind().parts().0.as_u16();
        Some(match self {
            Self::Own => return None,
            Self::OpenAi => {
                let (kind, code) = open_ai(problem.kind());
                let mut error = json!({
                    "message": problem.detail(), "type": kind, "param": problem.parameter_name(), "code": code,
                });
                add_tokens(&mut error, problem);
                json!({ "error": error })
            }
            Self::Anthropic => json!({
                "type": "error",
                "error": { "type": anthropic(status), "message": problem.detail() },
                "request_id": request_id,
            }),
            Self::Ollama => json!({ "error": problem.detail() }),
            Self::LlamaCpp => {
                let mut error =
                    json!({ "code": status, "message": problem.detail(), "type": llama_cpp(problem.kind()) });
                add_tokens(&mut error, problem);
                json!({ "error": error })
            }
        })
    }
}

fn add_tokens(error: &mut Value, problem: &Problem) {
    if let Some((tokens, context_tokens)) = problem.tokens() {
        error["n_prompt_tokens"] = tokens.into();
        error["n_ctx"] = context_tokens.into();
    }
}

/// As llama.cpp's server names kinds of failure.
fn llama_cpp(kind: Kind) -> &'static str {
    match kind {
        Kind::ContextLength => "exceed_context_size_error",
        kind if kind.parts().0 == StatusCode::UNAUTHORIZED => "authentication_error",
        kind => open_ai(kind).0,
    }
}

/// Type and code as OpenAI's API has them; `code` tells apart what `type` does not.
fn open_ai(kind: Kind) -> (&'static str, Option<&'static str>) {
    match kind {
        Kind::ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
        Kind::UnknownModel => ("invalid_request_error", Some("model_not_found")),
        Kind::Unauthorized => ("authentication_error", Some("invalid_api_key")),
        Kind::NotFound => ("not_found_error", Some("not_found")),
        Kind::RateLimited | Kind::QueueFull | Kind::WrongKeys => {
            ("rate_limit_error", Some("rate_limit_exceeded"))
        }
        Kind::NoRoom | Kind::Busy | Kind::TimedOut => ("unavailable_error", Some("overloaded")),
        Kind::Unsupported => ("not_supported_error", Some("not_supported")),
        Kind::ForeignHost | Kind::ForeignOrigin => ("permission_error", None),
        kind if kind.parts().0.is_server_error() => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}

/// As Anthropic's API names kinds of failure, one a status.
fn anthropic(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}
