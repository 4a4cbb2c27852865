//! Keeps the library as folders are, without a server: watches them, reads what changed, makes the vectors.

mod told;

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use athenaeum::{
    Start,
    retrieval::librarian::{Activity, Librarian, Pace},
    settings,
};
use clap::Parser;

use told::Told;

/// Watches folders of documents, and keeps your library as they are: found by word and by meaning.
///
/// Works beside `athenaeum` and a running server on the same data folder; of several programs one watches. Nothing in the
/// folders is moved or changed.
#[derive(Debug, Parser)]
#[command(name = "athenaeum-librarian", version)]
struct Args {
    /// Folders, besides those of the setting library.folders and the data folder's own
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Read what changed, make the vectors that are missing, and end
    #[arg(long)]
    once: bool,
    /// Say nothing but what goes wrong
    #[arg(long, short)]
    quiet: bool,
    /// Folder that holds the library [default: the system's place for your data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Settings file [default: the one that `athenaeum config path` names]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to tell on stderr while running: off, error, warn, info, debug, trace
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(code) =
        athenaeum::read_for_another(std::env::args_os().filter_map(|word| word.into_string().ok()))
    {
        return Ok(code);
    }
    let args = Args::parse();
    let flags = [("data", args.data), ("log", args.log)];
    let Start { settings, places, .. } = Start::of(args.config, flags)?;
    let mut settings = settings.settings;
    spare_memory(&mut settings.archive);
    let data = places.data_folder(&settings)?;
    let folders = places.document_folders(&settings).into_iter().chain(args.folders);

    // Two threads: one waits for the disk while the other one looks after what is read.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let code = runtime.block_on(async {
        let options = athenaeum::documents_options();
        let catalog = places.catalog(&settings, |name| std::env::var_os(name).map(PathBuf::from))?;
        let (librarian, library_file) = athenaeum::librarian(&data, &settings, options, catalog).await?;
        let scope = athenaeum::tenancy::local();
        let watching = athenaeum::watching(&settings, folders);
        let told = (!args.quiet).then(|| tokio::spawn(Told::default().follow(librarian.watch(&scope))));
        let code = if args.once {
            let missing = watching.folders.iter().filter(|folder| !folder.is_dir());
            let missing: Vec<String> = missing.map(|folder| folder.display().to_string()).collect();
            let is_something =
                watching.folders.len() > missing.len() || librarian.drop_folder(&scope).is_dir();
            let ended = async {
                librarian.catch_up(&scope, &library_file, watching.folders).await;
                let is_read = !is_something || until_read(&librarian).await;
                let is_any = is_something || librarian.has_conversations() || library_file.exists();
                is_read & (!is_any || until_embedded(&librarian).await)
            };
            let is_well = tokio::select! {
                is_well = ended => is_well,
                () = athenaeum::interrupted() => false,
            };
            for folder in &missing {
                writeln!(std::io::stderr(), "there is no folder {folder}")?;
            }
            if is_well && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        } else {
            librarian.keep_up(&scope, &library_file, watching);
            librarian.begin_conversations(&scope).await;
            athenaeum::interrupted().await;
            ExitCode::SUCCESS
        };
        librarian.shut_down().await;
        if let Some(told) = told {
            // It ends with the librarian.
            let _ = told.await;
        }
        Ok::<_, anyhow::Error>(code)
    });
    runtime.shutdown_background();
    code
}

/// Waits until all is read. False where it ended early.
async fn until_read(librarian: &Librarian) -> bool {
    let mut watch = librarian.watch(&athenaeum::tenancy::local());
    let is_read = |now: &Activity| now.adding.is_none() && now.waiting == 0 && now.last.is_some();
    let ended = watch.wait_for(is_read).await;
    ended.is_ok_and(|now| now.last.as_ref().is_some_and(|last| last.error.is_none()))
}

/// Waits until all that was read has vectors, and, where these are asked for, conversations, too. False where that cannot be.
async fn until_embedded(librarian: &Librarian) -> bool {
    let scope = athenaeum::tenancy::local();
    let mut watch = librarian.watch(&scope);
    loop {
        let now = watch.borrow_and_update().embedding.clone();
        match (now.pace, now.coverage) {
            (Pace::NoModel, _) => return true,
            (Pace::Failed, _) => return false,
            (Pace::Idle, Some(coverage)) if now.messages.is_some() || !librarian.has_conversations() => {
                // It may be what was counted before the last file came.
                let Ok(library) = librarian.library().await else { return false };
                if library.chunk_count(&scope).await.is_ok_and(|chunks| chunks == coverage.total) {
                    return true;
                }
            }
            _ => {}
        }
        if watch.changed().await.is_err() {
            return false;
        }
    }
}

/// Nobody searches here: one task reads, one makes vectors, and each goes once through what a cache would keep. What the settings
/// give less of stays so.
fn spare_memory(archive: &mut settings::Archive) {
    archive.readers_max = archive.readers_max.min(2);
    archive.reader_cache_mib = archive.reader_cache_mib.min(1);
    archive.writer_cache_mib = archive.writer_cache_mib.min(8);
    // Of each database, for each connection that reads it.
    archive.mmap_mib = archive.mmap_mib.min(1);
}
