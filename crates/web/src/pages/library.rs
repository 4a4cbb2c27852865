//! The library of documents: what is in it, what became of every file, and files handed in.

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use askama::Template;
use athenaeum_archive::{
    Cursor,
    library::{File, FileState, LibraryStats},
};
use athenaeum_retrieval::{
    UploadFolder,
    librarian::{Activity, Embedding, Folder, Pace, TakeInError, Watched},
    search::Coverage,
};
use axum::{
    Form,
    extract::{Multipart, State},
    http::{HeaderMap, StatusCode},
    response::{
        Html, Redirect, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use tokio_stream::wrappers::WatchStream;

use super::{Parameters, Room, import, parameter, render};
use crate::{
    Desk,
    address::Address,
    error::Error,
    guard,
    html::{bytes, counted, grouped, shortened},
    when::Clock,
};

const PATH: &str = "/library";

/// Files on a page.
const ROWS: usize = 100;

/// Answers `GET /library`.
pub(crate) async fn show(State(desk): State<Desk>, parameters: Parameters) -> Result<Html<String>, Error> {
    let ledger = ledger(&desk, &parameters).await?.render()?;
    let activity = desk.librarian.watch(&athenaeum_tenancy::local()).borrow().clone();
    let folder = desk.librarian.drop_folder(&athenaeum_tenancy::local()).display().to_string();
    render(&LibraryPage {
        room: Room::at("Library", "library"),
        told: told(&activity),
        busy: activity.is_busy(),
        ledger,
        folder,
        folders: activity.folders.iter().filter_map(|folder| watched(&desk, folder)).collect(),
    })
}

/// Answers `GET /library/ledger`: what changes on the page while files are read, for the script.
pub(crate) async fn fragment(
    State(desk): State<Desk>,
    parameters: Parameters,
) -> Result<Html<String>, Error> {
    render(&ledger(&desk, &parameters).await?)
}

/// Answers `POST /library`: keeps the files as they arrive, and has them read.
pub(crate) async fn upload(
    State(desk): State<Desk>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Result<Redirect, Error> {
    guard::check_site(&headers)?;
    let folder = match &desk.settings.upload_folder {
        Some(parent) => UploadFolder::new_in(parent),
        None => UploadFolder::temporary(),
    };
    let folder = folder.map_err(Error::Upload)?;
    let files = import::receive(&mut form, &headers, &folder, desk.settings.upload_bytes_max).await?;
    if files.is_empty() {
        let sentence = "No file arrived. Go back, choose one or more files and send them again.";
        return Err(Error::refused(StatusCode::BAD_REQUEST, sentence));
    }
    let files: Vec<(String, PathBuf)> = files.into_iter().map(|file| (file.name, file.path)).collect();
    match desk.librarian.take_in(&athenaeum_tenancy::local(), files).await {
        Ok(_) => Ok(Redirect::to(PATH)),
        Err(TakeInError::Folder { source, .. }) => Err(Error::Upload(source)),
        Err(error) => Err(Error::refused(StatusCode::SERVICE_UNAVAILABLE, format!("{error}."))),
    }
}

/// Answers `POST /library/retry`: one file, or all that failed.
pub(crate) async fn retry(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Form(form): Form<OneFile>,
) -> Result<Redirect, Error> {
    guard::check_form(&headers, &form.token)?;
    let path = Some(form.path.as_str()).filter(|path| !path.is_empty());
    desk.librarian.retry(&athenaeum_tenancy::local(), path).await?;
    Ok(Redirect::to(PATH))
}

/// Answers `POST /library/forget`.
pub(crate) async fn forget(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Form(form): Form<OneFile>,
) -> Result<Redirect, Error> {
    guard::check_form(&headers, &form.token)?;
    match desk.librarian.forget(&athenaeum_tenancy::local(), &form.path).await? {
        Some(_) => Ok(Redirect::to(PATH)),
        None => Err(Error::NotFound),
    }
}

/// Answers `POST /library/embedding`: stops it where `path` says `pause`, and goes on otherwise.
pub(crate) async fn embedding(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Form(form): Form<OneFile>,
) -> Result<Redirect, Error> {
    guard::check_form(&headers, &form.token)?;
    desk.librarian.pause(&athenaeum_tenancy::local(), form.path == "pause");
    Ok(Redirect::to(PATH))
}

#[derive(Deserialize)]
pub(crate) struct OneFile {
    #[serde(default)]
    token: String,
    #[serde(default)]
    path: String,
}

/// Answers `GET /library/events`: what is being done, as often as it changes.
///
/// # Errors
///
/// `503` where too many pages follow something already.
pub(crate) async fn events(
    State(desk): State<Desk>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let Ok(place) = Arc::clone(&desk.streams).try_acquire_owned() else {
        let sentence =
            "Too many pages follow something already; close one, or reload this page now and then.";
        return Err(Error::refused(StatusCode::SERVICE_UNAVAILABLE, sentence));
    };
    let watched = WatchStream::new(desk.librarian.watch(&athenaeum_tenancy::local()));
    let events = watched.map(move |activity| {
        // Held for as long as the stream is open.
        let _ = &place;
        let data = serde_json::json!({
            "told": told(&activity), "busy": activity.is_busy(), "changes": activity.changes,
            "part": part(&activity),
        });
        Ok(Event::default().event("activity").data(data.to_string()))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

#[derive(Template)]
#[template(path = "library.html")]
struct LibraryPage {
    room: Room,
    /// What is being done, in a sentence.
    told: String,
    busy: bool,
    ledger: String,
    folder: String,
    /// Folders that are watched, with what is to be said about that.
    folders: Vec<(String, String)>,
}

/// Tells of a folder that is watched; `None` of the one that everybody has.
fn watched(desk: &Desk, folder: &Folder) -> Option<(String, String)> {
    let own = desk.librarian.drop_folder(&athenaeum_tenancy::local());
    let said = match &folder.watched {
        Watched::Always => String::new(),
        Watched::NowAndThen { every, why } => {
            format!("looked through every {}, as {why}", counted(every.as_secs(), "second", "seconds"))
        }
        Watched::Missing => "it is not there; it is watched as soon as it is".to_owned(),
        Watched::ByAnother => "another program watches it".to_owned(),
    };
    (folder.path != own).then(|| (folder.path.display().to_string(), said))
}

#[derive(Template)]
#[template(path = "parts/ledger.html")]
struct Ledger {
    figures: Vec<(String, &'static str)>,
    /// Label, address, whether it is chosen.
    states: Vec<(String, String, bool)>,
    rows: Vec<Row>,
    next: Option<String>,
    any_failed: bool,
    pausable: bool,
    paused: bool,
}

struct Row {
    name: String,
    folder: String,
    path: String,
    href: Option<String>,
    state: &'static str,
    mood: &'static str,
    reason: String,
    size: String,
    when: String,
    datetime: String,
    retriable: bool,
}

async fn ledger(desk: &Desk, parameters: &[(String, String)]) -> Result<Ledger, Error> {
    let scope = athenaeum_tenancy::local();
    let library = desk.librarian.library().await?;
    let stats = library.stats(&scope).await?;
    let state = FileState::named(parameter(parameters, "state"));
    let cursor = parameter(parameters, "cursor");
    let cursor = (!cursor.is_empty()).then(|| Cursor(cursor.to_owned()));
    let page = library.list(&scope, "", state, cursor.as_ref(), ROWS).await?;
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let activity = desk.librarian.watch(&scope).borrow().clone();
    let chosen = state.map_or("", FileState::as_str);
    Ok(Ledger {
        figures: figures(&stats, &activity),
        states: states(&stats, state),
        rows: page.items.into_iter().map(|file| Row::new(file, &clock)).collect(),
        next: page
            .next
            .map(|cursor| Address::new(PATH).with("state", chosen).with("cursor", &cursor.0).finish()),
        any_failed: stats.files.iter().any(|(state, _)| *state == FileState::Failed),
        pausable: matches!(activity.embedding.pace, Pace::Running | Pace::Elsewhere | Pace::Paused),
        paused: activity.embedding.pace == Pace::Paused,
    })
}

fn figures(stats: &LibraryStats, activity: &Activity) -> Vec<(String, &'static str)> {
    let mut figures = vec![
        (grouped(stats.documents), if stats.documents == 1 { "document" } else { "documents" }),
        (grouped(stats.chunks), if stats.chunks == 1 { "passage" } else { "passages" }),
        (bytes(stats.text_bytes), "of text"),
    ];
    if let Some(coverage) = activity.embedding.coverage.filter(|coverage| coverage.total > 0) {
        figures.push((format!("{} %", coverage.embedded * 100 / coverage.total), "found by meaning"));
    }
    if let Some(coverage) = activity.embedding.messages.filter(|coverage| coverage.total > 0) {
        let share = format!("{} %", coverage.embedded * 100 / coverage.total);
        figures.push((share, "of conversations found by meaning"));
    }
    figures
}

fn states(stats: &LibraryStats, chosen: Option<FileState>) -> Vec<(String, String, bool)> {
    let all: u64 = stats.files.iter().map(|(_, count)| count).sum();
    let mut states = vec![(format!("all {}", grouped(all)), PATH.to_owned(), chosen.is_none())];
    for (state, count) in &stats.files {
        let href = Address::new(PATH).with("state", state.as_str()).finish();
        states.push((format!("{} {}", state.as_str(), grouped(*count)), href, chosen == Some(*state)));
    }
    states
}

impl Row {
    fn new(file: File, clock: &Clock) -> Self {
        let path = file.found.path;
        let (folder, name) = path.rsplit_once(['/', '\\']).unwrap_or(("", &path));
        let parts = file.coverage.filter(|coverage| coverage.covered < coverage.parts);
        let parts =
            parts.map(|coverage| format!("{} of {} parts hold text", coverage.covered, coverage.parts));
        let reason = if file.reason.is_empty() { parts.unwrap_or_default() } else { file.reason };
        Self {
            name: shortened(name, 120),
            folder: shortened(folder, 160),
            href: file.document.map(|id| format!("{PATH}/{id}")),
            state: file.state.as_str(),
            mood: match file.state {
                FileState::Kept => "good",
                FileState::Failed => "bad",
                FileState::Waiting => "busy",
                FileState::Skipped | FileState::Gone => "",
            },
            reason: shortened(&reason, 300),
            size: bytes(file.found.bytes),
            when: clock.minute(file.seen_at),
            datetime: file.seen_at.to_string(),
            retriable: matches!(file.state, FileState::Failed | FileState::Skipped),
            path,
        }
    }
}

/// Tells what is being done, in a sentence.
fn told(activity: &Activity) -> String {
    if let Some(adding) = &activity.adding {
        let waiting = match activity.waiting {
            0 => String::new(),
            waiting => format!(", {} waiting", grouped(waiting as u64)),
        };
        return format!(
            "Reading: {} of {} done{waiting} …",
            grouped(adding.done()),
            counted(adding.files.max(1), "file", "files")
        );
    }
    let embedding = &activity.embedding;
    match embedding.pace {
        Pace::Elsewhere => "Another program makes everything findable by meaning …".to_owned(),
        Pace::Running => {
            // Documents come first.
            let open = |coverage: Option<Coverage>| coverage.filter(|all| all.embedded < all.total);
            let share = match (open(embedding.coverage), open(embedding.messages)) {
                (Some(all), _) => format!("{} of {} passages", grouped(all.embedded), grouped(all.total)),
                (None, Some(all)) => format!("{} of {} messages", grouped(all.embedded), grouped(all.total)),
                (None, None) => "almost done".to_owned(),
            };
            let left = embedding
                .remaining
                .map_or_else(String::new, |left| format!(", {} left", span(left.as_secs())));
            format!("Making everything findable by meaning: {share}{left} …")
        }
        Pace::Paused => "What has no vector yet is found by its words alone: embedding is paused.".to_owned(),
        Pace::Failed => {
            format!("Embedding failed: {}.", embedding.error.as_deref().unwrap_or("for a reason unknown"))
        }
        Pace::Idle | Pace::NoModel => match &activity.last {
            Some(last) if last.error.is_some() => {
                format!("Reading ended early: {}.", last.error.as_deref().unwrap_or_default())
            }
            Some(last) => {
                let mut parts = Vec::new();
                for (count, what) in [
                    (last.added, "new"),
                    (last.updated, "changed"),
                    (last.unchanged, "known already"),
                    (last.failed, "not readable"),
                    (last.skipped, "passed over"),
                ] {
                    if count > 0 {
                        parts.push(format!("{} {what}", grouped(count)));
                    }
                }
                if parts.is_empty() { String::new() } else { format!("Done: {}.", parts.join(", ")) }
            }
            None => String::new(),
        },
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..=59 => counted(seconds.max(1), "second", "seconds"),
        60..=3_599 => counted(seconds / 60, "minute", "minutes"),
        _ => counted(seconds / 3_600, "hour", "hours"),
    }
}

/// How far what is being done has come, from 0 to 1; `None` where that is not known.
fn part(activity: &Activity) -> Option<f64> {
    if let Some(adding) = &activity.adding {
        return (adding.files > 0).then(|| adding.done() as f64 / adding.files as f64);
    }
    let Embedding { coverage, messages, .. } = &activity.embedding;
    let (mut embedded, mut total) = (0, 0);
    for coverage in [coverage, messages].into_iter().flatten() {
        embedded += coverage.embedded;
        total += coverage.total;
    }
    (total > 0).then(|| embedded as f64 / total as f64)
}
