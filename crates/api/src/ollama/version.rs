use axum::{
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contract::{self, Contract},
    json::fresh,
    problem::Problem,
};

/// Whose features clients may count on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Version)]
pub(crate) struct Version {
    /// The release of Ollama whose wire format this is: clients switch features on by it.
    version: &'static str,
    /// Who really answers.
    athenaeum: &'static str,
}

/// As of August 2026.
const SPOKEN: &str = "0.33.0";

/// Tell the version
///
/// `version` is the release of Ollama that this speaks like, because clients ask it what they may send.
#[utoipa::path(
    get,
    path = "/api/version",
    operation_id = "ollamaVersion",
    tag = "ollama",
    responses((status = 200, description = "The version.", body = Version)),
)]
pub(crate) async fn tell(contract: Contract, uri: Uri) -> Result<Response, Problem> {
    let warnings = contract::query(&uri, &[]);
    let version = Version { version: SPOKEN, athenaeum: env!("CARGO_PKG_VERSION") };
    contract.warned(fresh(StatusCode::OK, &version)?, &warnings)
}
