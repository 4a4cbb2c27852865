use askama::Template;
use athenaeum_archive::Count;
use axum::{extract::State, response::Html};

use super::{Room, render};
use crate::{
    Desk,
    address::Address,
    charts::{self, Bar, Year},
    choice::{Kind, label},
    error::Error,
    html::{bytes, grouped, shortened},
    when::{self, Clock},
};

/// Rows of a table; a person with more models than that knows them by heart.
const ROWS: usize = 15;

/// Answers `GET /stats`.
pub(crate) async fn show(State(desk): State<Desk>) -> Result<Html<String>, Error> {
    let stats = desk.statistics.of(&desk.archive).await?;
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let per_conversation = stats.messages.checked_div(stats.conversations).unwrap_or(0);
    let mut figures = vec![
        (grouped(stats.conversations), "conversations"),
        (grouped(stats.messages), "messages"),
        (grouped(per_conversation), "messages in a conversation, on average"),
        (grouped(stats.days.len() as u64), "days with messages"),
        (bytes(stats.database_bytes), "on disk"),
    ];
    if let Some((oldest, newest)) = stats.span {
        figures.push((clock.day(oldest), "the first message"));
        figures.push((clock.day(newest), "the latest"));
    }
    let facets = &stats.facets;
    let filter = |name: &'static str, value: &str| Address::new("/conversations").with(name, value).finish();
    let tables = vec![
        table("Providers", "Provider", "Conversations", &stats.conversations_by_provider, |value| {
            (label(Kind::Provider, value), Some(filter("provider", value)))
        }),
        table("Models", "Model", "Messages", &facets.models, |value| {
            (shortened(value, 60), Some(Address::new("/search").with("model", value).finish()))
        }),
        table("Speakers", "Speaker", "Messages", &facets.roles, |value| {
            (label(Kind::Role, value), Some(Address::new("/search").with("role", value).finish()))
        }),
        table("Messages by provider", "Provider", "Messages", &facets.providers, |value| {
            (label(Kind::Provider, value), Some(Address::new("/search").with("provider", value).finish()))
        }),
    ];
    render(&StatsPage {
        room: Room::at("Statistics", "stats"),
        empty: stats.messages == 0,
        figures,
        months: charts::columns(&facets.months),
        month_rows: facets
            .months
            .iter()
            .rev()
            .map(|month| (when::month(&month.value), grouped(month.count)))
            .collect(),
        years: charts::calendar(&stats.days),
        tables,
    })
}

fn table(
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    counts: &[Count],
    name: impl Fn(&str) -> (String, Option<String>),
) -> Table {
    let named: Vec<Count> = counts.iter().filter(|count| !count.value.is_empty()).cloned().collect();
    let mut bars = charts::bars(&named, name);
    let more = bars.len().checked_sub(ROWS).filter(|more| *more > 0);
    bars.truncate(ROWS);
    Table { title, what, unit, bars, more: more.map(|more| format!("and {} more", grouped(more as u64))) }
}

#[derive(Template)]
#[template(path = "stats.html")]
struct StatsPage {
    room: Room,
    empty: bool,
    figures: Vec<(String, &'static str)>,
    /// SVG.
    months: String,
    month_rows: Vec<(String, String)>,
    years: Vec<Year>,
    tables: Vec<Table>,
}

struct Table {
    title: &'static str,
    what: &'static str,
    unit: &'static str,
    bars: Vec<Bar>,
    more: Option<String>,
}
