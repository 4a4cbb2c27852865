use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, as wire formats count time.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
