use std::{convert::Infallible, sync::Arc, time::Duration};

use athenaeum_archive::{ImportEvent, ImportStatus};
use athenaeum_core::ImportId;
use athenaeum_retrieval::Status;
use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, Uri},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{
    Stream,
    stream::{once, unfold},
};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::{
    Api,
    dto::{import as dto, params},
    params::{Params, id},
    problem::{Kind, Problem},
};

/// Follow an import
///
/// Server-sent events: `progress` about ten times a second with the object of that name, then one of
/// `completed` (data: the report) or `failed` (data: `error` and `report`) with the id `end`, and the stream
/// ends. Each holds the `correlation_id` that whoever began the import sent, if any. A client that comes back with that id is told by 204 that nothing more will come.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/imports/{id}/events",
    operation_id = "followImport",
    tag = "imports",
    params(
        params::ImportPath,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event received."),
    ),
    responses(
        (status = 200, description = "The events.", body = crate::openapi::ImportEvent, content_type = "text/event-stream"),
        (status = 204, description = "The client has seen the end."),
    ),
)]
pub(crate) async fn follow(
    api: Api,
    Path(text): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = id::<ImportId>(&text)?;
    let record = api.imports.event(&api.scope, id).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if last == END && record.status != ImportStatus::InProgress {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Ok(place) = Arc::clone(&api.streams).try_acquire_owned() else {
        let detail = "Too many event streams are open; close one or read the import instead.";
        return Err(Problem::new(Kind::Busy, detail).retry_after(Duration::from_secs(5)));
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(match api.imports.subscribe(&api.scope, id) {
        Some(status) => {
            let follower = Follower {
                status,
                correlation_id: api.imports.correlation_id(&api.scope, id),
                next: last.parse().map_or(1, |id: u64| id.saturating_add(1)),
                place,
            };
            Sse::new(events(follower)).keep_alive(keep_alive).into_response()
        }
        None => Sse::new(once(async move { recorded(&record) })).into_response(),
    })
}

struct Follower {
    status: watch::Receiver<Status>,
    /// What whoever began it calls it.
    correlation_id: Option<String>,
    /// The next event's id.
    next: u64,
    /// Held while the stream is open.
    place: OwnedSemaphorePermit,
}

/// Yields the state at once and then each new one, up to the last.
fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold((Some(follower), true), |(follower, first)| async move {
        let mut follower = follower?;
        if !first && follower.status.changed().await.is_err() {
            return None;
        }
        let status = follower.status.borrow_and_update().clone();
        let (name, id, mut data) = match &status {
            Status::Running(progress) => {
                ("progress", follower.next.to_string(), json!(dto::Progress::from(progress)))
            }
            Status::Completed(report) => ("completed", END.to_owned(), parsed(&report.to_json())),
            Status::Failed(error) => {
                let report = error.report().map(|report| parsed(&report.to_json()));
                ("failed", END.to_owned(), json!({ "error": error.to_string(), "report": report }))
            }
        };
        if let (Some(correlation_id), Some(data)) = (&follower.correlation_id, data.as_object_mut()) {
            data.insert("correlation_id".to_owned(), json!(correlation_id));
        }
        let event = event(name, &id, &data);
        follower.next = follower.next.saturating_add(1);
        let ended = id == END;
        if ended {
            drop(follower.place);
            return Some((Ok(event), (None, false)));
        }
        Some((Ok(event), (Some(follower), false)))
    })
}

/// Tells how an import ended that this process did not carry out, or no longer remembers.
fn recorded(record: &ImportEvent) -> Result<Event, Infallible> {
    let report = record.stats.as_deref().map(parsed);
    Ok(match record.status {
        ImportStatus::Completed => event("completed", END, &report.unwrap_or(Value::Null)),
        ImportStatus::Failed => event("failed", END, &json!({ "error": record.error, "report": report })),
        ImportStatus::InProgress => {
            let error = "another process carries out this import; read it there, or here when it has ended";
            event("failed", "elsewhere", &json!({ "error": error, "report": report }))
        }
    })
}

fn event(name: &str, id: &str, data: &Value) -> Event {
    Event::default().event(name).id(id).data(data.to_string())
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
}

/// The id of the last event.
const END: &str = "end";
