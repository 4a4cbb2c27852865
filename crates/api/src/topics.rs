//! What conversations and documents are about.

use athenaeum_retrieval::topics::Request;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use crate::{
    Api,
    dto::{params, topics as dto},
    json,
    params::Params,
    problem::Problem,
    search::within,
};

/// List topics
///
/// Passages of conversations and documents that mean alike, the greatest group first. A topic is called by the words that it has
/// and the others have not, and shown by the passages nearest to its middle. Looked at is what has a vector (`coverage`); no
/// model is asked. Thousands of passages take a moment: a server looks for topics for one client at a time.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/topics",
    operation_id = "listTopics",
    tag = "library",
    params(params::Topics),
    responses((status = 200, description = "The topics.", body = dto::Topics)),
)]
pub(crate) async fn list(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["in", "count"])?;
    let count = match params.one("count")? {
        None => None,
        Some(_) => Some(params.number("count", 1..=Request::COUNT_MAX, 1)?),
    };
    let request = Request { within: within(params.one("in")?)?.unwrap_or_default(), count };
    let found = api.librarian()?.topics(&api.archive, &api.scope, &request).await?;
    json::fresh(StatusCode::OK, &dto::Topics::from(found))
}
