use athenaeum_core::{ImportId, Provider};
use athenaeum_retrieval::ImportOptions;
use axum::{
    extract::{Path, Request},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::{
    Api, CorrelationId,
    dto::{import as dto, params},
    json,
    params::{Params, id},
    problem::{Kind, Problem},
    search::cursor,
    upload,
};

/// Import an export
///
/// Takes the file as it was downloaded (zip, json, jsonl, html, SQLite database), as the raw body or as the
/// files of a form; whose it is is recognised by content. The answer comes when all is received; the import
/// then runs on its own and can be followed, read and cancelled by its id. A Content-Disposition header may tell
/// a raw file's name.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/imports",
    operation_id = "startImport",
    tag = "imports",
    params(params::Upload),
    request_body(description = "The export.", content(
        (crate::openapi::FileBody = "application/octet-stream"),
        (crate::openapi::FileBody = "application/zip"),
        (crate::openapi::FormBody = "multipart/form-data"),
    )),
    responses((status = 202, description = "The import has begun.", body = dto::ImportStarted, headers(
        ("location" = String, description = "Where the import can be read."),
    ))),
)]
pub(crate) async fn start(api: Api, uri: Uri, request: Request) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["provider"])?;
    let accepted = "1 to 32 of a-z, 0-9, '-', '_', '.'";
    let provider: Option<Provider> = params
        .one("provider")?
        .map(|text| text.parse().map_err(|_| Problem::parameter("provider", accepted)))
        .transpose()?;
    let Ok(_place) = api.uploads.try_acquire() else {
        let detail = "Other uploads are being received; the Retry-After header tells when to come back.";
        return Err(Problem::new(Kind::Busy, detail).retry_after(std::time::Duration::from_secs(10)));
    };
    let correlation_id = request.extensions().get::<CorrelationId>().map(|id| id.as_str().to_owned());
    let upload = upload::receive(request, &api.settings, upload::Takes::Exports).await?;
    #[allow(clippy::needless_update, reason = "options that an upload does not have may be added")]
    let options = ImportOptions {
        provider,
        display_name: Some(upload.display_name.clone()),
        correlation_id,
        ..ImportOptions::default()
    };
    let id = api.imports.start(&api.scope, upload.into_source(), options)?;
    let place = format!("/athenaeum/v1/imports/{id}");
    let started = dto::ImportStarted { id: id.to_string(), events: format!("{place}/events") };
    let mut response = json::fresh(StatusCode::ACCEPTED, &started)?;
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// List imports
///
/// Newest first, from the command line and from here alike.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/imports",
    operation_id = "listImports",
    tag = "imports",
    params(params::Page),
    responses((status = 200, description = "A page of the list.", body = dto::ImportPage)),
)]
pub(crate) async fn list(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["limit", "cursor"])?;
    let limit = params.number("limit", 1..=200, 50)?;
    let page = api.archive.imports(&api.scope, cursor(&params)?.as_ref(), limit).await?;
    let running = api.imports.running(&api.scope);
    let imports = page.items.into_iter().map(|event| {
        let progress = running.iter().find(|(id, _)| *id == event.id).map(|(_, progress)| progress);
        dto::Import::new(event, progress).without_details()
    });
    let page = dto::ImportPage { imports: imports.collect(), next_cursor: page.next.map(|cursor| cursor.0) };
    json::fresh(StatusCode::OK, &page)
}

/// Read an import
///
/// With its report, the first thousand problems included.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/imports/{id}",
    operation_id = "readImport",
    tag = "imports",
    params(params::ImportPath),
    responses(
        (status = 200, description = "The import.", body = dto::Import),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn one(
    api: Api,
    Path(text): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = id::<ImportId>(&text)?;
    let event = api.imports.event(&api.scope, id).await?;
    let running = api.imports.running(&api.scope);
    let progress = running.iter().find(|(running, _)| *running == id).map(|(_, progress)| progress);
    json::tagged(&headers, &dto::Import::new(event, progress))
}

/// Cancel an import
///
/// What was stored until then stays, whole conversation by whole conversation; importing again completes it.
/// Cancelling one that has ended does nothing.
#[utoipa::path(
    delete,
    path = "/athenaeum/v1/imports/{id}",
    operation_id = "cancelImport",
    tag = "imports",
    params(params::ImportPath),
    responses(
        (status = 204, description = "It ends or has ended."),
        (status = 409, description = "Another process carries it out; cancel it there.",
         body = crate::dto::problem::ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cancel(api: Api, Path(text): Path<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = id::<ImportId>(&text)?;
    if api.imports.cancel(&api.scope, id).is_err() {
        let event = api.archive.import_event(&api.scope, id).await?;
        if event.status == athenaeum_archive::ImportStatus::InProgress {
            let detail = "Another process carries out this import; cancel it there.";
            return Err(Problem::new(Kind::Conflict, detail));
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
