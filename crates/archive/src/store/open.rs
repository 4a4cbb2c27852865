//! Opening the file: who may write, who reads, and with which settings of SQLite.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use athenaeum_tenancy::Scope;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    error::{self, Error, database, io},
    schema::{self, Schema},
};
use crate::library::Fields;

/// How the archive uses this machine. The defaults suit a personal computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Most searches and reads at once; more wait for their turn. At least 1.
    pub readers_max: u32,
    /// Page cache of each reader, in bytes.
    pub reader_cache_bytes: u64,
    /// Page cache of the one writer, in bytes.
    pub writer_cache_bytes: u64,
    /// How much of the file readers may map into memory, in bytes. Mapped pages are the system's to take back,
    /// but count as this process's until it does. The writer maps nothing: an import would touch every page.
    pub mmap_bytes: u64,
    /// Conversations in one transaction of an import. At least 1.
    pub batch_conversations: usize,
    /// How long a writer waits for another one before it gives up with [`crate::ErrorKind::Busy`].
    pub busy_timeout: Duration,
    /// How much titles and headings of documents count in searches by word. With other weights than before, the library's
    /// search index is made anew.
    pub fields: Fields,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            readers_max: 8,
            reader_cache_bytes: 2 << 20,
            writer_cache_bytes: 32 << 20,
            mmap_bytes: 256 << 20,
            batch_conversations: 1_000,
            busy_timeout: Duration::from_secs(60),
            fields: Fields::default(),
        }
    }
}

/// The connections, and where the files are.
#[derive(Debug)]
pub(crate) struct Files {
    schema: &'static Schema,
    pub(crate) dir: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) readers: SqlitePool,
    /// `None` in an archive opened for reading only.
    writer: Option<Arc<Mutex<Writer>>>,
}

/// When the files of a database were last changed, and how long they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    file: Option<(std::time::SystemTime, u64)>,
    log: Option<(std::time::SystemTime, u64)>,
}

/// The one connection that writes. SQLite allows one writer at a time; those of this process queue here, in
/// order of arrival, those of others wait in SQLite.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: SqliteConnection,
    /// A transaction was begun, or may have been, and neither committed nor rolled back: whoever had it was dropped.
    open: bool,
    /// How long to wait for other processes.
    patience: Duration,
}

/// The writer, held by one task. Dropped within a transaction it takes that back at once, for other processes wait for its end.
#[derive(Debug)]
pub(crate) struct Held(OwnedMutexGuard<Writer>);

impl Deref for Held {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.0
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.open {
            // To be looked at once hands it to the connection's thread; nobody is there to wait for what comes of it.
            let rollback = pin!(sqlx::query("ROLLBACK").execute(&mut self.0.connection));
            let _ = rollback.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

pub(crate) async fn open(
    schema: &'static Schema,
    dir: &Path,
    settings: &Settings,
    writable: bool,
) -> Result<Files, Error> {
    let path = dir.join(schema.file);
    let mut writer = None;
    if writable {
        std::fs::create_dir_all(dir).map_err(io("create the data directory", dir))?;
        let failed = database("opening the archive");
        let mut connection = writer_options(&path, settings).connect().await.map_err(failed)?;
        schema::migrate(&mut connection, schema).await?;
        let polling = format!("PRAGMA busy_timeout = {}", POLL.as_millis());
        sqlx::query(sqlx::AssertSqlSafe(polling))
            .execute(&mut connection)
            .await
            .map_err(database("opening the archive"))?;
        let patience = settings.busy_timeout;
        writer = Some(Arc::new(Mutex::new(Writer { connection, open: false, patience })));
    } else {
        std::fs::metadata(&path).map_err(io("open the archive", &path))?;
    }
    let mut options = reader_options(&path, settings);
    if !writable {
        options = readable(options, &path).await?;
    }
    let readers = SqlitePoolOptions::new()
        .max_connections(settings.readers_max.max(1))
        .min_connections(0)
        .idle_timeout(Some(Duration::from_secs(60)))
        .acquire_timeout(settings.busy_timeout)
        .test_before_acquire(false)
        .connect_lazy_with(options);
    Ok(Files { schema, dir: dir.to_owned(), settings: settings.clone(), readers, writer })
}

/// Returns options that can read an archive where nothing can be written: on a medium for reading only, or another
/// user's.
///
/// Readers share the file `-shm` beside the database and make it where it is missing. Where they cannot, SQLite reads
/// a database that it is told nobody changes: true of one without a log, as long as nobody opens it to write.
async fn readable(options: SqliteConnectOptions, path: &Path) -> Result<SqliteConnectOptions, Error> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = |end: &str| path.with_file_name(format!("{file}{end}"));
    let log_bytes = std::fs::metadata(beside("-wal")).map_or(0, |log| log.len());
    if beside("-shm").exists() && log_bytes > 0 {
        return Ok(options);
    }
    match read_once(&options).await {
        Err(error) if error::is_unwritable(&error) && log_bytes > 0 => {
            let reason =
                format!("its last changes stand in {file}-wal; open it once where it can be written");
            let reason = std::io::Error::other(reason);
            Err(io("read without writing beside it", path)(reason))
        }
        Err(error) if error::is_unwritable(&error) => Ok(options.immutable(true)),
        // Anything else is said by who reads first.
        _ => Ok(options),
    }
}

async fn read_once(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    sqlx::query("SELECT 1 FROM sqlite_schema LIMIT 1").fetch_optional(&mut connection).await?;
    connection.close().await
}

impl Files {
    /// Waits for the writer's seat.
    pub(crate) async fn writer(&self) -> Result<Held, Error> {
        let Some(writer) = &self.writer else {
            return Err(Error::Invalid { reason: "the archive was opened for reading only".into() });
        };
        let busy = |_| Error::Busy { doing: "waiting for another writer", source: sqlx::Error::PoolTimedOut };
        let held = tokio::time::timeout(self.settings.busy_timeout, Arc::clone(writer).lock_owned()).await;
        let mut held = Held(held.map_err(busy)?);
        held.rollback().await?;
        Ok(held)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let look = |name: String| {
            let metadata = std::fs::metadata(self.dir.join(name)).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Stamp { file: look(self.schema.file.to_owned()), log: look(format!("{}-wal", self.schema.file)) }
    }

    pub(crate) fn schema(&self) -> &'static Schema {
        self.schema
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    pub(crate) fn database_path(&self) -> PathBuf {
        self.dir.join(self.schema.file)
    }

    /// Returns where a tenant's search index is kept.
    pub(crate) fn index_dir(&self, scope: &Scope) -> PathBuf {
        self.dir.join(self.schema.search).join(scope.tenant().as_str())
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        if let Ok(mut held) = self.writer().await {
            // Lets SQLite renew the statistics that it plans with, where it thinks that it pays.
            let _ = sqlx::query("PRAGMA optimize").execute(&mut held.connection).await;
            // Others may still read from the log; then the next one to close folds it in.
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut held.connection).await;
            // The last connection to go takes the log with it, if it may: a program that ends does not wait for one
            // that is merely dropped. An empty database keeps the seat.
            if let Ok(empty) = SqliteConnectOptions::new().in_memory(true).connect().await {
                let _ = std::mem::replace(&mut held.connection, empty).close().await;
            }
        }
    }
}

impl Writer {
    /// Begins a transaction that holds the write lock from the start, so that it cannot fail half-way.
    ///
    /// SQLite's own waiting sleeps up to a tenth of a second between looks and so misses every pause of an import
    /// in another process; this looks every few milliseconds, and imports pause for [`PAUSE`].
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        let failed = database("waiting for another process to finish writing");
        let deadline = Instant::now() + self.patience;
        // Before it is: whoever drops this half-way leaves a transaction that the connection's thread begins all the
        // same. To roll back where there is none does no harm.
        self.open = true;
        loop {
            match sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await.map_err(&failed) {
                Ok(_) => break,
                Err(Error::Busy { .. }) if Instant::now() < deadline => tokio::time::sleep(POLL / 2).await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(database("committing"))?;
        self.open = false;
        Ok(())
    }

    pub(crate) async fn rollback(&mut self) -> Result<(), Error> {
        if self.open {
            // SQLite may have rolled back by itself after an error; then this fails, and all is well.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            self.open = false;
        }
        Ok(())
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Opens a connection of its own for a backup: it reads the archive, and writes another file.
pub(crate) async fn connect_for_backup(path: &Path, settings: &Settings) -> Result<SqliteConnection, Error> {
    let options = reader_options(path, settings).pragma("query_only", "OFF");
    options.connect().await.map_err(database("opening the archive"))
}

fn writer_options(path: &Path, settings: &Settings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(settings.busy_timeout)
        .statement_cache_capacity(64)
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", cache_pages(settings.writer_cache_bytes))
        .pragma("journal_size_limit", JOURNAL_BYTES_KEPT.to_string())
        .thread_name(|_| "archive-writer".into())
        .disable_statement_logging()
}

fn reader_options(path: &Path, settings: &Settings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .foreign_keys(false)
        .busy_timeout(settings.busy_timeout)
        .statement_cache_capacity(64)
        .pragma("query_only", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", cache_pages(settings.reader_cache_bytes))
        .pragma("mmap_size", settings.mmap_bytes.to_string())
        .thread_name(|n| format!("archive-reader-{n}"))
        // Checks read the whole file, which is no news.
        .disable_statement_logging()
}

/// SQLite takes a negative number as KiB.
fn cache_pages(bytes: u64) -> String {
    format!("-{}", bytes / 1024)
}

/// Rows of 700 bytes leave 3% of such a page unused, and twice as much of one half as large.
const PAGE_BYTES: u32 = 16384;

/// How long SQLite waits by itself for another process that writes.
const POLL: Duration = Duration::from_millis(4);

/// How long an import leaves the lock to others after each batch: less than a hundredth of its time.
pub(crate) const PAUSE: Duration = Duration::from_millis(8);

/// The write-ahead log is cut back to this after each checkpoint.
const JOURNAL_BYTES_KEPT: u64 = 64 << 20;
