//! What is remembered: kept, listed, found, forgotten.

use athenaeum_archive::memories::{Origin, Tier, Wanted};
use athenaeum_core::MemoryId;
use athenaeum_retrieval::memory::{Memorizer, MemoryError, Offer};
use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};

use crate::{
    Api,
    dto::{memory as dto, params},
    json,
    parameters::{Parameter, Takes, body_of_known},
    params::{Params, id},
    problem::{Kind, Problem},
    search::cursor,
};

/// What is said of something that is to be remembered.
pub(crate) const PARAMETERS: &[Parameter] = &[
    Parameter::required(
        "text",
        Takes::Filled(&Takes::Text(TEXT_BYTES_MAX)),
        "What to remember, up to 16 KiB.",
    ),
    Parameter::new("if_surprising", Takes::Bool, "Keeps it only where it surprises."),
    Parameter::new(
        "conversation_id",
        Takes::Like(40, UUID, "a UUID"),
        "The conversation that it comes from.",
    ),
    Parameter::new("message_id", Takes::Integer(1, i64::MAX), "The message that it comes from."),
];

const UUID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

impl Api {
    pub(crate) async fn memory(&self) -> Result<Memorizer, Problem> {
        let Some(place) = &self.memory else {
            return Err(Problem::new(Kind::Unsupported, "This server was set up to remember nothing."));
        };
        let meaning = match &self.librarian {
            Some(librarian) => librarian.meaning().await.cloned(),
            None => None,
        };
        Ok(place.open(meaning).await?)
    }
}

/// Remember something
///
/// What is asked for is always kept, a text once; with `if_surprising` it is kept where its surprise is great enough
/// (`memory.surprise_percent`): 0.4 of how far the nearest memory is, and 0.6 of how little a model expected the text, which
/// counts as not at all here, where none is asked (`perplexity_fallback`).
#[utoipa::path(
    post,
    path = "/athenaeum/v1/memories",
    operation_id = "remember",
    tag = "memories",
    responses((status = 200, description = "What became of it.", body = dto::Remembered)),
)]
pub(crate) async fn remember(
    api: Api,
    uri: Uri,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let read = body_of_known(&headers, request, api.settings.request_bytes_max, PARAMETERS).await?;
    let conversation = read.text("conversation_id").map(str::parse).transpose();
    let conversation = conversation
        .map_err(|_| Problem::parameter("conversation_id", "the id of a conversation, a UUID"))?;
    let offer = Offer {
        text: read.text("text").unwrap_or_default().to_owned(),
        origin: Origin { conversation, message: read.integer("message_id").map(athenaeum_core::MessageId) },
        perplexity: None,
        asked_for: read.flag("if_surprising") != Some(true),
    };
    let taken = api.memory().await?.remember(&api.scope, offer).await?;
    json::fresh(StatusCode::OK, &dto::Remembered::from(taken))
}

/// List memories
///
/// The newest first; with `q`, those that have its words or mean something like it, the best first and all on one page. What is
/// found so counts as used.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/memories",
    operation_id = "listMemories",
    tag = "memories",
    params(params::Memories, params::Page),
    responses((status = 200, description = "A page of the list.", body = dto::MemoryPage)),
)]
pub(crate) async fn list(api: Api, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["q", "tier", "limit", "cursor"])?;
    let limit = params.number("limit", 1..=200, 50)?;
    let wanted = match params.one("tier")? {
        None | Some("found") => Wanted::Found,
        Some("all") => Wanted::All,
        Some(name) => {
            let unknown = || Problem::parameter("tier", "found, hot, warm, cold or all");
            Wanted::Of(Tier::named(name).ok_or_else(unknown)?)
        }
    };
    let memory = api.memory().await?;
    let page = match params.one("q")?.filter(|text| !text.trim().is_empty()) {
        Some(text) => {
            let found = memory.recall(&api.scope, text, &wanted, limit, true).await?;
            dto::MemoryPage { memories: found.into_iter().map(Into::into).collect(), next_cursor: None }
        }
        None => {
            let page = memory.memories().list(&api.scope, &wanted, cursor(&params)?.as_ref(), limit).await?;
            dto::MemoryPage {
                memories: page.items.into_iter().map(Into::into).collect(),
                next_cursor: page.next.map(|cursor| cursor.0),
            }
        }
    };
    json::fresh(StatusCode::OK, &page)
}

/// Forget a memory
///
/// For good.
#[utoipa::path(
    delete,
    path = "/athenaeum/v1/memories/{id}",
    operation_id = "forgetMemory",
    tag = "memories",
    params(params::MemoryPath),
    responses((status = 204, description = "It is forgotten.")),
)]
pub(crate) async fn forget(api: Api, Path(text): Path<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = id::<MemoryId>(&text)?;
    let gone = api.memory().await?.forget(&api.scope, &[id]).await?;
    if gone.is_empty() {
        return Err(Problem::new(Kind::NotFound, format!("There is no memory {id}.")));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl From<MemoryError> for Problem {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Memories(error) => error.into(),
            MemoryError::Meaning(error) => error.into(),
            error => Self::new(Kind::Internal, crate::failure::sentence(&error)),
        }
    }
}

/// Longer texts are documents.
const TEXT_BYTES_MAX: usize = athenaeum_archive::memories::NewMemory::BYTES_MAX;
