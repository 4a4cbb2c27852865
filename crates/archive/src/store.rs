//! The one file, and everything that is done with it.

pub(crate) mod backup;
pub(crate) mod batch;
pub(crate) mod builder;
mod check;
pub(crate) mod cursor;
pub(crate) mod error;
mod fallback;
mod filter;
mod import;
mod import_events;
mod layout;
mod list;
mod lookup;
pub(crate) mod open;
#[cfg(test)]
mod plans;
mod raw;
mod read;
mod row;
pub(crate) mod schema;
pub(crate) mod search;
mod stats;
mod text_index;
mod update;
mod versions;

use std::{
    collections::HashSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use athenaeum_core::{ConversationId, ImportId, MessageId, Provider, Timestamp};
use athenaeum_tenancy::Scope;

pub use check::Finding;
pub use error::{Error, ErrorKind};
pub(crate) use filter::both as both_filters;
pub use import::{Counts, Import, Outcome};
use open::Files;
pub use open::{Settings, Stamp};
use search::Indexes;

use crate::{
    Conversation, ConversationSummary, Cursor, Facets, Filters, Flag, Hit, ImportEvent, Page, Place, Ranking,
    Said, SearchRequest, SearchResults, Stats, StoredMessage, Versioned,
};

/// Names what a message has that can be filtered by.
pub fn flags_of(message: &athenaeum_core::Message) -> Vec<Flag> {
    let flags = row::flags(message);
    let named =
        [(Flag::Code, row::HAS_CODE), (Flag::Attachment, row::HAS_ATTACHMENT), (Flag::Tool, row::HAS_TOOL)];
    named.into_iter().filter(|(_, bit)| flags & bit != 0).map(|(flag, _)| flag).collect()
}

/// An open archive. Clones share its connections; any number of tasks may use it at once.
///
/// Reading never waits for writing. Writers, of this process and of others, take turns.
#[derive(Debug, Clone)]
pub struct Archive {
    files: Arc<Files>,
    indexes: Arc<Indexes>,
}

impl Archive {
    /// Opens the archive in the data directory `dir`, and makes both when absent.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the directory cannot be written or the file is of a newer format,
    /// [`ErrorKind::Damaged`] when it is not a database.
    pub async fn open(dir: &Path, settings: &Settings) -> Result<Self, Error> {
        let files = Arc::new(open::open(&schema::ARCHIVE, dir, settings, true).await?);
        import::mark_interrupted(&files).await?;
        Ok(Self { files, indexes: Arc::default() })
    }

    /// Opens an archive that is there, and never writes to it.
    ///
    /// # Errors
    /// Those of [`Archive::open`], and [`ErrorKind::Io`] when there is none.
    pub async fn open_read_only(dir: &Path, settings: &Settings) -> Result<Self, Error> {
        let files = Arc::new(open::open(&schema::ARCHIVE, dir, settings, false).await?);
        let archive = Self { files, indexes: Arc::default() };
        archive.ready().await?;
        Ok(archive)
    }

    /// Finds messages, best first. Any text is a query.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a cursor from elsewhere.
    pub async fn search(&self, scope: &Scope, request: &SearchRequest) -> Result<SearchResults, Error> {
        search::search(&self.files, &self.indexes, scope, request).await
    }

    /// Orders messages as [`Archive::search`] does, without reading what is to be shown of them; that, for the few that
    /// are, is done by [`Archive::hits`].
    ///
    /// # Errors
    /// Those of [`Archive::search`].
    pub async fn rank(&self, scope: &Scope, request: &SearchRequest) -> Result<Ranking, Error> {
        search::rank(&self.files, &self.indexes, scope, request).await
    }

    /// Returns what stands at these places as a search for `text` would show it, in their order; what is not there in this
    /// scope is left out. Scores are 0.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn hits(&self, scope: &Scope, places: &[Place], text: &str) -> Result<Vec<Hit>, Error> {
        search::hits(&self.files, &self.indexes, scope, places, text).await
    }

    /// Counts all matches of a search by provider, model, role and month.
    ///
    /// # Errors
    /// Those of [`Archive::search`].
    pub async fn facets(&self, scope: &Scope, request: &SearchRequest) -> Result<Facets, Error> {
        search::facets(&self.files, &self.indexes, scope, request).await
    }

    /// Lists conversations whose title begins with `prefix`, in any case of ASCII letters, newest first.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn suggest(
        &self,
        scope: &Scope,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<ConversationSummary>, Error> {
        list::suggest(&self.files, scope, prefix, limit).await
    }

    /// Reads a conversation whole.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none in this scope.
    pub async fn conversation(&self, scope: &Scope, id: ConversationId) -> Result<Conversation, Error> {
        read::conversation(&self.files, scope, id).await
    }

    /// Reads a conversation without its messages: [`Conversation::messages`] is empty, however many there are.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none in this scope.
    pub async fn head(&self, scope: &Scope, id: ConversationId) -> Result<Conversation, Error> {
        read::head(&self.files, scope, id).await
    }

    /// Reads the messages at `positions` of a conversation, in order; fewer where it ends before. Costs what those
    /// messages hold, however long the conversation is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such conversation in this scope.
    pub async fn messages(
        &self,
        scope: &Scope,
        id: ConversationId,
        positions: Range<u32>,
    ) -> Result<Vec<StoredMessage>, Error> {
        read::messages(&self.files, scope, id, positions).await
    }

    /// Reads messages by id, with where they stand, in no order; those that are not there in this scope are left out. Holds
    /// what they say, so ask for some at a time.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn messages_by_id(&self, scope: &Scope, ids: &[MessageId]) -> Result<Vec<Said>, Error> {
        read::messages_by_id(&self.files, scope, ids).await
    }

    /// Tells in which conversation a message stands, and at which position.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none in this scope.
    pub async fn locate(&self, scope: &Scope, id: MessageId) -> Result<(ConversationId, u32), Error> {
        read::locate(&self.files, scope, id).await
    }

    /// Finds the one conversation whose id begins with `prefix`: at least four hexadecimal digits, hyphens or not.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when none does, [`ErrorKind::InvalidRequest`] when several do.
    pub async fn find_by_prefix(&self, scope: &Scope, prefix: &str) -> Result<ConversationId, Error> {
        lookup::by_prefix(&self.files, scope, prefix).await
    }

    /// Finds a conversation by its provider and the source's id.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn find_by_source(
        &self,
        scope: &Scope,
        provider: &Provider,
        external_id: &str,
    ) -> Result<Option<ConversationId>, Error> {
        lookup::by_source(&self.files, scope, provider, external_id).await
    }

    /// Counts the messages kept of each of these conversations, named by provider and the source's id, in the
    /// same order; `None` for those that the archive does not have. Sees what is committed.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn message_counts(
        &self,
        scope: &Scope,
        conversations: &[(Provider, String)],
    ) -> Result<Vec<Option<u64>>, Error> {
        lookup::message_counts(&self.files, scope, conversations).await
    }

    /// Lists conversations, newest first. Filters on roles and on what messages have keep conversations with at
    /// least one such message.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a cursor from elsewhere.
    pub async fn conversations(
        &self,
        scope: &Scope,
        filters: &Filters,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ConversationSummary>, Error> {
        list::conversations(&self.files, scope, filters, after, limit).await
    }

    /// Lists conversations with what tells one state of them from another, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a cursor from elsewhere.
    pub async fn versions(
        &self,
        scope: &Scope,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned>, Error> {
        versions::page(&self.files, scope, after, limit).await
    }

    /// Returns what [`Archive::versions`] lists of these conversations, in no order; those that are not there in this scope
    /// are left out.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn versions_of(&self, scope: &Scope, ids: &[ConversationId]) -> Result<Vec<Versioned>, Error> {
        versions::of(&self.files, scope, ids).await
    }

    /// Counts conversations and messages. Reads an index and no rows: a few milliseconds for a million messages.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn count(&self, scope: &Scope) -> Result<(u64, u64), Error> {
        versions::count(&self.files, scope).await
    }

    /// Returns what another one tells that somebody, in whichever process, has written since. Costs two looks at the file
    /// system.
    pub fn stamp(&self) -> Stamp {
        self.files.stamp()
    }

    /// Tells which of these messages a request lets pass, whoever found them: those that its filters and the query's allow,
    /// in conversations whose title has what the query wants there, without the words that it does not want.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn passing(
        &self,
        scope: &Scope,
        request: &SearchRequest,
        messages: &[MessageId],
    ) -> Result<HashSet<MessageId>, Error> {
        versions::passing(&self.files, &self.indexes, scope, request, messages).await
    }

    /// Returns the source of a conversation to the letter; empty where it came without one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none in this scope, [`ErrorKind::Damaged`] when the stored bytes do
    /// not give what was stored.
    pub async fn raw_json(&self, scope: &Scope, id: ConversationId) -> Result<String, Error> {
        read::raw_json(&self.files, scope, id).await
    }

    /// Deletes a conversation with its messages.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none in this scope, [`ErrorKind::Busy`] when others do not stop
    /// writing.
    pub async fn delete(&self, scope: &Scope, id: ConversationId) -> Result<(), Error> {
        read::delete(&self.files, scope, id).await
    }

    /// Counts what this scope holds.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn stats(&self, scope: &Scope) -> Result<Stats, Error> {
        stats::stats(&self.files, &self.indexes, scope).await
    }

    /// Lists imports, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a cursor from elsewhere.
    pub async fn imports(
        &self,
        scope: &Scope,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ImportEvent>, Error> {
        import_events::list(&self.files, scope, after, limit).await
    }

    /// Reads the record of one import.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none in this scope.
    pub async fn import_event(&self, scope: &Scope, id: ImportId) -> Result<ImportEvent, Error> {
        import_events::one(&self.files, scope, id).await
    }

    /// Writes one conversation that was held here, so that it is listed and found when this returns. As an import does,
    /// but without a record: what one says to a model of this machine comes from nowhere else.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when others do not stop writing, and whatever the disk says.
    ///
    /// # Cancellation
    /// A call that is dropped half-way leaves the conversation as it was, or as it is to be.
    pub async fn keep(
        &self,
        scope: &Scope,
        conversation: athenaeum_core::Conversation,
    ) -> Result<(ConversationId, Outcome), Error> {
        import::keep(Arc::clone(&self.files), scope, conversation).await
    }

    /// Begins an import and records it. `provider` is the one that its user named; where none was named and all
    /// conversations turn out to have the same, that one is recorded.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when others do not stop writing.
    pub async fn begin_import(
        &self,
        scope: &Scope,
        file_path: &str,
        provider: Option<Provider>,
    ) -> Result<Import, Error> {
        self.begin_import_as(scope, ImportId::mint(Timestamp::now()), file_path, provider).await
    }

    /// Does what [`Archive::begin_import`] does under an id that the caller minted, so that it can be told before
    /// the archive is free to record it.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when others do not stop writing.
    pub async fn begin_import_as(
        &self,
        scope: &Scope,
        id: ImportId,
        file_path: &str,
        provider: Option<Provider>,
    ) -> Result<Import, Error> {
        Import::begin(Arc::clone(&self.files), scope, id, file_path, provider).await
    }

    /// Writes a compact copy of the database to the new file `to`, checks it, and makes sure that it is on the
    /// disk. Others may go on reading and writing; the copy holds what was committed when it began.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `to` exists, [`ErrorKind::Io`] when it cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), Error> {
        backup::backup(&self.files, to).await
    }

    /// Puts the backup `from` in the place of the archive in `dir`, which nobody may have open. The backup is
    /// checked first; the old files are kept beside it, and where is returned.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when `from` is no whole archive; the old one is then untouched.
    pub async fn restore(dir: &Path, from: &Path) -> Result<Option<PathBuf>, Error> {
        backup::restore(&schema::ARCHIVE, dir, from).await
    }

    /// Brings the search index of this scope up to the last message, or makes it anew, and waits for it. Searches
    /// do so by themselves where little is missing, and in the background where much is; this is for programs
    /// that want it done now. Returns whether there was something to do.
    ///
    /// # Errors
    /// Only those of the disk. Another process at it is no error; nothing is done then.
    pub async fn catch_up(&self, scope: &Scope) -> Result<bool, Error> {
        match self.indexes.of(&self.files, scope) {
            Some(index) => builder::follow(&self.files, scope, index.watermark(), i64::MAX).await,
            None => builder::rebuild(&self.files, scope).await.map(|()| true),
        }
    }

    /// Lets go of what searches hold in memory, where nobody searched for `idle`: some 15 bytes a message. The next search
    /// reads what it needs again.
    pub fn release_idle(&self, idle: Duration) {
        self.indexes.release_idle(idle);
    }

    /// Looks for damage: reads the whole file. An empty list means that all is well.
    ///
    /// # Errors
    /// Only those of the disk; damage that can be told is a finding.
    pub async fn check(&self) -> Result<Vec<Finding>, Error> {
        check::check(&self.files).await
    }

    /// Tells whether the archive can answer now.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut reader =
            self.files.readers.acquire().await.map_err(error::database("opening the archive"))?;
        let version = schema::check(&mut reader, &schema::ARCHIVE).await?;
        if version == schema::ARCHIVE.version {
            Ok(())
        } else {
            Err(Error::damaged("archive.db (it has no tables)"))
        }
    }

    /// Waits for running reads and closes every connection. Clones answer errors afterwards.
    pub async fn close(&self) {
        self.files.close().await;
    }
}
