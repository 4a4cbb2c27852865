//! What can be typed: commands, flags and their help. What they do is in `commands`.

pub(crate) mod compare;
pub(crate) mod documents;
pub(crate) mod engine;
pub(crate) mod memories;
pub(crate) mod script;
pub(crate) mod server;

use std::{path::PathBuf, time::Duration};

use athenaeum::{
    archive::{Filters, Flag, Sort},
    core::{Provider, Role, Timestamp},
};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// A private library of your LLM conversations: import your exports, find anything in them.
#[derive(Debug, Parser)]
#[command(name = "athenaeum", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  athenaeum serve --sample              look around in a sample library, in the browser
  athenaeum import ~/Downloads/export.zip
  athenaeum search 'sourdough hydration'
  athenaeum serve                       your own library at http://127.0.0.1:7878

Everything stays on this machine. `athenaeum help COMMAND` teaches each command by example;
`athenaeum help query` explains what a search understands.";

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder that holds the archive [default: the system's place for your data]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// Settings file [default: `athenaeum config path`]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Write one JSON object per line to stdout, and everything else to stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to tell on stderr while running: off, error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import chat exports: files, folders or zips, as they were downloaded
    Import(Import),
    /// Take documents into the library: files, and folders with all that is in them
    Add(documents::Add),
    /// Show what the library holds, what became of each file, and what to do about it
    #[command(subcommand)]
    Library(documents::Library),
    /// Find messages and documents, by word and by meaning
    Search(Search),
    /// List what conversations and documents are about
    Topics(documents::Topics),
    /// Answer a question from conversations and documents, and say for each sentence what it rests on
    Ask(Box<documents::Ask>),
    /// Check an answer of `ask --json` against the files that it cites
    Verify(documents::Verify),
    /// Run a script in Lua over the library
    Run(script::Run),
    /// Keep a sentence or two that are to be remembered
    Remember(Box<memories::Remember>),
    /// List, find and forget what is remembered
    #[command(subcommand)]
    Memories(memories::Memories),
    /// Show one conversation or document
    Show(Show),
    /// Write conversations to files: Markdown, JSON or plain text
    Export(Export),
    /// List conversations, newest first
    List(List),
    /// Run the server: pages and API on this machine
    #[command(after_help = server::SERVE_HELP)]
    Serve(server::Serve),
    /// Run the server in the background: the same, and the terminal is free again
    #[command(after_help = server::START_HELP)]
    Start(server::Serve),
    /// End the server, wherever it was started, once what it does is done
    #[command(after_help = server::STOP_HELP)]
    Stop(server::Stop),
    /// Tell whether the server runs, where, since when, and whether it answers
    #[command(after_help = server::STATUS_HELP)]
    Status,
    /// Let a program that works with models search and open your conversations (MCP, over pipes)
    #[command(after_help = MCP_HELP)]
    Mcp,
    /// Count what the archive holds
    Stats,
    /// List what was imported when, and how it went
    Imports(Imports),
    /// Delete conversations for good
    Delete(Delete),
    /// Write a copy of conversations, documents and memories, while others use them
    #[command(after_help = BACKUP_HELP)]
    Backup(Backup),
    /// Put a backup in place of what is there
    #[command(after_help = RESTORE_HELP)]
    Restore(Restore),
    /// Fetch, list, show, check and remove models
    #[command(subcommand)]
    Models(Models),
    /// Talk with a model of this machine
    Chat(Box<engine::Chat>),
    /// Let a model of this machine go on from a text
    Complete(Box<engine::Complete>),
    /// Make vectors of texts, near each other where texts mean the same
    Embed(Box<compare::Embed>),
    /// Sort texts by how well they answer a query
    Rerank(Box<compare::Rerank>),
    /// Measure how fast a model reads and writes here
    Bench(engine::Bench),
    /// Measure how good a model is
    #[command(subcommand)]
    Eval(engine::Eval),
    /// Make, list and revoke the keys that the server asks for
    #[command(subcommand)]
    Keys(Keys),
    /// Check archive, index, disk, settings, permissions and machine, and say what to do
    Doctor,
    /// Show settings, where each comes from, and where their file is
    #[command(subcommand)]
    Config(Config),
    /// Explain what a search understands
    Query,
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell to print for
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one page per command into a folder
    Man {
        /// Folder to write into
        #[arg(value_hint = ValueHint::DirPath)]
        to: Option<PathBuf>,
    },
}

const COMPLETIONS_HELP: &str = "\
Examples:
  athenaeum completions bash > ~/.local/share/bash-completion/completions/athenaeum
  athenaeum completions zsh > ~/.zfunc/_athenaeum
  athenaeum completions fish > ~/.config/fish/completions/athenaeum.fish";

#[derive(Debug, Args)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct Import {
    /// Exports to read: a file, a folder or a zip each
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Whose export it is; auto finds out by looking inside
    #[arg(long, default_value = "auto", value_name = "NAME", value_parser = provider_or_auto)]
    pub(crate) provider: ProviderChoice,
    /// Program that reads the file instead, and writes our JSON lines to its stdout
    #[arg(long, value_name = "CMD", conflicts_with = "python_bridge")]
    pub(crate) parser: Option<String>,
    /// Python script to read the file with: the same as --parser 'python3 SCRIPT'
    #[arg(long, value_name = "SCRIPT", value_hint = ValueHint::FilePath)]
    pub(crate) python_bridge: Option<PathBuf>,
    /// Seconds that the parser may take [default: the setting import.parser_seconds]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) parser_seconds: Option<u64>,
}

const IMPORT_HELP: &str = "\
Examples:
  athenaeum import ~/Downloads/chatgpt-export.zip
  athenaeum import claude-export/ takeout.zip ~/.claude/projects
  athenaeum import --json export.zip | jq .added
  athenaeum import --parser ./my-parser.py old-chats.txt

Known by their content, whatever the file is called: ChatGPT, Claude, Gemini (Takeout and AI Studio), Grok,
DeepSeek, Le Chat, Copilot, Perplexity, Open WebUI, LibreChat, LM Studio, Jan, Zed, ShareGPT, OpenAssistant,
llm's logs.db, Claude Code, Codex, OpenCode, and more.

Importing again is safe: what is there already stays as it is, what changed is updated. Stop with Ctrl-C at any
time; the next import completes it.

Exit code: 0 something was imported or all of it was known already, 1 a source failed, 2 wrong usage.";

#[derive(Debug, Args)]
#[command(after_help = SEARCH_HELP)]
pub(crate) struct Search {
    /// Words, \"phrases\", prefix*, AND OR NOT, field:value; see `athenaeum help query`
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) query: Vec<String>,
    #[command(flatten)]
    pub(crate) place: documents::Where,
    #[command(flatten)]
    pub(crate) filters: FilterFlags,
    /// Order of the hits
    #[arg(long, value_enum, default_value_t = SortChoice::Relevance)]
    pub(crate) sort: SortChoice,
    /// Most hits to show, at most 200
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
    /// Go on where the last page ended
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

const SEARCH_HELP: &str = "\
Examples:
  athenaeum search sourdough hydration
  athenaeum search '\"borrow checker\" -python'
  athenaeum search 'migrat* provider:claude after:2024-01 has:code'
  athenaeum search invoice --role user --sort recent -n 50
  athenaeum search --json lifetimes | jq -r .conversation_id

`athenaeum help query` explains the whole language. No query is an error: what is not understood is searched
as words, and a notice says so. A query that begins with - comes last, behind --: athenaeum search -- -draft";

/// Which messages may be found.
#[derive(Debug, Args, Default)]
pub(crate) struct FilterFlags {
    /// Only this provider: chatgpt, claude, gemini, … (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Vec<Provider>,
    /// Only this model; a trailing * matches any ending (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Vec<String>,
    /// Only what this one said (repeatable)
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub(crate) role: Vec<Role>,
    /// Only this user's conversations, by the source's user id (repeatable)
    #[arg(long, value_name = "ID")]
    pub(crate) user: Vec<String>,
    /// Written then or later: 2024, 2024-05, 2024-05-17, 2024-05-17T08:30:00Z
    #[arg(long, value_name = "WHEN", value_parser = after)]
    pub(crate) after: Option<Timestamp>,
    /// Written then or earlier; a date without a time counts whole
    #[arg(long, value_name = "WHEN", value_parser = before)]
    pub(crate) before: Option<Timestamp>,
    /// Only messages with this: code, attachment, tool (repeatable)
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) has: Vec<HasChoice>,
    /// Also find what the source hides from its user: system context, custom instructions
    #[arg(long)]
    pub(crate) hidden: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HasChoice {
    /// A block of code
    Code,
    /// An attached file or image
    Attachment,
    /// A tool call or its result
    Tool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortChoice {
    /// Best match first
    Relevance,
    /// Newest first
    Recent,
}

#[derive(Debug, Args)]
#[command(after_help = SHOW_HELP)]
pub(crate) struct Show {
    /// A conversation's id, the beginning of one, a message's number, or a document's id
    pub(crate) id: String,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = ShowFormat::Text)]
    pub(crate) format: ShowFormat,
}

const SHOW_HELP: &str = "\
Examples:
  athenaeum show 0190c3              the beginning of an id is enough where it is the only one
  athenaeum show 48213               the conversation around a message that a search found
  athenaeum show 0190c3 -f md | glow -
  athenaeum show 0190c3 -f raw       the bytes as the provider exported them

Of a document all text is shown, as it was read; its file stays where it lies.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowFormat {
    /// Plain text for reading in a terminal
    Text,
    /// Markdown
    Md,
    /// JSON of Athenaeum's own format, which can be imported again
    Json,
    /// What the provider exported, byte for byte
    Raw,
}

#[derive(Debug, Args)]
#[command(after_help = EXPORT_HELP)]
pub(crate) struct Export {
    /// Conversations, by id or the beginning of one
    #[arg(value_name = "ID", required_unless_present_any = ["query", "all"], conflicts_with_all = ["query", "all"])]
    pub(crate) ids: Vec<String>,
    /// Conversations that this query finds
    #[arg(short, long, value_name = "QUERY", conflicts_with = "all", allow_hyphen_values = true)]
    pub(crate) query: Option<String>,
    /// Every conversation
    #[arg(long)]
    pub(crate) all: bool,
    /// How to write them
    #[arg(short, long, value_enum, default_value_t = ExportFormat::Md)]
    pub(crate) format: ExportFormat,
    /// A folder for one file each, or a file for all; - is stdout [default: stdout for one, else ./athenaeum-export]
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

const EXPORT_HELP: &str = "\
Examples:
  athenaeum export 0190c3 > sourdough.md
  athenaeum export --query 'provider:claude has:code' --output snippets/
  athenaeum export --all --format json --output everything.jsonl
  athenaeum import everything.jsonl                  JSON exports can be imported again

A path with a file's ending (.md, .txt, .json, .jsonl) is one file for all; anything else is a folder.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Markdown
    Md,
    /// Athenaeum's own JSON lines, which can be imported again
    Json,
    /// Plain text
    Text,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filters: FilterFlags,
    /// Most conversations to show
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
    /// Go on where the last page ended
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

const MCP_HELP: &str = "\
Examples:
  claude mcp add --scope user athenaeum -- athenaeum mcp

The program that uses it starts it, and talks with it over standard input and output; there is
nothing to see in a terminal. Where `athenaeum serve` runs, the same is at
http://127.0.0.1:7878/mcp. docs/mcp.md tells how to add it to Claude Desktop, VS Code and others.";

#[derive(Debug, Args)]
pub(crate) struct Imports {
    /// One run with all its problems, by its id or the beginning of it
    pub(crate) id: Option<String>,
    /// Most runs to show
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Conversations, by id or the beginning of one
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// File to write, and others beside it [default: athenaeum-DATE.db in the current folder]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) to: Option<PathBuf>,
    /// Replace an earlier backup of that name
    #[arg(long)]
    pub(crate) force: bool,
}

const BACKUP_HELP: &str = "\
A backup kept.db is up to four things, which belong together: kept.db, the conversations;
kept.memories.db, what is remembered; kept.library.db, the text of documents and what became of each
file; kept.drop, the files that were handed in by the browser or over REST. Not in it: files in
folders of your own, models, keys, settings, answers that programs had stored for them, and vectors,
which are made anew.";

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A file that `athenaeum backup` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) from: PathBuf,
    /// Replace what is there; without this, restoring over an archive is refused
    #[arg(long)]
    pub(crate) force: bool,
}

const RESTORE_HELP: &str = "\
What a backup has not is left as it is. What is replaced is kept beside it, under a name that ends in
before-restore and the time; of files that were handed in, none is replaced. Stop the server first.";

#[derive(Debug, Subcommand)]
#[command(after_help = MODELS_HELP)]
pub(crate) enum Models {
    /// Fetch a model from Hugging Face, Ollama's registry or an address
    #[command(after_help = MODELS_PULL_HELP)]
    Pull {
        /// hf:OWNER/REPOSITORY[:FILE or :QUANTIZATION], ollama:NAME[:TAG], or https://…
        source: String,
        /// What to call it here [default: what it is called there]
        #[arg(long)]
        name: Option<String>,
    },
    /// List the models in Athenaeum's folder, in those of Ollama, LM Studio and Hugging Face, and in the settings'
    #[command(after_help = MODELS_LIST_HELP)]
    List {
        /// Look only in this folder (repeatable)
        #[arg(long = "dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
        dirs: Vec<PathBuf>,
    },
    /// Show what a model is, and check that its files are sound
    #[command(after_help = MODELS_SHOW_HELP)]
    Show {
        /// A .gguf file (of a split one, any part), a .safetensors file, the folder of one model, or a name in
        /// Athenaeum's folder
        #[arg(value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// Also list its tensors
        #[arg(long)]
        tensors: bool,
        /// Also print its chat template
        #[arg(long)]
        template: bool,
    },
    /// Take a model on this machine into Athenaeum's folder, and record its checksums
    #[command(after_help = MODELS_ADD_HELP)]
    Add {
        /// A .gguf file (of a split one, any part), a .safetensors file, or the folder of one model
        #[arg(value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// What to call it here [default: as the file or folder]
        #[arg(long)]
        name: Option<String>,
        /// Give the files a second name instead of copying them; takes no room, on the same disk only
        #[arg(long)]
        link: bool,
    },
    /// Read models front to back, and compare them with their recorded checksums
    #[command(after_help = MODELS_VERIFY_HELP)]
    Verify {
        /// Names in Athenaeum's folder, or paths [default: all in Athenaeum's folder]
        #[arg(value_name = "NAME", value_hint = ValueHint::AnyPath)]
        models: Vec<PathBuf>,
    },
    /// Remove models from Athenaeum's folder for good
    #[command(after_help = MODELS_REMOVE_HELP)]
    Remove {
        /// Names in Athenaeum's folder
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

const MODELS_HELP: &str = "\
Examples:
  athenaeum models pull hf:Qwen/Qwen3-0.6B-GGUF
  athenaeum models list
  athenaeum models show ~/models/llama-3.2-1b-q4_k_m.gguf

Formats: GGUF of versions 2 and 3, split or not, and safetensors with Hugging Face's config.json. Put models into
`models` in the data folder (`athenaeum config path`), or name folders in the setting models.folders.";

const MODELS_PULL_HELP: &str = "\
Examples:
  athenaeum models pull hf:Qwen/Qwen3-0.6B-GGUF:Q8_0         one of several quantizations
  athenaeum models pull bartowski/Llama-3.2-1B-Instruct-GGUF
  athenaeum models pull hf:HuggingFaceTB/SmolLM2-135M        a folder of safetensors
  athenaeum models pull hf:OWNER/REPOSITORY@v1.0:file.gguf   as of a branch, a tag or a commit
  athenaeum models pull ollama:llama3.2:1b
  athenaeum models pull 'https://example.org/m.gguf#sha256=…'

Stop with Ctrl-C at any time, or lose the connection: the same command goes on where it stopped. Each file is checked by
its length and checksum, the whole is opened as a model, and only then it is there. For models that are given to some
only, set models.hub_token or HF_TOKEN. Mirrors and a proxy are settings, too (`athenaeum config show`).

Exit code: 0 the model is there, 1 it is not (the reason is told), 2 wrong usage.";

const MODELS_ADD_HELP: &str = "\
Examples:
  athenaeum models add ~/Downloads/model-Q4_K_M.gguf
  athenaeum models add --link ~/.cache/huggingface/hub/models--org--name/snapshots/…/ --name mine

The file stays where it is. Models of other programs are found without being added (`athenaeum models list`).

Exit code: 0 the model is there, 1 it is not (the reason is told), 2 wrong usage.";

const MODELS_VERIFY_HELP: &str = "\
Examples:
  athenaeum models verify
  athenaeum models verify Qwen3-0.6B-Q8_0
  athenaeum models verify ~/.ollama/models/blobs/sha256-…    its name is its checksum

Models that were pulled or added have recorded checksums; files of Ollama and of Hugging Face's cache have them in their
names. Of others the checksum is told, to compare by hand.

Exit code: 0 nothing differs, 1 something does or cannot be read, 2 wrong usage.";

const MODELS_REMOVE_HELP: &str = "\
Examples:
  athenaeum models remove Qwen3-0.6B-Q8_0
  athenaeum models remove --yes old-one another-one

Only what lies in Athenaeum's own folder is removed, and what had come of a model that was never whole.

Exit code: 0 all were removed, 1 something was not, 2 wrong usage.";

const MODELS_LIST_HELP: &str = "\
Examples:
  athenaeum models list
  athenaeum models list --dir ~/Downloads --dir /srv/models
  athenaeum models list --json | jq -r 'select(.error) | .path'     what is damaged or unknown

Only headers are read, never weights. A file that cannot be used is listed with its reason. Folders are looked into
eight levels deep; links that lead out of them are not followed.

Exit code: 0 the folders were looked through, 1 a folder named with --dir is not there, 2 wrong usage.";

const MODELS_SHOW_HELP: &str = "\
Examples:
  athenaeum models show llama-3.2-1b-q4_k_m.gguf
  athenaeum models show qwen3-32b-00001-of-00004.gguf     all parts are checked
  athenaeum models show ~/models/SmolLM2-135M             a folder with config.json and safetensors
  athenaeum models show model.gguf --tensors
  athenaeum models show model.gguf --json | jq .summary.context_tokens

Exit code: 0 the files are sound, 1 they are not (the reason is told), 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key, and show it this once
    #[command(after_help = KEYS_ADD_HELP)]
    Add {
        /// What to call it: whose it is, or what uses it
        name: String,
        /// When it ends: after 12h, 90d, 8w or 1y, or on a day such as 2030-12-31 [default: never]
        #[arg(long, value_name = "WHEN", value_parser = expiry)]
        expires: Option<Timestamp>,
    },
    /// List keys, with when each was made, last used and ends
    List,
    /// Take a key back: it opens nothing any more, and what runs for it ends
    #[command(after_help = KEYS_REVOKE_HELP)]
    Revoke {
        /// Its name, or how it begins (ath_…)
        #[arg(value_name = "NAME|BEGINNING")]
        key: String,
    },
    /// Remove what is kept of a key that no longer opens
    #[command(after_help = KEYS_FORGET_HELP)]
    Forget {
        /// Its name, or how it begins (ath_…)
        #[arg(value_name = "NAME|BEGINNING")]
        key: String,
    },
}

const KEYS_ADD_HELP: &str = "\
Examples:
  athenaeum keys add phone
  athenaeum keys add --expires 90d notebook
  KEY=$(athenaeum keys add script) && curl -H \"Authorization: Bearer $KEY\" http://127.0.0.1:7878/v1/models

As soon as there is a key, the server asks for one, wherever it listens; without one it listens on this machine's own
addresses only. Only a hash is kept, so a key that is lost is made anew. A running server notices.

Exit code: 0 the key is made, 1 it is not (the reason is told), 2 wrong usage.";

const KEYS_REVOKE_HELP: &str = "\
Examples:
  athenaeum keys revoke phone
  athenaeum keys revoke ath_Xb3k9Q

A running server notices within two seconds: streams and sessions that were opened with the key end. Revoking the last
key opens no door: the server asks for a key until all are forgotten and it is started anew.";

const KEYS_FORGET_HELP: &str = "\
Examples:
  athenaeum keys revoke phone && athenaeum keys forget phone

With the last one forgotten, a server that is started anew on an address of this machine asks for no key.";

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show every setting and its value
    Show {
        /// Also tell where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print where the settings file and the data folder are
    Path,
    /// Write a settings file with every setting and its meaning, all of them commented out
    Init,
}

/// What `--provider` of an import may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProviderChoice {
    Auto,
    Named(Provider),
}

impl ProviderChoice {
    pub(crate) fn into_option(self) -> Option<Provider> {
        match self {
            Self::Auto => None,
            Self::Named(provider) => Some(provider),
        }
    }
}

impl FilterFlags {
    pub(crate) fn into_filters(self) -> Filters {
        let has = |choice| match choice {
            HasChoice::Code => Flag::Code,
            HasChoice::Attachment => Flag::Attachment,
            HasChoice::Tool => Flag::Tool,
        };
        Filters {
            providers: self.provider,
            models: self.model,
            roles: self.role,
            users: self.user,
            after: self.after,
            before: self.before,
            has: self.has.into_iter().map(has).collect(),
            include_hidden: self.hidden,
            ..Filters::default()
        }
    }
}

impl From<SortChoice> for Sort {
    fn from(choice: SortChoice) -> Self {
        match choice {
            SortChoice::Relevance => Self::Relevance,
            SortChoice::Recent => Self::Recent,
        }
    }
}

fn provider_or_auto(text: &str) -> Result<ProviderChoice, athenaeum::core::InvalidProvider> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(ProviderChoice::Auto);
    }
    text.parse().map(ProviderChoice::Named)
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_name(&text.to_ascii_lowercase())
        .ok_or_else(|| "expected user, assistant, system or tool".to_owned())
}

/// Reads when something ends: so long from now, or with the end of a day.
fn expiry(text: &str) -> Result<Timestamp, String> {
    let seconds = |unit| match unit {
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(7 * 86_400),
        'y' => Some(365 * 86_400),
        _ => None,
    };
    let mut number = text.chars();
    let micros = match number.next_back().and_then(seconds) {
        Some(unit) => {
            let number: u32 =
                number.as_str().parse().map_err(|_| "expected 12h, 90d, 8w or 1y".to_owned())?;
            let length = i64::from(number).checked_mul(unit * 1_000_000);
            length.and_then(|length| Timestamp::now().as_micros().checked_add(length))
        }
        None => {
            Some(before(text).map_err(|_| "expected 90d or a day such as 2030-12-31".to_owned())?.as_micros())
        }
    };
    let end = micros.map(Timestamp::from_micros).ok_or("that is too far away")?;
    if end <= Timestamp::now() { Err("that is over already".to_owned()) } else { Ok(end) }
}

fn after(text: &str) -> Result<Timestamp, String> {
    moment(text).map(|(first, _)| first)
}

fn before(text: &str) -> Result<Timestamp, String> {
    moment(text).map(|(_, last)| last)
}

/// Reads a year, a month, a day or a moment as its first and its last microsecond, in UTC.
fn moment(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let expected = || "expected 2024, 2024-05, 2024-05-17 or 2024-05-17T08:30:00Z".to_owned();
    let digits: Vec<&str> = text.split('-').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (first, next) = match digits.as_slice() {
        [year] if year.len() == 4 && is_number(year) => {
            let number: u32 = year.parse().map_err(|_| expected())?;
            (format!("{year}-01-01"), format!("{:04}-01-01", number + 1))
        }
        [year, month] if year.len() == 4 && month.len() == 2 && is_number(year) && is_number(month) => {
            let (year, month): (u32, u32) =
                (year.parse().map_err(|_| expected())?, month.parse().map_err(|_| expected())?);
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            (format!("{year:04}-{month:02}-01"), format!("{:04}-{:02}-01", next.0, next.1))
        }
        _ => {
            let first: Timestamp = text.parse().map_err(|_| expected())?;
            let whole_day = text.len() == 10 && digits.len() == 3;
            let length = if whole_day { Duration::from_secs(86_400).as_micros() as i64 - 1 } else { 0 };
            return Ok((first, Timestamp::from_micros(first.as_micros().saturating_add(length))));
        }
    };
    let first: Timestamp = first.parse().map_err(|_| expected())?;
    let next: Timestamp = next.parse().map_err(|_| expected())?;
    Ok((first, Timestamp::from_micros(next.as_micros() - 1)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ends_lie_ahead() {
        let days =
            |text| (expiry(text).unwrap().as_micros() - Timestamp::now().as_micros()) as f64 / 86_400e6;
        assert!((days("90d") - 90.0).abs() < 0.01 && (days("12h") - 0.5).abs() < 0.01);
        assert!((days("8w") - 56.0).abs() < 0.01 && (days("1y") - 365.0).abs() < 0.01);
        assert_eq!(expiry("2999-12-31").unwrap().to_string(), "2999-12-31T23:59:59.999999Z");
        for wrong in ["", "d", "0d", "-1d", "1.5d", "90", "90m", "2001-01-01", "99999999999y", "é"] {
            assert!(expiry(wrong).is_err(), "{wrong}");
        }
    }

    fn check(text: &str, first: &str, last: &str) {
        let (from, to) = moment(text).unwrap();
        assert_eq!((from.to_string(), to.to_string()), (first.to_owned(), last.to_owned()), "{text}");
    }

    #[test]
    fn times_count_whole() {
        check("2024", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59.999999Z");
        check("2024-02", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999999Z");
        check("2024-12", "2024-12-01T00:00:00Z", "2024-12-31T23:59:59.999999Z");
        check("2024-05-17", "2024-05-17T00:00:00Z", "2024-05-17T23:59:59.999999Z");
        check("2024-05-17T08:30:00Z", "2024-05-17T08:30:00Z", "2024-05-17T08:30:00Z");
        for wrong in ["", "yesterday", "2024-13", "24-5", "2024-00", "-"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
