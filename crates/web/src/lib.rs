//! The pages: a server-rendered reading room over an archive, as a router to mount.
//!
//! ```no_run
//! # async fn example(librarian: athenaeum_retrieval::librarian::Librarian) -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_archive::{Archive, Settings};
//! use athenaeum_tenancy::Keys;
//! use athenaeum_web::Web;
//!
//! let archive = Archive::open("data".as_ref(), &Settings::default()).await?;
//! let imports = athenaeum_retrieval::Imports::new(archive.clone());
//! let web = Web { archive, imports, librarian, keys: Keys::none(), settings: Default::default() };
//! let pages = athenaeum_web::router(web);
//! # drop(pages);
//! # Ok(())
//! # }
//! ```
//!
//! Pages are filled in on the server and whole without JavaScript; one script of a few kilobytes adds results
//! while typing, keys and progress. Chats are foreign text: Markdown goes through our own writer, which knows no
//! raw HTML, fetches no picture and tells the host of every link. The price is that a formula is shown as it was
//! typed and not typeset.
//!
//! Pages show what the scope [`athenaeum_tenancy::local`] opens, so whoever mounts this router lets only requests
//! through that come from this machine or show a key (`athenaeum-api` has such a guard; it answers what the form of
//! `/sign-in` sends, too).
//!
//! **Invariants:** no page holds an inline script or style or names a foreign resource, and the content policy of
//! every answer forbids them; no foreign text reaches a page but through `html` or a template's escaping.

mod address;
mod assets;
mod branches;
mod charts;
mod chat;
mod choice;
mod error;
mod guard;
mod highlight;
mod html;
mod markdown;
mod marks;
mod pages;
mod statistics;
mod when;

use std::{path::PathBuf, sync::Arc};

use athenaeum_archive::Archive;
use athenaeum_retrieval::{Imports, librarian::Librarian};
use athenaeum_tenancy::Keys;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use chat::Keeping;
use statistics::Statistics;
use tokio::sync::Semaphore;

/// What the pages are made from.
#[derive(Clone)]
pub struct Web {
    /// Read for every page; written only by deleting a conversation.
    pub archive: Archive,
    /// Carries out the imports that pages begin.
    pub imports: Imports,
    /// Keeps the documents, searches them and answers from them.
    pub librarian: Librarian,
    /// Who may read: told on the page where one signs in. They are asked for in front of this router.
    pub keys: Keys,
    /// How pages are made.
    pub settings: Settings,
}

/// How pages are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the time zone in which moments are told (`Europe/Berlin`); `None` for the machine's own.
    pub time_zone: Option<String>,
    /// Messages on one page of a conversation; at least 1.
    pub messages_per_page: usize,
    /// Where uploaded files lie until they are imported; `None` for the system's temporary folder, which may be
    /// too small for a large export.
    pub upload_folder: Option<PathBuf>,
    /// Most bytes of one upload.
    pub upload_bytes_max: u64,
    /// Pages that may follow an import at once; at least 1. Further ones are told to come back later.
    pub streams_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_zone: None,
            messages_per_page: 250,
            upload_folder: None,
            upload_bytes_max: 16 * 1024 * 1024 * 1024,
            streams_max: 32,
        }
    }
}

/// What every page is handed.
#[derive(Clone)]
pub(crate) struct Desk {
    archive: Archive,
    imports: Imports,
    librarian: Librarian,
    keys: Keys,
    settings: Settings,
    statistics: Statistics,
    streams: Arc<Semaphore>,
    keeping: Arc<Keeping>,
}

/// Most bytes of what the chat page sends.
const CHAT_BYTES_MAX: usize = 32 << 20;

/// Makes the router of all pages and their assets. It answers every address that no other route takes, with a
/// page that says so.
pub fn router(web: Web) -> Router {
    let Web { archive, imports, librarian, keys, settings } = web;
    let streams = Arc::new(Semaphore::new(settings.streams_max.max(1)));
    let desk = Desk {
        streams,
        archive,
        imports,
        librarian,
        keys,
        settings,
        statistics: Statistics::default(),
        keeping: Arc::default(),
    };
    Router::new()
        .route("/", get(pages::home::show))
        .route("/search", get(pages::search::show))
        .route("/search/results", get(pages::search::fragment))
        .route("/conversations", get(pages::browse::show))
        .route("/conversations/{id}", get(pages::conversation::show))
        .route("/conversations/{id}/delete", get(pages::delete::ask))
        .route("/conversations/{id}/delete", post(pages::delete::delete))
        .route("/messages/{id}", get(pages::conversation::redirect_to_message))
        .route("/messages/{id}/body", get(pages::conversation::body))
        .route("/import", get(pages::import::show))
        // Files go to disk as they arrive; the form's own limit is in the settings.
        .route("/import", post(pages::import::upload).layer(DefaultBodyLimit::disable()))
        .route("/library", get(pages::library::show))
        .route("/library", post(pages::library::upload).layer(DefaultBodyLimit::disable()))
        .route("/library/ledger", get(pages::library::fragment))
        .route("/library/events", get(pages::library::events))
        .route("/library/retry", post(pages::library::retry))
        .route("/library/forget", post(pages::library::forget))
        .route("/library/embedding", post(pages::library::embedding))
        .route("/library/{id}", get(pages::document::show))
        .route("/ask", get(pages::ask::show))
        .route("/imports", get(pages::imports::list))
        .route("/imports/{id}", get(pages::imports::show))
        .route("/imports/{id}/events", get(pages::imports::events))
        .route("/imports/{id}/cancel", post(pages::import::cancel))
        .route("/chat", get(pages::chat::begin))
        .route("/chat/{id}", get(pages::chat::go_on))
        .route("/chat/{id}/turns", get(pages::chat::turns))
        // Whole documents are shown to models, as text.
        .route("/chat/keep", post(pages::chat::keep).layer(DefaultBodyLimit::max(CHAT_BYTES_MAX)))
        .route("/chat/render", post(pages::chat::show).layer(DefaultBodyLimit::max(CHAT_BYTES_MAX)))
        // `/models` is an address that programs ask, of llama.cpp's server.
        .route("/shelf", get(pages::models::show))
        .route("/stats", get(pages::stats::show))
        .route("/topics", get(pages::topics::show))
        .route("/help", get(pages::help::show))
        .route("/sign-in", get(pages::sign_in::show))
        .route("/sign-out", get(pages::sign_in::leave))
        .route("/assets/{file_name}", get(assets::serve))
        .fallback(pages::missing)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn(guard::headers))
        .with_state(desk)
}

/// Forms without files hold a token and a word or two.
const FORM_BYTES_MAX: usize = 64 * 1024;
