use std::{collections::BTreeMap, path::Path, process::ExitCode};

use anyhow::Context as _;
use athenaeum::{
    archive::library::{File, FileState},
    retrieval::documents::{self, Options},
};
use serde::Serialize;

use super::{Context, Outcome, add};
use crate::{
    args::documents::{Library, State},
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
            library.forget(&context.scope, &forgotten).await?;
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

async fn status(context: &mut Context) -> Outcome {
    let library = context.library().await?;
    let stats = library.stats(&context.scope).await?;
    let output = &mut context.output;
    if output.json {
        output.object(&Status {
            documents: stats.documents,
            chunks: stats.chunks,
            text_bytes: stats.text_bytes,
            files: stats.files.iter().map(|(state, count)| (state.as_str(), *count)).collect(),
            formats: stats.formats.into_iter().collect(),
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
