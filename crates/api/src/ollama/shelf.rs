//! What changes the folder of models: `/api/copy`, `/api/delete`; and what this server does not do: `/api/create`,
//! `/api/push`, `/api/blobs`.

use athenaeum_inference::{catalog::Entry, model::Sha256};
use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;

use super::{
    asking::{self, NAME},
    name::{is_called, kept_as, listed, tagged},
};
use crate::{
    Api,
    contract::Contract,
    json::fresh,
    models::{name_on_shelf, take_off_shelf},
    parameters::{Parameter, Read, Takes, Warning},
    problem::{Kind, Problem},
    serving::in_background,
};

/// What a request to copy may say.
pub(crate) const COPY: &[Parameter] = &[
    Parameter::required("source", Takes::Text(512), "The model, as /api/tags lists it."),
    Parameter::required("destination", Takes::Text(512), "What the other one is to be called."),
];

/// What a request to delete may say.
pub(crate) const DELETE: &[Parameter] = &NAME;

/// Copy a model
///
/// As Ollama's endpoint of that name, for models in this server's own folder. It takes no room on most disks.
#[utoipa::path(
    post,
    path = "/api/copy",
    operation_id = "ollamaCopy",
    tag = "ollama",
    responses((status = 200, description = "There is another one.")),
)]
pub(crate) async fn copy(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let read = super::read(&api, &headers, request, COPY).await?;
    contract.settle(&read.warnings)?;
    let called = tagged(read.text("destination").unwrap_or_default().trim());
    let to = kept_as(&called)?;
    let of = exactly(&api, read.text("source").unwrap_or_default().trim()).await?;
    let (models, asked) = (api.models.clone(), called.clone());
    let taken =
        in_background(move || models.catalog().list().iter().any(|entry| is_called(entry, &asked))).await?;
    if taken {
        let detail =
            format!("There is a model {called} already; delete that one first, or choose another name.");
        return Err(Problem::new(Kind::Conflict, detail).about("destination"));
    }
    let shelf = api.pulls()?.shelf().clone();
    let name = name_on_shelf(shelf.folder(), &of.path).ok_or_else(|| {
        let detail = format!(
            "The model {} lies in a folder that is not Athenaeum's own; `athenaeum models add` takes it in.",
            of.name
        );
        Problem::new(Kind::Conflict, detail).about("source")
    })?;
    in_background(move || shelf.copy(&name, &to, Some(&called))).await??;
    api.models.catalog().refresh();
    done(contract, &read)
}

/// Delete a model
///
/// As Ollama's endpoint of that name, for models in this server's own folder, named in full.
#[utoipa::path(
    delete,
    path = "/api/delete",
    operation_id = "ollamaDelete",
    tag = "ollama",
    responses((status = 200, description = "It is gone.")),
)]
pub(crate) async fn delete(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let read = super::read(&api, &headers, request, DELETE).await?;
    let name = asking::model(&read)?;
    contract.settle(&read.warnings)?;
    let entry = exactly(&api, &name).await?;
    take_off_shelf(&api, &entry).await?;
    done(contract, &read)
}

/// Says whether a file of a model is here, by its checksum.
pub(crate) async fn has_blob(api: Api, Path(digest): Path<String>) -> Result<StatusCode, Problem> {
    let sum = Sha256::from_digest(&digest).ok_or_else(|| {
        Problem::parameter("digest", "`sha256:` and 64 hexadecimal digits in small letters")
    })?;
    let shelf = api.pulls()?.shelf().clone();
    let models = in_background(move || shelf.models()).await??;
    let mut files = models.iter().flat_map(|kept| kept.record.iter()).flat_map(|record| &record.files);
    match files.any(|file| file.sha256 == sum) {
        true => Ok(StatusCode::OK),
        false => Err(Problem::new(Kind::NotFound, "No file of the models here has this checksum.")),
    }
}

/// Says that models are not made here, nor published.
pub(crate) async fn not_done() -> Problem {
    let detail = "This server neither makes models of others nor publishes them; `athenaeum models add` takes in a file, \
                  and /api/pull fetches one.";
    Problem::new(Kind::BadRequest, detail)
}

/// Finds a model by a name of it in full: what is removed is not guessed.
async fn exactly(api: &Api, name: &str) -> Result<Entry, Problem> {
    let entry = api.models.find(Some(name)).await?;
    if is_called(&entry, name) {
        return Ok(entry);
    }
    let detail = format!(
        "No model is called {:?} in full; {} may be meant.",
        name.chars().take(100).collect::<String>(),
        listed(&entry)
    );
    Err(Problem::new(Kind::UnknownModel, detail).about("model"))
}

#[derive(Serialize)]
struct Done<'a> {
    warnings: &'a [Warning],
}

/// Ollama says nothing where all went well; nor does this, unless there is something to tell.
fn done(contract: Contract, read: &Read) -> Result<Response, Problem> {
    match read.warnings.as_slice() {
        [] => Ok(Response::new(Body::empty())),
        warnings => contract.warned(fresh(StatusCode::OK, &Done { warnings })?, warnings),
    }
}
