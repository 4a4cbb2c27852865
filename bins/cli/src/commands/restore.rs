use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use athenaeum::{
    archive::{Archive, library::Library, memories::Memories},
    retrieval::librarian,
};
use serde::Serialize;

use super::{Context, Outcome, backup::Company, note};
use crate::{args::Restore, output::counted};

#[derive(Debug, Serialize)]
struct Restored {
    restored: String,
    conversations: u64,
    messages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memories: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<u64>,
    /// Files that were handed in and are there again.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
}

pub(super) async fn run(context: &mut Context, args: &Restore) -> Outcome {
    let data = context.data()?;
    if !args.from.is_file() {
        bail!("there is no file {}", args.from.display());
    }
    let is_there = |name: &str| data.join(name).exists();
    if ["archive.db", "memories.db", "library.db"].into_iter().any(is_there) && !args.force {
        bail!(
            "{} holds an archive already; restoring replaces it: stop the server, make a backup of it, then add --force",
            data.display()
        );
    }
    let company = Company::of(&args.from);
    // All are looked at before one is replaced.
    if company.memories.is_file() {
        Memories::check_backup(&company.memories).await?;
    }
    if company.library.is_file() {
        Library::check_backup(&company.library).await?;
    }
    tell_kept("The archive that was there", Archive::restore(&data, &args.from).await?);
    let memories = restore_memories(context, &data, &company.memories).await?;
    if company.library.is_file() {
        tell_kept("What the library held", Library::restore(&data, &company.library).await?);
    }
    let files = put_files_back(&data, &company.files).await?;
    let archive = context.open().await?;
    let documents = follow_documents(context, &data, &archive).await?;
    let documents = documents.filter(|_| company.library.is_file());
    let stats = archive.stats(&context.scope).await?;
    archive.close().await;
    let (conversations, messages) = (stats.conversations, stats.messages);
    if context.output.json {
        let restored = data.display().to_string();
        context.output.object(&Restored { restored, conversations, messages, memories, documents, files })?;
        return Ok(ExitCode::SUCCESS);
    }
    let parts = [(memories, "memory", "memories"), (documents, "document", "documents")];
    let parts = parts.into_iter().filter_map(|(count, one, many)| {
        count.map(|count| format!(", {count} {}", if count == 1 { one } else { many }))
    });
    let parts: String = parts.collect();
    context.output.line(format_args!(
        "Restored {conversations} conversations with {messages} messages{parts} into {}.",
        data.display()
    ))?;
    if let Some(files) = files.filter(|files| *files > 0) {
        let (files, folder) = (counted(files, "file"), athenaeum::drop_folder(&data));
        context.output.line(format_args!("Put {files} back into {}.", folder.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_kept(what: &str, kept: Option<PathBuf>) {
    if let Some(kept) = kept {
        note(&format_args!("{what} is kept as {}.", kept.display()));
    }
}

/// Puts what was remembered in its place, where the backup has it; returns how many memories there are. Without it, those that
/// are there stay.
async fn restore_memories(context: &Context, data: &Path, from: &Path) -> anyhow::Result<Option<u64>> {
    if !from.is_file() {
        return Ok(None);
    }
    tell_kept("What was remembered there", Memories::restore(data, from).await?);
    athenaeum::forget_memory_vectors(data, &context.scope).await?;
    let settings = athenaeum::archive_settings(&context.settings.settings);
    let memories = Memories::open_read_only(data, &settings).await?;
    let stats = memories.stats(&context.scope).await?;
    memories.close().await;
    Ok(Some(stats.hot + stats.cold))
}

/// Puts the files back that were handed in, where the backup has them; returns how many were missing.
async fn put_files_back(data: &Path, from: &Path) -> anyhow::Result<Option<u64>> {
    if !from.is_dir() {
        return Ok(None);
    }
    let (from, to) = (from.to_owned(), athenaeum::drop_folder(data));
    let done = tokio::task::spawn_blocking(move || librarian::put_back(&from, &to)).await??;
    for path in &done.renamed {
        note(&format_args!("Another file of its name was there: put back as {}.", path.display()));
    }
    Ok(Some(done.files))
}

/// Has ledger and vectors follow what was put back; returns how many documents there are, where there is a library.
async fn follow_documents(context: &Context, data: &Path, archive: &Archive) -> anyhow::Result<Option<u64>> {
    let library = if context.has_library()? { Some(context.library().await?) } else { None };
    if let Some(library) = &library {
        librarian::follow_moved(library, &context.scope, &athenaeum::drop_folder(data)).await?;
    }
    athenaeum::follow_restored(data, &context.scope, library.as_ref(), archive).await?;
    let Some(library) = library else { return Ok(None) };
    let documents = library.stats(&context.scope).await?.documents;
    library.close().await;
    Ok(Some(documents))
}
