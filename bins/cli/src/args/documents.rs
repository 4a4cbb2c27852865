//! What can be typed about documents.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

#[derive(Debug, Args)]
#[command(after_help = ADD_HELP)]
pub(crate) struct Add {
    /// Files and folders
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Read everything once more, also what is as it was
    #[arg(long)]
    pub(crate) again: bool,
}

const ADD_HELP: &str = "\
Examples:
  athenaeum add ~/Documents notes.md
  athenaeum add --json ~/Documents | jq .added

Nothing is moved or changed. Adding again reads only what changed; what is gone from a folder leaves the library. A file
.athenaeumignore says, as a .gitignore does, what of its folder is not to be read; .gitignore counts as well, and names
that begin with a dot are passed over. Stop with Ctrl-C at any time; the next run goes on from there.";

#[derive(Debug, Subcommand)]
pub(crate) enum Library {
    /// Count documents, files and what became of them
    Status,
    /// List files with what became of each
    Files {
        /// Only those whose path begins so
        #[arg(value_hint = ValueHint::AnyPath)]
        under: Option<PathBuf>,
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
    },
    /// Read files once more that could not be read
    Retry {
        /// Only those whose path begins so
        #[arg(value_hint = ValueHint::AnyPath)]
        under: Option<PathBuf>,
    },
    /// Take files, or all of a folder, out of the library; the files themselves stay
    Forget {
        /// Files and folders
        #[arg(required = true, value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Seen, and to be read
    Waiting,
    /// Its text is in the library
    Kept,
    /// It could not be read
    Failed,
    /// It is of no format that is read
    Skipped,
    /// It was there before
    Gone,
}
