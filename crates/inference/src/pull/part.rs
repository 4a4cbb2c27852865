//! A file that is still coming: its bytes, and a journal that says which of them are on the disk.
//!
//! ```text
//! NAME.part        the first bytes of NAME
//! NAME.part.json   {"format":1,"of":"…","version":"…","bytes_total":N,"bytes":M}
//! ```
//!
//! The journal follows the bytes: they are on the disk before it counts them, so after a crash the first `bytes` of
//! the part are what came, whatever else is there. What comes after them is cut off and fetched again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::model::{Hasher, Sha256, json, write_whole};

/// The beginning of a file, with the checksum of what is there.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    journal: Journal,
    hasher: Hasher,
    /// Bytes written; the journal counts those that are on the disk.
    bytes: u64,
    synced: Instant,
}

/// What is known of the bytes that are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Journal {
    format: u32,
    /// What they are the beginning of: its checksum, or where it comes from.
    of: String,
    /// The server's name for the version that they are of; empty where it has none that can be relied on.
    version: String,
    /// How many there are to be, where that is known.
    bytes_total: Option<u64>,
    /// How many are on the disk.
    bytes: u64,
}

impl Part {
    /// Goes on with what is there of `of` at `path`, or begins it anew. `read` hears how many bytes of what is there
    /// were read, and ends that by `false`; then `None` is returned. Blocks.
    pub(super) fn open(path: &Path, of: &str, mut read: impl FnMut(u64) -> bool) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        // A journal that cannot be read counts nothing.
        let journal: Option<Journal> = json::read(&journal_path(path), JOURNAL_BYTES_MAX).unwrap_or_default();
        let there = file.metadata()?.len();
        let journal =
            journal.filter(|journal| journal.format == FORMAT && journal.of == of && journal.bytes <= there);
        let journal = journal.unwrap_or_else(|| Journal::new(of));
        file.set_len(journal.bytes)?;
        let mut hasher = Hasher::default();
        if !hasher.read(&mut file, journal.bytes, &mut read)? {
            return Ok(None);
        }
        file.seek(io::SeekFrom::Start(journal.bytes))?;
        let (path, bytes) = (path.to_owned(), journal.bytes);
        Ok(Some(Self { file, path, journal, hasher, bytes, synced: Instant::now() }))
    }

    /// Returns how many bytes are there.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many there are to be, where that is known.
    pub(super) fn bytes_total(&self) -> Option<u64> {
        self.journal.bytes_total
    }

    /// Returns the server's name for the version that the bytes are of; empty where there is none.
    pub(super) fn version(&self) -> &str {
        &self.journal.version
    }

    /// Throws away what is there, for another version.
    pub(super) fn restart(&mut self, version: &str, bytes_total: Option<u64>) -> io::Result<()> {
        let of = std::mem::take(&mut self.journal.of);
        self.journal = Journal { version: version.to_owned(), bytes_total, ..Journal::new(&of) };
        // The journal first: it must never count bytes of another version.
        self.journal.write(&self.path)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        (self.hasher, self.bytes) = (Hasher::default(), 0);
        Ok(())
    }

    /// Writes the next bytes, and now and then waits until they are on the disk.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        let unsynced = self.bytes - self.journal.bytes;
        if unsynced >= SYNC_BYTES || self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Waits until all that was written is on the disk, and counts it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.journal.bytes != self.bytes {
            self.file.sync_data()?;
            self.journal.bytes = self.bytes;
            self.journal.write(&self.path)?;
        }
        self.synced = Instant::now();
        Ok(())
    }

    /// Returns the checksum of what is there.
    pub(super) fn sum(&self) -> Sha256 {
        self.hasher.clone().finish()
    }

    /// Calls the whole file by its name.
    pub(super) fn complete(mut self, path: &Path) -> io::Result<()> {
        self.sync()?;
        self.file.sync_all()?;
        drop(self.file);
        std::fs::rename(&self.path, path)?;
        std::fs::remove_file(journal_path(&self.path))
    }

    /// Removes what is there.
    pub(super) fn discard(self) -> io::Result<()> {
        drop(self.file);
        let removed = std::fs::remove_file(journal_path(&self.path));
        std::fs::remove_file(&self.path)?;
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Journal {
    fn new(of: &str) -> Self {
        Self { format: FORMAT, of: of.to_owned(), version: String::new(), bytes_total: None, bytes: 0 }
    }

    fn write(&self, part: &Path) -> io::Result<()> {
        write_whole(&journal_path(part), &serde_json::to_vec(self)?)
    }
}

fn journal_path(part: &Path) -> PathBuf {
    let mut path = part.as_os_str().to_owned();
    path.push(".json");
    path.into()
}

const FORMAT: u32 = 1;
const JOURNAL_BYTES_MAX: u64 = 1 << 20;
/// A second of a fast connection: that much is fetched again after a crash, at most.
const SYNC_BYTES: u64 = 64 << 20;
const SYNC_EVERY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, of: &str) -> Part {
        Part::open(path, of, |_| true).unwrap().unwrap()
    }

    #[test]
    fn a_part_goes_on_where_it_was_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.part");
        let mut part = open(&path, "it");
        part.restart("v1", Some(9)).unwrap();
        part.append(b"abc").unwrap();
        part.sync().unwrap();
        // Not counted: after a crash nobody knows whether it got there.
        part.append(b"def").unwrap();
        drop(part);
        assert_eq!(std::fs::read(&path).unwrap(), b"abcdef");

        let mut part = open(&path, "it");
        assert_eq!((part.bytes(), part.bytes_total(), part.version()), (3, Some(9), "v1"));
        part.append(b"def").unwrap();
        assert_eq!(part.sum(), Sha256::of(b"abcdef"));
        let whole = folder.path().join("m");
        part.complete(&whole).unwrap();
        assert_eq!(std::fs::read(&whole).unwrap(), b"abcdef");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_known_to_be_the_beginning_is_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.part");
        let begin = || {
            let mut part = open(&path, "it");
            part.restart("v1", None).unwrap();
            part.append(b"abc").unwrap();
            part.sync().unwrap();
        };
        begin();
        assert_eq!(open(&path, "something else").bytes(), 0);
        begin();
        std::fs::write(journal_path(&path), b"{\"format\":1,\"of").unwrap();
        assert_eq!(open(&path, "it").bytes(), 0);
        begin();
        std::fs::write(&path, b"ab").unwrap();
        assert_eq!(open(&path, "it").bytes(), 0, "it is shorter than the journal counts");
        begin();
        let mut part = open(&path, "it");
        part.restart("v2", None).unwrap();
        assert_eq!((open(&path, "it").bytes(), part.sum()), (0, Sha256::of(b"")));
        part.discard().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
