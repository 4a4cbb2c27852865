//! The archive's statistics, counted again only as often as the archive's size bears.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use athenaeum_archive::{Archive, Stats};

use crate::{error::Error, when::known};

/// Statistics that many pages show: counting a million messages takes longer than any of them should.
#[derive(Clone, Default)]
pub(crate) struct Statistics {
    last: Arc<Mutex<Option<Counted>>>,
}

struct Counted {
    stats: Arc<Stats>,
    fresh_until: Instant,
}

/// How much longer than the counting took its result is used: at most a twentieth of the time goes to counting.
/// A small archive is counted in a millisecond and so as good as always.
const REUSE_FACTOR: u32 = 20;
/// Longest time that a result is used.
const REUSE_MAX: Duration = Duration::from_secs(60);

impl Statistics {
    /// Returns the statistics of the archive, at most a minute old.
    ///
    /// # Errors
    ///
    /// Where the archive cannot be read.
    pub(crate) async fn of(&self, archive: &Archive) -> Result<Arc<Stats>, Error> {
        let now = Instant::now();
        if let Some(counted) = self.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && now < counted.fresh_until
        {
            return Ok(Arc::clone(&counted.stats));
        }
        let stats = Arc::new(dated(archive.stats(&athenaeum_tenancy::local()).await?));
        let fresh_until = Instant::now() + (now.elapsed() * REUSE_FACTOR).min(REUSE_MAX);
        let counted = Counted { stats: Arc::clone(&stats), fresh_until };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        Ok(stats)
    }

    /// Makes the next page count anew: something was changed by a page.
    pub(crate) fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Takes out of the spread over time what has no time: the archive counts it as the first day of 1970.
fn dated(mut stats: Stats) -> Stats {
    stats.days.retain(|day| day.value != "1970-01-01");
    stats.facets.months.retain(|month| month.value != "1970-01");
    stats.span = stats.span.and_then(|(oldest, newest)| {
        let first_day = stats.days.first().and_then(|day| day.value.parse().ok());
        Some((known(oldest).or(first_day)?, known(newest)?))
    });
    stats
}

#[cfg(test)]
mod tests {
    use athenaeum_archive::Count;
    use athenaeum_core::Timestamp;

    use super::*;

    #[test]
    fn what_has_no_time_is_not_shown_in_1970() {
        let count = |value: &str| Count { value: value.into(), count: 1 };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut stats = Stats { days: vec![count("1970-01-01"), count("2024-05-17")], ..Stats::default() };
        stats.facets.months = vec![count("1970-01"), count("2024-05")];
        stats.span = Some((Timestamp::from_micros(0), at("2024-05-17T08:00:00Z")));
        let dated = dated(stats);
        assert_eq!((dated.days, dated.facets.months), (vec![count("2024-05-17")], vec![count("2024-05")]));
        assert_eq!(dated.span, Some((at("2024-05-17"), at("2024-05-17T08:00:00Z"))));
    }
}
