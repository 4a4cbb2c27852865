use std::{io, path::PathBuf, time::Duration};

use crate::report::Unknown;

/// Why something could not be found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Gap {
    #[error("{} cannot be read ({})", .path.display(), .source.kind())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is larger than the {limit} bytes that are read", .path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{} does not hold {expected}", .path.display())]
    NotUnderstood { path: PathBuf, expected: &'static str },
    #[error("{program} cannot be run ({})", .source.kind())]
    NoProgram { program: String, source: io::Error },
    #[error("{program} did not end within {} seconds", .limit.as_secs_f32())]
    TooSlow { program: String, limit: Duration },
    #[error("{program} wrote more than the {limit} bytes that are read")]
    TooMuch { program: String, limit: u64 },
    #[error("{program} failed ({status}){}{said}", if .said.is_empty() { "" } else { ": " })]
    Failed { program: String, status: String, said: String },
    #[error("{program} answered what is not understood: {line:?}")]
    Answer { program: String, line: String },
    #[error("{0}")]
    Plain(&'static str),
}

/// Collects what could not be found out.
#[derive(Debug, Default)]
pub(crate) struct Gaps(pub(crate) Vec<Unknown>);

impl Gaps {
    /// Returns the value, or notes why `what` has none.
    pub(crate) fn keep<T>(&mut self, what: &str, found: Result<T, Gap>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(gap) => {
                self.note(what, &gap);
                None
            }
        }
    }

    /// Notes why `what` is not known.
    pub(crate) fn note(&mut self, what: &str, gap: &Gap) {
        // A machine with thousands of cores may have thousands of gaps; what comes first tells enough.
        if self.0.len() < GAPS_MAX {
            self.0.push(Unknown { what: what.to_owned(), why: gap.to_string() });
        }
    }
}

const GAPS_MAX: usize = 64;
