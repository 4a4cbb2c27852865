//! Beginnings of sequences that outlive the program: one file per page, in a folder per model.
//!
//! A page's file is named after everything it depends on: model, cache format, owner and all tokens from the first to
//! the page's last. Its head repeats the page's own tokens and the name of the page before it, so that no accident of
//! hashing can hand out other numbers. A page that was only begun is named after what stands before it: there is one, the
//! last. `docs/formats/kv-pages.md` has the layout.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, TrySendError, sync_channel},
    thread,
    time::SystemTime,
};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::PAGE;

/// Pages on the disk.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    page_bytes: usize,
    seed: u128,
    writer: SyncSender<Write>,
}

/// Where pages are kept, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder; made where there is none.
    pub dir: PathBuf,
    /// Bytes that all pages in the folder may take, those of other models included; those that were not used for longest
    /// go first.
    pub bytes_max: u64,
    /// Stands for the model's weights: other weights, another number.
    pub fingerprint: u128,
}

/// The name of a page: stands for all tokens up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name(u128);

#[derive(Debug)]
struct Write {
    name: Name,
    bytes: Vec<u8>,
}

const MAGIC: [u8; 8] = *b"ATHKV\0\0\x01";
const TOKENS_AT: usize = 8 + 16;
const HEAD_BYTES: usize = TOKENS_AT + 4 * PAGE + 8;
/// Stands in the place of tokens that have not come yet; no vocabulary is as large.
const NONE: u32 = u32::MAX;
/// Pages that may wait to be written; more are dropped, which costs no more than computing them again.
const WAITING_MAX: usize = 64;

impl Disk {
    /// Opens the folder. `format` and `page_bytes` tell pages of different caches apart.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made, or there is no thread to write with.
    pub fn open(settings: &Settings, format: &str, page_bytes: usize) -> io::Result<Self> {
        let mut hash = Xxh3::new();
        hash.update(&settings.fingerprint.to_le_bytes());
        hash.update(format.as_bytes());
        hash.update(&(page_bytes as u64).to_le_bytes());
        let dir = settings.dir.join(format!("{:032x}", hash.digest128()));
        make_private(&dir)?;
        let (writer, inbox) = sync_channel::<Write>(WAITING_MAX);
        let (all, to, bytes_max) = (settings.dir.clone(), dir.clone(), settings.bytes_max);
        thread::Builder::new().name("kv-pages".to_owned()).spawn(move || {
            let mut used = used_bytes(&all);
            let mut counted = used;
            for write in inbox {
                let path = to.join(write.name.file());
                match put(&path, &write.bytes) {
                    Ok(()) => used = used.saturating_add(write.bytes.len() as u64),
                    Err(error) => tracing::warn!("a page of keys and values was not kept: {error}"),
                }
                // Other models write, too.
                if used - counted > bytes_max / 16 {
                    used = used_bytes(&all);
                    counted = used;
                }
                if used > bytes_max {
                    used = make_room(&all, bytes_max);
                    counted = used;
                }
            }
        })?;
        Ok(Self { dir, page_bytes, seed: hash.digest128(), writer })
    }

    /// Returns the name of an owner's first page, or of the page behind `before`. Without tokens it is that of the page that
    /// was only begun there.
    pub fn name(&self, owner: u64, before: Option<Name>, tokens: &[u32]) -> Name {
        let mut hash = Xxh3::new();
        match before {
            Some(Name(before)) => hash.update(&before.to_le_bytes()),
            None => {
                hash.update(&self.seed.to_le_bytes());
                hash.update(&owner.to_le_bytes());
            }
        }
        tokens.iter().for_each(|token| hash.update(&token.to_le_bytes()));
        Name(hash.digest128())
    }

    /// Says whether there is a file of that name.
    pub fn has(&self, name: Name) -> bool {
        self.dir.join(name.file()).exists()
    }

    /// Reads the numbers of a page into `out`. `false`: it is not there, or is damaged, which removes it.
    pub fn read(&self, name: Name, before: Option<Name>, tokens: &[u32], out: &mut Vec<u8>) -> bool {
        self.load(name, before, out).is_some_and(|found| {
            let is_same = found == tokens;
            if !is_same {
                self.remove(name);
            }
            is_same
        })
    }

    /// Reads the numbers of the page that was only begun behind `before` into `out`, and returns of how many of `tokens` they
    /// are; 0 where there is none.
    pub fn read_begun(&self, name: Name, before: Option<Name>, tokens: &[u32], out: &mut Vec<u8>) -> usize {
        let found = self.load(name, before, out).unwrap_or_default();
        found.iter().zip(tokens).take_while(|(one, other)| one == other).count()
    }

    /// Reads a page and returns its tokens; what is damaged is removed.
    fn load(&self, name: Name, before: Option<Name>, out: &mut Vec<u8>) -> Option<Vec<u32>> {
        let mut file = File::open(self.dir.join(name.file())).ok()?;
        let mut head = [0; HEAD_BYTES];
        out.resize(self.page_bytes, 0);
        let whole = file.read_exact(&mut head).and_then(|()| file.read_exact(out)).is_ok();
        let tokens = head[TOKENS_AT..HEAD_BYTES - 8].as_chunks::<4>().0.iter();
        let tokens = tokens.map(|bytes| u32::from_le_bytes(*bytes));
        let tokens: Vec<u32> = tokens.take_while(|token| *token != NONE).collect();
        if !whole || head != self::head(before, &tokens, xxh3_64(out)) {
            self.remove(name);
            return None;
        }
        // Files that were not read for longest go first.
        let _ = file.set_modified(SystemTime::now());
        Some(tokens)
    }

    fn remove(&self, name: Name) {
        let path = self.dir.join(name.file());
        tracing::warn!("{} is damaged and was removed", path.display());
        let _ = fs::remove_file(&path);
    }

    /// Has a page written when there is time.
    pub fn write(&self, name: Name, before: Option<Name>, tokens: &[u32], numbers: &[u8]) {
        let mut bytes = head(before, tokens, xxh3_64(numbers)).to_vec();
        bytes.extend_from_slice(numbers);
        if let Err(TrySendError::Disconnected(_)) = self.writer.try_send(Write { name, bytes }) {
            tracing::warn!("the thread that keeps pages of keys and values has ended");
        }
    }
}

impl Name {
    fn file(self) -> String {
        format!("{:032x}.kv", self.0)
    }
}

fn head(before: Option<Name>, tokens: &[u32], sum: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let before = before.map_or(0, |Name(before)| before);
    let tokens = tokens.iter().chain(std::iter::repeat(&NONE)).take(PAGE);
    let tokens = tokens.flat_map(|token| token.to_le_bytes());
    let bytes = MAGIC.into_iter().chain(before.to_le_bytes()).chain(tokens);
    head.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    head[HEAD_BYTES - 8..].copy_from_slice(&sum.to_le_bytes());
    head
}

/// Makes a folder that nobody else may look into: its files tell what was asked.
fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes under another name first, so that a file is whole or not there.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("part");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&aside, path)
}

fn used_bytes(dir: &Path) -> u64 {
    files(dir).iter().map(|(_, bytes, _)| bytes).sum()
}

/// Removes the oldest files until a tenth of the room is free again, and returns the bytes that are left.
fn make_room(dir: &Path, bytes_max: u64) -> u64 {
    let mut files = files(dir);
    files.sort();
    let mut used: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if used <= bytes_max - bytes_max / 10 {
            break;
        }
        if fs::remove_file(path).is_ok() {
            used -= bytes;
        }
    }
    used
}

/// Lists the files of all models with their last use and their size.
fn files(dir: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let inside = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    let folders = inside(dir).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let entries = folders.flat_map(|folder| inside(&folder.path()));
    let is_ours = |entry: &fs::DirEntry| {
        entry.path().extension().is_some_and(|extension| extension == "kv" || extension == "part")
    };
    let facts = entries.filter(is_ours).filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), entry.path()))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_BYTES: usize = 100;

    fn open(dir: &Path, fingerprint: u128, bytes_max: u64) -> Disk {
        let settings = Settings { dir: dir.to_owned(), bytes_max, fingerprint };
        Disk::open(&settings, "F16", PAGE_BYTES).unwrap()
    }

    /// Writes a page and waits until it is there.
    fn keep(disk: &Disk, tokens: &[u32], numbers: &[u8]) -> Name {
        let name = disk.name(1, None, tokens);
        disk.write(name, None, tokens, numbers);
        while !disk.has(name) {
            thread::yield_now();
        }
        name
    }

    #[test]
    fn a_page_outlives_the_program_and_serves_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let (tokens, numbers) = ([7; PAGE], [3; PAGE_BYTES]);
        let name = keep(&open(dir.path(), 5, 1 << 20), &tokens, &numbers);
        let mut out = Vec::new();
        assert!(open(dir.path(), 5, 1 << 20).read(name, None, &tokens, &mut out));
        assert_eq!(out, numbers);
        let other = open(dir.path(), 6, 1 << 20);
        assert!(!other.read(other.name(1, None, &tokens), None, &tokens, &mut out), "another model");
        let same = open(dir.path(), 5, 1 << 20);
        assert_ne!(same.name(2, None, &tokens), name, "another owner");
    }

    #[test]
    fn a_page_that_was_begun_is_read_as_far_as_it_is_alike() {
        let dir = tempfile::tempdir().unwrap();
        let disk = open(dir.path(), 5, 1 << 20);
        let name = disk.name(1, None, &[]);
        disk.write(name, None, &[1, 2, 3, 4], &[3; PAGE_BYTES]);
        while !disk.has(name) {
            thread::yield_now();
        }
        for (tokens, alike) in [(&[1, 2][..], 2), (&[1, 2, 3, 4, 5], 4), (&[1, 2, 9], 2), (&[9], 0), (&[], 0)]
        {
            assert_eq!(disk.read_begun(name, None, tokens, &mut Vec::new()), alike, "{tokens:?}");
        }
        assert_eq!(
            disk.read_begun(disk.name(2, None, &[]), None, &[1, 2], &mut Vec::new()),
            0,
            "another owner"
        );
        let path = disk.dir.join(name.file());
        let mut bytes = fs::read(&path).unwrap();
        bytes[TOKENS_AT + 4 * 6] = 0;
        fs::write(&path, bytes).unwrap();
        assert_eq!(disk.read_begun(name, None, &[1, 2], &mut Vec::new()), 0, "a token behind the last");
        assert!(!disk.has(name));
    }

    #[test]
    fn damage_is_noticed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = open(dir.path(), 5, 1 << 20);
        let tokens = [7; PAGE];
        let name = keep(&disk, &tokens, &[3; PAGE_BYTES]);
        let path = disk.dir.join(name.file());
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(!disk.read(name, None, &tokens, &mut Vec::new()));
        assert!(!disk.has(name));
    }

    #[test]
    fn the_folder_does_not_outgrow_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let one = open(dir.path(), 5, 10 * (HEAD_BYTES + PAGE_BYTES) as u64);
        let other = open(dir.path(), 6, 10 * (HEAD_BYTES + PAGE_BYTES) as u64);
        for token in 0..50 {
            keep(if token % 2 == 0 { &one } else { &other }, &[token; PAGE], &[0; PAGE_BYTES]);
        }
        let mut left = used_bytes(dir.path());
        for _ in 0..1000 {
            left = used_bytes(dir.path());
            if left <= 10 * (HEAD_BYTES + PAGE_BYTES) as u64 {
                break;
            }
            thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(left <= 10 * (HEAD_BYTES + PAGE_BYTES) as u64, "{left}");
    }
}
