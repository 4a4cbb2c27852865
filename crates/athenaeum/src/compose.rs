mod documents;
mod models;

pub(crate) use documents::open_rooms;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use athenaeum_api::{Api, Mcp, Models, Pulls};
use athenaeum_archive::{
    Archive, State,
    library::{Fields, Library},
};
use athenaeum_core::Timestamp;
use athenaeum_hardware::{Overrides, Probe};
use athenaeum_inference::{catalog, pull, shelf::Shelf};
use athenaeum_retrieval::{
    Chats, Imports,
    documents::Options,
    librarian::{Librarian, Watching},
    memory::Place,
    remove_abandoned_uploads,
    rooms::Swept,
    with_causes,
};
use athenaeum_tenancy::{GivenKey, Keys, Scope};
use athenaeum_web::Web;
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    address::{is_private, listen},
    connections::{self, Connections, Wire},
    cooling::{LOOK_EVERY, every_night},
    device::backends,
    memory::memory_settings,
    rest,
    settings::Settings,
};

/// An open library: the archive, the imports into it, and the pages and API over both.
pub struct Athenaeum {
    archive: Archive,
    imports: Imports,
    librarian: Librarian,
    memory: Place,
    watching: Watching,
    scope: Scope,
    keys: Keys,
    limits: athenaeum_api::Settings,
    keep_api_chats: bool,
    pages: athenaeum_web::Settings,
    hardware: Overrides,
    models: Models,
    catalog: catalog::Settings,
    pulls: Option<Pulls>,
    data: PathBuf,
    state: State,
    server: connections::Limits,
    grpc: Option<SocketAddr>,
}

impl Athenaeum {
    /// Opens the library in `data`, and makes it where there is none. Reads little: a big archive opens as fast
    /// as an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] where the archive cannot be opened, and those of [`open_keys`].
    pub async fn open(data: &Path, settings: &Settings) -> Result<Self, Error> {
        Self::open_with(data, settings, open_keys(data, settings).await?).await
    }

    /// Opens the library in `data` for those whom `keys` let in, which may be kept elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] where the archive cannot be opened.
    pub async fn open_with(data: &Path, settings: &Settings, keys: Keys) -> Result<Self, Error> {
        let archive = open_archive(data, settings).await?;
        let limits = limits(data, settings);
        if let Some(uploads) = limits.upload_dir.clone() {
            // Nobody waits for it: what a killed program left may be large.
            tokio::task::spawn_blocking(move || tidy(&uploads));
        }
        Ok(Self {
            imports: Imports::new(archive.clone()),
            librarian: documents::of(
                data,
                settings,
                Options::default(),
                catalog::Settings::default(),
                Some(&archive),
            ),
            catalog: catalog::Settings::default(),
            memory: Place::new(data, archive_settings(settings), memory_settings(settings)),
            watching: documents::watching(settings, []),
            archive,
            scope: athenaeum_tenancy::local(),
            keys,
            pages: pages(&limits, settings),
            hardware: settings.hardware.clone(),
            models: models::of(catalog::Settings::default(), data, settings),
            pulls: None,
            data: data.to_owned(),
            state: State::in_folder(data),
            limits,
            keep_api_chats: settings.archive.keep_api_chats,
            grpc: settings.server.grpc_addr,
            server: connections::Limits {
                connections_max: settings.server.connections_max.max(1),
                head: Duration::from_secs(settings.server.header_seconds.max(1)),
                grace: Duration::from_secs(settings.server.shutdown_seconds),
            },
        })
    }

    /// Answers with the models of a catalogue (`settings::Places::catalog`); without this, with none. Nothing
    /// is looked at before somebody asks.
    #[must_use]
    pub fn with_models(mut self, catalog: catalog::Settings, settings: &Settings) -> Self {
        self.catalog.clone_from(&catalog);
        self.models = models::of(catalog, &self.data, settings);
        self
    }

    /// Answers with these models of other engines as well ([`Settings::remotes`]).
    #[must_use]
    pub fn with_remotes(mut self, remotes: Vec<athenaeum_providers::Remote>) -> Self {
        self.models = self.models.with_remotes(remotes);
        self
    }

    /// Reads documents so; without this, as suits documents that are not meant to hurt. Whoever reads those of strangers gives a
    /// [`Child`](athenaeum_ingest::document::child::Child): some can end the process that reads them.
    ///
    /// Where `library.embedder` names a model, it is one of those that [`Athenaeum::with_models`] was given before.
    #[must_use]
    pub fn with_documents(mut self, options: Options, settings: &Settings) -> Self {
        self.librarian =
            documents::of(&self.data, settings, options, self.catalog.clone(), Some(&self.archive));
        self
    }

    /// Watches these folders while it serves, besides the one for what is handed in: documents that come, change and go there do
    /// so in the library. They need not be there yet.
    #[must_use]
    pub fn with_folders(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.watching.folders.extend(folders.into_iter().map(documents::absolute));
        self
    }

    /// Fetches models into `shelf` for those who ask for it, and lets them be removed from there; without this, nobody
    /// may. The folder is made, so that a catalogue finds what comes.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] where it cannot be made.
    pub fn with_shelf(mut self, shelf: Shelf, settings: pull::Settings) -> Result<Self, Error> {
        let made = make_private(shelf.folder());
        made.map_err(|source| Error::Folder { path: shelf.folder().to_owned(), source })?;
        self.pulls = Some(Pulls::new(shelf, settings));
        Ok(self)
    }

    /// Returns the models.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// Returns the archive, for searching and reading in process.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Returns the imports that run in the background.
    pub fn imports(&self) -> &Imports {
        &self.imports
    }

    /// Returns who keeps the documents.
    pub fn librarian(&self) -> &Librarian {
        &self.librarian
    }

    /// Returns the scope of whoever runs this.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns who may use the server. Whoever mounts [`Athenaeum::router`] where other machines can reach it calls
    /// [`Keys::require`] first.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Makes the router of pages and API, with the layers that protect both.
    pub fn router(&self) -> Router {
        self.router_of(self.api())
    }

    fn api(&self) -> Api {
        let api = Api::new(self.archive.clone(), self.imports.clone(), self.limits.clone());
        let api = api
            .with_scope(self.scope.clone())
            .with_keys(self.keys.clone())
            .with_hardware(Probe::default(), self.hardware.clone(), backends())
            .with_models(self.models.clone())
            .with_state(self.state.clone())
            .with_librarian(self.librarian.clone())
            .with_memory(self.memory.clone());
        let api = match &self.pulls {
            Some(pulls) => api.with_pulls(pulls.clone()),
            None => api,
        };
        if self.keep_api_chats { api.with_chats(Chats::new(self.archive.clone())) } else { api }
    }

    /// Answers programs that speak the Model Context Protocol over pipes; links lead to pages under `pages`.
    pub fn mcp(&self, pages: Option<String>) -> Mcp {
        Mcp::of(&self.api(), pages)
    }

    fn router_of(&self, api: Api) -> Router {
        let pages = athenaeum_web::router(Web {
            archive: self.archive.clone(),
            imports: self.imports.clone(),
            librarian: self.librarian.clone(),
            settings: self.pages.clone(),
            keys: self.keys.clone(),
        });
        athenaeum_api::app(api, pages)
    }

    /// Answers on `listener` until `shutdown` completes, and gRPC at `server.grpc_addr` where that is free. Then takes
    /// nothing new, ends imports cleanly, gives requests under way the seconds of `server.shutdown_seconds`, and closes
    /// the archive.
    ///
    /// Where other machines can reach `listener`, a key is asked for, and the address is a name of this server.
    pub async fn serve(mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let grpc = self.listen_for_grpc().await;
        for listener in [Some(&listener), grpc.as_ref()].into_iter().flatten() {
            if let Some(addr) = listener.local_addr().ok().filter(|addr| !is_private(*addr)) {
                self.keys.require();
                self.limits.allowed_hosts.push(addr.ip().to_canonical().to_string());
            }
        }
        let api = self.api();
        let mut connections = Connections::new(self.router_of(api.clone()), Wire::Http1, self.server.clone());
        let mut calls = Connections::new(Router::new(), Wire::Http2, self.server.clone());
        let stopping = CancellationToken::new();
        let taking_calls = async {
            if let Some(listener) = grpc {
                calls = Connections::new(athenaeum_api::grpc(api).await, Wire::Http2, self.server.clone());
                calls.take(listener, stopping.cancelled()).await;
            }
        };
        let stop = async {
            shutdown.await;
            stopping.cancel();
        };
        let keeping_up = tokio::spawn(self.keeping_up());
        let (memory, data, scope) = (self.memory.clone(), self.data.clone(), self.scope.clone());
        let cooling = tokio::spawn(every_night(memory, data, scope, LOOK_EVERY));
        let sweeping = tokio::spawn(self.models.clone().sweep(models::free_bytes));
        let sweeping_rooms = tokio::spawn(self.sweeping_rooms());
        let resting = tokio::spawn(rest::when_idle(self.archive.clone(), rest::LOOK_EVERY));
        tokio::join!(stop, connections.take(listener, stopping.cancelled()), taking_calls);
        resting.abort();
        sweeping.abort();
        sweeping_rooms.abort();
        keeping_up.abort();
        cooling.abort();
        // Streams that watch the library go on until it is shut down, or the seconds of grace are over.
        tokio::join!(connections.end(), calls.end(), self.imports.shut_down(), self.librarian.shut_down());
        self.close().await;
    }

    /// Watches the folders from a moment after the start, with what happened there while nobody did.
    fn keeping_up(&self) -> impl Future<Output = ()> + Send + 'static {
        let (librarian, scope) = (self.librarian.clone(), self.scope.clone());
        let (file, watching) = (documents::library_file(&self.data), self.watching.clone());
        async move {
            tokio::time::sleep(KEEP_UP_AFTER).await;
            librarian.keep_up(&scope, &file, watching);
            librarian.begin_conversations(&scope).await;
        }
    }

    /// Takes out of the library's rooms what has expired, soon after the start and every so often. Nobody finds it before, either.
    fn sweeping_rooms(&self) -> impl Future<Output = ()> + Send + 'static {
        let (librarian, scope) = (self.librarian.clone(), self.scope.clone());
        let file = documents::library_file(&self.data);
        async move {
            tokio::time::sleep(KEEP_UP_AFTER).await;
            loop {
                match librarian.sweep_rooms(&scope, &file, Timestamp::now()).await {
                    Ok(swept) if swept == Swept::default() => {}
                    Ok(Swept { documents, rooms }) => {
                        tracing::info!(documents, rooms, "what had expired is gone from its room");
                    }
                    Err(error) => tracing::warn!(error = with_causes(&error), "rooms could not be swept"),
                }
                tokio::time::sleep(SWEEP_EVERY).await;
            }
        }
    }

    /// Listens for gRPC. Where that cannot be, everything else is served all the same.
    async fn listen_for_grpc(&self) -> Option<TcpListener> {
        let addr = self.grpc?;
        match listen(addr, &self.keys).await {
            Ok(listener) => Some(listener),
            Err(Error::Taken(_)) => {
                let why = "another program has the address, perhaps an Athenaeum that runs already";
                tracing::warn!(%addr, why, "gRPC is not answered; server.grpc_addr names another address, or off");
                None
            }
            Err(error) => {
                tracing::warn!(%addr, %error, "gRPC is not answered");
                None
            }
        }
    }

    /// Ends imports cleanly and closes the archive.
    pub async fn close(self) {
        self.imports.shut_down().await;
        self.librarian.shut_down().await;
        self.archive.close().await;
        self.memory.close().await;
        self.state.close().await;
    }
}

/// What has expired is found by nobody; so often it is taken off the disk.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Whoever starts a server waits for its first page, and for nothing else.
const KEEP_UP_AFTER: Duration = Duration::from_secs(1);

/// Opens the archive in `data` alone, without imports, pages and API; makes it where there is none. The folder is
/// made for its owner's eyes only.
///
/// # Errors
///
/// [`Error::Open`] where it cannot be opened.
pub async fn open_archive(data: &Path, settings: &Settings) -> Result<Archive, Error> {
    make_private(data).map_err(|source| Error::Folder { path: data.to_owned(), source })?;
    let opened = Archive::open(data, &archive_settings(settings)).await;
    opened.map_err(|source| Error::Open { path: data.to_owned(), source })
}

/// Opens the library of documents in `data` alone; makes it where there is none. The folder is made for its owner's eyes
/// only.
///
/// # Errors
///
/// [`Error::Open`] where it cannot be opened.
pub async fn open_library(data: &Path, settings: &Settings) -> Result<Library, Error> {
    make_private(data).map_err(|source| Error::Folder { path: data.to_owned(), source })?;
    let opened = Library::open(data, &archive_settings(settings)).await;
    opened.map_err(|source| Error::Open { path: data.to_owned(), source })
}

/// Makes the librarian of a data folder, for a program that serves nobody, and says where its library is. The folder is made
/// for its owner's eyes only. An archive is looked after where there is one with something in it; `library.embedder` is a model of `catalog`.
///
/// # Errors
///
/// [`Error::Folder`] where the folder cannot be made, [`Error::Open`] where the archive cannot be opened.
pub async fn librarian(
    data: &Path,
    settings: &Settings,
    options: Options,
    catalog: catalog::Settings,
) -> Result<(Librarian, PathBuf), Error> {
    make_private(data).map_err(|source| Error::Folder { path: data.to_owned(), source })?;
    let mut archive = None;
    if data.join("archive.db").is_file() {
        let opened = open_archive(data, settings).await?;
        let counted = opened.count(&athenaeum_tenancy::local()).await;
        archive = counted.is_ok_and(|(conversations, _)| conversations > 0).then_some(opened);
    }
    let librarian = documents::of(data, settings, options, catalog, archive.as_ref());
    Ok((librarian, documents::library_file(data)))
}

/// Returns the folder of what was handed in, below which each tenant has one.
pub fn drop_folder(data: &Path) -> PathBuf {
    documents::drop_folder(data)
}

/// Returns how these folders are watched by the settings.
pub fn watching(settings: &Settings, folders: impl IntoIterator<Item = PathBuf>) -> Watching {
    documents::watching(settings, folders)
}

/// Has what is kept in `data` passed over where that lies in a folder of documents.
pub fn apart_from(data: &Path, options: Options) -> Options {
    documents::apart_from(data, options)
}

/// Reads the keys in `data` and those that the settings give.
///
/// # Errors
///
/// [`Error::Keys`] and [`Error::KeysFile`] where they cannot be read.
pub async fn open_keys(data: &Path, settings: &Settings) -> Result<Keys, Error> {
    Ok(Keys::open(data, given_keys(settings)?).await?)
}

/// Reads the keys that the settings give, and those of the file that they name.
///
/// # Errors
///
/// As [`open_keys`].
pub fn given_keys(settings: &Settings) -> Result<Vec<GivenKey>, Error> {
    let server = &settings.server;
    let mut text = server.api_keys.expose().to_owned();
    if !server.api_keys_file.as_os_str().is_empty() {
        let path = &server.api_keys_file;
        let read = std::fs::read_to_string(path);
        let more = read.map_err(|source| Error::KeysFile { path: path.clone(), source })?;
        text.push('\n');
        text.push_str(&more);
    }
    Ok(GivenKey::parse(&text)?)
}

/// Removes the uploads of programs that were killed.
fn tidy(uploads: &Path) {
    match remove_abandoned_uploads(uploads) {
        Ok(0) => {}
        Ok(folders) => tracing::info!(folders, "uploads that an earlier run left have been removed"),
        Err(error) => tracing::warn!(%error, "cannot look for uploads that an earlier run left"),
    }
}

/// Lets uploads rest beside the archive: where it fits they fit, while the system's own folder for temporary
/// files is often small and in memory.
fn limits(data: &Path, settings: &Settings) -> athenaeum_api::Settings {
    let mut limits = settings.limits.clone();
    limits.upload_dir.get_or_insert_with(|| data.join("uploads"));
    limits.allowed_origins.clone_from(&settings.server.allowed_origins);
    limits
}

/// The pages take uploads under the same limits as the API.
fn pages(limits: &athenaeum_api::Settings, settings: &Settings) -> athenaeum_web::Settings {
    athenaeum_web::Settings {
        time_zone: Some(settings.pages.time_zone.clone()).filter(|name| !name.is_empty()),
        messages_per_page: settings.pages.messages_per_page.max(1),
        upload_folder: limits.upload_dir.clone(),
        upload_bytes_max: limits.upload_bytes_max,
        streams_max: limits.streams_max,
    }
}

/// Makes a folder that other users of the machine cannot look into. One that is there stays as it is.
///
/// # Errors
///
/// What the system says where it cannot be made.
pub fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Returns the part of the settings that concerns the archive.
pub fn archive_settings(settings: &Settings) -> athenaeum_archive::Settings {
    let (settings, library) = (&settings.archive, &settings.library);
    let bytes = |mebibytes: u64| mebibytes.saturating_mul(1 << 20);
    athenaeum_archive::Settings {
        readers_max: settings.readers_max,
        reader_cache_bytes: bytes(settings.reader_cache_mib),
        writer_cache_bytes: bytes(settings.writer_cache_mib),
        mmap_bytes: bytes(settings.mmap_mib),
        busy_timeout: Duration::from_secs(settings.busy_seconds),
        fields: Fields { title: library.title_weight, heading: library.heading_weight },
        ..athenaeum_archive::Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_archives_own() {
        assert_eq!(archive_settings(&Settings::default()), athenaeum_archive::Settings::default());
    }
}
