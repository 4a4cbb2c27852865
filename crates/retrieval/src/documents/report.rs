//! How far adding has come, and what it did.

use std::time::Duration;

use athenaeum_core::{ChunkId, Problem, Severity};

/// How far adding has come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Files come upon.
    pub files: u64,
    /// Of these, how many are as they were.
    pub unchanged: u64,
    /// New documents, changed ones, and files that hold what is there already.
    pub kept: u64,
    /// Files that could not be read.
    pub failed: u64,
    /// Files that are not meant to be read.
    pub skipped: u64,
    /// Since it began.
    pub elapsed: Duration,
}

impl Progress {
    /// Returns how many files are settled.
    pub fn done(&self) -> u64 {
        self.unchanged + self.kept + self.failed + self.skipped
    }
}

/// What adding did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Files come upon.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Documents that are new.
    pub added: u64,
    /// Documents that changed.
    pub updated: u64,
    /// Files that hold what another one holds, or that were only touched.
    pub same: u64,
    /// Files that are as they were; they were not read.
    pub unchanged: u64,
    /// Files that could not be read.
    pub failed: u64,
    /// Files that are of no format that is read.
    pub skipped: u64,
    /// Files that were there before.
    pub gone: u64,
    /// Chunks that are new.
    pub chunks_added: u64,
    /// Chunks that went.
    pub chunks_removed: Vec<ChunkId>,
    /// What was not as it should be, the first [`Report::PROBLEMS_MAX`]; notices aside.
    pub problems: Vec<Problem>,
    /// How many problems there were.
    pub problem_count: u64,
    /// From begin to end.
    pub duration: Duration,
}

impl Report {
    /// Most problems that are kept.
    pub const PROBLEMS_MAX: usize = 1_000;

    pub(super) fn problem(&mut self, problem: Problem) {
        if problem.severity == Severity::Notice {
            return;
        }
        self.problem_count += 1;
        if self.problems.len() < Self::PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    pub(super) fn progress(&self, elapsed: Duration) -> Progress {
        Progress {
            files: self.files,
            unchanged: self.unchanged,
            kept: self.added + self.updated + self.same,
            failed: self.failed,
            skipped: self.skipped,
            elapsed,
        }
    }
}
