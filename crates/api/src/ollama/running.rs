//! `GET /api/ps`.

use athenaeum_inference::{device::Device, local::CONTEXT_TOKENS_USUAL, residents::Status};
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    details::{Details, digest},
    name::listed,
};
use crate::{
    Api, Models,
    contract::{self, Contract},
    json::fresh,
    problem::Problem,
    serving::in_background,
};

/// The models that are in memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::RunningList)]
pub(crate) struct RunningList {
    models: Vec<Running>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Running)]
pub(crate) struct Running {
    /// What requests call it.
    name: String,
    /// The same.
    model: String,
    /// Bytes that it takes, with what it remembers.
    size: u64,
    /// Changes with its files.
    digest: String,
    details: Details,
    /// When it goes unless somebody uses it, RFC 3339; centuries ahead if it stays.
    expires_at: String,
    /// Bytes of these that are in a graphics processor's memory.
    size_vram: u64,
    /// Tokens that it works with at once.
    context_length: u64,
}

/// List models in memory
#[utoipa::path(
    get,
    path = "/api/ps",
    operation_id = "ollamaPs",
    tag = "ollama",
    responses((status = 200, description = "The models.", body = RunningList)),
)]
pub(crate) async fn list(api: Api, contract: Contract, uri: Uri) -> Result<Response, Problem> {
    let warnings = contract::query(&uri, &[]);
    contract.settle(&warnings)?;
    let models = api.models.clone();
    let list = in_background(move || running(&models)).await?;
    contract.warned(fresh(StatusCode::OK, &RunningList { models: list })?, &warnings)
}

fn running(models: &Models) -> Vec<Running> {
    let entries = models.catalog().list();
    let load = &models.residents().settings().load;
    let computed_elsewhere = matches!(load.device, Device::Cuda(_) | Device::Metal);
    let here = models.residents().list().into_iter().filter(|status| !status.loading && !status.replaced);
    here.filter_map(|status| {
        let entry = entries.iter().find(|entry| entry.path == status.path)?;
        let made_for = entry.summary.context_tokens.unwrap_or(u64::MAX);
        let asked = match load.engine.context_tokens {
            0 => CONTEXT_TOKENS_USUAL,
            asked => asked,
        };
        Some(Running {
            name: listed(entry),
            model: listed(entry),
            size: status.bytes,
            digest: digest(entry),
            details: Details::of(entry),
            expires_at: expires_at(&status).to_string(),
            size_vram: if computed_elsewhere { status.bytes } else { 0 },
            context_length: made_for.min(asked as u64),
        })
    })
    .collect()
}

fn expires_at(status: &Status) -> Timestamp {
    // As Ollama writes for ever: as far ahead as it can count.
    const EVER: SignedDuration = SignedDuration::from_hours(24 * 365 * 292);
    let left = status.leaves_in.or(status.stays).and_then(|left| SignedDuration::try_from(left).ok());
    Timestamp::now().checked_add(left.unwrap_or(EVER)).unwrap_or(Timestamp::MAX)
}
