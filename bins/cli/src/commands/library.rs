use std::{collections::BTreeMap, path::Path, process::ExitCode};

use anyhow::Context as _;
use athenaeum::{
    archive::{
        self, Archive,
        library::{File, FileState},
    },
    retrieval::{
        documents::{self, Options},
        meaning::Meaning,
    },
};
use serde::Serialize;

use super::{Context, Outcome, add, library_doctor, rooms};
use crate::{
    args::documents::{Library, State, Within},
    interrupt::cancel_on_interrupt,
    output::{Output, Style, bytes, counted, grouped, one_line},
};

/// What `library status --json` says.
#[derive(Debug, Serialize)]
struct Status {
    documents: u64,
    chunks: u64,
    text_bytes: u64,
    files: BTreeMap<&'static str, u64>,
    formats: BTreeMap<String, u64>,
    found_by_meaning: Covered,
}

/// A line of `library files --json`.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    path: &'a str,
    state: &'a str,
    reason: &'a str,
    bytes: u64,
    modified_at: Option<String>,
    seen_at: String,
    tries: u32,
    document_id: Option<String>,
    covered: Option<u32>,
    parts: Option<u32>,
}

pub(super) async fn run(context: &mut Context, args: &Library) -> Outcome {
    match args {
        Library::Status => status(context).await,
        Library::Embed { within } => embed(context, *within).await,
        Library::Doctor => library_doctor::run(context).await,
        Library::Rooms { remove } => rooms::run(context, remove.as_ref()).await,
        Library::Files { under, state } => {
            let library = context.library().await?;
            let mut after = None;
            loop {
                let under = absolute(under.as_deref())?;
                let page =
                    library.list(&context.scope, &under, state.map(FileState::from), after.as_ref(), 200);
                let page = page.await?;
                for file in &page.items {
                    entry(&mut context.output, file)?;
                }
                after = page.next;
                if after.is_none() {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        Library::Retry { under } => {
            let library = context.library().await?;
            let under = absolute(under.as_deref())?;
            let mut paths = Vec::new();
            let mut after = None;
            loop {
                let failed = Some(FileState::Failed);
                let page = library.list(&context.scope, &under, failed, after.as_ref(), 200).await?;
                paths.extend(page.items.into_iter().map(|file| file.found.path.into()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            paths.retain(|path: &std::path::PathBuf| path.exists());
            if paths.is_empty() {
                context.output.line("Nothing failed that is still there.")?;
                return Ok(ExitCode::SUCCESS);
            }
            let options = Options { again: true, ..athenaeum::documents_options() };
            let mut shown = add::Shown::new();
            let told = |progress: &documents::Progress| shown.show(progress);
            let cancel = cancel_on_interrupt();
            let added = documents::add(&library, &context.scope, &paths, &options, told, cancel).await;
            shown.end();
            add::tell(&mut context.output, &added)
        }
        Library::Forget { paths } => {
            let library = context.library().await?;
            let mut forgotten = Vec::new();
            for path in paths {
                let path = absolute(Some(path))?;
                let mut after = None;
                loop {
                    let page = library.list(&context.scope, &path, None, after.as_ref(), 200).await?;
                    let inside = |name: &str| {
                        name == path || name[path.len()..].starts_with('/') || path.ends_with('/')
                    };
                    let names = page.items.into_iter().map(|file| file.found.path);
                    forgotten.extend(names.filter(|name| inside(name)));
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
            let removed = library.forget(&context.scope, &forgotten).await?;
            athenaeum::forget_vectors(&context.data()?, &context.scope, &[], &removed).await?;
            library.close().await;
            let said = format!(
                "{} forgotten; the files themselves are where they were.",
                counted(forgotten.len() as u64, "file")
            );
            context.output.line(said)?;
            Ok(if forgotten.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

/// Makes the vectors that are missing.
async fn embed(context: &mut Context, within: Within) -> Outcome {
    let Some(meaning) = context.meaning().await? else {
        anyhow::bail!("this program has no model within it; name one with the setting library.embedder");
    };
    let sources = context.sources().await?;
    let library = sources.library.filter(|_| within != Within::Chats);
    let archive = sources.archive.filter(|_| within != Within::Library);
    if let Some(library) = &library {
        add::embed(context, library, &[]).await?;
    }
    if let Some(archive) = &archive {
        add::embed_conversations(context, archive, &meaning).await?;
    }
    let covered = Covered::of(context, Some(&meaning), library.as_ref(), archive.as_ref()).await?;
    match context.output.json {
        true => context.output.object(&covered)?,
        false => covered.tell(&mut context.output)?,
    }
    Ok(if covered.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How much is found by meaning, in `library status --json` and `library embed --json`.
#[derive(Debug, Default, Serialize)]
struct Covered {
    chunks: u64,
    chunks_total: u64,
    messages: u64,
    messages_total: u64,
    /// Which model makes the vectors.
    model: Option<String>,
    /// Those whose vectors answer until its own are whole.
    formers: Vec<String>,
    /// Another program makes vectors now.
    running: bool,
    /// How long it will take, where it knows.
    remaining_seconds: Option<u64>,
}

impl Covered {
    async fn of(
        context: &Context,
        meaning: Option<&Meaning>,
        library: Option<&archive::library::Library>,
        archive: Option<&Archive>,
    ) -> anyhow::Result<Self> {
        let scope = &context.scope;
        let Some(meaning) = meaning else {
            return Ok(Self {
                chunks_total: match library {
                    Some(library) => library.chunk_count(scope).await?,
                    None => 0,
                },
                messages_total: match archive {
                    Some(archive) => archive.count(scope).await?.1,
                    None => 0,
                },
                ..Self::default()
            });
        };
        let chunks = meaning.progress(scope, library, None).await?;
        let messages = meaning.progress(scope, None, archive).await?;
        let elsewhere = meaning.elsewhere(scope)?;
        Ok(Self {
            chunks: chunks.embedded,
            chunks_total: chunks.total,
            messages: messages.embedded,
            messages_total: messages.total,
            model: Some(meaning.embedder().model().name.clone()),
            formers: meaning.formers(scope).await?,
            running: elsewhere.is_some(),
            remaining_seconds: elsewhere.flatten().map(|left| left.as_secs()),
        })
    }

    fn is_whole(&self) -> bool {
        self.chunks >= self.chunks_total && self.messages >= self.messages_total
    }

    fn tell(&self, output: &mut Output) -> std::io::Result<()> {
        let part = |done: u64, total: u64, what: &str| {
            (total > 0).then(|| format!("{} of {}", grouped(done), counted(total, what)))
        };
        let parts = [
            part(self.chunks, self.chunks_total, "chunk"),
            part(self.messages, self.messages_total, "message"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            return Ok(());
        }
        let left = self.remaining_seconds.map_or_else(String::new, |left| {
            format!(", {} left", indicatif::HumanDuration(std::time::Duration::from_secs(left)))
        });
        let running = if self.running { format!("; a program is at it{left}") } else { String::new() };
        let said = format!("Found by meaning: {}{running}", parts.join(", "));
        output.line(output.paint(Style::Faint, &said))?;
        if !self.formers.is_empty() {
            let said = format!(
                "Until all of it is made by {}, vectors of {} answer.",
                self.model.as_deref().unwrap_or("the model"),
                self.formers.join(", ")
            );
            output.line(output.paint(Style::Faint, &said))?;
        }
        Ok(())
    }
}

async fn status(context: &mut Context) -> Outcome {
    let library = context.library().await?;
    let stats = library.stats(&context.scope).await?;
    // Looking makes nothing.
    let meaning = if context.has_vectors()? { context.meaning().await? } else { None };
    let archive = context.data()?.join("archive.db").is_file();
    let archive = if archive { Some(context.open_read_only().await?) } else { None };
    let covered = Covered::of(context, meaning.as_ref(), Some(&library), archive.as_ref()).await?;
    let output = &mut context.output;
    if output.json {
        output.object(&Status {
            documents: stats.documents,
            chunks: stats.chunks,
            text_bytes: stats.text_bytes,
            files: stats.files.iter().map(|(state, count)| (state.as_str(), *count)).collect(),
            formats: stats.formats.into_iter().collect(),
            found_by_meaning: covered,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let documents = output.paint(Style::Strong, &counted(stats.documents, "document"));
    output.line(format_args!(
        "{documents}, {}, {} of text",
        counted(stats.chunks, "chunk"),
        bytes(stats.text_bytes)
    ))?;
    for (state, count) in &stats.files {
        let style = if *state == FileState::Failed { Style::Bad } else { Style::Faint };
        output.line(output.paint(style, &format!("  {:>9} {}", grouped(*count), said(*state))))?;
    }
    let formats: Vec<String> =
        stats.formats.iter().map(|(format, count)| format!("{format} {}", grouped(*count))).collect();
    if !formats.is_empty() {
        output.line(format_args!("  {}", formats.join(" · ")))?;
    }
    covered.tell(output)?;
    if stats.files.iter().any(|(state, _)| *state == FileState::Failed) {
        output.line(
            "`athenaeum library files --state failed` says why, `athenaeum library retry` tries once more.",
        )?;
    }
    if stats.files.is_empty() {
        output.line("Nothing was added yet: `athenaeum add PATH`.")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn entry(output: &mut Output, file: &File) -> std::io::Result<()> {
    if output.json {
        return output.object(&Entry {
            path: &file.found.path,
            state: file.state.as_str(),
            reason: &file.reason,
            bytes: file.found.bytes,
            modified_at: file.found.modified_at.map(|time| time.to_string()),
            seen_at: file.seen_at.to_string(),
            tries: file.tries,
            document_id: file.document.map(|id| id.to_string()),
            covered: file.coverage.map(|coverage| coverage.covered),
            parts: file.coverage.map(|coverage| coverage.parts),
        });
    }
    let state = format!("{:<8}", file.state.as_str());
    let style = if file.state == FileState::Failed { Style::Bad } else { Style::Faint };
    let reason =
        if file.reason.is_empty() { String::new() } else { format!("  {}", one_line(&file.reason, 200)) };
    let (state, reason) = (output.paint(style, &state), output.paint(Style::Faint, &reason));
    output.line(format_args!("{state} {}{reason}", one_line(&file.found.path, 500)))
}

fn absolute(path: Option<&Path>) -> anyhow::Result<String> {
    let Some(path) = path else { return Ok(String::new()) };
    let path = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    Ok(path.to_str().context("the path is not valid Unicode")?.to_owned())
}

fn said(state: FileState) -> &'static str {
    match state {
        FileState::Waiting => "wait to be read",
        FileState::Kept => "files kept",
        FileState::Failed => "could not be read",
        FileState::Skipped => "of no format that is read",
        FileState::Gone => "gone",
    }
}

impl From<State> for FileState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Kept => Self::Kept,
            State::Failed => Self::Failed,
            State::Skipped => Self::Skipped,
            State::Gone => Self::Gone,
        }
    }
}
