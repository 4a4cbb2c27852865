//! One module a page: what it asks the archive, and what its template gets.

pub(crate) mod ask;
pub(crate) mod browse;
pub(crate) mod chat;
pub(crate) mod conversation;
pub(crate) mod delete;
pub(crate) mod document;
pub(crate) mod entry;
pub(crate) mod facets;
pub(crate) mod help;
pub(crate) mod home;
pub(crate) mod import;
pub(crate) mod imports;
pub(crate) mod library;
pub(crate) mod message;
pub(crate) mod models;
mod parts;
pub(crate) mod search;
pub(crate) mod sign_in;
pub(crate) mod stats;
pub(crate) mod topics;

use askama::Template;
use athenaeum_archive::query;
use axum::{
    http::{HeaderMap, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};

use crate::{error::Error, marks::Marks};

/// Parameters of an address, in order, names repeated where they are.
pub(crate) type Parameters = axum::extract::Query<Vec<(String, String)>>;

/// What every page's frame needs.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) title: String,
    /// The entry of the main navigation that this page belongs to.
    pub(crate) here: &'static str,
    /// Shows the small search field; pages with a large one do not.
    pub(crate) search: bool,
}

impl Room {
    pub(crate) fn plain(title: &str) -> Self {
        Self { title: title.to_owned(), here: "", search: true }
    }

    pub(crate) fn at(title: &str, here: &'static str) -> Self {
        Self { title: title.to_owned(), here, search: true }
    }

    pub(crate) fn without_search(mut self) -> Self {
        self.search = false;
        self
    }
}

pub(crate) fn render(page: &impl Template) -> Result<Html<String>, Error> {
    Ok(Html(page.render()?))
}

/// Answers every address that no other route takes: with a page, and bare where a program asks, so that whatever
/// stands around these routes can answer in its own form.
pub(crate) async fn missing(address: Uri, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let for_people = accepts.contains("text/html") || accepts.contains("*/*");
    if for_people && !address.path().starts_with("/athenaeum/") {
        Error::NotFound.into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// Reads a query for what is to be marked.
pub(crate) fn marks_of(query: &str) -> Marks {
    query::parse(query).expr.map(|expr| Marks::of(&expr)).unwrap_or_default()
}

/// Returns the last part of a path of any system's, which is what people call the file.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Finds the value of the parameter `name`, empty where it is missing.
pub(crate) fn parameter<'p>(parameters: &'p [(String, String)], name: &str) -> &'p str {
    parameters.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
}
