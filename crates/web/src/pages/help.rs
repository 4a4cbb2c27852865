use askama::Template;
use athenaeum_archive::query::{HELP, Help as Line};
use axum::response::Html;

use super::{Room, render};
use crate::error::Error;

/// Answers `GET /help`.
pub(crate) async fn show() -> Result<Html<String>, Error> {
    render(&Help { room: Room::at("Help", "help"), language: HELP })
}

#[derive(Template)]
#[template(path = "help.html")]
struct Help {
    room: Room,
    language: &'static [Line],
}
