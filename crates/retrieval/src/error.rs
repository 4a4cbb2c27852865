use std::path::PathBuf;

use athenaeum_core::{ImportId, Problem, Severity};

use crate::Report;

/// Why an import did not come to its end.
///
/// Whatever had been stored until then stays; [`Error::report`] says what that is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source holds nothing that any parser knows, or nothing but empty conversations.
    #[error("{}", nothing_found(.0))]
    NothingFound(Box<Report>),
    /// The source could not be read.
    #[error("cannot read {path}", path = .path.display())]
    Source {
        /// What was to be imported.
        path: PathBuf,
        /// What was done until then.
        report: Box<Report>,
        /// Why.
        source: athenaeum_ingest::Error,
    },
    /// The archive could not store it.
    #[error("the archive could not take in the import")]
    Archive {
        /// What was done until then, where the run had begun.
        report: Option<Box<Report>>,
        /// Why.
        source: athenaeum_archive::Error,
    },
    /// Its person ended it. Whole batches stay; running the import again completes it.
    #[error("cancelled; what was imported until then stays, and importing again completes it")]
    Cancelled(Box<Report>),
    /// A parser failed in a way that it should not be able to. Please report the file's shape.
    #[error("a parser broke down on {path}; please report this", path = .path.display())]
    Parser {
        /// What was to be imported.
        path: PathBuf,
        /// What was done until then.
        report: Box<Report>,
    },
    /// Too many imports wait already.
    #[error("{waiting} imports are waiting already; try again when one of them is done")]
    Busy {
        /// Imports in line.
        waiting: usize,
    },
    /// No import of this id runs or ran since the program started.
    #[error("no import {0} is known to this program")]
    Unknown(ImportId),
}

impl Error {
    /// Returns what was done before the import ended.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::NothingFound(report)
            | Self::Cancelled(report)
            | Self::Source { report, .. }
            | Self::Parser { report, .. } => Some(report),
            Self::Archive { report, .. } => report.as_deref(),
            Self::Busy { .. } | Self::Unknown(_) => None,
        }
    }

    /// Returns the message with those of its causes, on one line.
    pub fn with_causes(&self) -> String {
        with_causes(self)
    }
}

/// Returns an error's message with those of its causes, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Says what was found instead, and what to do.
fn nothing_found(report: &Report) -> String {
    let source = &report.source;
    if report.empty > 0 {
        return format!("{source} holds {} conversations, but none of them a single message", report.empty);
    }
    let losses = |problem: &&Problem| problem.severity > Severity::Notice;
    match report.problems.details().iter().find(losses) {
        Some(problem) => format!("nothing in {source} could be imported; the first problem: {problem}"),
        None => format!(
            "nothing in {source} was recognised as a chat export; expected the file, folder or zip as it was \
             downloaded (`athenaeum help import` lists what is known), or name a parser with --parser"
        ),
    }
}
