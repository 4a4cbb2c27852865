mod log_file;

use std::{path::Path, sync::Mutex};

use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use self::log_file::LogFile;
use crate::Error;

/// Bytes of a file for the log before it is begun anew; the one before is kept.
const LOG_BYTES: u64 = 8 << 20;

/// Sends what the crates tell about themselves to stderr, or into `file`, as far as `filter` lets it through: a level, or levels
/// by part (`warn,athenaeum_archive=debug`). A second call changes nothing. The file takes 8 MiB; then it is kept as `FILE.1` in
/// place of the last such file, and begun anew.
///
/// # Errors
///
/// [`Error::Log`] for a filter that cannot be understood, [`Error::LogFile`] where the file cannot be written to.
pub fn telemetry(filter: &str, file: Option<&Path>) -> Result<(), Error> {
    let invalid = |_| Error::Log { filter: filter.chars().take(200).collect() };
    let targets: Targets = filter.parse().map_err(invalid)?;
    let layer = fmt::layer().with_ansi(false);
    let layer = match file {
        None => layer.with_writer(std::io::stderr).with_filter(targets).boxed(),
        Some(path) => {
            let file = LogFile::open(path, LOG_BYTES);
            let file = file.map_err(|source| Error::LogFile { path: path.to_owned(), source })?;
            layer.with_writer(Mutex::new(file)).with_filter(targets).boxed()
        }
    };
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
        assert!(telemetry("warn,athenaeum_archive=debug", None).is_ok());
        assert!(matches!(telemetry("athenaeum=shout", None), Err(Error::Log { .. })));
    }
}
