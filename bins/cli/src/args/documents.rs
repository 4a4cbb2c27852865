//! What can be typed about documents.

use std::path::PathBuf;

use athenaeum::tenancy::Room;
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
    /// Have them found by their words alone; the next `add` without this makes up for it
    #[arg(long)]
    pub(crate) text_only: bool,
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
    /// Count documents, files, what became of them, and how much of everything is found by meaning
    Status,
    /// Make the vectors that are missing now, of documents and conversations; a running server does so by itself
    Embed {
        /// Only what is in documents, or only what was said in conversations
        #[arg(long = "in", value_enum, value_name = "WHERE", default_value_t = Within::All)]
        within: Within,
    },
    /// List files with what became of each
    Files {
        /// Only those whose path begins so
        #[arg(value_hint = ValueHint::AnyPath)]
        under: Option<PathBuf>,
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
    },
    /// List the rooms that scripts keep texts in, apart from the library
    Rooms {
        /// Remove this room with all that is in it, such as session:abc
        #[arg(long, value_name = "KIND:ID", value_parser = room)]
        remove: Option<Room>,
    },
    /// Compare the ledger with the disk and the vectors with what they are of, and say what to do
    Doctor,
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

fn room(text: &str) -> Result<Room, String> {
    let Some((kind, id)) = text.split_once(':') else {
        return Err("a room is named by its kind and its id, such as session:abc".to_owned());
    };
    Room::new(kind, id).map_err(|error| error.to_string())
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

/// Where to look, and how.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Where to look
    #[arg(long = "in", value_enum, value_name = "WHERE", default_value_t = Within::All)]
    pub(crate) within: Within,
    /// How to look
    #[arg(long, value_enum, default_value_t = Mode::Hybrid)]
    pub(crate) mode: Mode,
    /// Have the best hits ordered anew by the model that the setting library.reranker names; it does so by itself where one
    /// is named
    #[arg(long, overrides_with = "no_rerank")]
    pub(crate) rerank: bool,
    /// Leave the hits as they were found
    #[arg(long)]
    pub(crate) no_rerank: bool,
    /// Leave out hits of a lower score: by how far they stand out of what is found, 0 is the average
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = score)]
    pub(crate) min_score: Option<f64>,
    /// Only documents of this format: pdf, markdown, … (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) format: Vec<String>,
}

fn score(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "a number is wanted, such as 0.5".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Within {
    /// Conversations and documents
    #[value(alias = "everything")]
    All,
    /// Conversations
    #[value(alias = "conversations")]
    Chats,
    /// Documents
    #[value(alias = "documents")]
    Library,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// By word
    Text,
    /// By meaning
    Semantic,
    /// By both
    Hybrid,
}

#[derive(Debug, Args)]
#[command(after_help = TOPICS_HELP)]
pub(crate) struct Topics {
    /// Where to look
    #[arg(long = "in", value_enum, value_name = "WHERE", default_value_t = Within::All)]
    pub(crate) within: Within,
    /// Most topics, at most 200 [default: 2 to 50, by how much there is]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) count: Option<u16>,
}

const TOPICS_HELP: &str = "\
Examples:
  athenaeum topics
  athenaeum topics --in chats --count 12
  athenaeum topics --json | jq -r .label

What means alike comes together, and is called by the words that it has and the rest has not. Below each
topic stand passages from its middle; `athenaeum show ID` opens the conversation or document. Looked at is
what has a vector: `athenaeum library embed` makes those that are missing. No model is asked.";

#[derive(Debug, Args)]
#[command(after_help = ASK_HELP)]
pub(crate) struct Ask {
    /// The question
    #[arg(required = true, value_name = "QUESTION")]
    pub(crate) question: Vec<String>,
    /// The model that answers: a name, a part of it, or a path [default: the setting models.default; without it the best
    /// sentences are quoted]
    #[arg(long, short, value_name = "MODEL", value_hint = ValueHint::AnyPath)]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Tokens of the passages that are answered from, at most
    #[arg(long, value_name = "TOKENS", default_value_t = 2_400)]
    pub(crate) budget: usize,
    /// Tokens of the answer at most
    #[arg(long, value_name = "TOKENS", default_value_t = 600)]
    pub(crate) max_tokens: usize,
    #[command(flatten)]
    pub(crate) running: super::engine::Running,
}

const ASK_HELP: &str = "\
Examples:
  athenaeum ask 'how long is the notice period of the flat?'
  athenaeum ask --model qwen3 'what did we decide about the schema?'
  athenaeum ask --json 'who signed?' > answer.json && athenaeum verify answer.json

Every sentence names the passages that it rests on, and every passage the file, the place and the bytes. Without a model
that writes, the sentences that answer best are quoted, word for word.";

#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct Verify {
    /// The answer, as `ask --json` wrote it; `-` reads it from stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) answer: PathBuf,
}

const VERIFY_HELP: &str = "\
Examples:
  athenaeum ask --json 'who signed?' > answer.json && athenaeum verify answer.json
  athenaeum verify answer.json --json | jq .holds

Says of each passage whether it still stands in its file, whether the file is the same to the byte, and which sentences
the passages do not bear out. Needs no archive and no network. The exit code is 0 where all of it holds.";
