use axum::{
    http::{HeaderMap, Uri},
    response::Response,
};

use crate::{
    dto::health::{QueryForm, QueryLanguage},
    json,
    params::Params,
    problem::Problem,
};

/// Describe the query language
///
/// Every form that `q` can take, with an example each. Any other text is a query too: it is never an error.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/query-language",
    operation_id = "describeQueryLanguage",
    tag = "search",
    responses(
        (status = 200, description = "The forms.", body = QueryLanguage),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn describe(headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let forms = FORMS.iter().map(|&(syntax, meaning, example)| QueryForm { syntax, meaning, example });
    json::tagged(&headers, &QueryLanguage { forms: forms.collect() })
}

const FORMS: [(&str, &str, &str); 15] = [
    ("word word", "All of these words, in any of their forms.", "sourdough hydration"),
    ("\"a phrase\"", "These words in this order, next to each other.", "\"cold start\""),
    ("prefix*", "Words that begin like this.", "kube*"),
    ("a OR b", "Either.", "rust OR zig"),
    ("a AND b", "Both; the same as writing them side by side.", "tokio AND axum"),
    ("-word, NOT word", "Without this.", "python -pandas"),
    ("( … )", "What belongs together.", "(rust OR go) channels"),
    ("title:word", "In the conversation's title.", "title:recipe"),
    ("provider:name", "Held with this service or program.", "provider:claude"),
    ("model:name", "Written by this model; a trailing * matches any ending.", "model:gpt-4*"),
    ("role:name", "Said by user, assistant, system or tool.", "role:user"),
    ("user:id", "Of this user of the source.", "user:account-7"),
    ("after:time", "Written then or later: a year, month, day or moment.", "after:2024-05"),
    ("before:time", "Written then or earlier.", "before:2024-12-31"),
    ("has:thing", "With code, an attachment or a tool call.", "has:code"),
];
