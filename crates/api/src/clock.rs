use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, as wire formats count time.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// This moment as RFC 3339 in UTC.
pub(crate) fn moment() -> String {
    jiff::Timestamp::now().to_string()
}
