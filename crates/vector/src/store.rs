//! The database: who may write, who reads, and what stands in it.

mod changes;
mod schema;
mod sources;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use athenaeum_core::vector::{Spec, VectorStorage as _};
use athenaeum_tenancy::Scope;
use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use crate::{
    Collection, Error, Hnsw,
    error::{database, io},
};

pub(crate) use changes::{Changes, Mark, State};

/// All vectors of an installation. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Vectors(pub(crate) Arc<Database>);

/// How vectors use this machine. The defaults suit a personal computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Rows that are scanned from memory before they are put into a segment, in the background. At least 1.
    pub newest_max: usize,
    /// Threads that make segments. At least 1.
    pub threads: usize,
    /// Whether segments are made in the background as vectors come. Otherwise only
    /// [`persist`](athenaeum_core::vector::VectorStorage::persist) makes them.
    pub background: bool,
    /// Most reads of the database at once; more wait for their turn. At least 1.
    pub readers_max: u32,
    /// Page cache of the one writer, in bytes.
    pub writer_cache_bytes: u64,
    /// Rows that [`Collection::join`] may hold in memory, some 550 bytes each with 384 dimensions and as much again while it
    /// writes them; 0: segments are left as they come.
    pub joined_max: usize,
    /// Which segments get a graph, in the background as they are made; `None`: partitions are enough for all of them.
    pub hnsw: Option<Hnsw>,
    /// How long a writer waits for another one before it gives up with [`crate::ErrorKind::Busy`].
    pub busy_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            newest_max: 4_096,
            threads: std::thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2)),
            background: true,
            readers_max: 4,
            writer_cache_bytes: 16 << 20,
            joined_max: 24_576,
            hnsw: None,
            busy_timeout: Duration::from_secs(60),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) dir: PathBuf,
    pub(crate) settings: Settings,
    readers: SqlitePool,
    writer: Mutex<SqliteConnection>,
}

impl Vectors {
    /// Opens the vectors in a folder, which is made where it is missing: `vectors.db`, and beside it what is derived.
    ///
    /// # Errors
    /// Where the folder cannot be written, or `vectors.db` is not ours, damaged, or of a newer version.
    pub async fn open(dir: &Path, settings: Settings) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(io("create the folder", dir))?;
        let path = dir.join(FILE);
        let failed = database("opening them");
        let mut connection = writer_options(&path, &settings).connect().await.map_err(failed)?;
        schema::migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers_max.max(1))
            .idle_timeout(Some(Duration::from_secs(60)))
            .acquire_timeout(settings.busy_timeout)
            .test_before_acquire(false)
            .connect_lazy_with(reader_options(&path, &settings));
        let writer = Mutex::new(connection);
        Ok(Self(Arc::new(Database { dir: dir.to_owned(), settings, readers, writer })))
    }

    /// Opens one tenant's collection, which is made where it is missing.
    ///
    /// # Errors
    /// [`Error::Differs`] where there is one of this name with other dimensions, metric or model;
    /// [`Error::Invalid`] where the spec is none.
    pub async fn collection(&self, scope: &Scope, spec: &Spec) -> Result<Collection, Error> {
        let state = self.0.find_or_make(scope.tenant().as_str(), spec).await?;
        Ok(Collection::new(Arc::clone(&self.0), scope, spec.clone(), &state))
    }

    /// Lists the names of a tenant's collections, sorted.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn collections(&self, scope: &Scope) -> Result<Vec<Spec>, Error> {
        Ok(self.holdings(scope).await?.into_iter().map(|(spec, _)| spec).collect())
    }

    /// Lists a tenant's collections by name, with how many vectors each has.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn holdings(&self, scope: &Scope) -> Result<Vec<(Spec, u64)>, Error> {
        self.0.holdings(scope.tenant().as_str()).await
    }

    /// Lists whose vectors there are, sorted: tenants and rooms, as [`TenantId::as_str`](athenaeum_tenancy::TenantId::as_str)
    /// names them.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn tenants(&self) -> Result<Vec<String>, Error> {
        self.0.tenants().await
    }

    /// Removes all vectors of a scope, from all of its collections, and what is derived of them. The collections stay, empty: they
    /// may be open elsewhere, and a number that another one got would open that one there.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn remove_all(&self, scope: &Scope) -> Result<(), Error> {
        for spec in self.collections(scope).await? {
            self.collection(scope, &spec).await?.clear().await?;
        }
        let folder = self.0.dir.join(scope.tenant().as_str());
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", folder)(error)),
            _ => Ok(()),
        }
    }

    /// Waits for what is being written and closes the database. What is asked afterwards fails.
    pub async fn close(&self) {
        self.0.readers.close().await;
        let _writer = self.0.writer.lock().await;
    }
}

impl Database {
    /// What of the file system shows that somebody may have written. Costs two looks at the file system.
    pub(crate) fn stamp(&self) -> Stamp {
        let look = |name: &str| {
            let metadata = std::fs::metadata(self.dir.join(name)).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Stamp { log: look(LOG), file: look(FILE) }
    }
}

/// When the database's files were last changed, and how long they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    log: Option<(SystemTime, u64)>,
    file: Option<(SystemTime, u64)>,
}

impl Stamp {
    /// Tells whether a change from now on would show: file systems do not tell times finer than some milliseconds apart.
    pub(crate) fn is_settled(&self) -> bool {
        let now = SystemTime::now();
        let old = |changed: SystemTime| now.duration_since(changed).is_ok_and(|age| age > TICK);
        self.file.is_some() && [self.log, self.file].into_iter().flatten().all(|(changed, _)| old(changed))
    }
}

/// Longer than file systems take to tell two changes apart.
const TICK: Duration = Duration::from_millis(20);

const FILE: &str = "vectors.db";
const LOG: &str = "vectors.db-wal";

fn writer_options(path: &Path, settings: &Settings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk when it returns.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(settings.busy_timeout)
        .statement_cache_capacity(64)
        .pragma("temp_store", "MEMORY")
        // Negative: kibibytes, not pages (https://sqlite.org/pragma.html#pragma_cache_size).
        .pragma("cache_size", format!("-{}", settings.writer_cache_bytes >> 10))
        .pragma("journal_size_limit", (64 << 20).to_string())
        .thread_name(|_| "vectors-writer".into())
        .disable_statement_logging()
}

fn reader_options(path: &Path, settings: &Settings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(settings.busy_timeout)
        // Rows come by the thousand; a thread that waits for a place for each batch of fifty is woken twenty times.
        .row_buffer_size(1_024)
        .statement_cache_capacity(64)
        .pragma("query_only", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", "-2048")
        .thread_name(|n| format!("vectors-reader-{n}"))
        .disable_statement_logging()
}
