//! What can be typed about what is remembered.

use athenaeum::core::{ConversationId, MemoryId, MessageId};
use clap::{Args, Subcommand, ValueEnum, ValueHint};

#[derive(Debug, Args)]
#[command(after_help = REMEMBER_HELP)]
pub(crate) struct Remember {
    /// What to remember; `-` reads it from stdin
    #[arg(required = true, value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    /// Keep it only where it surprises: no model would expect it, and nothing like it is remembered
    #[arg(long)]
    pub(crate) if_surprising: bool,
    /// The conversation that it comes from
    #[arg(long, value_name = "ID")]
    pub(crate) conversation: Option<ConversationId>,
    /// The message that it comes from
    #[arg(long, value_name = "NUMBER")]
    pub(crate) message: Option<MessageId>,
    /// The model that says how little it expected the text: a name, a part of it, or a path [default: the setting
    /// models.default; without it only what is remembered counts]
    #[arg(long, short, value_name = "MODEL", value_hint = ValueHint::AnyPath)]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) running: super::engine::Running,
}

const REMEMBER_HELP: &str = "\
Examples:
  athenaeum remember 'Ada is allergic to walnuts'
  athenaeum remember --if-surprising --model qwen3 - < note.txt
  athenaeum memories search 'what must not be in the cake?'

What is asked for is always kept, a text only once. Each memory has a surprise of 0 to 1: 0.6 of how little a model expected
it, 0.4 of how far the nearest memory is.";

#[derive(Debug, Subcommand)]
pub(crate) enum Memories {
    /// List memories, the newest first
    List {
        #[command(flatten)]
        tier: Tier,
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Find memories, by word and by meaning
    Search {
        /// What to look for
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<String>,
        #[command(flatten)]
        tier: Tier,
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
        limit: usize,
        /// Do not note that what was found was of use
        #[arg(long)]
        unnoted: bool,
    },
    /// Forget memories for good
    Forget {
        /// Their ids, as `memories list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<MemoryId>,
    },
    /// Take those one tier down that were of no use for long, as a server does by night (settings memory.cold_after_days and
    /// memory.kept_hot)
    Cool,
    /// Count memories by tier
    Stats,
    /// Have cold memories be found again, and warm ones be hot
    #[command(alias = "warm")]
    Restore {
        /// Their ids, as `memories list --tier cold` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<MemoryId>,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Tier {
    /// Which memories
    #[arg(long, value_enum, default_value_t = Which::Found)]
    pub(crate) tier: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Those that are found: hot and warm ones
    Found,
    /// New ones, and those that were of use lately
    Hot,
    /// Those that were of no use for a while
    Warm,
    /// Those that grew cold, and are found no more
    Cold,
    /// All of them
    All,
}
