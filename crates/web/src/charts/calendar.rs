use std::{collections::BTreeMap, fmt::Write as _};

use athenaeum_archive::Count;
use jiff::{ToSpan, civil::Date};

use crate::html::counted;

/// One year of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Year {
    pub(crate) year: i16,
    /// Messages of the year.
    pub(crate) count: u64,
    /// The picture.
    pub(crate) svg: String,
}

const CELL: i32 = 13;
const TOP: i32 = 18;
const LEFT: i32 = 30;
/// Years drawn at most; older ones are in the table of months.
const YEARS_MAX: usize = 12;

/// Draws a calendar per year, the newest first: a column a week, a row a weekday, darker where more was said. A
/// day with messages links to that day's conversations. Values of `days` that are no dates are left out.
pub(crate) fn calendar(days: &[Count]) -> Vec<Year> {
    let mut years: BTreeMap<i16, BTreeMap<Date, u64>> = BTreeMap::new();
    for day in days {
        if let Ok(date) = day.value.parse::<Date>() {
            years.entry(date.year()).or_default().insert(date, day.count);
        }
    }
    let levels = Levels::of(days);
    let draw = |(year, days): (i16, BTreeMap<Date, u64>)| Year {
        year,
        count: days.values().sum(),
        svg: draw(year, &days, &levels),
    };
    years.into_iter().rev().take(YEARS_MAX).map(draw).collect()
}

/// The counts at which a day's colour changes: quartiles of the days that have any.
struct Levels([u64; 3]);

impl Levels {
    fn of(days: &[Count]) -> Self {
        let mut counts: Vec<u64> = days.iter().map(|day| day.count).filter(|count| *count > 0).collect();
        counts.sort_unstable();
        let quartile = |part: usize| counts.get(counts.len() * part / 4).copied().unwrap_or(u64::MAX);
        Self([quartile(1), quartile(2), quartile(3)])
    }

    fn level(&self, count: u64) -> usize {
        if count == 0 { 0 } else { 1 + self.0.iter().filter(|from| count > **from).count() }
    }
}

fn draw(year: i16, days: &BTreeMap<Date, u64>, levels: &Levels) -> String {
    let (width, height) = (LEFT + 54 * CELL, TOP + 7 * CELL);
    let mut svg = format!(
        "<svg class=\"calendar\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" aria-hidden=\"true\" focusable=\"false\">"
    );
    for (row, name) in [(0, "Mon"), (2, "Wed"), (4, "Fri")] {
        let _ = write!(svg, "<text class=\"tick\" x=\"0\" y=\"{}\">{name}</text>", TOP + row * CELL + 10);
    }
    let Ok(first) = Date::new(year, 1, 1) else { return String::new() };
    let offset = i32::from(first.weekday().to_monday_zero_offset());
    let mut date = first;
    for index in 0_i32..366 {
        if date.year() != year {
            break;
        }
        let x = LEFT + (index + offset) / 7 * CELL;
        let y = TOP + (index + offset) % 7 * CELL;
        if date.day() == 1 {
            let _ = write!(svg, "<text class=\"tick\" x=\"{x}\" y=\"10\">{}</text>", date.strftime("%b"));
        }
        let count = days.get(&date).copied().unwrap_or(0);
        let level = levels.level(count);
        let cell =
            format!("<rect class=\"day-{level}\" x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" rx=\"2\"");
        let _ = if count == 0 {
            write!(svg, "{cell}/>")
        } else {
            let told = format!("{}: {}", date.strftime("%-d %B %Y"), counted(count, "message", "messages"));
            write!(
                svg,
                "<a href=\"/conversations?after={date}&amp;before={date}\" tabindex=\"-1\">{cell}><title>{told}</title></rect></a>"
            )
        };
        let Ok(next) = date.checked_add(1.day()) else { break };
        date = next;
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(value: &str, count: u64) -> Count {
        Count { value: value.into(), count }
    }

    #[test]
    fn every_day_of_the_year_is_drawn() {
        let years = calendar(&[count("2023-12-31", 1), count("2024-02-29", 4), count("no day", 3)]);
        assert_eq!(
            years.iter().map(|year| (year.year, year.count)).collect::<Vec<_>>(),
            [(2024, 4), (2023, 1)]
        );
        assert_eq!(years[0].svg.matches("<rect").count(), 366);
        assert_eq!(years[1].svg.matches("<rect").count(), 365);
        assert!(years[0].svg.contains("<title>29 February 2024: 4 messages</title>"));
        assert!(years[0].svg.contains("href=\"/conversations?after=2024-02-29&amp;before=2024-02-29\""));
    }

    #[test]
    fn colours_follow_the_quartiles() {
        let days: Vec<Count> = (1..=8).map(|day| count(&format!("2024-01-0{day}"), day)).collect();
        let levels = Levels::of(&days);
        assert_eq!((0..=8).map(|count| levels.level(count)).collect::<Vec<_>>(), [0, 1, 1, 1, 2, 2, 3, 3, 4]);
        assert_eq!(Levels::of(&[]).level(5), 1);
    }
}
