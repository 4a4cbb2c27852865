//! A server that nobody asks gives back what it holds for those who ask.

use std::time::Duration;

use athenaeum_archive::Archive;
use athenaeum_inference::kernels::release_program;

/// Looks from time to time whether the process does anything. Where it has come to rest, the pages of the program go back to the
/// system, and what searches hold in memory is let go of; whatever is asked for next has them again.
pub(crate) async fn when_idle(archive: Archive, look_every: Duration) {
    let mut pulse = Pulse::default();
    loop {
        tokio::time::sleep(look_every).await;
        archive.release_idle(SEARCHED_BEFORE);
        if !pulse.has_come_to_rest(processor_time()) {
            continue;
        }
        // The list of what is mapped is read from the system, which may take its time.
        let released = tokio::task::spawn_blocking(release_program).await;
        match released.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            Ok(bytes) => tracing::debug!(bytes, "at rest: pages of the program went back to the system"),
            Err(error) => tracing::debug!(%error, "at rest, but the program's pages cannot be given back"),
        }
    }
}

/// What the process has been doing, by the processor time that it used.
#[derive(Debug, Default)]
struct Pulse {
    /// At the last look.
    seen: Duration,
    /// When it was at rest last.
    rested: Duration,
}

impl Pulse {
    /// Tells whether nothing is being done, but something was since the last rest. `used` is all processor time so far.
    fn has_come_to_rest(&mut self, used: Duration) -> bool {
        let is_still = used.saturating_sub(self.seen) <= BREATH;
        self.seen = used;
        let is_new = used.saturating_sub(self.rested) > BREATH;
        if is_still && is_new {
            self.rested = used;
        }
        is_still && is_new
    }
}

/// Returns the processor time of all threads so far; elsewhere none, and such a process never rests.
fn processor_time() -> Duration {
    #[cfg(unix)]
    {
        use rustix::time::{ClockId, clock_gettime};
        let used = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(used).unwrap_or_default()
    }
    #[cfg(not(unix))]
    Duration::ZERO
}

/// What a process uses that does nothing but look at its clocks, at most; a request takes more, sooner or later.
const BREATH: Duration = Duration::from_millis(5);

/// How long nobody has searched the archive before its columns are let go of.
const SEARCHED_BEFORE: Duration = Duration::from_secs(60);

/// How often to look.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_once_after_whatever_was_done() {
        let mut pulse = Pulse::default();
        let at = |millis| Duration::from_millis(millis);
        assert!(!pulse.has_come_to_rest(at(40)), "it starts");
        assert!(pulse.has_come_to_rest(at(41)));
        assert!(!pulse.has_come_to_rest(at(42)), "nothing was done since");
        assert!(!pulse.has_come_to_rest(at(900)), "it works");
        assert!(!pulse.has_come_to_rest(at(1_800)), "it works still");
        assert!(pulse.has_come_to_rest(at(1_801)));
        // Small things add up.
        for used in [1_803, 1_805] {
            assert!(!pulse.has_come_to_rest(at(used)));
        }
        assert!(pulse.has_come_to_rest(at(1_807)));
    }

    #[cfg(unix)]
    #[test]
    fn processor_time_is_that_of_the_work_done() {
        let before = processor_time();
        let mut sum = 0_u64;
        while processor_time() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(processor_time() > before);
    }

    #[tokio::test]
    async fn an_archive_at_rest_finds_what_it_found() {
        let data = tempfile::tempdir().unwrap();
        let settings = athenaeum_archive::Settings::default();
        let archive = Archive::open(data.path(), &settings).await.unwrap();
        let resting = tokio::spawn(when_idle(archive.clone(), Duration::from_millis(1)));
        // Long enough for it to rest and be woken a few times.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let stats = archive.stats(&athenaeum_tenancy::local()).await.unwrap();
        assert_eq!(stats.messages, 0);
        assert!(!resting.is_finished());
        resting.abort();
    }
}
