use athenaeum_core::{ConversationId, MessageId};
use athenaeum_retrieval::export::{self, Format};
use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::de::IgnoredAny;

use crate::{
    Api,
    dto::{conversation as dto, params},
    json,
    params::{Params, id},
    problem::Problem,
    search::{FILTERS, cursor, filters},
};

/// List conversations
///
/// Newest first. With filters on messages, lists the conversations that hold at least one such message.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/conversations",
    operation_id = "listConversations",
    tag = "conversations",
    params(params::Filter, params::Page),
    responses(
        (status = 200, description = "A page of the list.", body = dto::ConversationPage),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn list(api: Api, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &[&["limit", "cursor"], FILTERS].concat())?;
    let limit = params.number("limit", 1..=PAGE_MAX, PAGE)?;
    let after = cursor(&params)?;
    let page = api.archive.conversations(&api.scope, &filters(&params)?, after.as_ref(), limit).await?;
    json::tagged(&headers, &dto::ConversationPage::from(page))
}

/// Read a conversation
///
/// Whole: every message of every branch with its blocks, and where it forks.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/conversations/{id}",
    operation_id = "readConversation",
    tag = "conversations",
    params(params::ConversationPath),
    responses(
        (status = 200, description = "The conversation.", body = dto::Conversation),
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
    let conversation = whole(&api, &text).await?;
    if let Some(librarian) = &api.librarian {
        librarian.opened(&api.scope, id::<ConversationId>(&text)?);
    }
    json::tagged(&headers, &conversation)
}

/// Reads a conversation by what should be its id.
pub(crate) async fn whole(api: &Api, text: &str) -> Result<dto::Conversation, Problem> {
    Ok(api.archive.conversation(&api.scope, id::<ConversationId>(text)?).await?.into())
}

/// Read a conversation's messages
///
/// In stored order, a page at a time: for conversations of many thousand messages.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/conversations/{id}/messages",
    operation_id = "readMessages",
    tag = "conversations",
    params(params::ConversationPath, params::MessagePage),
    responses(
        (status = 200, description = "A page of messages.", body = dto::MessagePage),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn messages(
    api: Api,
    Path(text): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["limit", "cursor"])?;
    let limit = params.number("limit", 1..=1_000, 100)?;
    let start = params.number("cursor", 0..=u32::MAX as usize, 0)?;
    let position = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (first, end) = (position(start), position(start.saturating_add(limit)));
    // One more than asked for tells whether there is another page.
    let mut found =
        api.archive.messages(&api.scope, id::<ConversationId>(&text)?, first..end.saturating_add(1)).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let messages = found.into_iter().zip(first..).map(|(stored, position)| dto::message(position, stored));
    let page =
        dto::MessagePage { messages: messages.collect(), next_cursor: has_more.then(|| end.to_string()) };
    json::tagged(&headers, &page)
}

/// Read a conversation's source
///
/// What the export held for this conversation, byte for byte.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/conversations/{id}/raw",
    operation_id = "readSource",
    tag = "conversations",
    params(params::ConversationPath),
    responses(
        (status = 200, description = "The source's bytes.", content(
            (serde_json::Value = "application/json"),
            (String = "text/plain"),
        )),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn raw(
    api: Api,
    Path(text): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let raw = api.archive.raw_json(&api.scope, id::<ConversationId>(&text)?).await?;
    let is_json = serde_json::from_str::<IgnoredAny>(&raw).is_ok();
    let media_type = if is_json { "application/json" } else { "text/plain; charset=utf-8" };
    Ok(json::tagged_body(&headers, raw.into_bytes(), media_type))
}

/// Export a conversation
///
/// As a file: Markdown, plain text, or one line of the import format.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/conversations/{id}/export",
    operation_id = "exportConversation",
    tag = "conversations",
    params(params::ConversationPath, params::Export),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/markdown"),
            (String = "application/jsonl"),
            (String = "text/plain"),
        )),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn export(
    api: Api,
    Path(text): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["format"])?;
    let format = match params.one("format")? {
        None => Format::Markdown,
        Some(name) => Format::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| Problem::parameter("format", "md, json or text"))?,
    };
    let id = id::<ConversationId>(&text)?;
    let conversation = api.archive.conversation(&api.scope, id).await?;
    let name = export::file_name(&conversation, format);
    let body = match format {
        Format::Markdown => export::to_markdown(&conversation),
        Format::Json => export::to_json_line(conversation, api.archive.raw_json(&api.scope, id).await?),
        Format::Text => export::to_text(&conversation),
    };
    let mut response = json::tagged_body(&headers, body.into_bytes(), format.media_type());
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// Delete a conversation
///
/// With all its messages. Importing its export again brings it back.
#[utoipa::path(
    delete,
    path = "/athenaeum/v1/conversations/{id}",
    operation_id = "deleteConversation",
    tag = "conversations",
    params(params::ConversationPath),
    responses((status = 204, description = "It is gone.")),
)]
pub(crate) async fn delete(api: Api, Path(text): Path<String>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    api.archive.delete(&api.scope, id::<ConversationId>(&text)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Find a message
///
/// Tells in which conversation a message stands, and where.
#[utoipa::path(
    get,
    path = "/athenaeum/v1/messages/{id}",
    operation_id = "findMessage",
    tag = "conversations",
    params(params::MessagePath),
    responses(
        (status = 200, description = "Its place.", body = dto::MessagePlace),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn message(
    api: Api,
    Path(text): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = id::<MessageId>(&text)?;
    let (conversation, position) = api.archive.locate(&api.scope, id).await?;
    let place = dto::MessagePlace { id: id.0, conversation_id: conversation.to_string(), position };
    json::tagged(&headers, &place)
}

/// Conversations on a page when the request does not say, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;
