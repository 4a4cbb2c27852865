//! What can be typed about scripts.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct Run {
    /// The script
    #[arg(value_name = "SCRIPT", value_hint = ValueHint::FilePath)]
    pub(crate) script: PathBuf,
    /// What it is handed, behind --: as ARGS and arg
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<String>,
}

const RUN_HELP: &str = "\
Examples:
  athenaeum run examples/scripts/first-rag.lua
  athenaeum run notes.lua -- --input notes.txt --verbose

A script finds RAG (texts in, texts found, in the library or in rooms of their own), Artifact, JSON, ARGS and Lua's own language
without files, processes and network: docs/scripts.md. It may hold as much memory and run as long as the settings
script.memory_mib and script.seconds say; Ctrl-C stops it.

Exit code: 0 it came to its end, or what it gave os.exit; 1 it failed; 2 wrong usage.";
