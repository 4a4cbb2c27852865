use athenaeum_core::Timestamp;
use jiff::{Span, civil::Date, tz::TimeZone};

/// First and last moment of what a person calls a time: a year (`2024`), a month (`2024-05`), a day
/// (`2024-05-17`) or a moment (RFC 3339, UTC where no zone is given). `None` for anything else.
pub(crate) fn period(text: &str) -> Option<(Timestamp, Timestamp)> {
    let numbers: Vec<&str> = text.split('-').collect();
    let all_digits = |lengths: &[usize]| {
        numbers.len() == lengths.len()
            && numbers.iter().zip(lengths).all(|(number, length)| {
                number.len() == *length && number.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    let (first, length) = if all_digits(&[4]) {
        (format!("{text}-01-01"), Span::new().years(1))
    } else if all_digits(&[4, 2]) {
        (format!("{text}-01"), Span::new().months(1))
    } else if all_digits(&[4, 2, 2]) {
        (text.to_owned(), Span::new().days(1))
    } else {
        let moment = text.contains(['T', 't', ' ']).then(|| text.parse().ok()).flatten()?;
        return Some((moment, moment));
    };
    let day: Date = first.parse().ok()?;
    let start = micros(day)?;
    let end = micros(day.checked_add(length).ok()?)?.checked_sub(1)?;
    Some((Timestamp::from_micros(start), Timestamp::from_micros(end)))
}

fn micros(day: Date) -> Option<i64> {
    day.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_told_by_its_ends() {
        let check = |text: &str, first: &str, last: &str| {
            let (from, to) = period(text).unwrap();
            assert_eq!((from.to_string().as_str(), to.to_string().as_str()), (first, last));
        };
        check("2024", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59.999999Z");
        check("2024-02", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999999Z");
        check("2024-05-17", "2024-05-17T00:00:00Z", "2024-05-17T23:59:59.999999Z");
        check("2024-05-17T10:30:00+02:00", "2024-05-17T08:30:00Z", "2024-05-17T08:30:00Z");
        for text in
            ["", "24", "2024-13", "2024-02-30", "-1", "1e400", "soon", "9999-12-31T", "2024-5-1", "../"]
        {
            assert!(period(text).is_none(), "{text}");
        }
        assert!(period("9999").is_none_or(|(from, to)| from < to));
    }
}
