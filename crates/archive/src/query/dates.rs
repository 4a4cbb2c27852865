//! Dates as people write them in a query. All in UTC.

use athenaeum_core::Timestamp;
use jiff::{
    Span, ToSpan as _, Zoned,
    civil::{Date, Time},
    tz::TimeZone,
};

/// The first and the last moment of a time that was named; both the same for an exact moment.
pub(super) type Period = (Timestamp, Timestamp);

/// Reads a year, a month, a day, a moment (RFC 3339), a time ago (`7d`, `2w`, `3m`, `1y`, `12h`), or a word
/// such as `yesterday` and `last-month`. A time ago is the moment that long before `now`.
pub(super) fn period(text: &str, now: Timestamp) -> Option<Period> {
    let text = text.to_ascii_lowercase();
    calendar(&text).or_else(|| named(&text, now)).or_else(|| ago(&text, now)).or_else(|| moment(&text))
}

/// Tells whether `text` is a time ago, which has no length of its own.
pub(super) fn is_ago(text: &str) -> bool {
    text.len() > 1 && text.as_bytes()[..text.len() - 1].iter().all(u8::is_ascii_digit) && span(text).is_some()
}

fn calendar(text: &str) -> Option<Period> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let number = |part: &str, digits: [usize; 2]| -> Option<i16> {
        let fits = digits.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if fits { part.parse().ok() } else { None }
    };
    let year = number(parts.first()?, [4, 4])?;
    let small = |part: &str| i8::try_from(number(part, [1, 2])?).ok();
    let (first, length) = match parts[1..] {
        [] => (Date::new(year, 1, 1).ok()?, 1.year()),
        [month] => (Date::new(year, small(month)?, 1).ok()?, 1.month()),
        [month, day] => (Date::new(year, small(month)?, small(day)?).ok()?, 1.day()),
        _ => return None,
    };
    days(first, length)
}

fn named(text: &str, now: Timestamp) -> Option<Period> {
    let today = utc(now)?.date();
    let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).ok()?;
    let text = text.replace('_', "-");
    let (first, length) = match text.as_str() {
        "today" => (today, 1.day()),
        "yesterday" => (today.checked_sub(1.day()).ok()?, 1.day()),
        "this-week" | "thisweek" | "week" => (monday, 1.week()),
        "last-week" | "lastweek" => (monday.checked_sub(1.week()).ok()?, 1.week()),
        "this-month" | "thismonth" | "month" => (today.first_of_month(), 1.month()),
        "last-month" | "lastmonth" => (today.first_of_month().checked_sub(1.month()).ok()?, 1.month()),
        "this-year" | "thisyear" | "year" => (today.first_of_year(), 1.year()),
        "last-year" | "lastyear" => (today.first_of_year().checked_sub(1.year()).ok()?, 1.year()),
        _ => return None,
    };
    days(first, length)
}

fn ago(text: &str, now: Timestamp) -> Option<Period> {
    let then = utc(now)?.checked_sub(span(text)?).ok()?;
    let then = Timestamp::from_micros(then.timestamp().as_microsecond());
    Some((then, then))
}

fn span(text: &str) -> Option<Span> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: i64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "h" => Span::new().try_hours(count).ok(),
        "d" => Span::new().try_days(count).ok(),
        "w" => Span::new().try_weeks(count).ok(),
        "m" | "mo" => Span::new().try_months(count).ok(),
        "y" => Span::new().try_years(count).ok(),
        _ => None,
    }
}

fn moment(text: &str) -> Option<Period> {
    // Bare numbers are times to a parser of exports, but not to a person.
    if !text.contains(['-', ':']) || text.parse::<f64>().is_ok() {
        return None;
    }
    let time = text.to_ascii_uppercase().parse().ok()?;
    Some((time, time))
}

/// From midnight of `first` to the last microsecond before midnight, `length` later.
fn days(first: Date, length: Span) -> Option<Period> {
    let next = first.checked_add(length).ok()?;
    let midnight = |date: Date| -> Option<i64> {
        let zoned = date.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC).ok()?;
        Some(zoned.timestamp().as_microsecond())
    };
    Some((Timestamp::from_micros(midnight(first)?), Timestamp::from_micros(midnight(next)? - 1)))
}

fn utc(time: Timestamp) -> Option<Zoned> {
    jiff::Timestamp::from_microsecond(time.as_micros()).ok().map(|time| time.to_zoned(TimeZone::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let now = "2024-05-17T08:30:00Z".parse().unwrap();
        let printed = period(text, now).map(|(first, last)| format!("{first} {last}"));
        assert_eq!(printed.as_deref().unwrap_or("none"), expected, "{text}");
    }

    #[test]
    fn periods() {
        check("2024", "2024-01-01T00:00:00Z 2024-12-31T23:59:59.999999Z");
        check("2024-02", "2024-02-01T00:00:00Z 2024-02-29T23:59:59.999999Z");
        check("2024/2/3", "2024-02-03T00:00:00Z 2024-02-03T23:59:59.999999Z");
        check("yesterday", "2024-05-16T00:00:00Z 2024-05-16T23:59:59.999999Z");
        check("last-week", "2024-05-06T00:00:00Z 2024-05-12T23:59:59.999999Z");
        check("Last_Month", "2024-04-01T00:00:00Z 2024-04-30T23:59:59.999999Z");
        check("7d", "2024-05-10T08:30:00Z 2024-05-10T08:30:00Z");
        check("3m", "2024-02-17T08:30:00Z 2024-02-17T08:30:00Z");
        check("2024-05-17T10:30:00+02:00", "2024-05-17T08:30:00Z 2024-05-17T08:30:00Z");
        check("9999-12-31", "none");
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2024-13",
            "2024-02-30",
            "party",
            "99999999999999999999d",
            "20240517",
            "d",
            "-",
            "1e5",
            "-1",
            "-0.9",
            "1e-5",
        ] {
            check(text, "none");
        }
    }
}
