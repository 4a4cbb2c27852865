//! What a reader sees when something is missing, refused or broken.

use askama::Template;
use athenaeum_archive::ErrorKind;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use crate::pages::Room;

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// There is nothing at this address, or nothing any more.
    #[error("nothing stands at this place")]
    NotFound,
    /// The request cannot be served as it is; the text says what to do instead.
    #[error("{0}")]
    Refused(StatusCode, String),
    /// The archive did not answer.
    #[error("the archive did not answer")]
    Archive(#[from] athenaeum_archive::Error),
    /// What is meant could not be looked for.
    #[error("the search by meaning failed")]
    Meaning(#[from] athenaeum_retrieval::meaning::MeaningError),
    /// Conversations and documents could not be searched.
    #[error("the search failed")]
    Search(#[source] athenaeum_retrieval::search::SearchError),
    /// A page could not be filled in.
    #[error("the page could not be written")]
    Page(#[from] askama::Error),
    /// An uploaded file could not be kept.
    #[error("the upload could not be kept")]
    Upload(#[source] std::io::Error),
}

impl Error {
    /// Refuses a request with a sentence for its sender.
    pub(crate) fn refused(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self::Refused(status, sentence.into())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, title, sentence) = match &self {
            Self::NotFound => not_found(),
            Self::Refused(status, sentence) => (*status, "That did not work", sentence.clone()),
            Self::Archive(error) => match error.kind() {
                ErrorKind::NotFound => not_found(),
                ErrorKind::InvalidRequest => {
                    (StatusCode::BAD_REQUEST, "That did not work", error.to_string())
                }
                ErrorKind::Busy => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The library is busy",
                    "Another program is writing to it. Try again in a moment.".into(),
                ),
                _ => broken(&self),
            },
            Self::Meaning(_) | Self::Search(_) | Self::Page(_) | Self::Upload(_) => broken(&self),
        };
        let page = ErrorPage { room: Room::plain(title), status: status.as_u16(), title, sentence };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (status, title).into_response(),
        }
    }
}

fn not_found() -> (StatusCode, &'static str, String) {
    let sentence = "Nothing stands at this place on the shelves. It may have been deleted, or the address may have lost a letter.";
    (StatusCode::NOT_FOUND, "Not on the shelves", sentence.into())
}

fn broken(error: &Error) -> (StatusCode, &'static str, String) {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(error = %chain, "a page could not be shown");
    let sentence =
        format!("Something went wrong on our side: {chain}. `athenaeum doctor` checks the archive.");
    (StatusCode::INTERNAL_SERVER_ERROR, "A shelf has fallen", sentence)
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    room: Room,
    status: u16,
    title: &'static str,
    sentence: String,
}
