//! Models that are fetched from where others publish them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use athenaeum_inference::{model::SafePath, pull::Source};
use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream::unfold};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Api,
    dto::{model as dto, params},
    json,
    parameters::{Parameter, Takes, body_of_known},
    params::Params,
    problem::{Kind, Problem},
    serving::Pull,
};

/// What a request to fetch may say.
pub(crate) const PARAMETERS: &[Parameter] = &[
    Parameter::required(
        "source",
        Takes::Like(
            2048,
            Source::PATTERN,
            "hf:OWNER/REPOSITORY, ollama:NAME, or an address that begins with https://",
        ),
        "Where the model is: `hf:OWNER/REPOSITORY`, with `:FILE` or `:QUANTIZATION` after it, `ollama:NAME:TAG`, or the \
         address of a file.",
    ),
    Parameter::new(
        "name",
        Takes::Like(200, SafePath::NAME_PATTERN, "the name of a file"),
        "What it is to be called here; as it is called there where this is missing.",
    ),
];

/// Fetch a model
///
/// Begins to, and answers; the fetching goes on by itself and can be followed and cancelled. What broke off or was cancelled
/// is gone on with by the next request for the same. A model that is fetched already is not fetched twice.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/pulls",
    operation_id = "pullModel",
    tag = "models",
    responses(
        (status = 202, description = "It is being fetched.", body = dto::PullView, headers(
            ("location" = String, description = "Where it can be followed."),
        )),
        (status = 409, description = "As many are being fetched as can be at once.",
         body = crate::dto::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 501, description = "This server fetches no models.",
         body = crate::dto::problem::ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn start(
    api: Api,
    uri: Uri,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let read = body_of_known(&headers, request, BODY_BYTES_MAX, PARAMETERS).await?;
    let pulls = api.pulls()?;
    let name = read.text("name").filter(|name| !name.is_empty());
    let pull = pulls.start(read.text("source").unwrap_or_default(), name, api.models.catalog())?;
    let mut response = json::fresh(StatusCode::ACCEPTED, &dto::PullView::new(&pull))?;
    if let Ok(place) = HeaderValue::from_str(&format!("/athenaeum/v1/pulls/{}", pull.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// List what is fetched
///
/// Newest first; with the last that ended.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/pulls",
    operation_id = "listPulls",
    tag = "models",
    responses((status = 200, description = "The list.", body = dto::PullPage)),
)]
pub(crate) async fn list(api: Api, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let pulls = api.pulls.as_ref().map(crate::Pulls::list).unwrap_or_default();
    let page = dto::PullPage { pulls: pulls.iter().rev().map(dto::PullView::new).collect() };
    json::fresh(StatusCode::OK, &page)
}

/// Read how far a model has come
#[utoipa::path(
    get,
    path = "/athenaeum/v1/pulls/{id}",
    operation_id = "readPull",
    tag = "models",
    params(params::PullPath),
    responses((status = 200, description = "How far.", body = dto::PullView)),
)]
pub(crate) async fn one(api: Api, Path(id): Path<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    json::fresh(StatusCode::OK, &dto::PullView::new(&find(&api, &id)?))
}

/// Cancel fetching a model
///
/// What has come stays, and is gone on with by the next request for the same. Cancelling what has ended does nothing.
#[utoipa::path(
    delete,
    path = "/athenaeum/v1/pulls/{id}",
    operation_id = "cancelPull",
    tag = "models",
    params(params::PullPath),
    responses((status = 204, description = "It ends or has ended.")),
)]
pub(crate) async fn cancel(api: Api, Path(id): Path<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    find(&api, &id)?.cancel();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Follow a model that is fetched
///
/// Server-sent events: `progress` ten times a second at most, then one of `completed`, `failed` or `cancelled`, each with
/// the object that reading it gives, and the stream ends.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/pulls/{id}/events",
    operation_id = "followPull",
    tag = "models",
    params(params::PullPath),
    responses(
        (status = 200, description = "The events.", body = crate::openapi::PullEvent, content_type = "text/event-stream"),
    ),
)]
pub(crate) async fn follow(api: Api, Path(id): Path<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let pull = find(&api, &id)?;
    let Ok(place) = Arc::clone(&api.streams).try_acquire_owned() else {
        let detail = "Too many event streams are open; close one or read the pull instead.";
        return Err(Problem::new(Kind::Busy, detail).retry_after(Duration::from_secs(5)));
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(events(pull, place)).keep_alive(keep_alive).into_response())
}

/// Yields the state at once and then each new one, up to the last.
fn events(pull: Pull, place: OwnedSemaphorePermit) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold((Some((pull, place)), true), |(follower, first)| async move {
        let (mut pull, place) = follower?;
        if !first && pull.state.changed().await.is_err() {
            return None;
        }
        pull.state.mark_unchanged();
        let view = dto::PullView::new(&pull);
        let name = if view.has_ended() { view.status() } else { "progress" };
        let event = Event::default().event(name).data(serde_json::to_string(&view).unwrap_or_default());
        let follower = (!view.has_ended()).then_some((pull, place));
        Some((Ok(event), (follower, false)))
    })
}

fn find(api: &Api, id: &str) -> Result<Pull, Problem> {
    let pulls = api.pulls.as_ref().map(crate::Pulls::list).unwrap_or_default();
    let found = pulls.into_iter().find(|pull| pull.id == id);
    found.ok_or_else(|| Problem::new(Kind::NotFound, "No model is or was lately fetched under this id."))
}

const BODY_BYTES_MAX: usize = 64 * 1024;
