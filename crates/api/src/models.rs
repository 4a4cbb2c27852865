//! Which models there are, which are in memory, and how fast they are.

mod speed;

use std::{path::Path, time::Duration};

use athenaeum_inference::{
    catalog::{Entry, Purpose},
    residents::Status,
};
use axum::{
    extract::Path as PathOf,
    http::{StatusCode, Uri},
    response::Response,
};

use crate::{
    Api,
    dto::{model as dto, params},
    json,
    params::Params,
    problem::{Kind, Problem},
    serving::in_background,
};

/// List models
///
/// Those of Athenaeum's own folder, of folders that the settings name, and of other programs.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/models",
    operation_id = "listOwnModels",
    tag = "models",
    responses((status = 200, description = "The models.", body = dto::ModelPage)),
)]
pub(crate) async fn list(api: Api, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let page = in_background(move || {
        let statuses = api.models.residents().list();
        let models = api.models.catalog().list();
        dto::ModelPage {
            models: models.iter().map(|entry| view(&api, entry, &statuses)).collect(),
            elsewhere: api.models.remotes().iter().map(Into::into).collect(),
            unusable: api.models.catalog().problems().into_iter().map(Into::into).collect(),
            budget_bytes: api.models.residents().settings().budget_bytes,
            used_bytes: statuses.iter().map(|status| status.bytes).fold(0, u64::saturating_add),
        }
    });
    json::fresh(StatusCode::OK, &page.await?)
}

/// Describe a model
#[utoipa::path(
    get,
    path = "/athenaeum/v1/models/{model}",
    operation_id = "readOwnModel",
    tag = "models",
    params(params::ModelPath),
    responses((status = 200, description = "The model.", body = dto::Model)),
)]
pub(crate) async fn one(api: Api, PathOf(name): PathOf<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let entry = api.models.find(Some(&name)).await?;
    tell(&api, entry).await
}

/// Load a model
///
/// Brings it into memory, if it is not there, and answers when it is.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/models/{model}/load",
    operation_id = "loadModel",
    tag = "models",
    params(params::ModelPath, params::KeepAlive),
    responses((status = 200, description = "The model, loaded.", body = dto::Model)),
)]
pub(crate) async fn load(api: Api, PathOf(name): PathOf<String>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["keep_seconds"])?;
    let seconds = match params.one("keep_seconds")? {
        None => None,
        Some(_) => Some(params.number("keep_seconds", 0..=KEEP_SECONDS_MAX, 0)?),
    };
    // 0 is for good: a model that is loaded to go at once serves nobody.
    let keep = seconds.map(|seconds| (seconds > 0).then(|| Duration::from_secs(seconds as u64)));
    let entry = api.models.find(Some(&name)).await?;
    match entry.purpose {
        Purpose::Generate => drop(api.models.load(Some(&entry.name), keep).await?),
        Purpose::Embed => drop(api.models.embedder(Some(&entry.name), keep).await?),
        Purpose::Rerank => drop(api.models.reranker(Some(&entry.name), keep).await?),
    }
    tell(&api, entry).await
}

/// Unload a model
///
/// Lets it go from memory as soon as nobody uses it.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/models/{model}/unload",
    operation_id = "unloadModel",
    tag = "models",
    params(params::ModelPath),
    responses((status = 200, description = "The model; in memory still if somebody uses it.", body = dto::Model)),
)]
pub(crate) async fn unload(api: Api, PathOf(name): PathOf<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let entry = api.models.find(Some(&name)).await?;
    let (models, path) = (api.models.clone(), entry.path.clone());
    in_background(move || models.residents().unload(&path)).await?;
    tell(&api, entry).await
}

/// Remove a model
///
/// From Athenaeum's own folder, for good. Models of other programs are theirs to remove.
#[utoipa::path(
    delete,
    path = "/athenaeum/v1/models/{model}",
    operation_id = "removeModel",
    tag = "models",
    params(params::ModelPath),
    responses(
        (status = 200, description = "It is gone.", body = dto::RemovedModel),
        (status = 409, description = "It is in use, or is not Athenaeum's own.",
         body = crate::dto::problem::ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn remove(api: Api, PathOf(name): PathOf<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let entry = api.models.find(Some(&name)).await?;
    json::fresh(StatusCode::OK, &take_off_shelf(&api, &entry).await?)
}

/// Measure a model
///
/// Loads it, if it is not in memory, and has it read and write so many tokens. What else the machine does meanwhile
/// counts: measure while nothing else runs.
#[utoipa::path(
    post,
    path = "/athenaeum/v1/models/{model}/speed",
    operation_id = "measureModel",
    tag = "models",
    params(params::ModelPath, params::Measure),
    responses((status = 200, description = "How fast it is.", body = dto::Speed)),
)]
pub(crate) async fn measure(api: Api, PathOf(name): PathOf<String>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["prompt_tokens", "generated_tokens"])?;
    let prompt = params.number("prompt_tokens", 1..=8192, 128)?;
    let generated = params.number("generated_tokens", 2..=1024, 32)?;
    let loaded = api.models.load(Some(&name), None).await?;
    json::fresh(StatusCode::OK, &speed::measure(&loaded, prompt, generated).await?)
}

/// A year.
const KEEP_SECONDS_MAX: usize = 366 * 24 * 3600;

async fn tell(api: &Api, entry: Entry) -> Result<Response, Problem> {
    let api = api.clone();
    let model = in_background(move || view(&api, &entry, &api.models.residents().list()));
    json::fresh(StatusCode::OK, &model.await?)
}

fn view(api: &Api, entry: &Entry, statuses: &[Status]) -> dto::Model {
    let shelf = api.pulls.as_ref().map(|pulls| pulls.shelf().folder());
    let own = shelf.is_some_and(|folder| name_on_shelf(folder, &entry.path).is_some());
    let resident = statuses.iter().find(|status| status.path == entry.path);
    dto::Model::new(entry, api.models.residents().settings().budget_bytes, resident, own)
}

/// Removes a model from Athenaeum's own folder.
///
/// # Errors
///
/// If it lies elsewhere, or somebody uses it.
pub(crate) async fn take_off_shelf(api: &Api, entry: &Entry) -> Result<dto::RemovedModel, Problem> {
    let shelf = api.pulls()?.shelf().clone();
    let Some(own) = name_on_shelf(shelf.folder(), &entry.path) else {
        let detail = format!(
            "The model {} lies in a folder that is not Athenaeum's own; remove it there.",
            entry.name
        );
        return Err(Problem::new(Kind::Conflict, detail));
    };
    let (api, entry) = (api.clone(), entry.clone());
    let removed = in_background(move || {
        let (residents, path) = (api.models.residents(), entry.path.clone());
        residents.unload(&path);
        if residents.list().iter().any(|status| status.path == path) {
            let detail =
                format!("The model {} is in use; remove it when its answers have ended.", entry.name);
            return Err(Problem::new(Kind::Conflict, detail));
        }
        let removed = shelf.remove(&own)?;
        api.models.catalog().refresh();
        Ok(dto::RemovedModel { files: removed.files, bytes: removed.bytes })
    });
    removed.await?
}

/// What a model of Athenaeum's own folder is called there: the first part of its path below it.
pub(crate) fn name_on_shelf(folder: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(folder).ok()?;
    below.components().next()?.as_os_str().to_str().map(str::to_owned)
}
