//! Which of the files that something happened to have come to rest.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// What happened to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// Whoever wrote it is done with it, or it came there whole, or it went.
    Whole,
    /// It was called otherwise before; an empty path where it is the old name.
    Renamed(PathBuf),
    /// It is there; whether it is whole cannot be told.
    There,
    /// Something about it changed that is not what it holds.
    Noted,
    /// It is being written.
    Written,
}

/// Files until they rest, each once. Time is an argument.
#[derive(Debug)]
pub(super) struct Settling {
    pending: HashMap<PathBuf, Pending>,
    most: usize,
}

#[derive(Debug)]
struct Pending {
    since: Instant,
    due: Instant,
    before: Option<PathBuf>,
    /// How long it has to stay as it is; `None` where it is whole.
    rest: Option<Duration>,
    looked: Option<Look>,
}

/// Length and time of the last change.
pub(super) type Look = (u64, Option<SystemTime>);

impl Settling {
    /// Keeps `most` paths.
    pub(super) fn new(most: usize) -> Self {
        Self { pending: HashMap::new(), most }
    }

    /// Returns how many more can be noted.
    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.pending.len())
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Notes what happened to a path. False where there is no room for it; then all that waits is better looked for anew.
    pub(super) fn sign(&mut self, path: PathBuf, sign: Sign, now: Instant) -> bool {
        if !self.pending.contains_key(&path) && self.pending.len() >= self.most {
            return false;
        }
        let (after, rest) = match &sign {
            Sign::Whole => (WHOLE_AFTER, None),
            Sign::Renamed(_) => (RENAMED_AFTER, None),
            Sign::Noted if self.pending.contains_key(&path) => return true,
            Sign::There | Sign::Noted => (THERE_AFTER, Some(THERE_AFTER)),
            Sign::Written => (WRITTEN_AFTER, Some(WRITTEN_AFTER)),
        };
        let pending = self.pending.entry(path).or_insert_with(|| Pending {
            since: now,
            due: now,
            before: None,
            rest: None,
            looked: None,
        });
        // Both names of what was renamed rest at the same moment, whatever else is told of them.
        let earliest = pending.before.as_ref().map_or(now, |_| pending.due);
        pending.due = (now + after).max(earliest).min(pending.since + LONGEST);
        pending.rest = rest;
        if let Sign::Renamed(from) = sign {
            pending.before = Some(from);
        }
        true
    }

    /// Returns when to look next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.pending.values().map(|pending| pending.due).min()
    }

    /// Takes out those that rest, each with what it was called before. `look` tells how a file stands now, and `None` where
    /// there is none.
    pub(super) fn take(
        &mut self,
        now: Instant,
        look: impl Fn(&Path) -> Option<Look>,
    ) -> Vec<(PathBuf, Option<PathBuf>)> {
        let mut resting = Vec::new();
        for (path, pending) in &mut self.pending {
            if pending.due > now {
                continue;
            }
            if let Some(rest) = pending.rest.filter(|_| now < pending.since + LONGEST) {
                let seen = look(path);
                if seen.is_some() && pending.looked != seen {
                    pending.looked = seen;
                    pending.due = now + rest;
                    continue;
                }
            }
            resting.push(path.clone());
        }
        let take = |path: PathBuf| self.pending.remove(&path).map(|pending| (path, pending.before));
        resting.into_iter().filter_map(take).collect()
    }
}

/// Programs save by more than one step: the last of them has been taken then.
const WHOLE_AFTER: Duration = Duration::from_millis(25);

/// As before; what was renamed may come back under its name (editors keep a backup so).
const RENAMED_AFTER: Duration = Duration::from_millis(100);

/// Where the system tells when a file was closed, that comes first.
const THERE_AFTER: Duration = Duration::from_millis(300);

/// Whoever writes and pauses for longer is read in between, and once more at the end. Where the system tells the end, it can
/// be waited for.
const WRITTEN_AFTER: Duration = Duration::from_millis(if super::disk::TELLS_THE_END { 3_000 } else { 700 });

/// What never rests is read now and then.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn names(taken: Vec<(PathBuf, Option<PathBuf>)>) -> Vec<String> {
        let mut names: Vec<String> = taken.into_iter().map(|(path, _)| path.display().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_whole_is_taken_at_once_and_once() {
        let (mut settling, begin) = (Settling::new(9), Instant::now());
        for _ in 0..3 {
            settling.sign("a".into(), Sign::Written, begin);
            settling.sign("a".into(), Sign::Whole, begin);
        }
        assert_eq!(settling.next(), Some(begin + WHOLE_AFTER));
        assert!(settling.take(begin, |_| None).is_empty());
        assert_eq!(names(settling.take(begin + WHOLE_AFTER, |_| panic!("it is known to be whole"))), ["a"]);
        assert_eq!((settling.room(), settling.next()), (9, None));
    }

    #[test]
    fn what_grows_is_waited_for() {
        let (mut settling, begin) = (Settling::new(9), Instant::now());
        settling.sign("a".into(), Sign::There, begin);
        let mut now = begin;
        for length in [1, 2, 3] {
            now = settling.next().unwrap();
            assert!(settling.take(now, |_| Some((length, None))).is_empty());
        }
        now += THERE_AFTER;
        assert!(settling.take(now - MS, |_| Some((3, None))).is_empty());
        assert_eq!(names(settling.take(now, |_| Some((3, None)))), ["a"]);
        settling.sign("b".into(), Sign::Written, now);
        assert!(settling.take(now + WRITTEN_AFTER - MS, |_| None).is_empty());
        assert_eq!(names(settling.take(now + WRITTEN_AFTER, |_| None)), ["b"], "it went meanwhile");
    }

    #[test]
    fn what_never_rests_is_taken_now_and_then() {
        let (mut settling, begin) = (Settling::new(9), Instant::now());
        let mut now = begin;
        let taken = loop {
            settling.sign("log".into(), Sign::Written, now);
            let length = now.duration_since(begin).as_millis() as u64;
            if !settling.take(now, |_| Some((length, None))).is_empty() {
                break now;
            }
            now += 100 * MS;
        };
        assert_eq!(taken, begin + LONGEST);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let (mut settling, now) = (Settling::new(2), Instant::now());
        assert!(settling.sign("a".into(), Sign::Whole, now));
        assert!(settling.sign("b".into(), Sign::Renamed("c".into()), now));
        assert!(!settling.sign("d".into(), Sign::Whole, now));
        assert!(settling.sign("a".into(), Sign::Written, now));
        let taken = settling.take(now + RENAMED_AFTER, |_| None);
        assert_eq!(taken, [("b".into(), Some("c".into()))]);
    }
}
