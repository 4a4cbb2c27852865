//! Commands that run a model.

use std::{num::NonZeroUsize, path::PathBuf};

use athenaeum::hardware::Device;
use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// Which model, and how it runs.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The model: its name in `athenaeum models list`, a part of it, or a path [default: the setting models.default,
    /// or the only one there is]
    #[arg(long, short, value_name = "MODEL", value_hint = ValueHint::AnyPath)]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) running: Running,
}

/// How a model runs.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// Tokens of prompt and answer together [default: what the model was made for, up to 8192]
    #[arg(long, value_name = "TOKENS")]
    pub(crate) context: Option<NonZeroUsize>,
    /// Threads that compute [default: one per core]
    #[arg(long, short, value_name = "COUNT")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// What computes: cpu, cuda, cuda:1, metal or candle [default: the setting hardware.device]
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<Device>,
    /// How keys and values are kept
    #[arg(long, value_enum, default_value_t = CacheFormat::F16)]
    pub(crate) cache: CacheFormat,
    /// Read the model into memory instead of mapping its files
    #[arg(long)]
    pub(crate) no_map: bool,
}

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheFormat {
    /// Exactly, in twice the memory of f16
    F32,
    /// As most engines do
    F16,
    /// In half the memory of f16
    Q8,
}

/// How tokens are chosen.
#[derive(Debug, Args)]
pub(crate) struct Sampling {
    /// How freely: 0 always takes the likeliest token
    #[arg(long, value_name = "T", default_value_t = 0.8)]
    pub(crate) temperature: f32,
    /// Only among the K likeliest; 0 among all
    #[arg(long, value_name = "K", default_value_t = 40)]
    pub(crate) top_k: u32,
    /// Only among the likeliest that make up this share
    #[arg(long, value_name = "P", default_value_t = 0.95)]
    pub(crate) top_p: f32,
    /// Only those at least this likely, compared with the likeliest
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    pub(crate) min_p: f32,
    /// Makes tokens that came lately less likely; 1 does not
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(crate) repeat_penalty: f32,
    /// The same seed gives the same text [default: another one each time]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// End before this text (repeatable)
    #[arg(long = "stop", value_name = "TEXT")]
    pub(crate) stops: Vec<String>,
    /// Tokens of the answer at most
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(crate) max_tokens: Option<usize>,
}

/// Whether tokens are guessed, to be faster.
#[derive(Debug, Args)]
pub(crate) struct Guessing {
    /// Guess up to so many tokens at once, from what was said before or by --draft; the text stays the same
    /// [default: 4 by --draft, up to 15 of what was said before as long as they come true; with `bench`, 0 of that]
    #[arg(long, value_name = "COUNT")]
    pub(crate) guess: Option<usize>,
    /// A smaller model of the same vocabulary that guesses: a name, a part of it, or a path
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::AnyPath)]
    pub(crate) draft: Option<String>,
}

impl Guessing {
    /// Where speed is measured, and what is said before says nothing.
    pub(crate) fn measured(&self) -> usize {
        self.guess.unwrap_or(if self.draft.is_some() { 4 } else { 0 })
    }
}

#[derive(Debug, Args)]
#[command(after_help = COMPLETE_HELP)]
pub(crate) struct Complete {
    /// Text to go on from; `-` or nothing reads it from stdin
    pub(crate) prompt: Option<String>,
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) sampling: Sampling,
    #[command(flatten)]
    pub(crate) guessing: Guessing,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Show this picture before the text, to a model that sees (repeatable): PNG, JPEG, WebP, GIF or BMP
    #[arg(long = "image", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) images: Vec<PathBuf>,
    /// The projector that the model sees with [default: mmproj-….gguf beside it]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mmproj: Option<PathBuf>,
    /// With --json: probabilities of each token, with so many of the likeliest
    #[arg(long, value_name = "COUNT")]
    pub(crate) logprobs: Option<usize>,
    /// Write the prompt before the text
    #[arg(long)]
    pub(crate) echo: bool,
}

/// What the answer must look like.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Shape {
    /// The answer is JSON that fits this schema
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) json_schema: Option<PathBuf>,
    /// The answer fits this regular expression, as a whole
    #[arg(long, value_name = "REGEX")]
    pub(crate) regex: Option<String>,
    /// The answer fits the grammar in this file: GBNF, or Lark where its name ends in .lark
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) grammar: Option<PathBuf>,
}

const COMPLETE_HELP: &str = "\
Examples:
  athenaeum complete --model examples/models/tiny.gguf --temperature 0 'Shall I compare thee'
  git diff | athenaeum complete -m qwen3 -n 200
  athenaeum complete -m qwen3-8b --draft qwen3-0.6b 'Once upon a time'
  athenaeum complete -m gemma3 --image page.png 'The first line of this page reads:'
  athenaeum complete -m qwen3 --json-schema recipe.schema.json 'A recipe for bread, as JSON: '

The text goes to stdout as it comes. With --json: one object per token, then one with the whole text, why it ended,
and how fast it was.

Exit code: 0 the text is whole, 1 the model or the request cannot be used, 2 wrong usage.";

#[derive(Debug, Args)]
#[command(after_help = CHAT_HELP)]
pub(crate) struct Chat {
    /// Say this, print the answer, and end; without it, lines are read from the terminal
    pub(crate) message: Option<String>,
    #[command(flatten)]
    pub(crate) model: Model,
    /// What the model is told before everything else
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Show this picture with the first message, to a model that sees (repeatable): PNG, JPEG, WebP, GIF or BMP
    #[arg(long = "image", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) images: Vec<PathBuf>,
    /// The projector that the model sees with [default: mmproj-….gguf beside it]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mmproj: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sampling: Sampling,
    #[command(flatten)]
    pub(crate) guessing: Guessing,
    /// Do not keep the conversation in the archive
    #[arg(long)]
    pub(crate) forget: bool,
}

const CHAT_HELP: &str = "\
Examples:
  athenaeum chat --model qwen3
  athenaeum chat -m qwen3 --system 'Answer in one sentence.' 'Why is the sky blue?'
  athenaeum chat -m gemma3 --image page.png 'What does this say?'
  athenaeum chat --model examples/models/tiny.gguf --temperature 0

While the model writes, Ctrl-C stops it; what is written so far stays. At the prompt:
  /regenerate   throw the last answer away and ask for another
  /undo         take the last question and its answer back
  /image FILE   show a picture with what is said next
  /system TEXT  tell the model this before everything else
  /clear        begin a new conversation
  /exit         end (as does Ctrl-D)

Conversations are kept in the archive, and found by `athenaeum search`, unless --forget is given.";

#[derive(Debug, Args)]
#[command(after_help = BENCH_HELP)]
pub(crate) struct Bench {
    /// The model: its name in `athenaeum models list`, a part of it, or a path
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) model: String,
    /// Tokens of the prompt
    #[arg(long, short, value_name = "COUNT", default_value_t = 512)]
    pub(crate) prompt: usize,
    /// Tokens that are generated
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 128)]
    pub(crate) generate: usize,
    /// How often each is measured; the median is told
    #[arg(long, short, value_name = "COUNT", default_value_t = NonZeroUsize::MIN.saturating_add(2))]
    pub(crate) repeat: NonZeroUsize,
    /// Another program to measure beside, in turns: its command, without model and sizes
    #[arg(long, value_name = "COMMAND")]
    pub(crate) against: Option<String>,
    #[command(flatten)]
    pub(crate) running: Running,
    #[command(flatten)]
    pub(crate) guessing: Guessing,
}

const BENCH_HELP: &str = "\
Examples:
  athenaeum bench llama-3.2-1b
  athenaeum bench model.gguf -p 512 -n 128 -t 2 --json
  athenaeum bench model.gguf --against 'llama-bench -fa 1' -r 5

The prompt is made of tokens of the vocabulary, one after another; what is generated is thrown away, and no token ends
it. Beside the speeds stands how much that is of what the machine can do: of the whole numbers that its processors multiply
in registers, and of what its memory gives. The command of --against is llama-bench, or athenaeum bench of another version;
it gets model, sizes, threads and its flag for JSON, and may take ten minutes each time. llama-bench is called twice, the second time
to generate behind as many tokens (-d), as is done here.

With --json: model, prompt_tokens, generated_tokens, prompt_tokens_per_s, generate_tokens_per_s, first_token_ms, load_ms,
rss_bytes, threads, device, kernel, machine, memory_read_bytes_per_s, bandwidth_share, integer_ops_per_s, integer_share,
against (command, prompt_tokens_per_s, generate_tokens_per_s, prompt_ratio, generate_ratio).";

#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// How well a model foretells a text: perplexity, lower is better
    #[command(after_help = PERPLEXITY_HELP)]
    Perplexity {
        /// The model: its name in `athenaeum models list`, a part of it, or a path
        #[arg(value_hint = ValueHint::AnyPath)]
        model: String,
        /// The text
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Tokens of each piece of the text; the second half of each counts
        #[arg(long, value_name = "TOKENS", default_value_t = 512)]
        window: usize,
        #[command(flatten)]
        running: Running,
    },
    /// How well searches find what answers questions that people judged
    #[command(after_help = RETRIEVAL_HELP)]
    Retrieval {
        /// A collection in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/*.tsv
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        /// How to look
        #[arg(long, value_enum, default_value_t = EvalMode::All)]
        mode: EvalMode,
    },
}

/// Which way of looking is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvalMode {
    /// By word
    Text,
    /// By meaning
    Semantic,
    /// By both
    Hybrid,
    /// Each of them
    All,
}

const RETRIEVAL_HELP: &str = "\
Examples:
  athenaeum eval retrieval ./scifact
  athenaeum eval retrieval ./scifact --mode hybrid --json | jq .ndcg_at_10

The documents are taken into a library of their own, which is removed afterwards, and are found as yours are. Tells
nDCG@10, recall@100 and MRR of each way of looking; a document counts where its first chunk stands.";

const PERPLEXITY_HELP: &str = "\
Examples:
  athenaeum eval perplexity llama-3.2-1b wiki.test.raw
  athenaeum eval perplexity model.gguf text.txt --window 1024 --json

The text is cut into pieces of so many tokens, each read on its own; the second half of each counts, as in llama.cpp's
llama-perplexity, so that figures can be compared.";
