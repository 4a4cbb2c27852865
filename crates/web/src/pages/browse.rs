use askama::Template;
use axum::{extract::State, response::Html};

use super::{
    Parameters, Room,
    entry::{Entry, began},
    facets::{self, Group},
    parameter, render,
};
use crate::{
    Desk,
    choice::{Chip, Choice},
    error::Error,
    when::Clock,
};

const PATH: &str = "/conversations";
/// Conversations on a page.
const ROWS: usize = 60;

/// Answers `GET /conversations`.
pub(crate) async fn show(State(desk): State<Desk>, parameters: Parameters) -> Result<Html<String>, Error> {
    let choice = Choice { q: String::new(), ..Choice::read(&parameters) };
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let scope = athenaeum_tenancy::local();
    let request = choice.request(&clock, ROWS);
    let page = desk.archive.conversations(&scope, &request.filters, request.cursor.as_ref(), ROWS).await?;
    let stats = desk.statistics.of(&desk.archive).await?;
    let mut shelves: Vec<(String, Vec<Entry>)> = Vec::new();
    for summary in &page.items {
        let time = began(summary);
        let name = time.map_or_else(|| "Undated".to_owned(), |time| clock.shelf(time));
        let entry = Entry::new(summary, &clock);
        match shelves.last_mut() {
            Some((last, entries)) if *last == name => entries.push(entry),
            _ => shelves.push((name, vec![entry])),
        }
    }
    render(&Conversations {
        room: Room::at("Conversations", "conversations"),
        path: PATH,
        deleted: parameter(&parameters, "deleted") == "1",
        filtered: choice.is_filtered(),
        chips: choice.chips(PATH),
        groups: facets::of_conversations(&choice, &stats.conversations_by_provider, PATH),
        shelves,
        first: Choice { cursor: None, ..choice.clone() }.href(PATH),
        next: page.next.map(|cursor| choice.continued(&cursor).href(PATH)),
        choice,
    })
}

#[derive(Template)]
#[template(path = "conversations.html")]
struct Conversations {
    room: Room,
    path: &'static str,
    deleted: bool,
    filtered: bool,
    chips: Vec<Chip>,
    groups: Vec<Group>,
    shelves: Vec<(String, Vec<Entry>)>,
    first: String,
    next: Option<String>,
    choice: Choice,
}
