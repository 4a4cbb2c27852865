use askama::Template;
use axum::response::Html;

use super::{Room, render};
use crate::error::Error;

/// Answers `GET /shelf`: the frame. What stands in it, the browser asks of the API.
pub(crate) async fn show() -> Result<Html<String>, Error> {
    render(&Models { room: Room::at("Models", "models") })
}

#[derive(Template)]
#[template(path = "models.html")]
struct Models {
    room: Room,
}
