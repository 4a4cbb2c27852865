use std::{fmt, str::FromStr};

/// A moment in UTC, in microseconds since 1970-01-01T00:00:00Z.
///
/// Prints and parses as RFC 3339 with as many sub-second digits as it needs (at most six).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Earliest and latest moment that can be told as a date: years -9999 to 9999.
    const RANGE: std::ops::RangeInclusive<i64> = -377_705_023_201_000_000..=253_402_207_200_999_999;

    /// Makes a timestamp from microseconds since the epoch. Values outside the years -9999 to 9999 are moved to
    /// the nearest end of that range.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(*Self::RANGE.start(), *Self::RANGE.end()))
    }

    /// Makes a timestamp from seconds since the epoch, rounded to the microsecond: the form of ChatGPT's
    /// exports. `None` for NaN, infinities and moments outside the years -9999 to 9999.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let micros = (seconds * 1e6).round();
        let valid = micros >= *Self::RANGE.start() as f64 && micros <= *Self::RANGE.end() as f64;
        valid.then_some(Self(micros as i64))
    }

    /// Makes a timestamp from a number of unknown unit, told apart by size: seconds below 1e11, milliseconds
    /// below 1e14, microseconds below 1e17, else nanoseconds. `None` as for [`Timestamp::from_seconds`].
    pub fn from_number(number: f64) -> Option<Self> {
        let seconds = match number.abs() {
            n if n < 1e11 => number,
            n if n < 1e14 => number / 1e3,
            n if n < 1e17 => number / 1e6,
            _ => number / 1e9,
        };
        Self::from_seconds(seconds)
    }

    /// Returns microseconds since the epoch; negative before 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads the machine's clock. Only programs and the import's own bookkeeping call this.
    pub fn now() -> Self {
        Self::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A text that does not tell a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTimestamp(String);

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a time; expected for example 2024-05-17T08:30:00Z", self.0)
    }
}

impl std::error::Error for InvalidTimestamp {}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads RFC 3339; a date or date and time without a zone is taken as UTC; a bare number as
    /// [`Timestamp::from_number`] does.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let text = text.trim();
        let invalid = || InvalidTimestamp(text.chars().take(64).collect());
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::from_micros(time.as_microsecond()));
        }
        if let Ok(time) = text.strip_suffix(" UTC").unwrap_or(text).parse::<jiff::civil::DateTime>() {
            let time = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| invalid())?;
            return Ok(Self::from_micros(time.timestamp().as_microsecond()));
        }
        text.parse().ok().and_then(Self::from_number).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), expected);
    }

    #[test]
    fn forms_that_exports_use() {
        check("2024-05-17T08:30:00.123456Z", "2024-05-17T08:30:00.123456Z");
        check("2024-05-17T10:30:00+02:00", "2024-05-17T08:30:00Z");
        check("2024-05-17T08:30:00", "2024-05-17T08:30:00Z");
        check("2024-05-17 08:30:00.5", "2024-05-17T08:30:00.5Z");
        check("2024-05-17", "2024-05-17T00:00:00Z");
        check("1715934600", "2024-05-17T08:30:00Z");
        check("1715934600123", "2024-05-17T08:30:00.123Z");
        assert!("next Tuesday".parse::<Timestamp>().is_err());
        assert!("1e400".parse::<Timestamp>().is_err());
    }

    #[test]
    fn seconds_keep_their_microseconds() {
        assert_eq!(
            Timestamp::from_seconds(1_715_934_600.123_456).unwrap().as_micros(),
            1_715_934_600_123_456
        );
        assert_eq!(Timestamp::from_seconds(f64::NAN), None);
        assert_eq!(Timestamp::from_seconds(1e300), None);
    }
}
