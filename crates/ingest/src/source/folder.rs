use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use athenaeum_core::Timestamp;

use super::Entry;
use crate::context::Context;

/// Folders nested deeper than this are reported and not entered.
const DEPTH_MAX: usize = 32;

/// Lists the files in and under `root`, sorted by name.
pub(super) fn walk(root: &Path, context: &mut Context<'_>) -> io::Result<Vec<(Entry, PathBuf)>> {
    let home = root.canonicalize()?;
    let mut found = Vec::new();
    let mut waiting = vec![(root.to_owned(), String::new(), 0)];
    // The first folder must be readable; the others may fail one by one.
    fs::read_dir(root)?;
    while let Some((folder, prefix, depth)) = waiting.pop() {
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) => {
                context.begin_file(&prefix, None);
                context.broken(format!("the folder cannot be listed: {error}"));
                continue;
            }
        };
        for item in listing.flatten() {
            let name = format!("{prefix}{}", item.file_name().to_string_lossy());
            let path = item.path();
            let Some(metadata) = inside(&path, &home) else {
                context.begin_file(&name, None);
                context.notice("a link that leads out of the folder or nowhere; it was not followed");
                continue;
            };
            if metadata.is_dir() && depth >= DEPTH_MAX {
                context.begin_file(&name, None);
                context.broken(format!("folders are nested more than {DEPTH_MAX} deep"));
            } else if metadata.is_dir() && !path.is_symlink() {
                waiting.push((path, format!("{name}/"), depth + 1));
            } else if metadata.is_file() {
                let entry = Entry { name, size: metadata.len(), modified: modified(&metadata) };
                found.push((entry, path));
            }
            if found.len() >= context.options.files_max {
                context.begin_file("", None);
                context.broken(format!("more than {} files; the rest was not looked at", found.len()));
                waiting.clear();
                break;
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    Ok(found)
}

pub(super) fn modified(metadata: &Metadata) -> Option<Timestamp> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?))
}

/// Returns what the path leads to, unless that is outside of `home` or nothing.
fn inside(path: &Path, home: &Path) -> Option<Metadata> {
    let metadata = path.symlink_metadata().ok()?;
    if !metadata.is_symlink() {
        return Some(metadata);
    }
    path.canonicalize().ok()?.starts_with(home).then(|| path.metadata().ok())?
}
