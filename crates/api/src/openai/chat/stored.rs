//! Completions that are kept: `store: true`.

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Api,
    contract::Contract,
    dto::params,
    json::fresh,
    openai::list::{Part, page},
    parameters::{Parameter, Read, Takes, body},
    problem::{Kind, Problem},
};

const KIND: &str = "chat.completion";

/// What is kept of a completion.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    completion: Value,
    messages: Vec<Value>,
}

/// What a change may say.
pub(crate) static CHANGE: &[Parameter] =
    &[Parameter::required("metadata", Takes::Map(&Takes::Text(512)), "Replaces what was kept.")];

/// Keeps a completion with the messages that it answers.
pub(super) async fn keep(api: &Api, read: &Read, completion: &Value) -> Result<(), Problem> {
    let Some(state) = &api.state else { return Ok(()) };
    let mut completion = completion.clone();
    completion["metadata"] = read.value("metadata").cloned().unwrap_or_else(|| json!({}));
    let id = completion["id"].as_str().unwrap_or_default().to_owned();
    let record = Record { completion, messages: read.list("messages").to_vec() };
    let json = serde_json::to_string(&record).unwrap_or_default();
    state.put(&api.scope, KIND, &id, &json).await?;
    state.trim(&api.scope, KIND, api.settings.kept_max).await?;
    Ok(())
}

async fn find(api: &Api, id: &str) -> Result<Record, Problem> {
    let shown: String = id.chars().take(64).collect();
    let missing = || Problem::new(Kind::NotFound, format!("There is no stored completion {shown}."));
    let state = api.state.as_ref().ok_or_else(missing)?;
    let json = state.get(&api.scope, KIND, id).await?.ok_or_else(missing)?;
    serde_json::from_str(&json).map_err(|error| {
        tracing::error!(%error, id, "a kept completion cannot be read");
        Problem::new(Kind::Internal, "What was kept of the completion cannot be read; delete it.")
    })
}

/// List stored completions
///
/// The oldest first where nothing is said.
#[utoipa::path(
    get,
    path = "/v1/chat/completions",
    operation_id = "listChatCompletions",
    tag = "openai",
    params(
        params::ListPart,
        ("model" = Option<String>, Query, description = "Only those of this model."),
    ),
    responses((status = 200, description = "The completions.", body = Object)),
)]
pub(crate) async fn list(api: Api, contract: Contract, uri: Uri) -> Result<Response, Problem> {
    let (params, warnings) = contract.params(&uri, &["limit", "order", "after", "model"])?;
    let Part { limit, newest_first, after } = Part::of(&params)?;
    let newest_first = newest_first.unwrap_or(false);
    let model = params.one("model")?;
    let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
    // One more than wanted tells whether there are more.
    while let Some(state) = &api.state
        && found.len() <= limit
    {
        let page = state.list(&api.scope, KIND, after.as_deref(), newest_first, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        let records = page.iter().filter_map(|object| serde_json::from_str::<Record>(&object.json).ok());
        found.extend(
            records
                .map(|record| record.completion)
                .filter(|one| model.is_none_or(|model| one["model"] == model)),
        );
    }
    contract.warned(fresh(StatusCode::OK, &page(found, limit))?, &warnings)
}

/// Objects that are read at once.
const PAGE: u32 = 100;

/// Read a stored completion
#[utoipa::path(
    get,
    path = "/v1/chat/completions/{completion_id}",
    operation_id = "retrieveChatCompletion",
    tag = "openai",
    params(("completion_id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The completion.", body = Object)),
)]
pub(crate) async fn one(api: Api, Path(id): Path<String>) -> Result<Response, Problem> {
    fresh(StatusCode::OK, &find(&api, &id).await?.completion)
}

/// Change what is kept beside a stored completion
#[utoipa::path(
    post,
    path = "/v1/chat/completions/{completion_id}",
    operation_id = "updateChatCompletion",
    tag = "openai",
    params(("completion_id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The completion.", body = Object)),
)]
pub(crate) async fn change(
    api: Api,
    contract: Contract,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut record = find(&api, &id).await?;
    let read = body(&headers, request, api.settings.request_bytes_max, CHANGE).await?;
    contract.settle(&read.warnings)?;
    record.completion["metadata"] = read.value("metadata").cloned().unwrap_or_default();
    if let Some(state) = &api.state {
        let json = serde_json::to_string(&record).unwrap_or_default();
        state.put(&api.scope, KIND, &id, &json).await?;
    }
    contract.warned(fresh(StatusCode::OK, &record.completion)?, &read.warnings)
}

/// Delete a stored completion
#[utoipa::path(
    delete,
    path = "/v1/chat/completions/{completion_id}",
    operation_id = "deleteChatCompletion",
    tag = "openai",
    params(("completion_id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It is gone.", body = Object)),
)]
pub(crate) async fn remove(api: Api, Path(id): Path<String>) -> Result<Response, Problem> {
    find(&api, &id).await?;
    if let Some(state) = &api.state {
        state.delete(&api.scope, KIND, &id).await?;
    }
    fresh(StatusCode::OK, &json!({ "object": "chat.completion.deleted", "id": id, "deleted": true }))
}

/// List the messages that a stored completion answers
///
/// The oldest first where nothing is said.
#[utoipa::path(
    get,
    path = "/v1/chat/completions/{completion_id}/messages",
    operation_id = "listChatCompletionMessages",
    tag = "openai",
    params(("completion_id" = String, Path, description = "Its id."), params::ListPart),
    responses((status = 200, description = "The messages.", body = Object)),
)]
pub(crate) async fn messages(
    api: Api,
    contract: Contract,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let (params, warnings) = contract.params(&uri, &["limit", "order", "after"])?;
    let part = Part::of(&params)?;
    let record = find(&api, &id).await?;
    let mut messages = record.messages;
    for (index, message) in messages.iter_mut().enumerate() {
        message["id"] = format!("{id}-{index}").into();
    }
    contract.warned(fresh(StatusCode::OK, &part.take(messages, false))?, &warnings)
}
