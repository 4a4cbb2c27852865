//! What somebody wanted remembered: short texts, each with where it came from and how much of a surprise it was
//! (`memories.db`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_archive::{Settings, memories::{Memories, NewMemory}};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let memories = Memories::open(dir, &Settings::default()).await?;
//! let scope = athenaeum_tenancy::local();
//!
//! let new = NewMemory { text: "Ada is allergic to walnuts".into(), ..NewMemory::default() };
//! let kept = memories.keep(&scope, new).await?;
//!
//! let found = memories.find(&scope, "what about walnuts?", &Default::default(), 5).await?;
//! assert_eq!(found[0].0.id, kept.memory.id);
//! # Ok(()) }
//! ```
//!
//! A memory is *hot*, *warm* or *cold* ([`Tier`]): hot and warm ones are found, cold ones only by who asks for them
//! ([`Wanted`]). [`Memories::cool`] takes those one tier down that nobody wanted for a while, a use makes warm ones hot again,
//! [`Memories::lift`] all.
//!
//! **Invariants:** what a scope has remembered shows in no other, in no list, search or count; a text is there once, as
//! often as it is remembered; nothing goes down a tier, or away, by itself.

mod read;
mod schema;
mod view;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use athenaeum_core::{MemoryId, Timestamp};
use athenaeum_tenancy::Scope;

pub use view::{Cooled, Cooling, Kept, Memory, MemoryStats, NewMemory, Origin, Surprise, Tier, Wanted};

use crate::{
    Cursor, Error, Page, Settings,
    store::{
        backup,
        open::{self, Files},
    },
};

/// Open memories. Clones share their connections; any number of tasks may use them at once, and any number of processes.
#[derive(Debug, Clone)]
pub struct Memories {
    files: Arc<Files>,
}

impl Memories {
    /// Opens the memories in the data directory `dir`, and makes both when absent.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the directory cannot be written or the file is of a newer format,
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when it is not a database.
    pub async fn open(dir: &Path, settings: &Settings) -> Result<Self, Error> {
        let files = open::open(&schema::MEMORIES, dir, settings, true).await?;
        Ok(Self { files: Arc::new(files) })
    }

    /// Opens memories that are there, and never writes to them.
    ///
    /// # Errors
    /// Those of [`Memories::open`], and [`ErrorKind::Io`](crate::ErrorKind::Io) when there are none.
    pub async fn open_read_only(dir: &Path, settings: &Settings) -> Result<Self, Error> {
        let files = open::open(&schema::MEMORIES, dir, settings, false).await?;
        Ok(Self { files: Arc::new(files) })
    }

    /// Writes a compact copy of the file to the new file `to`, as [`Archive::backup`](crate::Archive::backup) does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when `to` exists,
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when it cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), Error> {
        backup::backup(&self.files, to).await
    }

    /// Puts the backup `from` in the place of the memories in `dir`, which nobody may have open. The backup is checked first;
    /// the old file is kept beside it, and where is returned.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when `from` holds no whole memories; the old ones are then untouched.
    pub async fn restore(dir: &Path, from: &Path) -> Result<Option<PathBuf>, Error> {
        backup::restore(&schema::MEMORIES, dir, from).await
    }

    /// Tells that `from` is a whole backup, which [`Memories::restore`] would take.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when it is not.
    pub async fn check_backup(from: &Path) -> Result<(), Error> {
        backup::verify(&schema::MEMORIES, from).await
    }

    /// Has SQLite check every page; returns what is wrong, a line each, and nothing where all is well.
    ///
    /// # Errors
    /// Where the file cannot be read at all.
    pub async fn check(&self) -> Result<Vec<String>, Error> {
        backup::check(&self.files).await
    }

    /// Keeps a memory. One of the same text is kept as it is, counts as used now, and is hot again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a text that is empty or longer than
    /// [`NewMemory::BYTES_MAX`].
    pub async fn keep(&self, scope: &Scope, new: NewMemory) -> Result<Kept, Error> {
        write::keep(&self.files, scope, &new).await
    }

    /// Returns memories by id, in the same order; `None` for those that are not there in this scope.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn memories(&self, scope: &Scope, ids: &[MemoryId]) -> Result<Vec<Option<Memory>>, Error> {
        read::memories(&self.files, scope, ids).await
    }

    /// Lists memories, the newest first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for a cursor from elsewhere.
    pub async fn list(
        &self,
        scope: &Scope,
        wanted: &Wanted,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Memory>, Error> {
        read::list(&self.files, scope, wanted, after, limit).await
    }

    /// Finds memories that have words of `text`, with the share of its words that each has, over 0 to 1; the greatest first,
    /// then the newest. Small words of a language count only where there are no others. Every memory of the scope is read.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn find(
        &self,
        scope: &Scope,
        text: &str,
        wanted: &Wanted,
        limit: usize,
    ) -> Result<Vec<(Memory, f64)>, Error> {
        read::find(&self.files, scope, text, wanted, limit).await
    }

    /// Notes that memories were of use now. Warm ones are hot again; cold ones stay so.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn used(&self, scope: &Scope, ids: &[MemoryId], now: Timestamp) -> Result<(), Error> {
        write::used(&self.files, scope, ids, now).await
    }

    /// Forgets memories for good; returns those that were there.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn forget(&self, scope: &Scope, ids: &[MemoryId]) -> Result<Vec<MemoryId>, Error> {
        write::forget(&self.files, scope, ids).await
    }

    /// Takes memories one tier down that were of no use; returns which.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn cool(&self, scope: &Scope, cooling: &Cooling) -> Result<Cooled, Error> {
        write::cool(&self.files, scope, cooling).await
    }

    /// Makes memories hot again that were warm or cold; returns them. They count as used now.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn lift(&self, scope: &Scope, ids: &[MemoryId], now: Timestamp) -> Result<Vec<Memory>, Error> {
        write::lift(&self.files, scope, ids, now).await
    }

    /// Counts what is there.
    ///
    /// # Errors
    /// Only those of the disk.
    pub async fn stats(&self, scope: &Scope) -> Result<MemoryStats, Error> {
        read::stats(&self.files, scope).await
    }

    /// Waits for running reads and closes every connection. Clones answer errors afterwards.
    pub async fn close(&self) {
        self.files.close().await;
    }
}
