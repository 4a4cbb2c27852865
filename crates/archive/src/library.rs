//! Documents kept beside the conversations: their text, cut into chunks that are found by word, and a ledger of every
//! file that was looked at (`library.db`, and a search index for each tenant beside it).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_archive::{Settings, library::{Library, NewChunk, NewDocument, NewFile, Query}};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let library = Library::open(dir, &Settings::default()).await?;
//! let scope = athenaeum_tenancy::local();
//!
//! let file = NewFile { path: "/notes/bread.md".into(), ..NewFile::default() };
//! let chunks = vec![NewChunk { range: 0..18, ..NewChunk::default() }];
//! let text = "Dough rises slowly".to_owned();
//! let document = NewDocument { hash: [7; 32], format: "markdown".into(), text, chunks, ..NewDocument::default() };
//! library.keep(&scope, vec![(file, document)]).await?;
//!
//! let found = library.search(&scope, &Query { text: "rising".into(), ..Query::default() }).await?;
//! assert_eq!(found.hits[0].chunk.text, "Dough rises slowly");
//! # Ok(()) }
//! ```
//!
//! A [`NewDocument`] is what reading a file gave. [`Library::keep`] stores it: the same bytes once, however many files
//! hold them; of a file that changed, only the chunks that changed. [`Library::note`] enters into the ledger what
//! became of a file that gave no document.
//!
//! **Invariants:** of a document's text and its chunks either all is there or nothing, whenever the machine stops; a
//! file stands in the ledger once, with one state; the search index is derived and can be made anew.

mod feedback;
mod fields;
mod follow;
mod keep;
mod ledger;
mod read;
mod rooms;
mod schema;
mod search;
mod sessions;
mod view;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use athenaeum_core::{ChunkId, DocumentId, SessionId, Timestamp};
use athenaeum_tenancy::{Room, Scope};

pub use fields::Fields;
pub use view::{
    Chunk, Coverage, Document, DocumentSummary, File, FileState, Found, Having, Hit, Kept, LibraryStats,
    Mark, NewChunk, NewDocument, NewFile, NewSession, Outcome, Query, Question, RankedAgain, Ranking,
    RoomEntry, Session, SessionStatus, SessionsWanted,
};

use crate::{
    Cursor, Error, Page, Settings,
    store::{
        backup,
        open::{self, Files},
        search::Indexes,
    },
};

/// An open library. Clones share its connections; any number of tasks may use it at once, and any number of processes.
#[derive(Debug, Clone)]
pub struct Library {
    files: Arc<Files>,
    indexes: Arc<Indexes>,
}

impl Library {
    /// Opens the library in the data directory `dir`, and makes both when absent.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the directory cannot be written or the file is of a newer format,
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when it is not a database.
    pub async fn open(dir: &Path, settings: &Settings) -> Result<Self, Error> {
        let files = open::open(&schema::LIBRARY, dir, settings, true).await?;
        settings.fields.settle(&dir.join(schema::LIBRARY.search))?;
        Ok(Self { files: Arc::new(files), indexes: Arc::default() })
    }

    /// Opens a library that is there, and never writes to it.
    ///
    /// # Errors
    /// Those of [`Library::open`], and [`ErrorKind::Io`](crate::ErrorKind::Io) when there is none.
    pub async fn open_read_only(dir: &Path, settings: &Settings) -> Result<Self, Error> {
        let files = open::open(&schema::LIBRARY, dir, settings, false).await?;
        Ok(Self { files: Arc::new(files), indexes: Arc::default() })
    }

    /// Writes a compact copy of the file to the new file `to`, as [`Archive::backup`](crate::Archive::backup) does. The search
    /// index is not in it: it is made anew.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when `to` exists,
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when it cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), Error> {
        backup::backup(&self.files, to).await
    }

    /// Puts the backup `from` in the place of the library in `dir`, which nobody may have open. The backup is checked first;
    /// the old file is kept beside it, and where is returned. Vectors may be of chunks that are not in the backup, and missing
    /// of such that are: whoever keeps them has to compare.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when `from` holds no whole library; the old one is then untouched.
    pub async fn restore(dir: &Path, from: &Path) -> Result<Option<PathBuf>, Error> {
        backup::restore(&schema::LIBRARY, dir, from).await
    }

    /// Tells that `from` is a whole backup, which [`Library::restore`] would take.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when it is not.
    pub async fn check_backup(from: &Path) -> Result<(), Error> {
        backup::verify(&schema::LIBRARY, from).await
    }

    /// Has SQLite check every page; returns what is wrong, a line each, and nothing where all is well.
    ///
    /// # Errors
    /// Where the file cannot be read at all.
    pub async fn check(&self) -> Result<Vec<String>, Error> {
        backup::check(&self.files).await
    }

    /// Keeps what files gave, in one transaction: what became of each, in the same order. Searches find it when this
    /// returns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when a chunk is not a part of its text: nothing
    /// of the batch is kept then. [`ErrorKind::Busy`](crate::ErrorKind::Busy) when others write for too long.
    pub async fn keep(&self, scope: &Scope, batch: Vec<(NewFile, NewDocument)>) -> Result<Vec<Kept>, Error> {
        keep::keep(&self.files, scope, batch).await
    }

    /// Enters into the ledger what became of files that gave no document. What was kept of them before stays, except
    /// with [`FileState::Gone`]: then it goes, unless another file holds it, too. Returns the chunks that went.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn note(
        &self,
        scope: &Scope,
        files: Vec<(NewFile, FileState, String)>,
    ) -> Result<Vec<ChunkId>, Error> {
        keep::note(&self.files, scope, files).await
    }

    /// Takes files out of the ledger, and what only they held out of the library. Returns the chunks that went.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn forget(&self, scope: &Scope, paths: &[String]) -> Result<Vec<ChunkId>, Error> {
        keep::forget(&self.files, scope, paths).await
    }

    /// Enters that files are called otherwise now (from, to), in one transaction; what was kept of them stays. Those that the
    /// ledger does not have are passed over. What stood under a new name before leaves the ledger; its chunks that went are
    /// returned.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn rename(&self, scope: &Scope, names: &[(String, String)]) -> Result<Vec<ChunkId>, Error> {
        keep::rename(&self.files, scope, names).await
    }

    /// Finds chunks by the words in them, best first. Any text is a query, in the language of [`crate::query`]; a
    /// chunk need not hold all of its words.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn search(&self, scope: &Scope, query: &Query) -> Result<Found, Error> {
        search::search(&self.files, &self.indexes, scope, query).await
    }

    /// Orders chunks as [`Library::search`] does, without reading and marking what is to be shown of them; that, for the
    /// few that are, is done by [`Library::hits`].
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn rank(&self, scope: &Scope, query: &Query) -> Result<Ranking, Error> {
        search::rank(&self.files, &self.indexes, scope, query).await
    }

    /// Orders what was found for a question anew, by what the best of another ranking speak of: `best` are chunks and their
    /// scores from 0, best first. Who also searches by meaning knows better which those are than words alone.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn rank_again(
        &self,
        scope: &Scope,
        question: &Question,
        best: &[(ChunkId, f64)],
    ) -> Result<RankedAgain, Error> {
        search::rank_again(&self.files, &self.indexes, scope, question, best).await
    }

    /// Tells which of these chunks are there in this scope.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn known(&self, scope: &Scope, ids: &[ChunkId]) -> Result<HashSet<ChunkId>, Error> {
        read::known(&self.files, scope, ids).await
    }

    /// Returns chunks as a search for `text` would show them, in the order of their ids; those that are not there in this
    /// scope are left out. Their scores are 0.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn hits(&self, scope: &Scope, ids: &[ChunkId], text: &str) -> Result<Vec<Hit>, Error> {
        search::hits(&self.files, &self.indexes, scope, ids, text).await
    }

    /// Tells which documents these chunks are of; chunks that are not there in this scope are left out.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn documents_of(
        &self,
        scope: &Scope,
        ids: &[ChunkId],
    ) -> Result<HashMap<ChunkId, DocumentId>, Error> {
        read::documents_of(&self.files, scope, ids).await
    }

    /// Returns chunks by id, in the same order; `None` for those that are not there in this scope.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn chunks(&self, scope: &Scope, ids: &[ChunkId]) -> Result<Vec<Option<Chunk>>, Error> {
        read::chunks(&self.files, scope, ids).await
    }

    /// Returns the chunks of a document at these positions, in order; fewer where it has fewer.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn chunks_at(
        &self,
        scope: &Scope,
        document: DocumentId,
        positions: std::ops::RangeInclusive<u32>,
    ) -> Result<Vec<Chunk>, Error> {
        read::chunks_at(&self.files, scope, document, positions).await
    }

    /// Returns chunks, the newest first: those cut before `before`, or all, and of these those that are newer than `after`.
    /// For whoever has something to do with each.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn chunks_before(
        &self,
        scope: &Scope,
        before: Option<&Cursor>,
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<Page<Chunk>, Error> {
        read::chunks_before(&self.files, scope, before, after, limit).await
    }

    /// Returns the newest chunk; `None` where there is none.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn mark(&self, scope: &Scope) -> Result<Option<Mark>, Error> {
        read::mark(&self.files, scope).await
    }

    /// Counts the chunks that are newer than a mark; `None` where that chunk is not there, or no longer: then nothing is
    /// known.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn newer_than(&self, scope: &Scope, mark: &Mark) -> Result<Option<u64>, Error> {
        read::newer_than(&self.files, scope, mark).await
    }

    /// Reads a part of a document's text.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such document in this scope,
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the bytes are not a part of its text.
    pub async fn text(
        &self,
        scope: &Scope,
        id: DocumentId,
        range: std::ops::Range<usize>,
    ) -> Result<String, Error> {
        read::part(&self.files, scope, id, range).await
    }

    /// Reads a document whole.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none in this scope.
    pub async fn document(&self, scope: &Scope, id: DocumentId) -> Result<Document, Error> {
        read::document(&self.files, scope, id).await
    }

    /// Lists documents, the newest first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for a cursor from elsewhere.
    pub async fn documents(
        &self,
        scope: &Scope,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DocumentSummary>, Error> {
        read::documents(&self.files, scope, after, limit).await
    }

    /// Returns what the ledger says of a file; `None` where it was never seen.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn file(&self, scope: &Scope, path: &str) -> Result<Option<File>, Error> {
        ledger::file(&self.files, scope, path).await
    }

    /// Returns what the ledger says of files, by their names; those that were never seen are left out.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn files(&self, scope: &Scope, paths: &[&str]) -> Result<HashMap<String, File>, Error> {
        ledger::files(&self.files, scope, paths).await
    }

    /// Lists the ledger by path: files whose path begins with `under`, in the state given or in any.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for a cursor from elsewhere.
    pub async fn list(
        &self,
        scope: &Scope,
        under: &str,
        state: Option<FileState>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<File>, Error> {
        ledger::list(&self.files, scope, under, state, after, limit).await
    }

    /// Counts what is there.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn stats(&self, scope: &Scope) -> Result<LibraryStats, Error> {
        ledger::stats(&self.files, scope).await
    }

    /// Counts the chunks, at no cost: the number is kept with every change.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn chunk_count(&self, scope: &Scope) -> Result<u64, Error> {
        ledger::chunk_count(&self.files, scope).await
    }

    /// Returns the documents whose metadata meets every condition ([`NewDocument::metadata`]). Reads all metadata of the scope.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn having(&self, scope: &Scope, conditions: &[Having]) -> Result<HashSet<DocumentId>, Error> {
        read::having(&self.files, scope, conditions).await
    }

    /// Returns a tenant's room, which is made where there is none, and whether it was made now. Where a `ttl` is given, it is the
    /// room's from now on, also for what is in it: so long a document stays after it was last put there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) where `scope` is a room's itself;
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) when others write for too long.
    pub async fn open_room(
        &self,
        scope: &Scope,
        room: &Room,
        ttl: Option<Duration>,
    ) -> Result<(RoomEntry, bool), Error> {
        rooms::open(&self.files, scope, room, ttl).await
    }

    /// Returns a tenant's room; `None` where there is no such.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn room(&self, scope: &Scope, room: &Room) -> Result<Option<RoomEntry>, Error> {
        rooms::find(&self.files, scope, room).await
    }

    /// Lists a tenant's rooms, by kind and id.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn rooms(&self, scope: &Scope) -> Result<Vec<RoomEntry>, Error> {
        rooms::list(&self.files, scope).await
    }

    /// Returns the next number of a room, from 1 on. No number is given twice while the room is there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) where there is no such room.
    pub async fn number_in(&self, scope: &Scope, room: &Room) -> Result<u64, Error> {
        rooms::number(&self.files, scope, room).await
    }

    /// Takes out of a room what has expired by `now`: how many documents, and the chunks that went. Costs one look where nothing
    /// has. `room` is a room's own scope.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn expire(&self, room: &Scope, now: Timestamp) -> Result<(u64, Vec<ChunkId>), Error> {
        rooms::expire(&self.files, room, now).await
    }

    /// Lists the scopes of a tenant's rooms in which something has expired by `now`. One look, however many rooms there are.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn expiring(&self, scope: &Scope, now: Timestamp) -> Result<Vec<Scope>, Error> {
        rooms::expiring(&self.files, scope, now).await
    }

    /// Removes a room with all that is in it, and its search index; returns how many documents that were, `None` where there is
    /// no such room. Vectors are removed by whoever keeps them.
    ///
    /// # Errors
    /// Those of [`Library::open_room`].
    pub async fn remove_room(&self, scope: &Scope, room: &Room) -> Result<Option<u64>, Error> {
        let removed = rooms::remove(&self.files, scope, room).await?;
        if let Some(own) = scope.room(room) {
            self.indexes.forget(&own);
        }
        Ok(removed)
    }

    /// Makes a session, which is active.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) where `scope` is a room's;
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) when others write for too long.
    pub async fn add_session(&self, scope: &Scope, about: NewSession) -> Result<Session, Error> {
        sessions::add(&self.files, scope, about).await
    }

    /// Returns a tenant's session; `None` where it has no such.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn session(&self, scope: &Scope, id: SessionId) -> Result<Option<Session>, Error> {
        sessions::find(&self.files, scope, id).await
    }

    /// Lists a tenant's sessions, the newest first.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn sessions(&self, scope: &Scope, wanted: &SessionsWanted) -> Result<Vec<Session>, Error> {
        sessions::list(&self.files, scope, wanted).await
    }

    /// Gives a session the status `to` where it has one of `from`; returns it as it is then, and whether it changed; `None` where
    /// there is no such.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) when others write for too long.
    pub async fn turn_session(
        &self,
        scope: &Scope,
        id: SessionId,
        from: &[SessionStatus],
        to: SessionStatus,
    ) -> Result<Option<(Session, bool)>, Error> {
        sessions::turn(&self.files, scope, id, (from, to)).await
    }

    /// Removes what is known of a session, and nothing of its room; false where there is no such.
    ///
    /// # Errors
    /// Those of [`Library::turn_session`].
    pub async fn remove_session(&self, scope: &Scope, id: SessionId) -> Result<bool, Error> {
        sessions::remove(&self.files, scope, id).await
    }

    /// Waits for running reads and closes every connection. Clones answer errors afterwards.
    pub async fn close(&self) {
        self.files.close().await;
    }
}
