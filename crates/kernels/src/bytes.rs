use std::{
    fmt,
    fs::File,
    io,
    ops::{Deref, Range},
    sync::Arc,
};

use memmap2::Mmap;

/// Bytes that live as long as somebody holds them: in memory, or a mapped file. A clone costs a counter.
#[derive(Clone)]
pub struct Bytes {
    owner: Owner,
    range: Range<usize>,
}

/// Maps a whole file for reading, without reading it: pages come from the disk when they are first looked at, are
/// shared with other programs, and count as memory that the system can take back.
///
/// **What it promises.** As long as nobody changes the file, its bytes are seen as they are. Where somebody writes into
/// it, the bytes change under the reader: the numbers computed are then wrong, but nothing in this crate trusts bytes
/// for more than their value, so nothing else goes wrong. Where somebody cuts the file off, looking at what is gone
/// ends the process (`SIGBUS` on Unix); a file that is replaced by renaming another over it stays as it was. On Windows
/// a mapped file can be neither cut off nor deleted.
///
/// An empty file gives empty bytes.
///
/// # Errors
/// What the system says: no regular file, no address space left.
pub fn map(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::from(Vec::new()));
    }
    // SAFETY: the mapping is private to this value and never written through. That other processes may change the file
    // is a risk that a mapping cannot exclude; the documentation above says what follows. All code of this crate
    // treats the bytes as plain numbers that may be anything.
    let map = unsafe { Mmap::map(file)? };
    let range = 0..map.len();
    Ok(Bytes { owner: Owner::File(Arc::new(map)), range })
}

/// As [`map`], of a file that is read from one end to the other again and again, as a model's weights are for every token: Linux is
/// asked to read it from the disk and to map it in pages of 2 MiB, so that less time goes into looking addresses up
/// (`docs/decisions/0470`). What lies in the system's cache in small pages already stays as it is.
///
/// # Errors
/// As [`map`].
pub fn map_in_large_pages(file: &File) -> io::Result<Bytes> {
    let bytes = map(file)?;
    #[cfg(target_os = "linux")]
    if let Owner::File(map) = &bytes.owner {
        // A kernel that knows no large pages says no, and has small ones.
        _ = map.advise(memmap2::Advice::HugePage);
    }
    Ok(bytes)
}

/// Asks memory for bytes that are soon to be read, so that they are near by then. Nothing is waited for, and nothing read.
pub fn soon(bytes: &[u8]) {
    // SAFETY: the bytes are one slice; asking for them needs nothing that x86 has not had since SSE.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        crate::int8::x86::ask_for(bytes.as_ptr(), bytes.len());
    }
    #[cfg(target_arch = "aarch64")]
    crate::int8::neon::ask_for(bytes.as_ptr(), bytes.len());
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = bytes;
}

impl Bytes {
    /// Returns a part of these bytes, which keeps all of them alive; `None` where the range does not lie within.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.range.len() {
            return None;
        }
        let range = self.range.start + range.start..self.range.start + range.end;
        Some(Self { owner: self.owner.clone(), range })
    }

    /// Tells whether the bytes are those of a mapped file.
    pub fn is_mapped(&self) -> bool {
        matches!(self.owner, Owner::File(_))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &self.owner {
            Owner::Memory(bytes) => bytes,
            Owner::File(map) => map,
            Owner::Program(bytes) => bytes,
        };
        &all[self.range.clone()]
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { owner: Owner::Memory(Arc::new(bytes)), range }
    }
}

/// Bytes that are part of the program.
impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self { owner: Owner::Program(bytes), range: 0..bytes.len() }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = if self.is_mapped() { "mapped" } else { "in memory" };
        write!(f, "Bytes({} {owner})", self.range.len())
    }
}

#[derive(Clone)]
enum Owner {
    Memory(Arc<Vec<u8>>),
    File(Arc<Mmap>),
    Program(&'static [u8]),
}
