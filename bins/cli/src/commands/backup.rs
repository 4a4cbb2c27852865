use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use athenaeum::{
    archive::{Archive, library::Library, memories::Memories},
    core::Timestamp,
    retrieval::librarian,
};
use serde::Serialize;

use super::{Context, Outcome, note};
use crate::{
    args::Backup,
    output::{bytes, counted},
};

#[derive(Debug, Serialize)]
struct Written {
    written: String,
    bytes: u64,
    /// Where what is remembered was written, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    memories: Option<String>,
    /// Where documents were written, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    library: Option<String>,
    /// Where the files were written that were handed in, if any were.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<String>,
}

/// What lies beside a backup `kept.db`, where there is something to put there.
pub(super) struct Company {
    /// `kept.memories.db`.
    pub(super) memories: PathBuf,
    /// `kept.library.db`.
    pub(super) library: PathBuf,
    /// `kept.drop`, a folder.
    pub(super) files: PathBuf,
}

impl Company {
    pub(super) fn of(backup: &Path) -> Self {
        let with = |ending: &str| backup.with_extension(ending);
        Self { memories: with("memories.db"), library: with("library.db"), files: with("drop") }
    }
}

pub(super) async fn run(context: &mut Context, args: &Backup) -> Outcome {
    let archive = context.open_to_back_up().await?;
    let to = args.to.clone().unwrap_or_else(default_name);
    let company = Company::of(&to);
    if to.is_dir() {
        bail!("{} is a folder; name the file to write", to.display());
    }
    let all = [&to, &company.memories, &company.library, &company.files];
    if let Some(there) = all.into_iter().find(|path| path.exists() && !args.force) {
        bail!("{} exists; name another file, or replace it with --force", there.display());
    }
    if company.files.exists() && !librarian::is_copy(&company.files) {
        let folder = company.files.display();
        bail!(
            "{folder} was not written by a backup, and is not replaced; name another file, or move it away"
        );
    }
    // All of it first, beside its name: whatever fails, no old backup is gone and no half of a new one looks whole.
    for path in all {
        remove(&beside(path)).with_context(|| format!("cannot remove {}", beside(path).display()))?;
    }
    let written = write(context, &archive, &to, &company).await;
    if written.is_err() {
        for path in all {
            let _ = remove(&beside(path));
        }
    }
    let files = written?;
    let mut kept = [false; 4];
    for (path, kept) in all.into_iter().zip(&mut kept) {
        // What an earlier backup left there would be taken for what belongs to this one.
        remove(path).with_context(|| format!("cannot replace {}", path.display()))?;
        let new = beside(path);
        if new.exists() {
            fs::rename(&new, path).with_context(|| format!("cannot name the copy {}", path.display()))?;
        }
        *kept = path.exists();
    }
    let size = fs::metadata(&to)?.len();
    let [_, memories, library, handed_in] = kept;
    if context.output.json {
        let name = |there: bool, path: &Path| there.then(|| path.display().to_string());
        context.output.object(&Written {
            written: to.display().to_string(),
            bytes: size,
            memories: name(memories, &company.memories),
            library: name(library, &company.library),
            files: name(handed_in, &company.files),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    context.output.line(format_args!("Wrote {} ({}).", to.display(), bytes(size)))?;
    let parts = [
        (memories, "What is remembered".to_owned(), &company.memories),
        (library, "Documents".to_owned(), &company.library),
        (handed_in, format!("{} that you handed in", counted(files, "file")), &company.files),
    ];
    for (_, what, path) in parts.into_iter().filter(|(there, ..)| *there) {
        context.output.line(format_args!("Beside it {}: {what}.", path.display()))?;
    }
    context.output.line(format_args!("`athenaeum restore {}` brings it back.", to.display()))?;
    if library {
        note(&"Of files in your own folders the backup has the text; the files themselves are not in it.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes every part that there is beside its name; returns how many files were handed in.
async fn write(context: &Context, archive: &Archive, to: &Path, company: &Company) -> anyhow::Result<u64> {
    let data = context.data()?;
    let settings = athenaeum::archive_settings(&context.settings.settings);
    archive.backup(&beside(to)).await?;
    if data.join("memories.db").is_file() {
        let memories = Memories::open_read_only(&data, &settings).await?;
        memories.backup(&beside(&company.memories)).await?;
        memories.close().await;
    }
    if context.has_library()? {
        let library = Library::open_read_only(&data, &settings).await?;
        library.backup(&beside(&company.library)).await?;
        library.close().await;
    }
    // After the ledger: what it names is there then, unless somebody removed it.
    let (from, to) = (athenaeum::drop_folder(&data), beside(&company.files));
    Ok(tokio::task::spawn_blocking(move || librarian::copy_handed_in(&from, &to)).await??)
}

fn default_name() -> PathBuf {
    let now = Timestamp::now().to_string();
    PathBuf::from(format!("athenaeum-{}.db", now.get(..10).unwrap_or("backup")))
}

/// Returns where a copy is written before it has its name.
fn beside(to: &Path) -> PathBuf {
    let mut beside = to.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

/// Removes a file or a folder with all in it, where there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
