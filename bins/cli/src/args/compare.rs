//! Commands that compare texts by a model.

use std::num::NonZeroUsize;

use clap::{Args, ValueHint};

/// Which model, and how it runs.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The model: its name in `athenaeum models list`, a part of it, or a path [default: the setting models.default,
    /// or the only one there is]
    #[arg(long, short, value_name = "MODEL", value_hint = ValueHint::AnyPath)]
    pub(crate) model: Option<String>,
    /// Threads that compute [default: one per core]
    #[arg(long, short, value_name = "COUNT")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Texts that are too long are an error, instead of being cut off at the end
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EMBED_HELP)]
pub(crate) struct Embed {
    /// The texts; `-` or none reads them from stdin, one per line
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    #[command(flatten)]
    pub(crate) model: Model,
    /// Keep only the first so many numbers of each vector, for models that were trained for it
    #[arg(long, value_name = "COUNT")]
    pub(crate) dimensions: Option<usize>,
    /// Put the model's prompt of this name before each text, such as query [default: the one it names as usual]
    #[arg(long, value_name = "NAME", conflicts_with = "prefix")]
    pub(crate) prompt: Option<String>,
    /// Put this before each text
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Write each vector as base64 of 32-bit floats, little-endian
    #[arg(long)]
    pub(crate) base64: bool,
}

const EMBED_HELP: &str = "\
Examples:
  athenaeum embed -m all-minilm 'Where did we talk about sourdough?'
  athenaeum embed -m nomic --prefix 'search_query: ' --dimensions 256 'bread that rises slowly'
  athenaeum embed -m all-minilm --json - < lines.txt > vectors.jsonl

A vector goes on a line, its numbers parted by spaces. With --json: one object per text, with embedding, tokens and
cut_tokens, the tokens that were left out because the text was too long; this is told on stderr, too.

Exit code: 0 every text has a vector, 1 the model or a text cannot be used, 2 wrong usage.";

#[derive(Debug, Args)]
#[command(after_help = RERANK_HELP)]
pub(crate) struct Rerank {
    /// What is asked
    pub(crate) query: String,
    /// What may answer it; `-` or none reads them from stdin, one per line
    #[arg(value_name = "DOCUMENT")]
    pub(crate) documents: Vec<String>,
    #[command(flatten)]
    pub(crate) model: Model,
    /// Only so many of the best
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(crate) top: Option<usize>,
}

const RERANK_HELP: &str = "\
Examples:
  athenaeum rerank -m bge-reranker 'how does bread rise' 'Yeast makes gas.' 'The moon is far.'
  athenaeum rerank -m qwen3-reranker --json 'how does bread rise' - < lines.txt

The best comes first: how well it answers the query, from 0 to 1, and the document. With --json: one object per
document, with index, relevance, logit, tokens, cut_tokens and document.

Exit code: 0 every document has a score, 1 the model or a text cannot be used, 2 wrong usage.";
