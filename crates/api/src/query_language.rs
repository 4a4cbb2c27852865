use athenaeum_archive::query;
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
/// Every form that `q` can take, simplest first. Any other text is a query too: it is never an error.
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
    let forms = query::HELP.iter().map(|help| QueryForm { example: help.example, finds: help.finds });
    json::tagged(&headers, &QueryLanguage { forms: forms.collect() })
}
