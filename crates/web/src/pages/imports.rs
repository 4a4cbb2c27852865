//! What was imported: the list, one run with its problems, and its progress while it runs.

use std::{convert::Infallible, sync::Arc};

use askama::Template;
use athenaeum_archive::{Cursor, ImportEvent, ImportStatus};
use athenaeum_core::ImportId;
use athenaeum_retrieval::{Phase, Progress, Status};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{
        Html, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use tokio_stream::wrappers::WatchStream;

use super::{Parameters, Room, file_name, parameter, render};
use crate::{
    Desk,
    address::Address,
    choice::provider_title,
    error::Error,
    html::{bytes, counted, grouped, shortened},
    when::Clock,
};

/// Runs on a page.
const ROWS: usize = 50;

/// Answers `GET /imports`.
pub(crate) async fn list(State(desk): State<Desk>, parameters: Parameters) -> Result<Html<String>, Error> {
    let cursor = parameter(&parameters, "cursor");
    let cursor = (!cursor.is_empty()).then(|| Cursor(cursor.to_owned()));
    let page = desk.archive.imports(&athenaeum_tenancy::local(), cursor.as_ref(), ROWS).await?;
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let next = page.next.map(|cursor| Address::new("/imports").with("cursor", &cursor.0).finish());
    let rows = page.items.iter().map(|event| Row::new(&desk, event, &clock)).collect();
    render(&Imports { room: Room::at("Imports", "import"), rows, next })
}

/// Answers `GET /imports/{id}`.
pub(crate) async fn show(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Html<String>, Error> {
    let id: ImportId = id.parse().map_err(|_| Error::NotFound)?;
    let scope = athenaeum_tenancy::local();
    let event = desk.imports.event(&scope, id).await?;
    let progress = running(&desk, id);
    if progress.is_none() {
        // Whoever sees an import done looks at the shelves next.
        desk.statistics.forget();
    }
    let report = Report::read(event.stats.as_deref());
    let row = Row::new(&desk, &event, &Clock::now(desk.settings.time_zone.as_deref()));
    let tally = match &progress {
        Some(progress) => told(progress),
        None => tally(&report),
    };
    render(&ImportPage {
        room: Room::at(&format!("Import of {}", row.source), "import"),
        id: id.to_string(),
        error: event.error.clone(),
        running: progress.is_some(),
        bytes_read: progress.map_or(0, |progress| progress.bytes_read),
        bytes_total: progress.map_or(0, |progress| progress.bytes_total),
        phase: progress.as_ref().map(phase).unwrap_or_default(),
        tally,
        reasons: report.problem_reasons,
        problems_left_out: left_out(report.problems, report.problem_details.len()),
        problems: report.problem_details,
        mismatches: report.mismatch_details,
        row,
    })
}

/// Answers `GET /imports/{id}/events`: a `progress` event for each step, then `done`.
pub(crate) async fn events(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let id: ImportId = id.parse().map_err(|_| Error::NotFound)?;
    let watched = desk.imports.subscribe(&athenaeum_tenancy::local(), id).ok_or(Error::NotFound)?;
    let Ok(place) = Arc::clone(&desk.streams).try_acquire_owned() else {
        let sentence = "Too many pages follow imports already; close one, or reload this page now and then.";
        return Err(Error::refused(StatusCode::SERVICE_UNAVAILABLE, sentence));
    };
    let mut over = false;
    let steps = WatchStream::new(watched).take_while(move |status| {
        // The final state is told, and nothing after it.
        let go_on = !over;
        over = status.is_final();
        std::future::ready(go_on)
    });
    let events = steps.map(move |status| {
        // Held for as long as the stream is open.
        let _ = &place;
        Ok(match status {
            Status::Running(progress) => Event::default().event("progress").data(step(&progress)),
            _ => Event::default().event("done").data("{}"),
        })
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn running(desk: &Desk, id: ImportId) -> Option<Progress> {
    let watched = desk.imports.subscribe(&athenaeum_tenancy::local(), id)?;
    let status = watched.borrow();
    match &*status {
        Status::Running(progress) => Some(*progress),
        _ => None,
    }
}

/// Writes a step for the script: numbers for the bar, texts for the fields of the page by their names.
fn step(progress: &Progress) -> String {
    let mut fields = serde_json::Map::new();
    for (name, _, value) in told(progress) {
        fields.insert(name.to_owned(), value.into());
    }
    fields.insert("phase".to_owned(), phase(progress).into());
    let conversations = counted(progress.conversations, "conversation", "conversations");
    serde_json::json!({
        "bytes_read": progress.bytes_read,
        "bytes_total": progress.bytes_total,
        "told": fields,
        "sentence": format!("{} read so far", conversations),
    })
    .to_string()
}

fn phase(progress: &Progress) -> String {
    match progress.phase {
        Phase::Waiting => "Waiting for another import to end".into(),
        Phase::Finishing => "Writing the last of it".into(),
        Phase::Reading => {
            let mut text =
                format!("Reading, {} messages a second", grouped(progress.messages_per_second() as u64));
            if let Some(left) = progress.remaining() {
                text.push_str(&format!(", {} left", duration(left.as_secs())));
            }
            text
        }
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=89 => counted(seconds.max(1), "second", "seconds"),
        90..=5_399 => counted((seconds + 30) / 60, "minute", "minutes"),
        _ => counted((seconds + 1_800) / 3_600, "hour", "hours"),
    }
}

/// Name, label and value of each number.
fn told(progress: &Progress) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("conversations", "conversations", grouped(progress.conversations)),
        ("messages", "messages", grouped(progress.messages)),
        ("added", "new", grouped(progress.added)),
        ("updated", "changed", grouped(progress.updated)),
        ("unchanged", "known already", grouped(progress.unchanged)),
        ("problems", "problems", grouped(progress.problems)),
    ]
}

fn tally(report: &Report) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("conversations", "conversations", grouped(report.conversations)),
        ("messages", "messages", grouped(report.messages)),
        ("added", "new", grouped(report.added)),
        ("updated", "changed", grouped(report.updated)),
        ("unchanged", "known already", grouped(report.unchanged)),
        ("problems", "problems", grouped(report.problems)),
    ]
}

fn left_out(count: u64, shown: usize) -> Option<String> {
    count.checked_sub(shown as u64).filter(|more| *more > 0).map(grouped)
}

/// The report of a run as the archive keeps it. Fields that an older version did not write are zero.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    conversations: u64,
    messages: u64,
    added: u64,
    updated: u64,
    unchanged: u64,
    problems: u64,
    bytes: u64,
    duration_ms: u64,
    problem_reasons: Vec<Reason>,
    problem_details: Vec<Problem>,
    mismatch_details: Vec<Mismatch>,
}

impl Report {
    fn read(stats: Option<&str>) -> Self {
        stats.and_then(|stats| serde_json::from_str(stats).ok()).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    severity: String,
    reason: String,
    count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    severity: String,
    file: String,
    record: String,
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mismatch {
    provider: String,
    external_id: String,
    in_source: u64,
    in_archive: Option<u64>,
}

/// A run in the list.
struct Row {
    href: String,
    source: String,
    provider: String,
    when: String,
    datetime: String,
    status: &'static str,
    /// Class of the badge.
    mood: &'static str,
    found: String,
    problems: String,
    size: String,
}

impl Row {
    fn new(desk: &Desk, event: &ImportEvent, clock: &Clock) -> Self {
        let report = Report::read(event.stats.as_deref());
        let here = running(desk, event.id).is_some();
        let (status, mood) = match event.status {
            _ if here => ("running", "busy"),
            ImportStatus::InProgress => ("not finished here", "busy"),
            ImportStatus::Completed => ("done", "good"),
            ImportStatus::Failed => ("ended early", "bad"),
        };
        let last = Some(file_name(&event.file_path)).filter(|last| !last.is_empty());
        let mut size = Vec::new();
        if report.bytes > 0 {
            size.push(bytes(report.bytes));
        }
        if report.duration_ms > 0 {
            size.push(format!("{:.1} s", report.duration_ms as f64 / 1e3));
        }
        Self {
            href: format!("/imports/{}", event.id),
            source: shortened(last.unwrap_or(&event.file_path), 80),
            provider: event.provider.as_ref().map(|name| provider_title(name.as_str())).unwrap_or_default(),
            when: clock.minute(event.created_at),
            datetime: event.created_at.to_string(),
            status,
            mood,
            found: format!(
                "{}: {} new, {} changed, {} known",
                counted(report.conversations, "conversation", "conversations"),
                grouped(report.added),
                grouped(report.updated),
                grouped(report.unchanged)
            ),
            problems: if report.problems == 0 {
                String::new()
            } else {
                counted(report.problems, "problem", "problems")
            },
            size: size.join(" in "),
        }
    }
}

#[derive(Template)]
#[template(path = "imports.html")]
struct Imports {
    room: Room,
    rows: Vec<Row>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "import_run.html")]
struct ImportPage {
    room: Room,
    id: String,
    row: Row,
    error: Option<String>,
    running: bool,
    bytes_read: u64,
    bytes_total: u64,
    phase: String,
    tally: Vec<(&'static str, &'static str, String)>,
    reasons: Vec<Reason>,
    problems: Vec<Problem>,
    problems_left_out: Option<String>,
    mismatches: Vec<Mismatch>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_names_every_field_of_the_page() {
        let progress =
            Progress { conversations: 1_200, bytes_read: 5, bytes_total: 10, ..Progress::default() };
        let step: serde_json::Value = serde_json::from_str(&step(&progress)).unwrap();
        assert_eq!(step["told"]["conversations"], "1,200");
        assert_eq!(step["told"]["phase"], "Waiting for another import to end");
        assert_eq!((&step["bytes_read"], &step["bytes_total"]), (&5.into(), &10.into()));
    }

    #[test]
    fn reports_of_any_age_are_read() {
        assert_eq!(Report::read(Some("{\"conversations\":3,\"new_field\":[]}")).conversations, 3);
        assert_eq!(Report::read(Some("not json")).conversations, 0);
        assert_eq!(Report::read(None).problems, 0);
        assert_eq!((left_out(5, 5), left_out(1_500, 1_000)), (None, Some("500".to_owned())));
        assert_eq!(
            (duration(0), duration(100), duration(7_200)),
            ("1 second".into(), "2 minutes".into(), "2 hours".into())
        );
    }
}
