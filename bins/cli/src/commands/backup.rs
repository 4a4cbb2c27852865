use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use athenaeum::{
    archive::{Archive, memories::Memories},
    core::Timestamp,
};
use serde::Serialize;

use super::{Context, Outcome, note};
use crate::{
    args::{Backup, Restore},
    output::bytes,
};

#[derive(Debug, Serialize)]
struct Written {
    written: String,
    bytes: u64,
    /// Where what is remembered was written, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    memories: Option<String>,
}

#[derive(Debug, Serialize)]
struct Restored {
    restored: String,
    conversations: u64,
    messages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memories: Option<u64>,
}

pub(super) async fn backup(context: &mut Context, args: &Backup) -> Outcome {
    let archive = context.open_existing().await?;
    let to = args.to.clone().unwrap_or_else(default_name);
    let memories = with_memories(&to);
    let (beside, memories_beside) = (check_target(&to, args.force)?, check_target(&memories, args.force)?);
    archive.backup(&beside).await?;
    let remembered = backup_memories(context, &memories_beside).await?;
    for (written, to) in
        [(&beside, &to)].into_iter().chain(remembered.then_some((&memories_beside, &memories)))
    {
        if written != to {
            std::fs::rename(written, to)?;
        }
    }
    if !remembered && memories.exists() {
        // Of an earlier backup: beside this one it would be taken for what belongs to it.
        std::fs::remove_file(&memories)?;
    }
    let size = std::fs::metadata(&to)?.len();
    match context.output.json {
        true => context.output.object(&Written {
            written: to.display().to_string(),
            bytes: size,
            memories: remembered.then(|| memories.display().to_string()),
        })?,
        false => {
            let beside = match remembered {
                true => format!(", and what is remembered beside it, {}", memories.display()),
                false => String::new(),
            };
            context.output.line(format_args!(
                "Wrote {} ({}){beside}. `athenaeum restore {0}` brings it back.",
                to.display(),
                bytes(size)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes what is remembered; false where nothing is.
async fn backup_memories(context: &Context, to: &Path) -> anyhow::Result<bool> {
    let data = context.data()?;
    if !data.join("memories.db").is_file() {
        return Ok(false);
    }
    let settings = athenaeum::archive_settings(&context.settings.settings);
    let memories = Memories::open_read_only(&data, &settings).await?;
    memories.backup(to).await?;
    memories.close().await;
    Ok(true)
}

/// Returns where the memories of a backup are: `kept.memories.db` beside `kept.db`.
fn with_memories(backup: &Path) -> PathBuf {
    backup.with_extension("memories.db")
}

fn default_name() -> PathBuf {
    let now = Timestamp::now().to_string();
    PathBuf::from(format!("athenaeum-{}.db", now.get(..10).unwrap_or("backup")))
}

/// Returns the file to write first: `to`, or one beside it where `to` is to be replaced once the copy is whole.
fn check_target(to: &Path, force: bool) -> anyhow::Result<PathBuf> {
    if to.is_dir() {
        bail!("{} is a folder; name the file to write", to.display());
    }
    if !to.exists() {
        return Ok(to.to_owned());
    }
    if !force {
        bail!("{} exists; name another file, or replace it with --force", to.display());
    }
    let mut beside = to.as_os_str().to_owned();
    beside.push(".new");
    Ok(beside.into())
}

pub(super) async fn restore(context: &mut Context, args: &Restore) -> Outcome {
    let data = context.data()?;
    if !args.from.is_file() {
        bail!("there is no file {}", args.from.display());
    }
    if data.join("archive.db").exists() && !args.force {
        bail!(
            "{} holds an archive already; restoring replaces it: stop the server, make a backup of it, then add --force",
            data.display()
        );
    }
    let memories = with_memories(&args.from);
    let kept = Archive::restore(&data, &args.from).await?;
    if let Some(kept) = kept {
        note(&format_args!("The archive that was there is kept as {}.", kept.display()));
    }
    let remembered = restore_memories(context, &data, &memories).await?;
    let archive = context.open().await?;
    let stats = archive.stats(&context.scope).await?;
    let (conversations, messages) = (stats.conversations, stats.messages);
    match context.output.json {
        true => {
            context.output.object(&Restored {
                restored: data.display().to_string(),
                conversations,
                messages,
                memories: remembered,
            })?;
        }
        false => {
            let memories = remembered.map_or_else(String::new, |count| format!(" and {count} memories"));
            context.output.line(format_args!(
                "Restored {conversations} conversations with {messages} messages{memories} into {}.",
                data.display()
            ))?;
        }
    }
    archive.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Puts what was remembered in its place, where the backup has it; returns how many memories there are. Without it, those that
/// are there stay.
async fn restore_memories(context: &Context, data: &Path, from: &Path) -> anyhow::Result<Option<u64>> {
    if !from.is_file() {
        return Ok(None);
    }
    if let Some(kept) = Memories::restore(data, from).await? {
        note(&format_args!("What was remembered there is kept as {}.", kept.display()));
    }
    athenaeum::forget_memory_vectors(data, &context.scope).await?;
    let settings = athenaeum::archive_settings(&context.settings.settings);
    let memories = Memories::open_read_only(data, &settings).await?;
    let stats = memories.stats(&context.scope).await?;
    memories.close().await;
    Ok(Some(stats.hot + stats.cold))
}
