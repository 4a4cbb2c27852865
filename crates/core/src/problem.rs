use std::fmt;

/// Something in the input that could not be taken as it stands. The rest was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How much was lost.
    pub severity: Severity,
    /// The file, or the entry inside an archive (`export.zip/conversations.json`).
    pub file: String,
    /// Which record: a conversation's id or title, a line or byte number. Empty for the file as a whole.
    pub record: String,
    /// What is wrong and, where there is one, what to do next: one sentence.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if !self.record.is_empty() {
            write!(f, ", {}", self.record)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// How much a [`Problem`] cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// All was kept, though not all was understood (an unknown block type, an unknown role).
    Notice,
    /// This record was left out.
    Skipped,
    /// The file, or the rest of it from here, was left out.
    Broken,
}

impl Severity {
    /// Returns the stable lower-case name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Skipped => "skipped",
            Self::Broken => "broken",
        }
    }
}
