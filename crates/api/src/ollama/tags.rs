use axum::{
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use athenaeum_providers::Remote;

use super::{
    details::{self, Details, capabilities, digest, modified_at},
    name::{listed, tagged},
};
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    problem::Problem,
    serving::in_background,
};

/// The models that are here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::ModelList)]
pub(crate) struct ModelList {
    models: Vec<Model>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Model)]
pub(crate) struct Model {
    /// What requests call it.
    name: String,
    /// The same.
    model: String,
    /// When its files were last written, RFC 3339.
    modified_at: String,
    /// Bytes that its files take.
    size: u64,
    /// Changes with its files.
    digest: String,
    details: Details,
    /// What it can do: `completion`, `tools`, `thinking`, `embedding`.
    capabilities: Vec<&'static str>,
    /// What another engine calls it, where one has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_model: Option<String>,
}

/// List models
#[utoipa::path(
    get,
    path = "/api/tags",
    operation_id = "ollamaTags",
    tag = "ollama",
    responses((status = 200, description = "The models.", body = ModelList)),
)]
pub(crate) async fn list(api: Api, contract: Contract, uri: Uri) -> Result<Response, Problem> {
    let warnings = contract::query(&uri, &[]);
    contract.settle(&warnings)?;
    let remotes = api.models.remotes().iter().map(elsewhere);
    let models = api.models.clone();
    let mut entries = in_background(move || models.catalog().list()).await?;
    entries.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.name.cmp(&b.name)));
    let models = entries.iter().map(|entry| Model {
        name: listed(entry),
        model: listed(entry),
        modified_at: modified_at(entry),
        size: entry.summary.bytes,
        digest: digest(entry),
        details: Details::of(entry),
        capabilities: capabilities(entry),
        remote_model: None,
    });
    let list = ModelList { models: models.chain(remotes).collect() };
    contract.warned(fresh(StatusCode::OK, &list)?, &warnings)
}

/// A model on another engine: of its files nothing is known here.
fn elsewhere(remote: &Remote) -> Model {
    let settings = remote.settings();
    let name = tagged(&settings.name);
    Model {
        model: name.clone(),
        name,
        modified_at: jiff::Timestamp::UNIX_EPOCH.to_string(),
        size: 0,
        digest: details::digest_elsewhere(remote),
        details: Details::elsewhere(remote),
        capabilities: details::capabilities_elsewhere(remote),
        remote_model: Some(settings.model.clone()),
    }
}
