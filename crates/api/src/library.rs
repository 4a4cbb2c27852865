//! The library of documents: what is in it, what becomes of files, and what is handed in.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use athenaeum_archive::library::FileState;
use athenaeum_core::DocumentId;
use athenaeum_retrieval::librarian::{Activity, Librarian, TakeInError};
use axum::{
    extract::{Path, Request},
    http::{HeaderMap, StatusCode, Uri},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream::unfold};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::{
    Api,
    dto::{library as dto, params},
    failure::sentence,
    json,
    params::{Params, id},
    problem::{Kind, Problem},
    search::cursor,
    upload::{self, Takes},
};

impl Api {
    /// Returns who keeps the documents.
    pub(crate) fn librarian(&self) -> Result<&Librarian, Problem> {
        self.librarian.as_ref().ok_or_else(|| {
            Problem::new(Kind::Unsupported, "This server was set up without a library of documents.")
        })
    }
}

/// Describe the library
///
/// How much is in it, what became of files, and what is being done.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/library",
    operation_id = "describeLibrary",
    tag = "library",
    responses((status = 200, description = "The library.", body = dto::LibraryStatus)),
)]
pub(crate) async fn status(api: Api, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    json::fresh(StatusCode::OK, &described(&api).await?)
}

async fn described(api: &Api) -> Result<dto::LibraryStatus, Problem> {
    let librarian = api.librarian()?;
    let stats = librarian.library().await?.stats(&api.scope).await?;
    let activity = librarian.watch(&api.scope).borrow().clone();
    Ok(dto::LibraryStatus::new(stats, &activity))
}

/// Follow the library
///
/// Server-sent events called `activity`, each with what is being done: one at once, and one whenever that changes. The
/// stream ends when nothing is being done any more, and goes on with `wait=true`.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/library/events",
    operation_id = "followLibrary",
    tag = "library",
    params(params::Wait),
    responses((
        status = 200, description = "The events.", body = crate::openapi::LibraryEvent,
        content_type = "text/event-stream"
    )),
)]
pub(crate) async fn follow(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["wait"])?;
    let wait = params.flag("wait")?;
    let watch = api.librarian()?.watch(&api.scope);
    let Ok(place) = Arc::clone(&api.streams).try_acquire_owned() else {
        let detail = "Too many event streams are open; close one or read the library instead.";
        return Err(Problem::new(Kind::Busy, detail).retry_after(Duration::from_secs(5)));
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(events(watch, wait, place)).keep_alive(keep_alive).into_response())
}

/// Yields the state at once and then each new one, ten times a second at most.
fn events(
    watch: watch::Receiver<Activity>,
    wait: bool,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold((Some((watch, place)), true), move |(follower, first)| async move {
        let (mut watch, place) = follower?;
        if !first {
            watch.changed().await.ok()?;
            tokio::time::sleep(EVENTS_APART).await;
        }
        let now = watch.borrow_and_update().clone();
        let data = serde_json::to_string(&dto::Activity::from(&now)).unwrap_or_default();
        let event = Event::default().event("activity").data(data);
        let goes_on = wait || now.is_busy();
        Some((Ok(event), (goes_on.then_some((watch, place)), false)))
    })
}

/// Add documents
///
/// Takes files of any kind, as the raw body or as the files of a form, and keeps them in the folder of documents, where
/// nothing is written over: a file of a name that is taken gets a number. The answer comes when all is received; the reading
/// goes on by itself. A Content-Disposition header may tell a raw file's name.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/library/files",
    operation_id = "addDocuments",
    tag = "library",
    request_body(description = "The documents.", content(
        (crate::openapi::FileBody = "application/octet-stream"),
        (crate::openapi::FormBody = "multipart/form-data"),
    )),
    responses((status = 202, description = "They are being read.", body = dto::FilesTaken)),
)]
pub(crate) async fn add(api: Api, uri: Uri, request: Request) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let librarian = api.librarian()?;
    let Ok(_place) = api.uploads.try_acquire() else {
        let detail = "Other uploads are being received; the Retry-After header tells when to come back.";
        return Err(Problem::new(Kind::Busy, detail).retry_after(Duration::from_secs(10)));
    };
    let upload = upload::receive(request, &api.settings, Takes::Anything).await?;
    let files: Vec<(String, PathBuf)> = upload.files.clone();
    let places = librarian.take_in(&api.scope, files.clone()).await?;
    let taken = files
        .into_iter()
        .zip(places)
        .map(|((name, _), place)| dto::FileTaken { name, path: place.to_string_lossy().into_owned() });
    let taken = dto::FilesTaken { files: taken.collect(), events: "/athenaeum/v1/library/events".to_owned() };
    json::fresh(StatusCode::ACCEPTED, &taken)
}

/// List the ledger
///
/// Every file that was come upon, by path, with what became of it.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/library/files",
    operation_id = "listFiles",
    tag = "library",
    params(params::Ledger, params::Page),
    responses((status = 200, description = "A page of the ledger.", body = dto::FilePage)),
)]
pub(crate) async fn files(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["state", "under", "limit", "cursor"])?;
    let limit = params.number("limit", 1..=200, 50)?;
    let state = params.one("state")?.map(|name| {
        FileState::named(name)
            .ok_or_else(|| Problem::parameter("state", "waiting, kept, failed, skipped or gone"))
    });
    let under = params.one("under")?.unwrap_or_default();
    let library = api.librarian()?.library().await?;
    let page = library.list(&api.scope, under, state.transpose()?, cursor(&params)?.as_ref(), limit).await?;
    let page = dto::FilePage {
        files: page.items.into_iter().map(Into::into).collect(),
        next_cursor: page.next.map(|cursor| cursor.0),
    };
    json::fresh(StatusCode::OK, &page)
}

/// Forget a file
///
/// It leaves the ledger, and what only it held leaves the library. One that was handed in is deleted; others stay where
/// they lie.
#[utoipa::path(
    delete,
    path = "/athenaeum/v1/library/files",
    operation_id = "forgetFile",
    tag = "library",
    params(params::FilePath),
    responses(
        (status = 204, description = "It is forgotten."),
        (status = 404, description = "The ledger does not have it.",
         body = crate::dto::problem::ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn forget(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["path"])?;
    let Some(path) = params.one("path")?.filter(|path| !path.is_empty()) else {
        return Err(Problem::parameter("path", "the path of a file, as the ledger has it"));
    };
    match api.librarian()?.forget(&api.scope, path).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        None => Err(not_in_ledger()),
    }
}

/// Read files once more
///
/// One file of the ledger, or, without a path, all that could not be read.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/library/retry",
    operation_id = "retryFiles",
    tag = "library",
    params(params::AnyFilePath),
    responses(
        (status = 202, description = "They are being read.", body = dto::Retried),
        (status = 404, description = "The ledger does not have it.",
         body = crate::dto::problem::ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn retry(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["path"])?;
    let path = params.one("path")?;
    let files = api.librarian()?.retry(&api.scope, path).await?;
    if path.is_some() && files == 0 {
        return Err(not_in_ledger());
    }
    json::fresh(StatusCode::ACCEPTED, &dto::Retried { files })
}

/// Pause embedding
///
/// Stops the making of vectors, or goes on with it; until it is said otherwise or the server ends. What has a vector is found
/// by meaning all the while.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/library/embedding",
    operation_id = "pauseEmbedding",
    tag = "library",
    params(params::Paused),
    responses((status = 200, description = "The library.", body = dto::LibraryStatus)),
)]
pub(crate) async fn pause(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["paused"])?;
    let paused = params.flag("paused")?;
    api.librarian()?.pause(&api.scope, paused);
    json::fresh(StatusCode::OK, &described(&api).await?)
}

/// List documents
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/documents",
    operation_id = "listDocuments",
    tag = "library",
    params(params::Page),
    responses((status = 200, description = "A page of the list.", body = dto::DocumentPage)),
)]
pub(crate) async fn documents(api: Api, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["limit", "cursor"])?;
    let limit = params.number("limit", 1..=200, 50)?;
    let library = api.librarian()?.library().await?;
    let page = library.documents(&api.scope, cursor(&params)?.as_ref(), limit).await?;
    let page = dto::DocumentPage {
        documents: page.items.into_iter().map(Into::into).collect(),
        next_cursor: page.next.map(|cursor| cursor.0),
    };
    json::tagged(&headers, &page)
}

/// Read a document
///
/// With all of its text, as it was read from its source.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/documents/{id}",
    operation_id = "readDocument",
    tag = "library",
    params(params::DocumentPath),
    responses(
        (status = 200, description = "The document.", body = dto::Document),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn document(
    api: Api,
    Path(text): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = id::<DocumentId>(&text)?;
    let document = api.librarian()?.library().await?.document(&api.scope, id).await?;
    json::tagged(&headers, &dto::Document::from(document))
}

fn not_in_ledger() -> Problem {
    Problem::new(Kind::NotFound, "The ledger has no file of this path.")
}

impl From<TakeInError> for Problem {
    fn from(error: TakeInError) -> Self {
        match &error {
            TakeInError::Folder { source, .. } => {
                tracing::error!(%source, "a document cannot be kept");
                Self::new(Kind::Internal, sentence(&error))
            }
            _ => Self::new(Kind::Busy, sentence(&error)).retry_after(Duration::from_secs(10)),
        }
    }
}

/// Eyes see no more.
const EVENTS_APART: Duration = Duration::from_millis(100);
