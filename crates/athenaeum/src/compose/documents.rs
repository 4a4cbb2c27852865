//! The library of documents of a server: opened when somebody needs it.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use athenaeum_archive::{Archive, library::Library};
use athenaeum_core::Rerank;
use athenaeum_hardware::{probe, propose};
use athenaeum_inference::{catalog, processor::Processor};
use athenaeum_retrieval::{
    documents::Options,
    librarian::{Librarian, Open, Opening, Watching},
    meaning::Meaning,
    rooms::Rooms,
    search::{self, Searcher},
};
use athenaeum_script::OpenRooms;

use super::{archive_settings, make_private};
use crate::{device::backends, open_meaning, open_reranker, search_settings, settings::Settings};

/// Makes the librarian of a data folder. Nothing is opened before somebody asks, or [`Librarian::catch_up`] finds
/// something to do.
pub(super) fn of(
    data: &Path,
    settings: &Settings,
    options: Options,
    catalog: catalog::Settings,
    archive: Option<&Archive>,
) -> Librarian {
    let options = apart_from(data, options);
    let folder = Folder { data: data.to_owned(), settings: settings.clone(), catalog };
    let librarian = Librarian::new(folder, &drop_folder(data), options);
    match archive.filter(|_| settings.library.embed_conversations) {
        Some(archive) => librarian.with_conversations(archive.clone()),
        None => librarian,
    }
}

/// Watches these folders as the settings say.
pub(super) fn watching(settings: &Settings, folders: impl IntoIterator<Item = PathBuf>) -> Watching {
    Watching {
        folders: folders.into_iter().map(absolute).collect(),
        look_every: Duration::from_secs(settings.library.look_every_seconds),
        ..Watching::default()
    }
}

pub(super) fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Has what is kept in `data` passed over where that lies in a folder of documents: it changes with whatever is read.
pub(super) fn apart_from(data: &Path, mut options: Options) -> Options {
    options.passed_over.push(absolute(data.to_owned()));
    options
}

/// Returns where files rest that were handed in.
pub(super) fn drop_folder(data: &Path) -> PathBuf {
    absolute(data.to_owned()).join("drop")
}

/// Where the library lies that [`Library::open`] makes.
pub(super) fn library_file(data: &Path) -> PathBuf {
    data.join("library.db")
}

struct Folder {
    data: PathBuf,
    settings: Settings,
    catalog: catalog::Settings,
}

impl Open for Folder {
    fn library(&self) -> Opening<Library, athenaeum_archive::Error> {
        let (data, settings) = (self.data.clone(), archive_settings(&self.settings));
        Box::pin(async move { Library::open(&data, &settings).await })
    }

    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn std::error::Error + Send + Sync>> {
        let (data, settings, catalog) = (self.data.clone(), self.settings.clone(), self.catalog.clone());
        Box::pin(async move {
            let runtime = tokio::runtime::Handle::current();
            // Looking at the machine and unpacking a model take tens of milliseconds.
            let opened = tokio::task::spawn_blocking(move || {
                let processor = processor(&settings);
                runtime.block_on(open_meaning(&data, &settings, catalog, &processor))
            });
            Ok(opened.await??)
        })
    }

    fn reranker(&self) -> Opening<Option<Arc<dyn Rerank>>, Box<dyn std::error::Error + Send + Sync>> {
        let (settings, catalog) = (self.settings.clone(), self.catalog.clone());
        Box::pin(async move {
            if settings.library.reranker.is_empty() {
                return Ok(None);
            }
            let open = move || open_reranker(&settings, catalog, &processor(&settings));
            Ok(tokio::task::spawn_blocking(open).await??)
        })
    }

    fn searching(&self) -> search::Settings {
        search_settings(&self.settings)
    }
}

/// Opens the rooms of the library of a data folder for scripts: the library, which is made where there is none, and what makes its
/// vectors.
pub(crate) fn open_rooms(data: &Path, settings: &Settings, catalog: catalog::Settings) -> OpenRooms {
    let folder = Arc::new(Folder { data: data.to_owned(), settings: settings.clone(), catalog });
    Box::new(move || {
        let folder = Arc::clone(&folder);
        Box::pin(async move {
            make_private(&folder.data)?;
            let library = folder.library().await?;
            let meaning = folder.meaning().await?;
            let reranker = folder.reranker().await?;
            let searcher = Searcher::new(None, Some(library.clone()), meaning.clone());
            Ok(Rooms::new(library, meaning, searcher.with_settings(folder.searching(), reranker)))
        })
    })
}

fn processor(settings: &Settings) -> Processor {
    let threads = propose(&probe(), &settings.hardware, backends()).threads.value as usize;
    Processor::new(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN))
}
