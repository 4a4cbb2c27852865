//! Files that are written once, front to back, and checked page by page when they are read.
//!
//! ```text
//! payload …                       any bytes, written in order
//! checksums                       xxh3-64 of each 16 KiB page of the payload (the last may be shorter)
//! meta …                          what the owner wants to know at opening
//! trailer, 40 bytes               payload_len u64 | meta_len u64 | version u32 | kind u32 | check u64 | magic 8
//! ```
//!
//! `check` is the xxh3-64 of everything behind the payload up to itself. A page is checked when it is first read.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use xxhash_rust::xxh3::xxh3_64;

use super::error::{Error, Result};

/// Version of every file of the index; see `docs/formats/search-index.md`.
pub(super) const VERSION: u32 = 1;

const PAGE: usize = 16 * 1024;
const TRAILER: usize = 40;
const MAGIC: [u8; 8] = *b"athnpage";

/// Writes a paged file. Nothing is durable before [`PageWriter::finish`] returns.
pub(super) struct PageWriter {
    path: PathBuf,
    file: BufWriter<File>,
    page: Vec<u8>,
    checksums: Vec<u8>,
    len: u64,
}

impl PageWriter {
    /// Makes the file, or empties it.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("make", path))?;
        let file = BufWriter::with_capacity(4 * PAGE, file);
        Ok(Self {
            path: path.to_owned(),
            file,
            page: Vec::with_capacity(PAGE),
            checksums: Vec::new(),
            len: 0,
        })
    }

    /// Bytes of payload written so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends to the payload.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        while self.page.len() + bytes.len() >= PAGE {
            let (now, later) = bytes.split_at(PAGE - self.page.len());
            self.page.extend_from_slice(now);
            self.end_page()?;
            bytes = later;
        }
        self.page.extend_from_slice(bytes);
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        self.checksums.extend_from_slice(&xxh3_64(&self.page).to_le_bytes());
        self.file.write_all(&self.page).map_err(Error::io("write", &self.path))?;
        self.page.clear();
        Ok(())
    }

    /// Appends checksums, `meta` and the trailer and waits until the disk holds them. `kind` tells the files
    /// of the index apart.
    pub(super) fn finish(mut self, kind: u32, meta: &[u8]) -> Result<()> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        let mut tail = std::mem::take(&mut self.checksums);
        tail.extend_from_slice(meta);
        tail.extend_from_slice(&self.len.to_le_bytes());
        tail.extend_from_slice(&(meta.len() as u64).to_le_bytes());
        tail.extend_from_slice(&VERSION.to_le_bytes());
        tail.extend_from_slice(&kind.to_le_bytes());
        tail.extend_from_slice(&xxh3_64(&tail).to_le_bytes());
        tail.extend_from_slice(&MAGIC);
        let Self { path, mut file, .. } = self;
        file.write_all(&tail).and_then(|()| file.flush()).map_err(Error::io("write", &path))?;
        file.get_ref().sync_all().map_err(Error::io("write", &path))
    }
}

/// A paged file, open for reading. Stays readable when its name is removed.
#[derive(Debug)]
pub(super) struct PageFile {
    path: PathBuf,
    file: File,
    len: u64,
    checksums: Vec<u64>,
    /// One bit a page: its bytes matched their checksum once.
    seen: Vec<AtomicU64>,
}

impl PageFile {
    /// Opens the file and returns it with its meta.
    ///
    /// # Errors
    /// [`Error::Io`] with [`io::ErrorKind::NotFound`] when it is gone, [`Error::Version`] and
    /// [`Error::Damaged`] when trailer, meta or checksums are not what was written.
    pub(super) fn open(path: &Path, kind: u32) -> Result<(Self, Vec<u8>)> {
        let damaged = |what| Error::damaged(path, what);
        let file = File::open(path).map_err(Error::io("open", path))?;
        let size = file.metadata().map_err(Error::io("open", path))?.len();
        let tail_at = size.checked_sub(TRAILER as u64).ok_or(damaged("length"))?;
        let mut trailer = [0; TRAILER];
        read_exact_at(&file, &mut trailer, tail_at).map_err(Error::io("read", path))?;
        let word = |at: usize| u64::from_le_bytes(trailer[at..at + 8].try_into().unwrap_or_default());
        if trailer[32..] != MAGIC {
            return Err(damaged("trailer"));
        }
        let (len, meta_len, version, found) = (word(0), word(8), word(16) as u32, (word(16) >> 32) as u32);
        if version != VERSION {
            return Err(Error::Version { path: path.to_owned(), found: version, known: VERSION });
        }
        let pages = len.div_ceil(PAGE as u64);
        let whole = pages.checked_mul(8).and_then(|sums| sums.checked_add(len)?.checked_add(meta_len));
        if found != kind || whole != Some(tail_at) {
            return Err(damaged("lengths"));
        }
        // Bounded by the size of the file, which was just compared.
        let mut tail = vec![0; (tail_at - len) as usize];
        read_exact_at(&file, &mut tail, len).map_err(Error::io("read", path))?;
        tail.extend_from_slice(&trailer[..24]);
        if xxh3_64(&tail) != word(24) {
            return Err(damaged("checksums"));
        }
        let (sums, meta) = tail.split_at(pages as usize * 8);
        let checksums =
            sums.chunks_exact(8).map(|sum| u64::from_le_bytes(sum.try_into().unwrap_or_default()));
        let meta = meta[..meta_len as usize].to_vec();
        let seen = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok((Self { path: path.to_owned(), file, len, checksums: checksums.collect(), seen }, meta))
    }

    /// Bytes of payload.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the error that says this file does not add up.
    pub(super) fn damaged(&self, what: &'static str) -> Error {
        Error::damaged(&self.path, what)
    }

    /// Fills `out` with `len` bytes from `offset` on.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the range leaves the payload or a page of it does not match its checksum.
    pub(super) fn read(&self, offset: u64, len: usize, out: &mut Vec<u8>) -> Result<()> {
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.len);
        let end = end.ok_or_else(|| self.damaged("bounds"))?;
        out.clear();
        if len == 0 {
            return Ok(());
        }
        let (first, last) = (offset / PAGE as u64, (end - 1) / PAGE as u64);
        if (first..=last).all(|page| self.is_seen(page)) {
            out.resize(len, 0);
            return read_exact_at(&self.file, out, offset).map_err(Error::io("read", &self.path));
        }
        let start = first * PAGE as u64;
        let stop = ((last + 1) * PAGE as u64).min(self.len);
        out.resize((stop - start) as usize, 0);
        read_exact_at(&self.file, out, start).map_err(Error::io("read", &self.path))?;
        for (page, bytes) in (first..).zip(out.chunks(PAGE)) {
            self.check(page, bytes)?;
        }
        out.truncate((end - start) as usize);
        out.drain(..(offset - start) as usize);
        Ok(())
    }

    fn is_seen(&self, page: u64) -> bool {
        let bits = self.seen.get((page / 64) as usize).map_or(0, |bits| bits.load(Ordering::Relaxed));
        bits >> (page % 64) & 1 == 1
    }

    fn check(&self, page: u64, bytes: &[u8]) -> Result<()> {
        if self.checksums.get(page as usize) != Some(&xxh3_64(bytes)) {
            return Err(self.damaged("page"));
        }
        if let Some(bits) = self.seen.get((page / 64) as usize) {
            bits.fetch_or(1 << (page % 64), Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                out = &mut out[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
