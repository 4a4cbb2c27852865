//! Feeding the search index, on a thread of its own, while SQLite writes on another.
//!
//! The index is derived from the rows and follows them: what a transaction wrote is handed over as it is written
//! and published after the commit, with the last row id as the watermark. Whatever a crash leaves out is read
//! from the rows by [`catch_up`].

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_core::{Message, Provider, Role, Timestamp};
use athenaeum_tenancy::Scope;
use futures_util::TryStreamExt;
use sqlx::{Row, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{
    error::{Error, database},
    open::Files,
    row,
};
use crate::{
    fts5::HandOver,
    index::{self, Document, Flags, Kind, Writer},
    text::Analyzer,
};

/// The writer of one tenant's index, at work on its thread. Dropped, it forgets what was not published.
#[derive(Debug)]
pub(crate) struct Builder {
    jobs: mpsc::Sender<Job>,
    /// A permit for each KiB of text that may wait for the thread.
    room: Arc<Semaphore>,
    /// The last message row that was handed over, or passed over because it is another tenant's.
    last: i64,
    /// Entries that are sent together: waking the thread costs as much as a conversation does.
    waiting: Vec<Entry>,
    waiting_bytes: usize,
}

/// A conversation's message or title, to be indexed.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) message_id: i64,
    pub(crate) conversation: i64,
    /// The message's, or else its conversation's; `None` where the source tells neither.
    pub(crate) time: Option<i64>,
    pub(crate) role: Option<Role>,
    pub(crate) flags: i64,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) about: Arc<About>,
    pub(crate) text: Arc<str>,
    /// SQLite's text index learns of it by [`Builder::hand_over`].
    pub(crate) for_fts5: bool,
}

/// What all entries of a conversation share.
#[derive(Debug, PartialEq)]
pub(crate) struct About {
    pub(crate) provider: Provider,
    pub(crate) user: Option<String>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) began_at: Option<i64>,
}

#[derive(Debug)]
enum Job {
    /// The permit is given back when the text is.
    Add(Vec<Entry>, Option<OwnedSemaphorePermit>),
    RemoveMessages(Vec<i64>),
    RemoveTitle(i64),
    RemoveConversation(i64),
    HandOver(oneshot::Sender<HandOver>),
    Publish(i64, Option<oneshot::Sender<Result<(), String>>>),
    /// Answers whether it merged something.
    Merge(oneshot::Sender<bool>),
}

impl Builder {
    /// Takes the index for writing; `None` while someone else has it for longer than `patience`, or where it
    /// cannot be made. A damaged one is thrown away and begun anew.
    pub(crate) async fn open(files: &Files, scope: &Scope, patience: Duration) -> Option<Self> {
        Self::open_by(files, scope, patience, open_writer).await
    }

    pub(crate) async fn open_by(
        files: &Files,
        scope: &Scope,
        patience: Duration,
        open: fn(&Path) -> index::Result<Writer>,
    ) -> Option<Self> {
        let deadline = Instant::now() + patience;
        let writer = loop {
            let dir = files.index_dir(scope);
            match tokio::task::spawn_blocking(move || open(&dir)).await.ok()? {
                Ok(writer) => break writer,
                Err(index::Error::Busy { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(index::Error::Busy { .. }) => return None,
                Err(error) => {
                    tracing::warn!(%error, "the search index cannot be written; searches use SQLite's");
                    return None;
                }
            }
        };
        let last = writer.watermark();
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        let thread = std::thread::Builder::new().name("archive-index".into());
        thread.spawn(move || work(writer, queue)).ok()?;
        Some(Self {
            jobs,
            room: Arc::new(Semaphore::new(WAITING_KIB as usize)),
            last,
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }

    /// Says that rows up to this one are none of this tenant's.
    pub(crate) fn passed(&mut self, row: i64) {
        self.last = self.last.max(row);
    }

    /// Returns the last message row that the index has, or will have once published.
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// Hands entries over, in order of their rows. Waits while the thread is far behind.
    pub(crate) async fn add(&mut self, entries: Vec<Entry>) {
        let last = entries.iter().map(|entry| entry.message_id).max();
        self.last = self.last.max(last.unwrap_or(0));
        self.waiting_bytes += entries.iter().map(|entry| entry.text.len() + 100).sum::<usize>();
        self.waiting.extend(entries);
        if self.waiting_bytes >= SENT_BYTES {
            self.send_waiting().await;
        }
    }

    async fn send_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.waiting_bytes);
        let permits = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(WAITING_KIB);
        // The semaphore is never closed; without a permit the text would merely wait uncounted.
        let permit = Arc::clone(&self.room).acquire_many_owned(permits).await.ok();
        let entries = std::mem::take(&mut self.waiting);
        // The thread ends early only after a failure, which it reports itself.
        let _ = self.jobs.send(Job::Add(entries, permit)).await;
    }

    pub(crate) async fn remove_messages(&mut self, ids: Vec<i64>) {
        if !ids.is_empty() {
            self.send(Job::RemoveMessages(ids)).await;
        }
    }

    pub(crate) async fn remove_title(&mut self, conversation: i64) {
        self.send(Job::RemoveTitle(conversation)).await;
    }

    pub(crate) async fn remove_conversation(&mut self, conversation: i64) {
        self.send(Job::RemoveConversation(conversation)).await;
    }

    /// Returns what SQLite's text index is to learn of the entries since the last call, before the transaction
    /// ends; `None` after a failure.
    pub(crate) async fn hand_over(&mut self) -> Option<HandOver> {
        let (done, wait) = oneshot::channel();
        self.send(Job::HandOver(done)).await;
        wait.await.ok()
    }

    /// Has everything so far shown to searches, soon. To be called after the commit.
    pub(crate) async fn publish(&mut self, last: i64) {
        self.last = self.last.max(last);
        self.send(Job::Publish(self.last, None)).await;
    }

    /// Has everything so far shown to searches, and waits until it is.
    pub(crate) async fn publish_and_wait(&mut self, last: i64) {
        self.last = self.last.max(last);
        let (done, wait) = oneshot::channel();
        self.send(Job::Publish(self.last, Some(done))).await;
        if let Ok(Err(error)) = wait.await {
            tracing::warn!(error, "the search index could not be written; it is caught up later");
        }
    }

    /// Merges what was published into fewer parts, so that searches have fewer to look into. Stops when `patience`
    /// is over, after the step that it is in; later publishes go on where it stopped. Dropped, it ends likewise.
    pub(crate) async fn merge(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let (done, wait) = oneshot::channel();
            self.send(Job::Merge(done)).await;
            if !wait.await.unwrap_or(false) || Instant::now() >= deadline {
                return;
            }
        }
    }

    async fn send(&mut self, job: Job) {
        self.send_waiting().await;
        let _ = self.jobs.send(job).await;
    }
}

/// Returns how many row ids lie beyond the watermark. They may be other tenants', or gone.
pub(crate) async fn behind(files: &Files, watermark: i64) -> Result<i64, Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM messages")
        .fetch_one(&files.readers)
        .await
        .map_err(database("looking for new messages"))?;
    Ok(last.unwrap_or(0).saturating_sub(watermark).max(0))
}

/// Brings the tenant's index up to the last row, if at most `rows_max` are missing and nobody else does it.
/// Returns whether it did something.
pub(crate) async fn follow(
    files: &Files,
    scope: &Scope,
    watermark: i64,
    rows_max: i64,
) -> Result<bool, Error> {
    let behind = behind(files, watermark).await?;
    if behind == 0 || behind > rows_max || !files.is_writable() {
        return Ok(false);
    }
    let Some(mut builder) = Builder::open(files, scope, Duration::ZERO).await else { return Ok(false) };
    let mut reader = files.readers.acquire().await.map_err(database("looking for new messages"))?;
    let last = watermark + behind;
    catch_up(&mut builder, &mut reader, scope, last).await?;
    builder.publish_and_wait(last).await;
    Ok(true)
}

/// Throws the tenant's index away and makes it anew.
pub(crate) async fn rebuild(files: &Files, scope: &Scope) -> Result<(), Error> {
    let builder = Builder::open_by(files, scope, PATIENCE, Writer::rebuild).await;
    let Some(mut builder) = builder.filter(|_| files.is_writable()) else { return Ok(()) };
    let last = behind(files, 0).await?;
    let mut reader = files.readers.acquire().await.map_err(database("reading messages"))?;
    catch_up(&mut builder, &mut reader, scope, last).await?;
    builder.publish_and_wait(last).await;
    Ok(())
}

/// Reads into the index what the rows have beyond it. `connection` may be inside a transaction.
pub(crate) async fn catch_up(
    builder: &mut Builder,
    connection: &mut SqliteConnection,
    scope: &Scope,
    up_to: i64,
) -> Result<(), Error> {
    if builder.last() >= up_to {
        return Ok(());
    }
    let failed = database("reading messages for the search index");
    let mut rows = sqlx::query(
        "SELECT m.id, m.conversation_id, m.role, m.flags, m.model, m.created_at, m.content,
                c.provider, c.user_id, c.model, c.began_at, c.title
         FROM messages m JOIN conversations c ON c.id = m.conversation_id
         WHERE m.id > ? AND m.id <= ? AND c.tenant = ? ORDER BY m.id",
    )
    .bind(builder.last())
    .bind(up_to)
    .bind(scope.tenant().as_str())
    .fetch(connection);
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut about: Option<(i64, Arc<About>)> = None;
    let mut titled = rustc_hash::FxHashSet::default();
    while let Some(found) = rows.try_next().await.map_err(&failed)? {
        let conversation: i64 = found.try_get(1).map_err(&failed)?;
        let shared = match &about {
            Some((known, shared)) if *known == conversation => Arc::clone(shared),
            _ => {
                let shared = Arc::new(About {
                    provider: row::provider(found.try_get(7).map_err(&failed)?)?,
                    user: found.try_get(8).map_err(&failed)?,
                    model: found.try_get::<Option<String>, _>(9).map_err(&failed)?.map(Arc::from),
                    began_at: Some(found.try_get(10).map_err(&failed)?).filter(|time| *time != 0),
                });
                about = Some((conversation, Arc::clone(&shared)));
                shared
            }
        };
        if titled.insert(conversation) {
            // It may have had another one before it was written again.
            if builder.last() > 0 {
                builder.remove_title(conversation).await;
            }
            let title: Option<&str> = found.try_get(11).map_err(&failed)?;
            entries.extend(title.map(|title| Entry::title(conversation, &shared, title)));
        }
        let text: &str = found.try_get(6).map_err(&failed)?;
        bytes += text.len();
        let model: Option<&str> = found.try_get(4).map_err(&failed)?;
        entries.push(Entry {
            kind: Kind::Message,
            message_id: found.try_get(0).map_err(&failed)?,
            conversation,
            time: found.try_get::<Option<i64>, _>(5).map_err(&failed)?.or(shared.began_at),
            role: row::role(found.try_get(2).map_err(&failed)?),
            flags: found.try_get(3).map_err(&failed)?,
            model: model.map(Arc::from).or_else(|| shared.model.clone()),
            about: shared,
            text: Arc::from(text),
            for_fts5: false,
        });
        if bytes > CATCH_UP_BYTES {
            bytes = 0;
            builder.add(std::mem::take(&mut entries)).await;
        }
    }
    builder.add(entries).await;
    builder.passed(up_to);
    Ok(())
}

impl Entry {
    pub(crate) fn title(conversation: i64, about: &Arc<About>, title: &str) -> Self {
        Self {
            kind: Kind::Title,
            message_id: 0,
            conversation,
            time: about.began_at,
            role: None,
            flags: 0,
            model: about.model.clone(),
            about: Arc::clone(about),
            text: Arc::from(title),
            for_fts5: false,
        }
    }

    pub(crate) fn message(
        id: i64,
        conversation: i64,
        flags: i64,
        message: &Message,
        text: &Arc<str>,
        about: &Arc<About>,
    ) -> Self {
        Self {
            kind: Kind::Message,
            message_id: id,
            conversation,
            time: message.created_at.map(Timestamp::as_micros).or(about.began_at),
            role: Some(message.role),
            flags,
            model: message.model.as_deref().map(Arc::from).or_else(|| about.model.clone()),
            about: Arc::clone(about),
            text: Arc::clone(text),
            for_fts5: false,
        }
    }
}

fn open_writer(dir: &Path) -> index::Result<Writer> {
    match Writer::open(dir) {
        Err(error @ (index::Error::Damaged { .. } | index::Error::Version { .. })) => {
            tracing::warn!(%error, "the search index is made anew");
            Writer::rebuild(dir)
        }
        opened => opened,
    }
}

/// The thread: does jobs until the handle is gone, or until the first failure.
fn work(mut writer: Writer, mut queue: mpsc::Receiver<Job>) {
    let mut analyzer = Analyzer::for_many();
    while let Some(job) = queue.blocking_recv() {
        let (result, done) = match job {
            Job::Add(entries, permit) => {
                let added = add(&mut writer, &mut analyzer, &entries);
                drop((entries, permit));
                (added, None)
            }
            Job::RemoveMessages(ids) => (writer.remove_messages(&ids).map(drop), None),
            Job::RemoveTitle(row) => (writer.remove_titles(&[row]).map(drop), None),
            Job::RemoveConversation(row) => (writer.remove_conversations(&[row]).map(drop), None),
            Job::HandOver(done) => {
                let handed = writer.hand_over().map(|handed| {
                    let _ = done.send(handed);
                });
                (handed, None)
            }
            Job::Publish(watermark, done) => (writer.publish(watermark), done),
            Job::Merge(done) => {
                let merged = writer.merge_step();
                let _ = done.send(*merged.as_ref().unwrap_or(&false));
                (merged.map(drop), None)
            }
        };
        let failed = result.as_ref().err().map(ToString::to_string);
        if let Some(error) = &failed {
            tracing::warn!(error, "the search index could not be written; it is caught up later");
        }
        if let Some(done) = done {
            let _ = done.send(failed.clone().map_or(Ok(()), Err));
        }
        if failed.is_some() {
            return;
        }
    }
}

fn add(writer: &mut Writer, analyzer: &mut Analyzer, entries: &[Entry]) -> index::Result<()> {
    for entry in entries {
        let document = Document {
            kind: entry.kind,
            message_id: entry.message_id,
            conversation: entry.conversation,
            time: entry.time,
            role: entry.role,
            flags: flags(entry.flags),
            provider: entry.about.provider.as_str(),
            model: entry.model.as_deref(),
            user: entry.about.user.as_deref(),
            for_fts5: entry.for_fts5,
        };
        writer.add(&document, |tokens| analyzer.analyze_to(&entry.text, tokens))?;
    }
    Ok(())
}

fn flags(stored: i64) -> Flags {
    [
        (row::HIDDEN, Flags::HIDDEN),
        (row::OFF_BRANCH, Flags::OFF_BRANCH),
        (row::HAS_CODE, Flags::CODE),
        (row::HAS_ATTACHMENT, Flags::ATTACHMENT),
        (row::HAS_TOOL, Flags::TOOL),
    ]
    .into_iter()
    .filter(|(bit, _)| stored & bit != 0)
    .fold(Flags::NONE, |flags, (_, flag)| flags.with(flag))
}

/// How long those who can do without the index wait for it: as long as its last writer takes to put it down.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// Jobs that may wait for the thread.
const JOBS_MAX: usize = 256;

/// Text that is sent at once, in bytes.
const SENT_BYTES: usize = 256 << 10;

/// Text that may wait for the thread, in KiB; a single larger conversation waits alone.
const WAITING_KIB: u32 = 8 << 10;

/// Text that is handed over at once while catching up, in bytes.
const CATCH_UP_BYTES: usize = 1 << 20;
