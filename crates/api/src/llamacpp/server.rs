//! What llama.cpp's server tells of itself: `/health`, `/props`, `/slots`, `/models`, `/lora-adapters`.

use athenaeum_inference::catalog::Entry;
use athenaeum_providers::Remote;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    Api,
    json::fresh,
    params::Params,
    problem::{Kind, Problem},
    serving::in_background,
};

/// Is the server ready?
///
/// Always, once it answers: models come when they are asked for.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "llamaCppHealth",
    tag = "llamacpp",
    responses((status = 200, description = "It is.", body = Object)),
)]
pub(super) async fn health() -> Result<Response, Problem> {
    fresh(StatusCode::OK, &json!({ "status": "ok" }))
}

/// List models as llama.cpp's server does
#[utoipa::path(
    get,
    path = "/models",
    operation_id = "llamaCppModels",
    tag = "llamacpp",
    responses((status = 200, description = "The models.", body = Object)),
)]
pub(super) async fn models(api: Api, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &["reload"])?;
    let models = api.models.clone();
    let entries = in_background(move || models.catalog().list()).await?;
    let here = entries.iter().map(|entry| model(&api, entry));
    let data: Vec<Value> = here.chain(api.models.remotes().iter().map(elsewhere)).collect();
    fresh(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

/// A model on another engine.
fn elsewhere(remote: &Remote) -> Value {
    let settings = remote.settings();
    json!({
        "id": settings.name,
        "aliases": [settings.name],
        "tags": [],
        "object": "model",
        "created": 0,
        "owned_by": "athenaeum",
        "status": { "value": "unloaded" },
        "meta": { "n_ctx_train": settings.context_tokens, "n_params": null, "size": null },
    })
}

fn model(api: &Api, entry: &Entry) -> Value {
    let mut names = vec![entry.name.clone()];
    names.extend(entry.aliases.iter().filter(|alias| **alias != entry.name).cloned());
    let changed = entry.modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    json!({
        "id": entry.name,
        "aliases": names,
        "tags": api.llama_server.tags,
        "object": "model",
        "created": changed.as_secs(),
        "owned_by": "athenaeum",
        "status": { "value": if is_loaded(api, entry) { "loaded" } else { "unloaded" } },
        "meta": {
            "n_ctx_train": entry.summary.context_tokens,
            "n_params": entry.summary.parameters,
            "size": entry.summary.bytes,
        },
    })
}

/// Tell how a model is run
///
/// It is not brought into memory for that.
#[utoipa::path(
    get,
    path = "/props",
    operation_id = "llamaCppProperties",
    tag = "llamacpp",
    responses((status = 200, description = "How.", body = Object)),
)]
pub(super) async fn props(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["model", "autoload"])?;
    let entry = api.models.find(params.one("model")?).await?;
    let load = &api.models.residents().settings().load;
    let flags = &api.llama_server;
    let usual = athenaeum_inference::sampling::Sampling::default();
    let properties = json!({
        "default_generation_settings": {
            "n_ctx": context_tokens(&api, &entry),
            "params": {
                // As llama.cpp has it where each answer gets a seed of its own.
                "seed": flags.seed.unwrap_or(u64::from(u32::MAX)),
                "temperature": flags.temperature.unwrap_or(usual.temperature),
                "top_k": usual.top_k,
                "top_p": usual.top_p,
                "min_p": usual.min_p,
                "n_predict": flags.tokens_max.map_or(json!(-1), |max| json!(max)),
                "samplers": usual.order.iter().map(|step| step.name()).collect::<Vec<_>>(),
            },
        },
        "total_slots": load.engine.sequences_max,
        "model_alias": entry.name,
        "model_path": entry.path.file_name().map(|name| name.to_string_lossy()),
        "modalities": { "vision": entry.projector.is_some(), "audio": false },
        "chat_template": load.template.as_deref().or(entry.summary.chat_template.as_deref()),
        "build_info": concat!("athenaeum ", env!("CARGO_PKG_VERSION")),
        "is_sleeping": !is_loaded(&api, &entry),
    });
    fresh(StatusCode::OK, &properties)
}

/// Tell what a model is doing
///
/// Its places, and how many of them are taken. A model that is not in memory has them all free.
#[utoipa::path(
    get,
    path = "/slots",
    operation_id = "llamaCppSlots",
    tag = "llamacpp",
    responses((status = 200, description = "Its places.", body = Vec<Object>)),
)]
pub(super) async fn slots(api: Api, uri: Uri) -> Result<Response, Problem> {
    if !api.llama_server.slots {
        let detail = "This server was told not to tell of its slots; start it with --slots.";
        return Err(Problem::new(Kind::Unsupported, detail));
    }
    let params = Params::read(&uri, &["model", "fail_on_no_slot"])?;
    let entry = api.models.find(params.one("model")?).await?;
    let context_tokens = context_tokens(&api, &entry);
    let sequences = api.models.residents().settings().load.engine.sequences_max;
    let running = match is_loaded(&api, &entry) {
        true => api.models.load(Some(&entry.name), None).await?.model.engine().stats().running,
        false => 0,
    };
    let slot = |id: usize| {
        let is_processing = id < running;
        json!({
            "id": id, "n_ctx": context_tokens, "speculative": false, "is_processing": is_processing,
            "next_token": [{ "has_next_token": is_processing, "n_remain": -1, "n_decoded": 0 }],
        })
    };
    let slots: Vec<Value> = (0..sequences).map(slot).collect();
    fresh(StatusCode::OK, &slots)
}

/// List adapters
///
/// There are none.
#[utoipa::path(
    get,
    path = "/lora-adapters",
    operation_id = "llamaCppAdapters",
    tag = "llamacpp",
    responses((status = 200, description = "An empty list.", body = Vec<Object>)),
)]
pub(super) async fn adapters(uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    fresh(StatusCode::OK, &json!([]))
}

fn context_tokens(api: &Api, entry: &Entry) -> usize {
    let own =
        entry.summary.context_tokens.map_or(usize::MAX, |own| usize::try_from(own).unwrap_or(usize::MAX));
    match api.models.residents().settings().load.engine.context_tokens {
        0 => own.min(athenaeum_inference::local::CONTEXT_TOKENS_USUAL),
        asked => own.min(asked),
    }
}

/// A model whose time is over counts as gone.
fn is_loaded(api: &Api, entry: &Entry) -> bool {
    let residents = api.models.residents().list();
    let mut own = residents.iter().filter(|resident| resident.path == entry.path && !resident.replaced);
    own.any(|resident| !resident.leaves_in.is_some_and(|left| left.is_zero()))
}
