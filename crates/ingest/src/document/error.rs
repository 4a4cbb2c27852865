use std::{io, path::PathBuf};

/// Why a document gave no text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is there, it is no file, or it may not be read.
    #[error("cannot open {}; check the path and its permissions", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is longer than [`Options::bytes_max`](super::Options::bytes_max).
    #[error(
        "the document has {bytes} bytes or more, and {bytes_max} are read at most; raise the limit or split it"
    )]
    TooLarge {
        /// What was seen of it.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// It is of no format that is read here.
    #[error("{what} cannot be read as text{hint}")]
    Unknown {
        /// What the file seems to be: "a picture", "an old Word document".
        what: &'static str,
        /// What to do, beginning with "; ", or nothing.
        hint: &'static str,
    },
    /// Its text is encrypted, and the empty password does not open it.
    #[error("the document is encrypted; save a copy without its password")]
    Locked,
    /// It is of a known format, and nothing could be made out.
    #[error("the document is damaged: {reason}")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// It holds pictures and no text, and no program to read pictures is there.
    #[error("the document has only pictures ({pages} pages); install tesseract to have them read")]
    Pictures {
        /// How many pages or pictures.
        pages: u32,
    },
    /// Reading it took longer or more memory than allowed, and nothing came of it.
    #[error("the document was given up: {reason}")]
    GivenUp {
        /// Which limit, in words.
        reason: String,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Try again later: the file could not be opened.
    Open,
    /// Raise a limit: size, time or memory.
    Limit,
    /// Nothing: the format is unknown.
    Unknown,
    /// Remove the password.
    Locked,
    /// Mend the file.
    Damaged,
    /// Install tesseract.
    Pictures,
}

impl Kind {
    /// Returns the stable lower-case name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Limit => "limit",
            Self::Unknown => "unknown",
            Self::Locked => "locked",
            Self::Damaged => "damaged",
            Self::Pictures => "pictures",
        }
    }
}

impl Error {
    /// Returns what can be done about it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Open { .. } => Kind::Open,
            Self::TooLarge { .. } | Self::GivenUp { .. } => Kind::Limit,
            Self::Unknown { .. } => Kind::Unknown,
            Self::Locked => Kind::Locked,
            Self::Damaged { .. } => Kind::Damaged,
            Self::Pictures { .. } => Kind::Pictures,
        }
    }

    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged { reason: reason.into() }
    }
}
