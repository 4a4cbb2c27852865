//! Moments as people tell them, in the time zone of the reader's machine.

use athenaeum_core::Timestamp;
use jiff::{Zoned, civil::Date, tz::TimeZone};

/// Tells moments in one time zone, as seen from one day.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    zone: TimeZone,
    today: Date,
}

impl Clock {
    /// Reads the machine's clock and, where `zone` names none, its time zone.
    pub(crate) fn now(zone: Option<&str>) -> Self {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system);
        let today = jiff::Timestamp::now().to_zoned(zone.clone()).date();
        Self { zone, today }
    }

    /// Returns the reader's date.
    pub(crate) fn today(&self) -> Date {
        self.today
    }

    /// Tells the day, the year only where it is not this one: `17 May`, `17 May 2023`.
    pub(crate) fn day(&self, time: Timestamp) -> String {
        let Some(moment) = self.local(time) else { return String::new() };
        let pattern = if moment.year() == self.today.year() { "%-d %B" } else { "%-d %B %Y" };
        moment.strftime(pattern).to_string()
    }

    /// Tells the day and the minute: `17 May 2023, 14:05`.
    pub(crate) fn minute(&self, time: Timestamp) -> String {
        self.local(time).map(|moment| moment.strftime("%-d %B %Y, %H:%M").to_string()).unwrap_or_default()
    }

    /// Tells the minute alone: `14:05`.
    pub(crate) fn time_of_day(&self, time: Timestamp) -> String {
        self.local(time).map(|moment| moment.strftime("%H:%M").to_string()).unwrap_or_default()
    }

    /// Tells a day whole: `Friday 17 May 2024`.
    pub(crate) fn whole_day(&self, time: Timestamp) -> String {
        self.local(time).map(|moment| moment.strftime("%A %-d %B %Y").to_string()).unwrap_or_default()
    }

    /// Tells in which part of a list, newest first, the moment belongs: `Today`, `Yesterday`, `This week`,
    /// `May`, `May 2023`.
    pub(crate) fn shelf(&self, time: Timestamp) -> String {
        let Some(moment) = self.local(time) else { return "Undated".into() };
        let days = (self.today - moment.date()).get_days();
        match days {
            0 => "Today".into(),
            1 => "Yesterday".into(),
            2..=6 => "This week".into(),
            _ if moment.year() == self.today.year() => moment.strftime("%B").to_string(),
            _ => moment.strftime("%B %Y").to_string(),
        }
    }

    /// Returns the date on which the moment fell here.
    pub(crate) fn date(&self, time: Timestamp) -> Option<Date> {
        self.local(time).map(|moment| moment.date())
    }

    /// Returns the first moment of `date` here.
    pub(crate) fn beginning(&self, date: Date) -> Option<Timestamp> {
        let moment = date.to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp::from_micros(moment.timestamp().as_microsecond()))
    }

    /// Returns the last microsecond of `date` here.
    pub(crate) fn end(&self, date: Date) -> Option<Timestamp> {
        let next = self.beginning(date.tomorrow().ok()?)?;
        Some(Timestamp::from_micros(next.as_micros() - 1))
    }

    fn local(&self, time: Timestamp) -> Option<Zoned> {
        let moment = jiff::Timestamp::from_microsecond(time.as_micros()).ok()?;
        Some(moment.to_zoned(self.zone.clone()))
    }
}

/// Returns a moment that is one. The archive counts what has no time as 1970, before the first chat with a machine
/// that anybody could export.
pub(crate) fn known(time: Timestamp) -> Option<Timestamp> {
    (time.as_micros() > 0).then_some(time)
}

/// Tells a month of the form `2024-05` as `May 2024`; anything else as it stands.
pub(crate) fn month(value: &str) -> String {
    let date = format!("{value}-01").parse::<Date>();
    date.map_or_else(|_| value.to_owned(), |date| date.strftime("%B %Y").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock { zone: TimeZone::get("UTC").unwrap(), today: "2024-05-20".parse().unwrap() }
    }

    #[test]
    fn moments_are_told_from_today() {
        let clock = clock();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(clock.day(at("2024-05-17T08:30:00Z")), "17 May");
        assert_eq!(clock.day(at("2023-05-07T08:30:00Z")), "7 May 2023");
        assert_eq!(clock.minute(at("2023-05-07T08:30:00Z")), "7 May 2023, 08:30");
        assert_eq!(clock.shelf(at("2024-05-20T00:00:00Z")), "Today");
        assert_eq!(clock.shelf(at("2024-05-19T23:59:59Z")), "Yesterday");
        assert_eq!(clock.shelf(at("2024-05-16T12:00:00Z")), "This week");
        assert_eq!(clock.shelf(at("2024-04-16T12:00:00Z")), "April");
        assert_eq!(clock.shelf(at("2022-04-16T12:00:00Z")), "April 2022");
        assert_eq!(clock.shelf(at("2024-06-16T12:00:00Z")), "June");
    }

    #[test]
    fn a_day_has_its_first_and_last_moment() {
        let clock = clock();
        let day = "2024-02-29".parse().unwrap();
        assert_eq!(clock.beginning(day).unwrap().to_string(), "2024-02-29T00:00:00Z");
        assert_eq!(clock.end(day).unwrap().to_string(), "2024-02-29T23:59:59.999999Z");
    }

    #[test]
    fn extreme_moments_are_told_too() {
        let clock = clock();
        for micros in [i64::MIN, i64::MAX, 0] {
            clock.minute(Timestamp::from_micros(micros));
            clock.shelf(Timestamp::from_micros(micros));
        }
        assert_eq!(month("2024-05"), "May 2024");
        assert_eq!(month("99"), "99");
    }
}
