//! How long a model stays, as this format writes it.

use std::time::Duration;

use serde_json::Value;

use crate::{
    parameters::{Parameter, Read, Takes},
    problem::Problem,
};

pub(super) const KEEP_ALIVE: Parameter = Parameter::new(
    "keep_alive",
    Takes::Either(&[Takes::Number(f64::MIN, f64::MAX), Takes::Text(64)]),
    "How long the model stays in memory after its last use: seconds, or as in `1h30m`; below 0 for ever, 0 not at all.",
);

/// Reads how long a model stays; `Some(None)` is for ever.
pub(super) fn keep_alive(read: &Read) -> Result<Option<Option<Duration>>, Problem> {
    let seconds = match read.value("keep_alive") {
        None => return Ok(None),
        Some(Value::String(text)) => seconds(text),
        Some(number) => number.as_f64(),
    };
    let seconds = seconds.ok_or_else(|| {
        Problem::parameter("keep_alive", "seconds, or a duration such as \"5m\" or \"1h30m\"")
    })?;
    // What is longer than a clock counts is for ever.
    Ok(Some(
        Some(seconds)
            .filter(|seconds| *seconds >= 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    ))
}

/// Reads a duration as Go writes it (`time.ParseDuration`): numbers, each with its unit, after one sign for all.
fn seconds(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, text),
    };
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let end = after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number * unit;
        rest = after;
    }
    Some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, expected) in [
            ("5m", Some(300.0)),
            ("1h30m", Some(5400.0)),
            ("1.5h", Some(5400.0)),
            ("300ms", Some(0.3)),
            ("-1m", Some(-60.0)),
            ("+2s", Some(2.0)),
            ("0", Some(0.0)),
            ("1µs", Some(1e-6)),
            ("5", None),
            ("", None),
            ("-", None),
            ("m", None),
            (".s", None),
            ("5m ", None),
            ("5 m", None),
            ("1d", None),
            ("1..5s", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"([-+]|[0-9.]{1,5}|ns|ms|[smhµ]|\PC){0,6}") {
            if let Some(seconds) = seconds(&text) {
                prop_assert!(seconds.is_finite());
            }
        }
    }
}
