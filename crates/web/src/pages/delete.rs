use askama::Template;
use athenaeum_core::ConversationId;
use axum::{
    Form,
    extract::{Path, State},
    http::HeaderMap,
    response::{Html, Redirect},
};
use serde::Deserialize;

use super::{
    Room,
    entry::{Entry, title_of},
    render,
};
use crate::{Desk, error::Error, guard, when::Clock};

/// Answers `GET /conversations/{id}/delete`: asks first.
pub(crate) async fn ask(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Html<String>, Error> {
    let id: ConversationId = id.parse().map_err(|_| Error::NotFound)?;
    let conversation = desk.archive.conversation(&athenaeum_tenancy::local(), id).await?;
    let entry = Entry::new(&conversation.summary, &Clock::now(desk.settings.time_zone.as_deref()));
    render(&Delete {
        room: Room::at("Delete a conversation", "conversations"),
        id: id.to_string(),
        title: title_of(&conversation.summary).0,
        provider: entry.provider,
        count: entry.messages,
        when: entry.when,
    })
}

/// Answers `POST /conversations/{id}/delete`.
pub(crate) async fn delete(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Confirmation>,
) -> Result<Redirect, Error> {
    guard::check_form(&headers, &form.token)?;
    let id: ConversationId = id.parse().map_err(|_| Error::NotFound)?;
    desk.archive.delete(&athenaeum_tenancy::local(), id).await?;
    desk.statistics.forget();
    Ok(Redirect::to("/conversations?deleted=1"))
}

#[derive(Deserialize)]
pub(crate) struct Confirmation {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "delete.html")]
struct Delete {
    room: Room,
    id: String,
    title: String,
    provider: String,
    count: String,
    when: String,
}
