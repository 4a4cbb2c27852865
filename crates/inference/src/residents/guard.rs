/// How short of memory the machine is, and what that means for models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// There is enough.
    Safe,
    /// It becomes little: whoever asks is told.
    Caution,
    /// No further model is loaded; those in memory go on answering.
    Warning,
    /// Models that nobody uses go, and requests are refused until there is more.
    Critical,
    /// Models in use go as well, as soon as they are done.
    Emergency,
}

/// Bytes of free memory below which each level begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the levels say it")]
pub struct Thresholds {
    pub caution: u64,
    pub warning: u64,
    pub critical: u64,
    pub emergency: u64,
}

impl Level {
    /// Tells how far `free_bytes` go: what programs could still be given, caches of files included.
    pub fn of(free_bytes: u64, thresholds: &Thresholds) -> Self {
        let Thresholds { caution, warning, critical, emergency } = *thresholds;
        match free_bytes {
            free if free >= caution => Self::Safe,
            free if free >= warning => Self::Caution,
            free if free >= critical => Self::Warning,
            free if free >= emergency => Self::Critical,
            _ => Self::Emergency,
        }
    }

    /// Whether a model that is not in memory may be loaded.
    pub fn loads_more(self) -> bool {
        self < Self::Warning
    }

    /// Whether requests are taken.
    pub fn takes_requests(self) -> bool {
        self < Self::Critical
    }

    /// Returns its name: `safe`, `caution`, `warning`, `critical`, `emergency`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Caution => "caution",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Emergency => "emergency",
        }
    }
}

impl Thresholds {
    /// No level but the first: nothing is ever short.
    pub const NONE: Self = Self { caution: 0, warning: 0, critical: 0, emergency: 0 };

    /// Returns the usual ones, or less on machines that have less than 16 GiB in all, which could never be safe.
    pub fn of_machine(total_bytes: u64) -> Self {
        let part = |usual: u64| usual.min((u128::from(total_bytes) * u128::from(usual) / (16 << 30)) as u64);
        let Self { caution, warning, critical, emergency } = Self::default();
        Self {
            caution: part(caution),
            warning: part(warning),
            critical: part(critical),
            emergency: part(emergency),
        }
    }
}

impl Default for Thresholds {
    /// 3, 2, 1 and ½ GiB.
    fn default() -> Self {
        Self { caution: 3 << 30, warning: 2 << 30, critical: 1 << 30, emergency: 512 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_begins_where_it_should() {
        let usual = Thresholds::default();
        for (free_mib, level, loads_more, takes_requests) in [
            (u64::MAX >> 20, "safe", true, true),
            (3072, "safe", true, true),
            (3071, "caution", true, true),
            (2048, "caution", true, true),
            (2047, "warning", false, true),
            (1024, "warning", false, true),
            (1023, "critical", false, false),
            (512, "critical", false, false),
            (511, "emergency", false, false),
            (0, "emergency", false, false),
        ] {
            let found = Level::of(free_mib << 20, &usual);
            let expected = (level, loads_more, takes_requests);
            assert_eq!((found.as_str(), found.loads_more(), found.takes_requests()), expected, "{free_mib}");
        }
        assert_eq!(Level::of(0, &Thresholds::NONE), Level::Safe);
    }

    #[test]
    fn small_machines_can_be_safe() {
        for total in [1_u64 << 30, 8 << 30] {
            let small = Thresholds::of_machine(total);
            assert_eq!(Level::of(total / 4, &small), Level::Safe);
            assert_eq!(Level::of(total / 64, &small), Level::Emergency);
        }
        assert_eq!(Thresholds::of_machine(64 << 30), Thresholds::default());
        assert_eq!(Thresholds::of_machine(u64::MAX), Thresholds::default());
    }
}
