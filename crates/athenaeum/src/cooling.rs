//! Memories that are of no use any more go down a tier by night, one in a night.

use std::{path::PathBuf, time::Duration};

use athenaeum_core::Timestamp;
use athenaeum_retrieval::memory::{Cooled, Place};
use athenaeum_tenancy::Scope;
use jiff::{Zoned, civil::Date, tz::TimeZone};

/// Has memories grow cold at three every night, or as soon after it as the machine is on. Opens nothing where nothing was ever
/// remembered.
pub(crate) async fn every_night(place: Place, data: PathBuf, scope: Scope, look_every: Duration) {
    let mut done = None;
    loop {
        tokio::time::sleep(look_every).await;
        let now = Timestamp::now();
        let night = zoned(now).as_ref().map(night_of);
        if done == night || !data.join("memories.db").is_file() {
            continue;
        }
        done = night;
        cool(&place, &scope, now).await;
    }
}

async fn cool(place: &Place, scope: &Scope, now: Timestamp) {
    let cooled = match place.open(None).await {
        Ok(memory) => memory.cool(scope, now).await,
        Err(error) => Err(error.into()),
    };
    match cooled {
        Ok(Cooled { warm: 0, cold: 0 }) => {}
        Ok(Cooled { warm, cold }) => {
            tracing::info!(warm, cold, "memories that were of no use have cooled down");
        }
        Err(error) => tracing::warn!(%error, "memories could not be looked through for old ones"),
    }
}

fn zoned(now: Timestamp) -> Option<Zoned> {
    Some(jiff::Timestamp::from_microsecond(now.as_micros()).ok()?.to_zoned(TimeZone::system()))
}

/// Returns the day at whose three o\'clock the last night ended.
fn night_of(now: &Zoned) -> Date {
    let date = now.date();
    if now.hour() >= HOUR { date } else { date.yesterday().unwrap_or(date) }
}

/// When nobody sits at the machine.
const HOUR: i8 = 3;

/// How often the clock is looked at: a machine that slept is not told that it is late.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use athenaeum_archive::memories::{NewMemory, Tier};
    use athenaeum_retrieval::memory::Settings;

    use super::*;

    #[test]
    fn a_night_ends_at_three() {
        let check = |now: &str, expected: &str| {
            let now: Zoned = format!("{now}[Europe/Berlin]").parse().unwrap();
            assert_eq!(night_of(&now).to_string(), expected, "{now}");
        };
        check("2026-11-22T02:59:59", "2026-11-21");
        check("2026-11-22T03:00:00", "2026-11-22");
        check("2026-11-22T23:00:00", "2026-11-22");
        // The hour that a summer begins with is not there.
        check("2026-03-29T03:00:00", "2026-03-29");
    }

    #[tokio::test]
    async fn what_was_of_no_use_grows_cold_by_itself_and_nothing_is_opened_before() {
        let data = tempfile::tempdir().unwrap();
        let settings =
            Settings { warm_after_days: 0, cold_after_days: 0, kept_hot: 0, ..Settings::default() };
        let place = Place::new(data.path(), athenaeum_archive::Settings::default(), settings);
        let scope = athenaeum_tenancy::local();
        let every = Duration::from_millis(2);
        let task = every_night(place.clone(), data.path().to_owned(), scope.clone(), every);
        assert!(tokio::time::timeout(every * 20, task).await.is_err());
        assert!(!data.path().join("memories.db").exists());

        let memories = place.open(None).await.unwrap().memories().clone();
        let new = NewMemory { text: "The tram leaves at six.".into(), ..NewMemory::default() };
        let id = memories.keep(&scope, new).await.unwrap().memory.id;
        // A night for each tier.
        for tier in [Tier::Warm, Tier::Cold] {
            let night = every_night(place.clone(), data.path().to_owned(), scope.clone(), every);
            let night = tokio::spawn(night);
            while memories.memories(&scope, &[id]).await.unwrap()[0].as_ref().unwrap().tier != tier {
                tokio::time::sleep(every).await;
            }
            tokio::time::sleep(every * 5).await;
            assert_eq!(memories.memories(&scope, &[id]).await.unwrap()[0].as_ref().unwrap().tier, tier);
            night.abort();
        }
    }
}
