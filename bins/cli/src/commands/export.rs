use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use athenaeum::{
    archive::{Archive, Filters, SearchRequest},
    core::ConversationId,
    retrieval::export::{self, Format},
};
use serde::Serialize;

use super::{Context, Outcome, note};
use crate::{
    args::{Export, ExportFormat},
    output::{Output, counted},
};

pub(super) async fn run(context: &mut Context, args: Export) -> Outcome {
    let archive = context.open_read_only().await?;
    let format = match args.format {
        ExportFormat::Md => Format::Markdown,
        ExportFormat::Json => Format::Json,
        ExportFormat::Text => Format::Text,
    };
    let ids = chosen(context, &archive, &args).await?;
    if ids.is_empty() {
        return Err(anyhow::anyhow!("nothing found, so nothing was written"));
    }
    let mut target = Target::open(args.output.as_deref(), ids.len(), args.force)?;
    for (number, id) in ids.iter().enumerate() {
        let written =
            target.write(page(context, &archive, *id, format).await?, number, &mut context.output)?;
        if let (true, Some(path)) = (context.output.json, written) {
            context.output.object(&Written { id: id.to_string(), path: path.display().to_string() })?;
        }
    }
    if let Some(place) = target.finish()? {
        note(&format_args!("Wrote {} to {}", counted(ids.len() as u64, "conversation"), place.display()));
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Serialize)]
struct Written {
    id: String,
    path: String,
}

/// Returns the conversations asked for, each once, in the order asked for.
async fn chosen(context: &Context, archive: &Archive, args: &Export) -> anyhow::Result<Vec<ConversationId>> {
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    let mut add = |id| {
        if seen.insert(id) {
            ids.push(id);
        }
    };
    if let Some(query) = &args.query {
        let mut request = SearchRequest {
            query: query.clone(),
            limit: SearchRequest::LIMIT_MAX,
            ..SearchRequest::default()
        };
        loop {
            let results = archive.search(&context.scope, &request).await?;
            results.hits.iter().for_each(|hit| add(hit.conversation.id));
            let Some(next) = results.next else { break };
            request.cursor = Some(next);
        }
    } else if args.all {
        let mut cursor = None;
        loop {
            let page =
                archive.conversations(&context.scope, &Filters::default(), cursor.as_ref(), 200).await?;
            page.items.iter().for_each(|summary| add(summary.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    } else {
        for text in &args.ids {
            add(context.conversation_id(archive, text).await?);
        }
    }
    Ok(ids)
}

/// A conversation as it is to be written.
pub(super) struct Page {
    name: String,
    format: Format,
    pub(super) text: String,
}

/// Reads a conversation and writes it in `format`. The text ends with a line break.
pub(super) async fn page(
    context: &Context,
    archive: &Archive,
    id: ConversationId,
    format: Format,
) -> anyhow::Result<Page> {
    let conversation = archive.conversation(&context.scope, id).await?;
    let name = export::file_name(&conversation, format);
    let text = match format {
        Format::Markdown => export::to_markdown(&conversation),
        Format::Text => export::to_text(&conversation),
        Format::Json => {
            let raw = archive.raw_json(&context.scope, id).await?;
            export::to_json_line(conversation, raw) + "\n"
        }
    };
    Ok(Page { name, format, text })
}

/// Where conversations are written to.
enum Target {
    Stdout,
    File { path: PathBuf, file: BufWriter<File> },
    Folder { path: PathBuf, force: bool },
}

impl Target {
    /// Opens what `--output` names; without it, one conversation goes to stdout and several into a folder.
    fn open(output: Option<&Path>, count: usize, force: bool) -> anyhow::Result<Self> {
        match output {
            None if count == 1 => Ok(Self::Stdout),
            Some(path) if path == Path::new("-") => Ok(Self::Stdout),
            Some(path) if !path.is_dir() && is_file_name(path) => {
                Ok(Self::File { path: path.to_owned(), file: BufWriter::new(create(path, force)?) })
            }
            folder => {
                let path = folder.unwrap_or(Path::new("athenaeum-export")).to_owned();
                fs::create_dir_all(&path)
                    .with_context(|| format!("cannot make the folder {}", path.display()))?;
                Ok(Self::Folder { path, force })
            }
        }
    }

    /// Writes one conversation; returns the path where that is a file of its own.
    fn write(&mut self, page: Page, number: usize, stdout: &mut Output) -> anyhow::Result<Option<PathBuf>> {
        let Page { name, format, text } = page;
        let rule = match format {
            Format::Markdown if number > 0 => "\n---\n\n",
            Format::Text if number > 0 => "\n\n",
            _ => "",
        };
        match self {
            Self::Stdout => {
                stdout.text(rule)?;
                stdout.text(&text)?;
                Ok(None)
            }
            Self::File { file, .. } => {
                file.write_all(rule.as_bytes())?;
                file.write_all(text.as_bytes())?;
                Ok(None)
            }
            Self::Folder { path, force } => {
                let path = path.join(name);
                create(&path, *force)?.write_all(text.as_bytes())?;
                Ok(Some(path))
            }
        }
    }

    /// Completes the files; returns the place where they are.
    fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stdout => Ok(None),
            Self::File { path, mut file } => {
                file.flush()?;
                Ok(Some(path))
            }
            Self::Folder { path, .. } => Ok(Some(path)),
        }
    }
}

fn is_file_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["md", "markdown", "txt", "json", "jsonl"].contains(&extension.to_ascii_lowercase().as_str())
}

fn create(path: &Path, force: bool) -> anyhow::Result<File> {
    let opened = match force {
        true => OpenOptions::new().write(true).create(true).truncate(true).open(path),
        false => File::create_new(path),
    };
    match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} exists; nothing was replaced (--force does that)", path.display())
        }
        opened => opened.with_context(|| format!("cannot write {}", path.display())),
    }
}
