//! One file per command. Each takes what was typed and the [`Context`], and writes to its output.

mod add;
mod ask;
mod backup;
mod bench;
mod chat;
mod complete;
mod config;
mod delete;
mod doctor;
mod embed;
mod eval;
mod export;
mod import;
mod imports;
mod keys;
mod library;
mod library_doctor;
mod list;
mod local;
mod manual;
mod mcp;
mod memories;
mod models;
mod rerank;
mod restore;
mod rooms;
mod run;
mod search;
mod serve;
mod show;
mod start;
mod stats;
mod status;
mod stop;
mod topics;
mod verify;

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use athenaeum::{
    Start,
    archive::{self, Archive, library::Library},
    core::{ConversationId, MessageId},
    inference::processor::Processor,
    retrieval::{meaning::Meaning, search::Searcher},
    settings::{Layered, Places},
    tenancy::Scope,
};

use crate::{
    args::{Cli, Command, Global},
    output::Output,
};

/// The exit code, or why a command did not do what was asked.
pub(crate) type Outcome = anyhow::Result<ExitCode>;

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Outcome {
    match cli.command {
        Command::Query => manual::query(),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { to } => manual::man(to.as_deref()),
        Command::Mcp => mcp::run(Context::new(&cli.global, None)?),
        Command::Serve(args) => serve::run(Context::new(&cli.global, args.setting())?, &args),
        command => {
            let addr = if let Command::Start(args) = &command { args.setting() } else { None };
            let mut context = Context::new(&cli.global, addr)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let code = runtime.block_on(run_in(&mut context, command))?;
            context.output.flush()?;
            // What still lingers (a parser that was told to stop) must not keep the person waiting.
            runtime.shutdown_background();
            Ok(code)
        }
    }
}

async fn run_in(context: &mut Context, command: Command) -> Outcome {
    match command {
        Command::Import(args) => import::run(context, args).await,
        Command::Add(args) => add::run(context, &args).await,
        Command::Library(args) => library::run(context, &args).await,
        Command::Ask(args) => ask::run(context, &args).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Remember(args) => memories::remember(context, &args).await,
        Command::Memories(args) => memories::run(context, &args).await,
        Command::Start(args) => start::run(context, &args).await,
        Command::Stop(args) => stop::run(context, &args).await,
        Command::Status => status::run(context),
        Command::Verify(args) => verify::run(context, &args),
        Command::Search(args) => search::run(context, args).await,
        Command::Topics(args) => topics::run(context, &args).await,
        Command::Show(args) => show::run(context, &args).await,
        Command::Export(args) => export::run(context, args).await,
        Command::List(args) => list::run(context, args).await,
        Command::Stats => stats::run(context).await,
        Command::Imports(args) => imports::run(context, &args).await,
        Command::Delete(args) => delete::run(context, &args).await,
        Command::Backup(args) => backup::run(context, &args).await,
        Command::Restore(args) => restore::run(context, &args).await,
        Command::Keys(args) => keys::run(context, &args).await,
        Command::Doctor => doctor::run(context).await,
        Command::Chat(args) => chat::run(context, *args).await,
        Command::Complete(args) => complete::run(context, &args).await,
        Command::Embed(args) => embed::run(context, &args).await,
        Command::Rerank(args) => rerank::run(context, &args).await,
        Command::Bench(args) => bench::run(context, &args).await,
        Command::Eval(args) => eval::run(context, &args).await,
        Command::Config(args) => config::run(context, &args),
        Command::Models(args) => models::run(context, &args).await,
        Command::Serve(_)
        | Command::Mcp
        | Command::Query
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Everything that can be searched.
pub(crate) struct Sources {
    pub(crate) archive: Option<Archive>,
    pub(crate) library: Option<Library>,
}

/// What every command works with.
pub(crate) struct Context {
    pub(crate) settings: Layered,
    pub(crate) places: Places,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) scope: Scope,
    pub(crate) output: Output,
}

impl Context {
    fn new(global: &Global, flag: Option<(&str, String)>) -> anyhow::Result<Self> {
        let data = global.data.as_ref().map(|data| {
            data.to_str().map(str::to_owned).context("the path given with --data is not valid Unicode")
        });
        let given = [("data", data.transpose()?), ("log", global.log.clone())];
        let flags = flag.into_iter().map(|(name, value)| (name, Some(value))).chain(given);
        let Start { settings, places, config_file } = Start::of(global.config.clone(), flags)?;
        Ok(Self {
            settings,
            places,
            config_file,
            scope: athenaeum::tenancy::local(),
            output: Output::new(global.json),
        })
    }

    /// Returns the folder that holds the archive.
    pub(crate) fn data(&self) -> anyhow::Result<PathBuf> {
        Ok(self.places.data_folder(&self.settings.settings)?)
    }

    /// Opens the archive for writing, and makes it where there is none.
    pub(crate) async fn open(&self) -> anyhow::Result<Archive> {
        Ok(athenaeum::open_archive(&self.data()?, &self.settings.settings).await?)
    }

    /// Opens the library, and makes it where there is none.
    pub(crate) async fn library(&self) -> anyhow::Result<Library> {
        Ok(athenaeum::open_library(&self.data()?, &self.settings.settings).await?)
    }

    /// Returns whether a document was ever added.
    pub(crate) fn has_library(&self) -> anyhow::Result<bool> {
        Ok(self.data()?.join("library.db").is_file())
    }

    /// Opens what is needed to search by meaning; `None` where this program has no model for it.
    pub(crate) async fn meaning(&self) -> anyhow::Result<Option<Meaning>> {
        self.meaning_in(&self.data()?).await
    }

    /// Does the same for vectors that lie elsewhere.
    pub(crate) async fn meaning_in(&self, data: &Path) -> anyhow::Result<Option<Meaning>> {
        let threads = local::threads(self).unwrap_or(std::num::NonZeroUsize::MIN);
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let settings = &self.settings.settings;
        let catalog = self.places.catalog(settings, variable)?;
        Ok(athenaeum::open_meaning(data, settings, catalog, &Processor::new(threads)).await?)
    }

    /// Searches what was opened as the settings say; `rerank` as in a request.
    pub(crate) fn searcher(
        &self,
        archive: Option<Archive>,
        library: Option<Library>,
        meaning: Option<Meaning>,
        rerank: Option<bool>,
    ) -> anyhow::Result<Searcher> {
        let settings = &self.settings.settings;
        let wanted = !settings.library.reranker.is_empty() && rerank != Some(false);
        let reranker = if wanted {
            let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
            let threads = local::threads(self).unwrap_or(std::num::NonZeroUsize::MIN);
            let catalog = self.places.catalog(settings, variable)?;
            athenaeum::open_reranker(settings, catalog, &Processor::new(threads))?
        } else {
            None
        };
        let searcher = Searcher::new(archive, library, meaning);
        Ok(searcher.with_settings(athenaeum::search_settings(settings), reranker))
    }

    /// Returns whether anything was ever given a vector.
    pub(crate) fn has_vectors(&self) -> anyhow::Result<bool> {
        Ok(athenaeum::has_vectors(&self.data()?))
    }

    /// Opens everything that can be searched.
    pub(crate) async fn sources(&self) -> anyhow::Result<Sources> {
        let (has_archive, has_library) = (self.data()?.join("archive.db").is_file(), self.has_library()?);
        if !has_archive && !has_library {
            self.existing()?;
        }
        let archive = if has_archive { Some(self.open_read_only().await?) } else { None };
        let library = if has_library { Some(self.library().await?) } else { None };
        Ok(Sources { archive, library })
    }

    /// Opens an archive that is there.
    pub(crate) async fn open_existing(&self) -> anyhow::Result<Archive> {
        self.existing()?;
        self.open().await
    }

    /// Opens the archive where there is anything to copy; whoever has documents or memories alone gets an empty one.
    pub(crate) async fn open_to_back_up(&self) -> anyhow::Result<Archive> {
        let data = self.data()?;
        match ["memories.db", "library.db", "drop"].into_iter().any(|name| data.join(name).exists()) {
            true => self.open().await,
            false => self.open_existing().await,
        }
    }

    /// Opens an archive that is there, for reading only.
    pub(crate) async fn open_read_only(&self) -> anyhow::Result<Archive> {
        let data = self.existing()?;
        Ok(Archive::open_read_only(&data, &athenaeum::archive_settings(&self.settings.settings)).await?)
    }

    /// Returns the data folder, provided that it holds an archive.
    fn existing(&self) -> anyhow::Result<PathBuf> {
        let data = self.data()?;
        if data.join("archive.db").is_file() {
            return Ok(data);
        }
        Err(anyhow::anyhow!(
            "there is no archive in {} yet; fill one with `athenaeum import PATH`, or name its folder with --data",
            data.display()
        ))
    }

    /// Finds the conversation that `text` names: its id, the beginning of one, or the number of a message in it.
    pub(crate) async fn conversation_id(
        &self,
        archive: &Archive,
        text: &str,
    ) -> anyhow::Result<ConversationId> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        if let Ok(message) = text.parse::<MessageId>() {
            match archive.locate(&self.scope, message).await {
                Ok((id, _)) => return Ok(id),
                Err(error) if error.kind() == archive::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(archive.find_by_prefix(&self.scope, text).await?)
    }
}

/// Tells the person something beside the output.
#[expect(clippy::print_stderr, reason = "the one place where the program speaks beside its output")]
pub(crate) fn note(text: &dyn Display) {
    eprintln!("{text}");
}

/// Tells the person what went wrong.
pub(crate) fn complain(text: &dyn Display) {
    note(&format_args!("athenaeum: {text}"));
}

/// Asks a yes-or-no question on the terminal. Without one, the answer is no.
pub(crate) fn confirm(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
