use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use athenaeum::{archive::Archive, core::Timestamp};
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
}

#[derive(Debug, Serialize)]
struct Restored {
    restored: String,
    conversations: u64,
    messages: u64,
}

pub(super) async fn backup(context: &mut Context, args: &Backup) -> Outcome {
    let archive = context.open_existing().await?;
    let to = args.to.clone().unwrap_or_else(default_name);
    let beside = check_target(&to, args.force)?;
    archive.backup(&beside).await?;
    if beside != to {
        std::fs::rename(&beside, &to)?;
    }
    let size = std::fs::metadata(&to)?.len();
    match context.output.json {
        true => context.output.object(&Written { written: to.display().to_string(), bytes: size })?,
        false => context.output.line(format_args!(
            "Wrote {} ({}). `athenaeum restore {0}` brings it back.",
            to.display(),
            bytes(size)
        ))?,
    }
    Ok(ExitCode::SUCCESS)
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
    let kept = Archive::restore(&data, &args.from).await?;
    if let Some(kept) = kept {
        note(&format_args!("The archive that was there is kept as {}.", kept.display()));
    }
    let archive = context.open().await?;
    let stats = archive.stats(&context.scope).await?;
    let (conversations, messages) = (stats.conversations, stats.messages);
    match context.output.json {
        true => {
            context.output.object(&Restored {
                restored: data.display().to_string(),
                conversations,
                messages,
            })?;
        }
        false => context.output.line(format_args!(
            "Restored {} conversations with {} messages into {}.",
            conversations,
            messages,
            data.display()
        ))?,
    }
    archive.close().await;
    Ok(ExitCode::SUCCESS)
}
