use std::time::Duration;

/// Why a script did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// It is no Lua; the message says where.
    #[error("{0}")]
    Syntax(String),
    /// It raised an error that nobody caught; the message says where, and `trace` by which calls it came there.
    #[error("{message}")]
    Raised {
        /// With the script's name and line.
        message: String,
        /// A line each, the innermost call first; may be empty.
        trace: String,
    },
    /// It wanted more memory than it may have.
    #[error(
        "{name} wanted more than the {mebibytes} MiB of memory that a script may have (script.memory_mib)"
    )]
    Memory {
        /// Its name.
        name: String,
        /// What it may have.
        mebibytes: usize,
    },
    /// Its time was over.
    #[error("{name} was stopped: it ran for {} s, and may no longer (script.seconds)", time.as_secs_f64())]
    Time {
        /// Its name.
        name: String,
        /// What it may take.
        time: Duration,
        /// It did not end by itself: its thread is still at it.
        left_behind: bool,
    },
    /// Whoever ran it stopped it.
    #[error("{name} was stopped")]
    Stopped {
        /// Its name.
        name: String,
        /// It did not end by itself: its thread is still at it.
        left_behind: bool,
    },
    /// Lua could not be set up.
    #[error("Lua could not be started: {0}")]
    Lua(String),
    /// The thread that ran it could not be started, or broke down.
    #[error("the thread of the script {0}")]
    Thread(String),
}
