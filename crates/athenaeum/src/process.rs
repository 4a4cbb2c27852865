use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::Error;

/// Sends what the crates tell about themselves to stderr, as far as `filter` lets it through: a level, or levels
/// by part (`warn,athenaeum_archive=debug`). A second call changes nothing.
///
/// # Errors
///
/// [`Error::Log`] for a filter that cannot be understood.
pub fn telemetry(filter: &str) -> Result<(), Error> {
    let invalid = |_| Error::Log { filter: filter.chars().take(200).collect() };
    let targets: Targets = filter.parse().map_err(invalid)?;
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_filter(targets);
    // Fails only where a subscriber is set already: an embedding program's, or ours.
    let _ = tracing_subscriber::registry().with(layer).try_init();
    Ok(())
}

/// Waits until the program is asked to end: Ctrl-C, or SIGTERM where there are signals.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        assert!(telemetry("warn,athenaeum_archive=debug").is_ok());
        assert!(matches!(telemetry("athenaeum=shout"), Err(Error::Log { .. })));
    }
}
