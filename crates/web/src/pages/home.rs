use askama::Template;
use athenaeum_archive::{Count, Filters};
use axum::{extract::State, response::Html};
use jiff::{ToSpan, civil::Date};

use super::{
    Room,
    entry::{Entry, colour_of},
    render,
};
use crate::{
    Desk,
    address::Address,
    choice::{Choice, provider_title},
    error::Error,
    html::{counted, grouped},
    when::Clock,
};

/// Latest conversations shown.
const RECENT: usize = 8;
/// How many years "On this day" looks back, and how many conversations it shows of each.
const YEARS_BACK: i16 = 5;
const PER_YEAR: usize = 3;

/// Answers `GET /`.
pub(crate) async fn show(State(desk): State<Desk>) -> Result<Html<String>, Error> {
    let scope = athenaeum_tenancy::local();
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let stats = desk.statistics.of(&desk.archive).await?;
    let recent = desk.archive.conversations(&scope, &Filters::default(), None, RECENT).await?;
    let mut years_ago = Vec::new();
    let first_year = stats.span.and_then(|(oldest, _)| clock.date(oldest)).map_or(i16::MAX, Date::year);
    for years in 1..=YEARS_BACK {
        let Ok(day) = clock.today().checked_sub(years.years()) else { break };
        if day.year() < first_year {
            break;
        }
        let filters = Filters { after: clock.beginning(day), before: clock.end(day), ..Filters::default() };
        let page = desk.archive.conversations(&scope, &filters, None, PER_YEAR).await?;
        if !page.items.is_empty() {
            let told =
                format!("{} ago, {}", counted(years as u64, "year", "years"), day.strftime("%A %-d %B %Y"));
            years_ago.push((told, page.items.iter().map(|summary| Entry::new(summary, &clock)).collect()));
        }
    }
    render(&Home {
        room: Room::plain("Reading room").without_search(),
        empty: stats.conversations == 0,
        choice: Choice::default(),
        autofocus: false,
        conversations: grouped(stats.conversations),
        messages: grouped(stats.messages),
        since: stats.span.and_then(|(oldest, _)| clock.date(oldest)).map(month_and_year).unwrap_or_default(),
        spines: spines(&stats.conversations_by_provider),
        recent: recent.items.iter().map(|summary| Entry::new(summary, &clock)).collect(),
        years_ago,
    })
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    room: Room,
    empty: bool,
    choice: Choice,
    autofocus: bool,
    conversations: String,
    messages: String,
    since: String,
    spines: Vec<Spine>,
    recent: Vec<Entry>,
    years_ago: Vec<(String, Vec<Entry>)>,
}

/// A provider as a book on the shelf: the more conversations, the thicker.
struct Spine {
    title: String,
    href: String,
    number: String,
    told: String,
    /// 1 to 6.
    width: u32,
    /// 1 to 4.
    height: usize,
    colour: usize,
}

fn spines(providers: &[Count]) -> Vec<Spine> {
    let most = providers.iter().map(|provider| provider.count).max().unwrap_or(1).max(1);
    let spine = |provider: &Count| {
        let title = provider_title(&provider.value);
        Spine {
            href: Address::new("/conversations").with("provider", &provider.value).finish(),
            number: short(provider.count),
            told: format!("{title}: {}", counted(provider.count, "conversation", "conversations")),
            width: thickness(provider.count, most),
            height: 1
                + (provider.value.len() * 7 + provider.value.bytes().map(usize::from).sum::<usize>()) % 4,
            colour: colour_of(&provider.value),
            title,
        }
    };
    providers.iter().take(18).map(spine).collect()
}

/// By the logarithm, so that a shelf of one thick book still shows the thin ones.
fn thickness(count: u64, most: u64) -> u32 {
    let fraction = ((1 + count) as f64).ln() / ((1 + most) as f64).ln();
    1 + (fraction * 5.0).round().clamp(0.0, 5.0) as u32
}

fn short(count: u64) -> String {
    match count {
        0..=9_999 => grouped(count),
        10_000..=999_999 => format!("{}k", count / 1_000),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

fn month_and_year(day: Date) -> String {
    day.strftime("%B %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thicker_books_hold_more() {
        assert_eq!(
            (thickness(1_000, 1_000), thickness(30, 1_000), thickness(0, 1_000), thickness(1, 1)),
            (6, 3, 1, 6)
        );
        assert_eq!(
            (short(9_999), short(12_345), short(2_340_000)),
            ("9,999".into(), "12k".into(), "2.3M".into())
        );
    }
}
