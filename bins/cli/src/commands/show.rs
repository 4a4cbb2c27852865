use std::process::ExitCode;

use athenaeum::{
    archive::{ErrorKind, library::Document},
    core::DocumentId,
    retrieval::export::Format,
};
use serde::Serialize;

use super::{Context, Outcome, export::page};
use crate::{
    args::{Show, ShowFormat},
    output::tame,
};

pub(super) async fn run(context: &mut Context, args: &Show) -> Outcome {
    if let Some(document) = document(context, &args.id).await? {
        return show_document(context, args.format, &document);
    }
    let archive = context.open_read_only().await?;
    let id = context.conversation_id(&archive, &args.id).await?;
    let format = match args.format {
        ShowFormat::Raw => {
            let raw = archive.raw_json(&context.scope, id).await?;
            context.output.text(&raw)?;
            if !raw.ends_with('\n') {
                context.output.text("\n")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        _ if context.output.json => Format::Json,
        ShowFormat::Json => Format::Json,
        ShowFormat::Md => Format::Markdown,
        ShowFormat::Text => Format::Text,
    };
    let text = page(context, &archive, id, format).await?.text;
    match format {
        Format::Json => context.output.text(&text)?,
        Format::Markdown | Format::Text => context.output.text(&tame(&text))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds the document that has this id; `None` where there is none.
async fn document(context: &Context, id: &str) -> anyhow::Result<Option<Document>> {
    let Ok(id) = id.parse::<DocumentId>() else { return Ok(None) };
    if !context.has_library()? {
        return Ok(None);
    }
    match context.library().await?.document(&context.scope, id).await {
        Ok(document) => Ok(Some(document)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn show_document(context: &mut Context, format: ShowFormat, document: &Document) -> Outcome {
    let output = &mut context.output;
    let summary = &document.summary;
    match format {
        ShowFormat::Raw => anyhow::bail!(
            "a document has no export; its file is {}",
            summary.path.as_deref().unwrap_or("nowhere any more")
        ),
        _ if output.json => output.object(&Told::from(document))?,
        ShowFormat::Json => output.object(&Told::from(document))?,
        ShowFormat::Md | ShowFormat::Text => {
            output.text(&tame(&document.text))?;
            if !document.text.ends_with('\n') {
                output.text("\n")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A document, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    document_id: String,
    title: Option<&'a str>,
    format: &'a str,
    bytes: u64,
    paths: &'a [String],
    text: &'a str,
}

impl<'a> From<&'a Document> for Told<'a> {
    fn from(document: &'a Document) -> Self {
        let Document { summary, paths, text, .. } = document;
        Self {
            document_id: summary.id.to_string(),
            title: summary.title.as_deref(),
            format: &summary.format,
            bytes: summary.bytes,
            paths,
            text,
        }
    }
}
