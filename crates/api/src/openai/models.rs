use athenaeum_inference::catalog::{Entry, Purpose};
use athenaeum_providers::Remote;
use axum::{
    extract::Path,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    problem::Problem,
};

/// The models that can be asked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::ModelList)]
pub(crate) struct ModelList {
    #[schema(inline)]
    object: &'static str,
    data: Vec<Model>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Model)]
pub(crate) struct Model {
    /// What requests call it.
    id: String,
    object: &'static str,
    /// When its file was last changed, in seconds since 1970.
    created: u64,
    owned_by: &'static str,
    /// Other names that it answers to.
    aliases: Vec<String>,
    /// What it does: `generate`, `embed`, `rerank`.
    purpose: &'static str,
    /// What else it can: `vision`, where it takes pictures.
    capabilities: Vec<&'static str>,
    /// Tokens that it was made for.
    context_length: Option<u64>,
    /// Whether it is in memory.
    loaded: bool,
    /// What the engine that has it speaks, where that is not this server: `vllm`, `llama.cpp`, `ollama`, `openai`.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'static str>,
}

/// List models
#[utoipa::path(
    get,
    path = "/v1/models",
    operation_id = "listModels",
    tag = "openai",
    responses((status = 200, description = "The models.", body = ModelList)),
)]
pub(crate) async fn list(api: Api, contract: Contract, uri: Uri) -> Result<Response, Problem> {
    let warnings = contract::query(&uri, &[]);
    contract.settle(&warnings)?;
    let listed = api.models.list().await?;
    let here = listed.iter().map(|(entry, loaded)| model(entry, *loaded));
    let data = here.chain(api.models.remotes().iter().map(elsewhere)).collect();
    contract.warned(fresh(StatusCode::OK, &ModelList { object: "list", data })?, &warnings)
}

/// Describe a model
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    operation_id = "retrieveModel",
    tag = "openai",
    params(("model" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The model.", body = Model)),
)]
pub(crate) async fn one(
    api: Api,
    contract: Contract,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let warnings = contract::query(&uri, &[]);
    contract.settle(&warnings)?;
    if let Some(remote) = api.models.elsewhere(Some(&name)).await? {
        return contract.warned(fresh(StatusCode::OK, &elsewhere(&remote))?, &warnings);
    }
    let entry = api.models.find(Some(&name)).await?;
    contract.warned(fresh(StatusCode::OK, &model(&entry, api.models.is_loaded(&entry)))?, &warnings)
}

fn model(entry: &Entry, loaded: bool) -> Model {
    let changed = entry.modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Model {
        id: entry.name.clone(),
        object: "model",
        created: changed.as_secs(),
        owned_by: "athenaeum",
        aliases: entry.aliases.clone(),
        purpose: entry.purpose.as_str(),
        capabilities: entry.projector.iter().map(|_| "vision").collect(),
        context_length: entry.summary.context_tokens,
        loaded,
        engine: None,
    }
}

/// The same of one on another engine; when it came there is not known.
fn elsewhere(remote: &Remote) -> Model {
    let settings = remote.settings();
    Model {
        id: settings.name.clone(),
        object: "model",
        created: 0,
        owned_by: "athenaeum",
        aliases: Vec::new(),
        purpose: Purpose::Generate.as_str(),
        capabilities: settings.vision.then_some("vision").into_iter().collect(),
        context_length: settings.context_tokens.map(|tokens| tokens as u64),
        loaded: false,
        engine: Some(settings.wire.as_str()),
    }
}
