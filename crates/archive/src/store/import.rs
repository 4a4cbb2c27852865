//! Writing: an import from its first conversation to its record.

use std::{fs::File, path::PathBuf, sync::Arc, time::Duration};

use athenaeum_core::{Conversation, ConversationId, ImportId, Message, Provider, Timestamp};
use athenaeum_tenancy::Scope;
use futures_util::TryStreamExt;
use rustc_hash::FxHashSet;
use sqlx::{Row, SqliteConnection};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{
    batch::{Batch, ConversationRow, MessageRow},
    builder::{self, About, Builder, Entry},
    error::{Error, database, io},
    import_events::{self, End},
    lookup,
    open::{Files, Held, PAUSE},
    raw, row, update,
};

/// What became of a conversation that was handed to [`Import::add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The archive did not have it.
    Added,
    /// The archive had it, with other content.
    Updated,
    /// The archive has it as it is; nothing was written.
    Unchanged,
}

/// How many conversations and messages an import has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Conversations that were new.
    pub added: u64,
    /// Conversations that had changed.
    pub updated: u64,
    /// Conversations that had not.
    pub unchanged: u64,
    /// Messages of all of them, as the source tells it.
    pub messages: u64,
    /// Messages written: new, or changed.
    pub messages_written: u64,
}

/// A running import. Conversations become visible to readers a batch at a time.
///
/// Dropping it without [`Import::finish`] or [`Import::fail`] gives up the batch that was being written; what
/// had been committed stays, and the record says that the import was interrupted.
///
/// # Cancellation
/// A call of [`Import::add`] that is dropped half-way may leave the conversation out; give up the import then.
#[derive(Debug)]
pub struct Import {
    files: Arc<Files>,
    scope: Scope,
    tenant: Arc<str>,
    id: ImportId,
    /// `None` before the first conversation, and while somebody else has the index; it is caught up later.
    builder: Option<Builder>,
    builder_sought: bool,
    alive: Option<Alive>,
    batch: Option<OpenBatch>,
    known: Known,
    counts: Counts,
    provider: Seen,
}

/// The transaction that is being filled.
#[derive(Debug)]
struct OpenBatch {
    held: Held,
    rows: Batch,
    conversations: usize,
    next_conversation: i64,
    next_message: i64,
}

impl Import {
    pub(crate) async fn begin(
        files: Arc<Files>,
        scope: &Scope,
        id: ImportId,
        file_path: &str,
        provider: Option<Provider>,
    ) -> Result<Self, Error> {
        mark_interrupted(&files).await?;
        let now = Timestamp::now();
        let alive = Alive::new(&files, id)?;
        let mut held = files.writer().await?;
        held.begin().await?;
        import_events::begin(held.connection(), scope, id, file_path, provider.as_ref(), now).await?;
        held.commit().await?;
        drop(held);
        Ok(Self {
            files,
            scope: scope.clone(),
            tenant: Arc::from(scope.tenant().as_str()),
            id,
            builder: None,
            builder_sought: false,
            alive: Some(alive),
            batch: None,
            known: Known::default(),
            counts: Counts::default(),
            provider: Seen::Nothing,
        })
    }

    /// Returns the id under which the import is recorded.
    pub fn id(&self) -> ImportId {
        self.id
    }

    /// Returns what has been seen so far, uncommitted conversations included.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes one conversation into the current batch, and commits the batch when it is full.
    ///
    /// A conversation is known by provider and external id. One whose content is as stored is not touched; one
    /// that changed keeps the ids of its unchanged messages. A copy whose `updated_at` is before the stored
    /// one's is an older export's and leaves the newer one as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) when another process does not stop writing, and whatever the
    /// disk says. The batch is lost then; call [`Import::fail`].
    pub async fn add(&mut self, conversation: Conversation) -> Result<Outcome, Error> {
        let added = self.try_add(conversation).await;
        if added.is_err() {
            // It holds messages that are now not going to be committed.
            self.builder = None;
        }
        added
    }

    async fn try_add(&mut self, conversation: Conversation) -> Result<Outcome, Error> {
        let mut batch = self.open_batch().await?;
        let outcome = self.add_to(&mut batch, conversation).await?;
        match outcome {
            Outcome::Added => self.counts.added += 1,
            Outcome::Updated => self.counts.updated += 1,
            Outcome::Unchanged => self.counts.unchanged += 1,
        }
        batch.conversations += 1;
        if batch.rows.is_full() {
            batch.rows.flush(batch.held.connection()).await?;
        }
        let full = batch.conversations >= self.files.settings.batch_conversations.max(1);
        self.batch = Some(batch);
        if full {
            self.commit_now().await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(outcome)
    }

    /// Commits what has been added, so that readers see it. Does nothing when there is nothing.
    ///
    /// # Errors
    /// Those of [`Import::add`].
    pub async fn commit_now(&mut self) -> Result<(), Error> {
        let Some(mut batch) = self.batch.take() else { return Ok(()) };
        self.index(&mut batch).await?;
        batch.held.commit().await?;
        self.known.seen_version = data_version(batch.held.connection()).await?;
        let last = batch.next_message - 1;
        drop(batch);
        if let Some(builder) = &mut self.builder {
            builder.publish(last).await;
        }
        Ok(())
    }

    /// Commits the rest and records the import as completed, with `stats` (a JSON object) beside it.
    ///
    /// # Errors
    /// Those of [`Import::add`].
    pub async fn finish(mut self, stats: &str) -> Result<(), Error> {
        self.commit_now().await?;
        self.end(None, stats).await?;
        self.finish_index().await
    }

    /// Waits until searches find what was imported, and fast.
    async fn finish_index(&mut self) -> Result<(), Error> {
        let builder = match self.builder.take() {
            Some(builder) => Some(builder),
            // Whoever had the index may be done by now.
            None => Builder::open(&self.files, &self.scope, builder::PATIENCE).await,
        };
        let Some(mut builder) = builder else { return Ok(()) };
        let mut reader = self.files.readers.acquire().await.map_err(database("reading messages"))?;
        let last = last_message(&mut reader).await?;
        builder::catch_up(&mut builder, &mut reader, &self.scope, last).await?;
        builder.publish_and_wait(last).await;
        builder.merge(MERGING_MAX).await;
        Ok(())
    }

    /// Gives up the batch that is being written and records the import as failed. What had been committed stays.
    ///
    /// # Errors
    /// Those of [`Import::add`].
    pub async fn fail(mut self, error: &str, stats: &str) -> Result<(), Error> {
        self.batch = None;
        self.builder = None;
        self.end(Some(error), stats).await
    }

    async fn end(&mut self, error: Option<&str>, stats: &str) -> Result<(), Error> {
        let mut held = self.files.writer().await?;
        held.begin().await?;
        let end = End { error, stats: Some(stats), provider: self.provider.one() };
        import_events::end(held.connection(), self.id, end).await?;
        held.commit().await?;
        self.alive = None;
        Ok(())
    }

    /// Takes the index with the first conversation and not before: an import that waits for its turn neither
    /// waits for the index nor keeps it from the one that runs.
    async fn seek_builder(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.builder_sought, true) {
            return Ok(());
        }
        let Some(mut builder) = Builder::open(&self.files, &self.scope, builder::PATIENCE).await else {
            return Ok(());
        };
        // What others wrote is read before the write lock is taken.
        let mut reader = self.files.readers.acquire().await.map_err(database("reading messages"))?;
        let last = last_message(&mut reader).await?;
        builder::catch_up(&mut builder, &mut reader, &self.scope, last).await?;
        self.builder = Some(builder);
        Ok(())
    }

    async fn open_batch(&mut self) -> Result<OpenBatch, Error> {
        if let Some(batch) = self.batch.take() {
            return Ok(batch);
        }
        self.seek_builder().await?;
        let mut held = self.files.writer().await?;
        held.begin().await?;
        let connection = held.connection();
        self.known.renew(connection, &self.tenant).await?;
        let next_conversation = next_id(connection, "conversations").await?;
        let next_message = next_id(connection, "messages").await?;
        if let Some(builder) = &mut self.builder {
            builder::catch_up(builder, connection, &self.scope, next_message - 1).await?;
        }
        Ok(OpenBatch { held, rows: Batch::default(), conversations: 0, next_conversation, next_message })
    }

    async fn add_to(&mut self, batch: &mut OpenBatch, conversation: Conversation) -> Result<Outcome, Error> {
        let hash = row::content_hash(&conversation);
        self.counts.messages += conversation.messages.len() as u64;
        self.note_provider(&conversation.provider);
        let is_known = self.known.insert(&conversation.provider, &conversation.external_id);
        let stored = if is_known { self.stored(batch, &conversation).await? } else { None };
        let Some(stored) = stored else {
            self.insert(batch, conversation, hash).await;
            return Ok(Outcome::Added);
        };
        let is_older = match (conversation.updated_at, stored.updated_at) {
            (Some(ours), Some(theirs)) => ours.as_micros() < theirs,
            _ => false,
        };
        if stored.content_hash == hash || is_older {
            return Ok(Outcome::Unchanged);
        }
        self.index(batch).await?;
        let connection = batch.held.connection();
        let replaced =
            update::replace(connection, stored.id, &mut batch.next_message, conversation, hash).await?;
        self.counts.messages_written += replaced.written;
        if let Some(builder) = &mut self.builder {
            builder.remove_messages(replaced.removed).await;
            builder.remove_title(stored.id).await;
            builder.add(replaced.title.into_iter().chain(replaced.entries).collect()).await;
        }
        Ok(Outcome::Updated)
    }

    /// Brings SQLite's text index up to the batch.
    async fn index(&mut self, batch: &mut OpenBatch) -> Result<(), Error> {
        let handed = match &mut self.builder {
            Some(builder) => builder.hand_over().await,
            None => None,
        };
        batch.rows.index(batch.held.connection(), handed).await
    }

    fn note_provider(&mut self, provider: &Provider) {
        match &self.provider {
            Seen::Nothing => self.provider = Seen::One(provider.clone()),
            Seen::One(one) if one != provider => self.provider = Seen::Several,
            _ => {}
        }
    }

    async fn stored(
        &self,
        batch: &mut OpenBatch,
        conversation: &Conversation,
    ) -> Result<Option<Stored>, Error> {
        let failed = database("looking for the conversation");
        batch.rows.flush(batch.held.connection()).await?;
        let row = sqlx::query(
            "SELECT id, updated_at, content_hash FROM conversations
             WHERE tenant = ? AND provider = ? AND external_id = ?",
        )
        .bind(Arc::clone(&self.tenant))
        .bind(conversation.provider.as_str())
        .bind(conversation.external_id.as_str())
        .fetch_optional(batch.held.connection())
        .await
        .map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Stored {
            id: row.try_get(0).map_err(&failed)?,
            updated_at: row.try_get(1).map_err(&failed)?,
            content_hash: row.try_get(2).map_err(&failed)?,
        }))
    }

    async fn insert(&mut self, batch: &mut OpenBatch, conversation: Conversation, hash: [u8; 16]) {
        let id = batch.next_conversation;
        batch.next_conversation += 1;
        let contents: Vec<Arc<str>> = conversation.messages.iter().map(content).collect();
        let about = about(&conversation);
        let (row, messages) = conversation_row(id, &self.tenant, conversation, &contents, hash);
        let mut entries = Vec::with_capacity(messages.len() + 1);
        entries.extend(row.title.as_deref().map(|title| Entry::title(id, &about, title)));
        batch.rows.push_conversation(row);
        for (position, (message, content)) in (0_u32..).zip(messages.into_iter().zip(contents)) {
            let flags = row::flags(&message);
            let message_id = batch.next_message;
            let entry = Entry::message(message_id, id, flags, &message, &content, &about);
            entries.push(Entry { for_fts5: true, ..entry });
            let row = MessageRow { id: message_id, conversation_id: id, position, flags, content, message };
            batch.next_message += 1;
            self.counts.messages_written += 1;
            batch.rows.push_message(row);
        }
        if let Some(builder) = &mut self.builder {
            builder.add(entries).await;
        }
    }
}

/// Writes one conversation that was held here, which nobody imports: there is no record of it beside itself.
pub(crate) async fn keep(
    files: Arc<Files>,
    scope: &Scope,
    conversation: Conversation,
) -> Result<(ConversationId, Outcome), Error> {
    let (provider, external_id) = (conversation.provider.clone(), conversation.external_id.clone());
    let mut import = Import {
        scope: scope.clone(),
        tenant: Arc::from(scope.tenant().as_str()),
        id: ImportId::mint(Timestamp::now()),
        builder: None,
        builder_sought: false,
        alive: None,
        batch: None,
        known: Known::looked_up(),
        counts: Counts::default(),
        provider: Seen::Nothing,
        files,
    };
    let outcome = import.add(conversation).await?;
    import.commit_now().await?;
    if let Some(mut builder) = import.builder.take() {
        let mut reader = import.files.readers.acquire().await.map_err(database("reading messages"))?;
        let last = last_message(&mut reader).await?;
        builder::catch_up(&mut builder, &mut reader, scope, last).await?;
        builder.publish_and_wait(last).await;
    }
    let id = lookup::by_source(&import.files, scope, &provider, &external_id).await?;
    Ok((id.ok_or_else(|| Error::not_found("conversation", external_id.as_str()))?, outcome))
}

impl Drop for Import {
    fn drop(&mut self) {
        // The transaction of an abandoned batch is rolled back by whoever writes next; do not make other
        // processes wait for that.
        let (Some(_), Ok(runtime)) = (&self.alive, tokio::runtime::Handle::try_current()) else { return };
        let batch = self.batch.take();
        let files = Arc::clone(&self.files);
        self.alive = None;
        runtime.spawn(async move {
            drop(batch);
            if let Err(error) = mark_interrupted(&files).await {
                tracing::warn!(%error, "an abandoned import could not be recorded as such");
            }
        });
    }
}

/// Records imports whose process is gone as interrupted.
pub(crate) async fn mark_interrupted(files: &Files) -> Result<(), Error> {
    for id in import_events::running(files).await? {
        if Alive::is_running(files, id) {
            continue;
        }
        let mut held = files.writer().await?;
        held.begin().await?;
        let end = End { error: Some(INTERRUPTED), stats: None, provider: None };
        import_events::end(held.connection(), id, end).await?;
        held.commit().await?;
        let _ = std::fs::remove_file(Alive::path(files, id));
    }
    Ok(())
}

/// A locked file that tells other processes that an import runs. The system unlocks it however we end.
#[derive(Debug)]
struct Alive {
    _locked: File,
    path: PathBuf,
}

impl Alive {
    fn new(files: &Files, id: ImportId) -> Result<Self, Error> {
        let path = Self::path(files, id);
        let dir = files.dir.join(RUNNING);
        std::fs::create_dir_all(&dir).map_err(io("create", &dir))?;
        let locked = File::create(&path).map_err(io("create", &path))?;
        locked.lock().map_err(io("lock", &path))?;
        Ok(Self { _locked: locked, path })
    }

    fn path(files: &Files, id: ImportId) -> PathBuf {
        files.dir.join(RUNNING).join(id.to_string())
    }

    fn is_running(files: &Files, id: ImportId) -> bool {
        File::open(Self::path(files, id)).is_ok_and(|file| file.try_lock().is_err())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Which conversations the archive may hold already, by hash: spares a new one the look-up.
#[derive(Debug, Default)]
struct Known {
    /// `None` before the first batch, and where there are too many to remember, or so few to come that each is looked up.
    hashes: Option<FxHashSet<u64>>,
    is_looked_up: bool,
    /// `PRAGMA data_version` after our last commit: another number means that someone else has written.
    seen_version: i64,
}

impl Known {
    /// Remembers nothing, for those who have one conversation only.
    fn looked_up() -> Self {
        Self { is_looked_up: true, ..Self::default() }
    }

    async fn renew(&mut self, connection: &mut SqliteConnection, tenant: &str) -> Result<(), Error> {
        let failed = database("listing the known conversations");
        let version = data_version(connection).await?;
        if self.is_looked_up || self.hashes.is_some() && version == self.seen_version {
            return Ok(());
        }
        self.seen_version = version;
        let mut hashes = FxHashSet::default();
        let mut rows =
            sqlx::query("SELECT provider, external_id FROM conversations WHERE tenant = ? LIMIT ?")
                .bind(tenant)
                .bind(KNOWN_MAX as i64 + 1)
                .fetch(connection);
        while let Some(row) = rows.try_next().await.map_err(&failed)? {
            let provider = row.try_get(0).map_err(&failed)?;
            hashes.insert(Self::hash(provider, row.try_get(1).map_err(&failed)?));
        }
        self.hashes = (hashes.len() <= KNOWN_MAX).then_some(hashes);
        Ok(())
    }

    /// Adds a conversation; `false` where it certainly was not there.
    fn insert(&mut self, provider: &Provider, external_id: &str) -> bool {
        let hash = Self::hash(provider.as_str(), external_id);
        self.hashes.as_mut().is_none_or(|hashes| !hashes.insert(hash))
    }

    fn hash(provider: &str, external_id: &str) -> u64 {
        xxh3_64_with_seed(external_id.as_bytes(), xxh3_64(provider.as_bytes()))
    }
}

/// Makes the row of a conversation, and gives its messages back.
pub(crate) fn conversation_row(
    id: i64,
    tenant: &Arc<str>,
    conversation: Conversation,
    contents: &[Arc<str>],
    content_hash: [u8; 16],
) -> (ConversationRow, Vec<Message>) {
    let began_at = began_at(&conversation);
    let source = raw::Source::new(conversation.raw_json, |prefix| {
        for (message, content) in conversation.messages.iter().zip(contents) {
            prefix.push(message.external_id.as_deref(), content);
        }
    });
    let row = ConversationRow {
        id,
        uid: *ConversationId::mint(began_at).as_bytes(),
        tenant: Arc::clone(tenant),
        provider: conversation.provider.as_str().to_owned(),
        external_id: conversation.external_id,
        title: conversation.title,
        model: conversation.model,
        created_at: conversation.created_at.map(Timestamp::as_micros),
        updated_at: conversation.updated_at.map(Timestamp::as_micros),
        began_at: began_at.as_micros(),
        temperature: conversation.temperature,
        max_tokens: conversation.max_tokens,
        user_id: conversation.user_id,
        message_count: conversation.messages.len() as i64,
        content_hash,
        system_prompt: conversation.system_prompt,
        source,
    };
    (row, conversation.messages)
}

/// Returns a message's text, as [`Message::content`] does.
pub(crate) fn content(message: &Message) -> Arc<str> {
    match message.blocks.as_slice() {
        [one] => Arc::from(one.text.as_str()),
        _ => Arc::from(message.content()),
    }
}

/// Returns what the index keeps of a conversation beside its texts.
pub(crate) fn about(conversation: &Conversation) -> Arc<About> {
    Arc::new(About {
        provider: conversation.provider.clone(),
        user: conversation.user_id.clone(),
        model: conversation.model.as_deref().map(Arc::from),
        began_at: Some(began_at(conversation).as_micros()).filter(|time| *time != 0),
    })
}

/// Returns the time that the conversation is listed under: its beginning, or the nearest to it that is known.
fn began_at(conversation: &Conversation) -> Timestamp {
    conversation
        .created_at
        .or_else(|| conversation.messages.iter().filter_map(|message| message.created_at).min())
        .or(conversation.updated_at)
        .unwrap_or(Timestamp::from_micros(0))
}

async fn next_id(connection: &mut SqliteConnection, table: &'static str) -> Result<i64, Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = ?")
        .bind(table)
        .fetch_optional(connection)
        .await
        .map_err(database("reading the last row id"))?;
    Ok(last.unwrap_or(0) + 1)
}

async fn last_message(connection: &mut SqliteConnection) -> Result<i64, Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM messages")
        .fetch_one(connection)
        .await
        .map_err(database("reading the last row id"))?;
    Ok(last.unwrap_or(0))
}

async fn data_version(connection: &mut SqliteConnection) -> Result<i64, Error> {
    let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await;
    version.map_err(database("reading the version of the data"))
}

/// Directory of the files that tell which imports run.
const RUNNING: &str = "running";

const INTERRUPTED: &str = "interrupted: the program ended before the import did; what it had committed stays, import again to complete it";

/// How long an import that is complete may tidy up behind itself: an index in few parts answers sooner.
const MERGING_MAX: Duration = Duration::from_secs(10);

/// 16 MB at most.
const KNOWN_MAX: usize = 1_000_000;

/// Which providers the import's conversations name.
#[derive(Debug)]
enum Seen {
    Nothing,
    One(Provider),
    Several,
}

impl Seen {
    fn one(&self) -> Option<&Provider> {
        if let Self::One(provider) = self { Some(provider) } else { None }
    }
}

/// What the archive holds of a conversation that comes again.
#[derive(Debug)]
struct Stored {
    id: i64,
    updated_at: Option<i64>,
    content_hash: Vec<u8>,
}
