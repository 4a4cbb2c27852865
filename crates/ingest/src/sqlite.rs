//! Other programs' SQLite databases, read and never written.
//!
//! A database that was not closed (its `-wal` is there) is copied first, because SQLite would have to write beside
//! it to read it. Rows come out as JSON objects, so that one parser serves a program's export and its database.
//! See `docs/decisions/0050-foreign-sqlite.md`.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

use futures_util::TryStreamExt as _;
use sqlx::{
    Column as _, ConnectOptions as _, Connection as _, Row as _, SqliteConnection, TypeInfo as _,
    ValueRef as _,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::format::Reject;

/// Rows on the way from the database's thread.
const ROWS_AHEAD: usize = 16;

/// Work that a hostile database may cause before a statement is ended, in steps of its virtual machine.
const STATEMENT_STEPS: u64 = 20_000_000_000;

/// What SQLite gives back for one row: the columns as one JSON object, and those that are blobs as bytes.
pub(crate) struct RowJson {
    /// Column names and values in order; a text that is itself a JSON object or array is nested, not quoted again,
    /// and a blob is only its length.
    pub(crate) json: String,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
}

/// A question to a database: its SQL with its texts bound to `?1`, `?2`, ….
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) texts: Vec<String>,
}

impl Query {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), texts: Vec::new() }
    }

    pub(crate) fn bind(mut self, text: impl Into<String>) -> Self {
        self.texts.push(text.into());
        self
    }
}

/// An open foreign database.
pub(crate) struct Database {
    path: PathBuf,
    /// Keeps the copy, if one had to be made.
    _copy: Option<tempfile::TempDir>,
    bytes_max: usize,
    immutable: bool,
    /// For questions while another is being answered.
    lookups: RefCell<Option<Reader>>,
}

impl Database {
    /// Opens for reading. Cells larger than `bytes_max` are refused when they are read.
    pub(crate) fn open(path: &Path, bytes_max: usize) -> Result<Self, Reject> {
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let wal = beside("-wal");
        let in_use = fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0);
        if !in_use {
            return Ok(Self {
                path: path.to_owned(),
                _copy: None,
                bytes_max,
                immutable: true,
                lookups: RefCell::default(),
            });
        }
        let failed = |error: std::io::Error| {
            Reject::new(format!("the database is in use and cannot be copied: {error}"))
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        let copy = folder.path().join("copy.db");
        fs::copy(path, &copy).map_err(failed)?;
        fs::copy(&wal, folder.path().join("copy.db-wal")).map_err(failed)?;
        Ok(Self { path: copy, _copy: Some(folder), bytes_max, immutable: false, lookups: RefCell::default() })
    }

    /// Returns the columns of `table`, lower case; empty where there is no such ordinary table. Views and virtual
    /// tables do not count: reading them runs whatever the database says.
    pub(crate) fn columns(&self, table: &str) -> Result<Vec<String>, Reject> {
        let query = Query::new(
            "SELECT lower(c.name) AS name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c \
             WHERE t.type = 'table' AND lower(t.name) = ?1 AND lower(ltrim(t.sql)) LIKE 'create table%'",
        );
        let mut columns = Vec::new();
        for row in self.all(query.bind(table))? {
            if let Ok(node) = crate::node::Node::parse(&row.json) {
                columns.extend(node.get("name").text());
            }
        }
        Ok(columns)
    }

    /// Calls `take` with each row in order, until it returns false. Rows wait in a short queue, so memory is
    /// bounded by a few of them.
    pub(crate) fn each(&self, query: Query, take: &mut dyn FnMut(RowJson) -> bool) -> Result<(), Reject> {
        self.reader()?.ask(query, take)
    }

    /// Reads all rows of a query that is known to give few. May be called while [`Database::each`] goes on.
    pub(crate) fn all(&self, query: Query) -> Result<Vec<RowJson>, Reject> {
        let mut rows = Vec::new();
        let mut lookups = self.lookups.borrow_mut();
        let reader = match &mut *lookups {
            Some(reader) => reader,
            none => none.insert(self.reader()?),
        };
        reader.ask(query, &mut |row| {
            rows.push(row);
            true
        })?;
        Ok(rows)
    }

    fn reader(&self) -> Result<Reader, Reject> {
        Reader::start(Connecting {
            path: self.path.clone(),
            immutable: self.immutable,
            bytes_max: self.bytes_max,
        })
    }
}

type Answer = Result<RowJson, Reject>;

/// A connection on a thread of its own: SQLite's driver is asynchronous, and the caller may be inside a runtime
/// already. The thread ends with the last of its questions.
struct Reader {
    questions: Sender<(Query, SyncSender<Answer>)>,
}

impl Reader {
    fn start(connecting: Connecting) -> Result<Self, Reject> {
        let (questions, asked) = channel();
        let started =
            thread::Builder::new().name("foreign-sqlite".into()).spawn(move || connecting.serve(&asked));
        started.map_err(|error| Reject::new(format!("no thread to read the database with: {error}")))?;
        Ok(Self { questions })
    }

    fn ask(&self, query: Query, take: &mut dyn FnMut(RowJson) -> bool) -> Result<(), Reject> {
        let gone = || Reject::new("the reader of the database failed");
        let (sender, answers) = sync_channel(ROWS_AHEAD);
        self.questions.send((query, sender)).map_err(|_| gone())?;
        for answer in answers {
            if !take(answer?) {
                break;
            }
        }
        Ok(())
    }
}

struct Connecting {
    path: PathBuf,
    immutable: bool,
    bytes_max: usize,
}

impl Connecting {
    fn serve(self, asked: &Receiver<(Query, SyncSender<Answer>)>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut connection = match &runtime {
            Ok(runtime) => runtime.block_on(self.connect()).map_err(refused),
            Err(error) => Err(Reject::new(format!("no runtime to read the database with: {error}"))),
        };
        while let Ok((query, sender)) = asked.recv() {
            let answered = match (&runtime, &mut connection) {
                (Ok(runtime), Ok(connection)) => {
                    runtime.block_on(answer(connection, query, self.bytes_max, &sender)).map_err(refused)
                }
                (_, Err(reason)) => Err(reason.clone()),
                (Err(error), _) => Err(Reject::new(error.to_string())),
            };
            if let Err(reason) = answered {
                // Nobody listens any more once the caller has had enough.
                let _ = sender.send(Err(reason));
            }
        }
        if let (Ok(runtime), Ok(connection)) = (&runtime, connection) {
            let _ = runtime.block_on(connection.close());
        }
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        // A copy is ours to recover; the person's file is not.
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .read_only(self.immutable)
            .immutable(self.immutable)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .pragma("query_only", "ON")
            .pragma("mmap_size", "0")
            .disable_statement_logging();
        SqliteConnection::connect_with(&options).await
    }
}

fn refused(error: sqlx::Error) -> Reject {
    match error {
        sqlx::Error::Database(error) => {
            Reject::new(format!("the database is damaged or of another kind: {error}"))
        }
        error => Reject::new(format!("the database cannot be read: {error}")),
    }
}

async fn answer(
    connection: &mut SqliteConnection,
    query: Query,
    bytes_max: usize,
    sender: &SyncSender<Answer>,
) -> Result<(), sqlx::Error> {
    let mut steps = 0_u64;
    connection.lock_handle().await?.set_progress_handler(1_000_000, move || {
        steps += 1_000_000;
        steps < STATEMENT_STEPS
    });
    let mut statement = sqlx::query(sqlx::AssertSqlSafe(query.sql));
    for text in query.texts {
        statement = statement.bind(text);
    }
    let mut rows = statement.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        if sender.send(Ok(row_json(&row, bytes_max)?)).is_err() {
            break;
        }
    }
    Ok(())
}

fn row_json(row: &SqliteRow, bytes_max: usize) -> Result<RowJson, sqlx::Error> {
    let mut json = String::from("{");
    let mut blobs = BTreeMap::new();
    for (index, column) in row.columns().iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str(&quoted(column.name()));
        json.push(':');
        let value = row.try_get_raw(index)?;
        let kind = value.type_info().name().to_owned();
        if value.is_null() {
            json.push_str("null");
            continue;
        }
        match kind.as_str() {
            "TEXT" => {
                // Text that is not UTF-8 is taken as far as it is.
                let bytes: &[u8] = row.try_get_unchecked(index)?;
                let text = String::from_utf8_lossy(bytes);
                match text.len() > bytes_max {
                    true => json.push_str("null"),
                    false if is_nested(&text) => json.push_str(text.trim()),
                    false => json.push_str(&quoted(&text)),
                }
            }
            "INTEGER" => {
                let number: i64 = row.try_get_unchecked(index)?;
                let _ = write!(json, "{number}");
            }
            "REAL" => {
                let number: f64 = row.try_get_unchecked(index)?;
                json.push_str(&serde_json::Value::from(number).to_string());
            }
            _ => {
                let bytes: &[u8] = row.try_get_unchecked(index)?;
                let _ = write!(json, "{{\"blob_bytes\":{}}}", bytes.len());
                if bytes.len() <= bytes_max {
                    blobs.insert(column.name().to_ascii_lowercase(), bytes.to_vec());
                }
            }
        }
    }
    json.push('}');
    Ok(RowJson { json, blobs })
}

/// A JSON column: it can be nested as it is.
fn is_nested(text: &str) -> bool {
    let solid = text.trim_start();
    solid.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
