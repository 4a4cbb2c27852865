//! Times as Google's activity pages write them, which is for people, in their language: `Nov 13, 2025, 9:50:57 AM
//! CET`, `13.11.2025, 09:50:57 MEZ`, `2025/11/13 9:50:57 JST`.

use athenaeum_core::Timestamp;

/// Reads a time. `None` where it is in words that are not known here, or no time at all.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    if text.len() > 80 {
        return None;
    }
    let mut numbers: Vec<(i32, usize)> = Vec::new();
    let mut clock: Option<[i32; 3]> = None;
    let (mut month, mut afternoon, mut morning, mut zone) = (None, false, false, None);
    for word in text.split(|c: char| {
        c.is_whitespace() || matches!(c, ',' | '/' | '年' | '月' | '日' | '\u{202f}' | '\u{a0}')
    }) {
        let word = word.trim_matches(|c: char| matches!(c, '.' | '(' | ')'));
        if word.is_empty() {
            continue;
        }
        if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            let parts: Option<Vec<i32>> = word.split(':').map(|part| part.parse().ok()).collect();
            if let Some([hour, minute, rest @ ..]) = parts.as_deref() {
                clock = Some([*hour, *minute, rest.first().copied().unwrap_or(0)]);
            }
        } else if word.starts_with(|c: char| c.is_ascii_digit()) {
            for part in word.split(['.', '-']) {
                numbers.push((part.parse().ok()?, part.len()));
            }
        } else if matches!(word.to_ascii_lowercase().as_str(), "pm" | "p.m" | "午後" | "下午" | "오후")
        {
            afternoon = true;
        } else if matches!(word.to_ascii_lowercase().as_str(), "am" | "a.m" | "午前" | "上午" | "오전")
        {
            morning = true;
        } else if let Some(found) = month_of(word).filter(|_| month.is_none()) {
            month = Some(found);
        } else if let Some(minutes) = zone_of(word) {
            zone = Some(minutes);
        } else if !matches!(word.to_lowercase().as_str(), "de" | "del" | "г" | "kl" | "um" | "à" | "at") {
            return None;
        }
    }
    let [mut hour, minute, second] = clock?;
    if afternoon && hour < 12 {
        hour += 12;
    } else if morning && hour == 12 {
        hour = 0;
    }
    let (year, month, day) = date(&numbers, month)?;
    let date = jiff::civil::DateTime::new(
        year,
        month,
        day,
        hour.try_into().ok()?,
        minute.try_into().ok()?,
        second.try_into().ok()?,
        0,
    )
    .ok()?;
    let seconds = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    let shifted = seconds.checked_sub(i64::from(zone?) * 60)?;
    shifted.checked_mul(1_000_000).map(Timestamp::from_micros)
}

/// Tells whether a line can only be the time of an activity, though in words that are not known here.
pub(super) fn looks_like(text: &str) -> bool {
    let clock = text.split_whitespace().any(|word| {
        let parts: Vec<&str> = word.trim_matches(',').split(':').collect();
        parts.len() == 3
            && parts
                .iter()
                .all(|part| !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit()))
    });
    let year =
        text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() == 4 && digits.starts_with("20"));
    clock && year && text.chars().count() <= 60
}

/// The year is the number of four digits; of the two others, a language that writes the month as a number puts
/// the day first where it puts the year last.
fn date(numbers: &[(i32, usize)], month: Option<i32>) -> Option<(i16, i8, i8)> {
    let (year, month, day) = match (month, numbers) {
        (Some(month), [(day, 1 | 2), (year, 4)] | [(year, 4), (day, 1 | 2)]) => (*year, month, *day),
        (None, [(year, 4), (month, _), (day, _)]) => (*year, *month, *day),
        (None, [(day, _), (month, _), (year, 4)]) => (*year, *month, *day),
        _ => return None,
    };
    Some((year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?))
}

/// Beginnings of the months' names that no two months share within a language.
const MONTHS: [&[&str]; 12] = [
    &["jan", "jän", "ene", "gen", "янв", "sty", "oca"],
    &["feb", "fév", "fev", "фев", "lut", "şub"],
    &["mar", "mär", "mrz", "maa", "мар", "mrt"],
    &["apr", "avr", "abr", "апр", "kwi", "nis"],
    &["may", "mai", "mag", "мая", "май", "maj", "mei"],
    &["jun", "juin", "giu", "июн", "cze", "haz"],
    &["jul", "juil", "lug", "июл", "lip", "tem"],
    &["aug", "août", "aoû", "ago", "авг", "sie", "ağu"],
    &["sep", "set", "сен", "wrz", "eyl"],
    &["oct", "okt", "ott", "out", "окт", "paź", "eki"],
    &["nov", "ноя", "lis", "kas"],
    &["dec", "dez", "déc", "dic", "дек", "gru", "ara"],
];

fn month_of(word: &str) -> Option<i32> {
    let word = word.to_lowercase();
    let starts = |names: &[&str]| names.iter().any(|name| word.starts_with(name));
    // The longer names first: `juin` and `juil` begin like `jun` and `jul` do not, but `mai` and `maj` like `mar`.
    let found = MONTHS.iter().position(|names| starts(names))?;
    (word.chars().count() >= 3).then_some(i32::try_from(found).ok()? + 1)
}

/// Minutes east of Greenwich.
fn zone_of(word: &str) -> Option<i32> {
    if let Some(offset) = word.strip_prefix("GMT").or_else(|| word.strip_prefix("UTC")) {
        if offset.is_empty() {
            return Some(0);
        }
        let sign = match offset.chars().next()? {
            '+' => 1,
            '-' | '\u{2212}' => -1,
            _ => return None,
        };
        let digits = offset.trim_start_matches(['+', '-', '\u{2212}']);
        let (hours, minutes) = match digits.split_once(':') {
            Some((hours, minutes)) => (hours.parse::<i32>().ok()?, minutes.parse::<i32>().ok()?),
            None if digits.len() > 2 => {
                (digits.get(..digits.len() - 2)?.parse().ok()?, digits.get(digits.len() - 2..)?.parse().ok()?)
            }
            None => (digits.parse().ok()?, 0),
        };
        return (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes));
    }
    ZONES.iter().find(|(name, _)| *name == word).map(|(_, minutes)| *minutes)
}

/// Abbreviations as Google writes them. Where two zones share one (CST, IST), the one with more people who use
/// Google's pages in it.
const ZONES: &[(&str, i32)] = &[
    ("Z", 0),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("MEZ", 60),
    ("MESZ", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("SAST", 120),
    ("TRT", 180),
    ("IRST", 210),
    ("IST", 330),
    ("PKT", 300),
    ("NPT", 345),
    ("WIB", 420),
    ("ICT", 420),
    ("SGT", 480),
    ("HKT", 480),
    ("PHT", 480),
    ("AWST", 480),
    ("JST", 540),
    ("KST", 540),
    ("ACST", 570),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("NST", -210),
    ("NDT", -150),
    ("AST", -240),
    ("ADT", -180),
    ("BRT", -180),
    ("ART", -180),
    ("CLT", -240),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
    ("HNEC", 60),
    ("HAEC", 120),
    ("OEZ", 120),
    ("OESZ", 180),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(read(text).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn times_of_many_languages() {
        check("Nov 13, 2025, 9:50:57\u{202f}PM CDT", "2025-11-14T02:50:57Z");
        check("Jul 1, 2024, 12:15:00 AM PDT", "2024-07-01T07:15:00Z");
        check("13.11.2025, 09:50:57 MEZ", "2025-11-13T08:50:57Z");
        check("13 nov. 2025, 09:50:57 CET", "2025-11-13T08:50:57Z");
        check("13 août 2025, 09:50:57 UTC+2", "2025-08-13T07:50:57Z");
        check("2025/11/13 9:50:57 JST", "2025-11-13T00:50:57Z");
        check("2025年11月13日 9:50:57 JST", "2025-11-13T00:50:57Z");
        check("1 de mar de 2025, 9:50:57 GMT-03:00", "2025-03-01T12:50:57Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "Prompted what happened in Nov 2025",
            "13 2025",
            "Nov 13, 2025",
            "9:50:57 AM",
            "Feb 31, 2025, 1:00:00 AM UTC",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_in_unknown_words_is_still_one() {
        assert!(looks_like("13 Hagfyrir 2025, 9:50:57 XYZT"));
        assert!(!looks_like("at 9:50 in 2025"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[0-9a-zA-Z:.,/+ é年-]{0,40}") {
            read(&text);
        }
    }
}
