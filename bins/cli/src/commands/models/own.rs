//! Athenaeum's own folder of models: taking in and removing.

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;
use athenaeum::inference::shelf::{Added, How};
use serde::Serialize;

use super::{Context, Outcome, complain, note, progress::Bar};
use crate::{
    commands::confirm,
    interrupt::cancel_on_interrupt,
    output::{Style, bytes, counted, one_line, tame},
};

#[derive(Debug, Serialize)]
struct AddedLine<'a> {
    name: &'a str,
    path: String,
    bytes: u64,
    files: usize,
    left_out: &'a [String],
}

#[derive(Debug, Serialize)]
struct RemovedLine<'a> {
    removed: &'a str,
    files: u64,
    bytes: u64,
}

pub(super) async fn add(context: &mut Context, path: &Path, name: Option<&str>, link: bool) -> Outcome {
    let shelf = context.places.shelf(&context.settings.settings)?;
    let cancel = cancel_on_interrupt();
    let how = if link { How::Link } else { How::Copy };
    let (from, called) = (path.to_owned(), name.map(str::to_owned));
    let mut bar = Bar::new(&path.file_name().unwrap_or_default().to_string_lossy());
    let added = tokio::task::spawn_blocking(move || {
        let progress = |done, total| {
            bar.show(done, Some(total), None, "");
            !cancel.is_cancelled()
        };
        let added = shelf.add(&from, called.as_deref(), how, progress);
        bar.end();
        added
    });
    let added =
        added.await?.with_context(|| format!("{} was not added", tame(&path.display().to_string())))?;
    let Added { kept, left_out } = &added;
    for text in left_out {
        note(&format_args!("left out: {}", tame(text)));
    }
    let record = kept.record.as_ref();
    let (size, files) = record.map_or((0, 0), |record| (record.bytes(), record.files.len()));
    let output = &mut context.output;
    let path = kept.path.display().to_string();
    if output.json {
        output.object(&AddedLine { name: &kept.name, path, bytes: size, files, left_out })?;
    } else {
        let name = output.paint(Style::Strong, &one_line(&kept.name, 100));
        let files = counted(files as u64, "file");
        output.line(format_args!("{name}  {}, {files}, checksums recorded", bytes(size)))?;
        output.line(output.paint(Style::Faint, &format!("  {}", tame(&path))))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn remove(context: &mut Context, names: &[String], yes: bool) -> Outcome {
    let shelf = context.places.shelf(&context.settings.settings)?;
    let mut code = ExitCode::SUCCESS;
    for name in names {
        let (kept, weight) = match shelf.weigh(name) {
            Ok(weighed) => weighed,
            Err(error) => {
                complain(&tame(&error.to_string()));
                code = ExitCode::FAILURE;
                continue;
            }
        };
        let what = format!(
            "{} ({}, {})",
            one_line(&kept.name, 100),
            counted(weight.files, "file"),
            bytes(weight.bytes)
        );
        if !yes && !confirm(&format!("Remove {what} for good?"))? {
            complain(&format_args!("{what} stays; removing it without a terminal to ask on takes --yes"));
            code = ExitCode::FAILURE;
            continue;
        }
        let removed = shelf.remove(name)?;
        let output = &mut context.output;
        match output.json {
            true => output.object(&RemovedLine {
                removed: &kept.name,
                files: removed.files,
                bytes: removed.bytes,
            })?,
            false => output.line(format_args!("Removed {what}."))?,
        }
    }
    Ok(code)
}
