use std::time::Duration;

use axum::http::HeaderMap;

use crate::problem::Problem;

/// Reads how long a client waits: up to eight digits and a unit.
pub(super) fn deadline(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let accepted = "1 to 8 digits and one of H, M, S, m, u, n";
    let found = value.to_str().ok().and_then(duration);
    found.map(Some).ok_or_else(|| Problem::parameter("grpc-timeout", accepted))
}

fn duration(text: &str) -> Option<Duration> {
    let unit = *text.as_bytes().last()?;
    let digits = text.get(..text.len() - 1)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3_600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Duration>) {
        assert_eq!(duration(text), expected, "{text:?}");
    }

    #[test]
    fn times_are_read_in_every_unit() {
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        check("2M", Some(Duration::from_secs(120)));
        check("0S", Some(Duration::ZERO));
        check("150m", Some(Duration::from_millis(150)));
        check("7u", Some(Duration::from_micros(7)));
        check("1n", Some(Duration::from_nanos(1)));
        for odd in ["", "S", "1", "1s", "-1S", "+1S", "1.5S", " 1S", "123456789S", "1é", "é"] {
            check(odd, None);
        }
    }
}
