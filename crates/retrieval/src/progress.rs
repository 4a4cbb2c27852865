use std::time::Duration;

/// How far an import has come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the source read so far, compressed ones counted as they lie on disk.
    pub bytes_read: u64,
    /// Bytes of the source in all; `0` where that cannot be known.
    pub bytes_total: u64,
    /// Conversations found that hold at least one message.
    pub conversations: u64,
    /// Messages in them, those of other branches included.
    pub messages: u64,
    /// Conversations that the archive did not have.
    pub added: u64,
    /// Conversations that changed since they were imported last.
    pub updated: u64,
    /// Conversations that the archive had already, to the letter.
    pub unchanged: u64,
    /// Problems met so far.
    pub problems: u64,
    /// Since the import began, waiting not counted.
    pub elapsed: Duration,
}

impl Progress {
    /// Tells how much of the source has been read, in `0.0..=1.0`; `None` where its size is not known.
    pub fn fraction(&self) -> Option<f64> {
        (self.bytes_total > 0).then(|| (self.bytes_read as f64 / self.bytes_total as f64).min(1.0))
    }

    /// Tells how many messages were taken in per second, over the whole run so far.
    pub fn messages_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.messages as f64 / seconds } else { 0.0 }
    }

    /// Estimates the time left from the bytes read so far. `None` in the first half second and where the
    /// source's size is not known.
    pub fn remaining(&self) -> Option<Duration> {
        let fraction = self.fraction().filter(|fraction| *fraction > 0.0)?;
        if self.elapsed < Duration::from_millis(500) {
            return None;
        }
        Duration::try_from_secs_f64(self.elapsed.as_secs_f64() * (1.0 - fraction) / fraction).ok()
    }
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Another import runs; this one is next or in line.
    #[default]
    Waiting,
    /// Reading, storing, indexing.
    Reading,
    /// All is read; the last batch is stored and compared with what was read.
    Finishing,
}

impl Phase {
    /// Returns the stable lower-case name that wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Finishing => "finishing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_the_bytes() {
        let progress = Progress {
            bytes_read: 25,
            bytes_total: 100,
            messages: 500,
            elapsed: Duration::from_secs(10),
            ..Progress::default()
        };
        assert_eq!(progress.fraction(), Some(0.25));
        assert_eq!(progress.remaining(), Some(Duration::from_secs(30)));
        assert_eq!(progress.messages_per_second(), 50.0);
    }

    #[test]
    fn nothing_is_guessed_from_nothing() {
        let unknown = Progress { elapsed: Duration::from_secs(9), ..Progress::default() };
        assert_eq!((unknown.fraction(), unknown.remaining()), (None, None));
        let overshot = Progress { bytes_read: 7, bytes_total: 5, ..unknown };
        assert_eq!(overshot.remaining(), Some(Duration::ZERO));
    }
}
