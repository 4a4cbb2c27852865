//! The library of documents of a server: opened when somebody needs it.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use athenaeum_archive::library::Library;
use athenaeum_hardware::{Overrides, probe, propose};
use athenaeum_inference::processor::Processor;
use athenaeum_retrieval::{
    documents::Options,
    librarian::{Librarian, Open, Opening},
    meaning::Meaning,
};

use super::archive_settings;
use crate::{device::backends, open_meaning, settings::Settings};

/// Makes the librarian of a data folder. Nothing is opened before somebody asks, or [`Librarian::catch_up`] finds
/// something to do.
pub(super) fn of(data: &Path, settings: &Settings, options: Options) -> Librarian {
    let folder = Folder {
        data: data.to_owned(),
        settings: archive_settings(settings),
        hardware: settings.hardware.clone(),
    };
    Librarian::new(folder, &data.join("drop"), options)
}

/// Where the library lies that [`Library::open`] makes.
pub(super) fn library_file(data: &Path) -> PathBuf {
    data.join("library.db")
}

struct Folder {
    data: PathBuf,
    settings: athenaeum_archive::Settings,
    hardware: Overrides,
}

impl Open for Folder {
    fn library(&self) -> Opening<Library, athenaeum_archive::Error> {
        let (data, settings) = (self.data.clone(), self.settings.clone());
        Box::pin(async move { Library::open(&data, &settings).await })
    }

    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn std::error::Error + Send + Sync>> {
        let (data, hardware) = (self.data.clone(), self.hardware.clone());
        Box::pin(async move {
            let runtime = tokio::runtime::Handle::current();
            // Looking at the machine and unpacking a model take tens of milliseconds.
            let opened = tokio::task::spawn_blocking(move || {
                let threads = propose(&probe(), &hardware, backends()).threads.value as usize;
                let processor = Processor::new(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN));
                runtime.block_on(open_meaning(&data, &processor))
            });
            Ok(opened.await??)
        })
    }
}
