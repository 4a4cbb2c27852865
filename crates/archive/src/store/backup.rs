//! Copies of the archive, and putting one back.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    str::FromStr,
};

use athenaeum_core::Timestamp;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    error::{Error, database, io},
    open::{self, Files},
    schema::{self, Schema},
};

/// Writes a compact copy of the database to the new file `to`, while others go on reading and writing.
pub(crate) async fn backup(files: &Files, to: &Path) -> Result<(), Error> {
    if to.exists() {
        return Err(Error::Invalid {
            reason: format!("{} exists already; choose another name", to.display()),
        });
    }
    let partial = with_suffix(to, ".partial");
    let _ = fs::remove_file(&partial);
    let written = write_copy(&files.database_path(), files, &partial).await;
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written?;
    fs::rename(&partial, to).map_err(io("name the backup", to))?;
    sync_parent(to)
}

async fn write_copy(database_path: &Path, files: &Files, partial: &Path) -> Result<(), Error> {
    let name = partial.to_str().ok_or_else(|| Error::Invalid {
        reason: format!("{} is not valid Unicode; choose another name", partial.display()),
    })?;
    let failed = database("writing the backup");
    let mut connection = open::connect_for_backup(database_path, &files.settings).await?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(&failed)?;
    connection.close().await.map_err(&failed)?;
    let copy = File::options().write(true).open(partial).map_err(io("open", partial))?;
    copy.sync_all().map_err(io("write out", partial))?;
    verify(files.schema(), partial).await
}

/// Puts the backup `from` in the place of the database of that schema in `dir`. The old files are kept beside it, under names
/// that end in the time of the change; returns their directory entry's name, if there was one.
///
/// Nobody may have the archive open.
pub(crate) async fn restore(schema: &Schema, dir: &Path, from: &Path) -> Result<Option<PathBuf>, Error> {
    verify(schema, from).await?;
    fs::create_dir_all(dir).map_err(io("create the data directory", dir))?;
    let target = dir.join(schema.file);
    let incoming = with_suffix(&target, ".incoming");
    fs::copy(from, &incoming).map_err(io("copy the backup to", &incoming))?;
    let copied = File::options().write(true).open(&incoming).map_err(io("open", &incoming))?;
    copied.sync_all().map_err(io("write out", &incoming))?;
    drop(copied);
    verify(schema, &incoming).await?;

    let mut aside = None;
    let stamp = Timestamp::now().as_micros() / 1_000;
    if target.exists() {
        fold_log(&target).await;
        let kept = with_suffix(&target, &format!(".before-restore-{stamp}"));
        fs::rename(&target, &kept).map_err(io("set aside", &target))?;
        for log in ["-wal", "-shm"] {
            let (old, new) = (with_suffix(&target, log), with_suffix(&kept, log));
            if old.exists() {
                fs::rename(&old, new).map_err(io("set aside", &old))?;
            }
        }
        aside = Some(kept);
    }
    // The search index belongs to the rows of the old file; it is made anew from those of the new one.
    let search = dir.join(schema.search);
    if search.exists() {
        fs::remove_dir_all(&search).map_err(io("remove the old search index", &search))?;
    }
    fs::rename(&incoming, &target).map_err(io("put in place", &target))?;
    sync_parent(&target)?;
    Ok(aside)
}

/// Has SQLite check every page; returns what is wrong, a line each.
pub(crate) async fn check(files: &Files) -> Result<Vec<String>, Error> {
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
        .fetch_all(&files.readers)
        .await
        .map_err(database("checking the database"))?;
    Ok(said.into_iter().filter(|line| line != "ok").collect())
}

/// Opens the file as one of that schema and has SQLite check every page.
pub(crate) async fn verify(schema: &Schema, path: &Path) -> Result<(), Error> {
    fs::metadata(path).map_err(io("read", path))?;
    let damaged = || Error::damaged(path.display().to_string());
    let mut connection = read_only(path).connect().await.map_err(|_| damaged())?;
    let version = schema::check(&mut connection, schema).await.map_err(|error| match error {
        Error::Newer { .. } => error,
        _ => damaged(),
    })?;
    let mark: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut connection)
        .await
        .map_err(|_| damaged())?;
    let said: Option<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_optional(&mut connection)
        .await
        .map_err(|_| damaged())?;
    let _ = connection.close().await;
    let is_other = mark != schema.application_id;
    if version == 0 || is_other || said.as_deref() != Some("ok") { Err(damaged()) } else { Ok(()) }
}

/// Moves what stands in the write-ahead log into the file, so that the file set aside is whole on its own. A
/// damaged file cannot be: then its log is kept beside it.
async fn fold_log(path: &Path) {
    let Ok(options) = SqliteConnectOptions::from_str("sqlite:") else { return };
    if let Ok(mut connection) = SqliteConnection::connect_with(&options.filename(path)).await {
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
        let _ = connection.close().await;
    }
}

fn read_only(path: &Path) -> SqliteConnectOptions {
    // Immutable: a backup may lie on a medium where no lock can be taken.
    SqliteConnectOptions::new().filename(path).read_only(true).immutable(true)
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = File::open(parent).map_err(io("open", parent))?;
    directory.sync_all().map_err(io("write out", parent))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
