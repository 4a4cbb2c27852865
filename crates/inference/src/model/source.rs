//! Reading by position, with every length checked against the file before anything is allocated for it.

use std::{fs::File, io, path::Path};

/// Bytes of a file that are read at once while its small fields are gone through.
const WINDOW_BYTES: u64 = 64 * 1024;

/// Something with a length that can be read anywhere.
pub(crate) trait ReadAt {
    /// Returns the length in bytes.
    fn bytes(&self) -> u64;
    /// Fills `into` from the byte `at` on.
    fn read_exact_at(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
}

/// A regular file, as long as it was when it was opened.
pub(crate) struct Opened {
    file: File,
    bytes: u64,
}

impl Opened {
    /// Opens a regular file. Anything else (a pipe would wait for a writer forever) is refused.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let is_file = |metadata: &std::fs::Metadata| match metadata.is_file() {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file")),
        };
        is_file(&std::fs::metadata(path)?)?;
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        is_file(&metadata)?;
        Ok(Self { file, bytes: metadata.len() })
    }

    /// Returns the file to be read front to back, if it has at most `bytes_max` bytes.
    pub(crate) fn into_file(self, bytes_max: u64) -> io::Result<File> {
        match self.bytes <= bytes_max {
            true => Ok(self.file),
            false => {
                let told = format!("it has {} bytes, more than the {bytes_max} that are read", self.bytes);
                Err(io::Error::new(io::ErrorKind::InvalidData, told))
            }
        }
    }
}

impl ReadAt for Opened {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    #[cfg(unix)]
    fn read_exact_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, into, at)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(into)
    }
}

impl ReadAt for &[u8] {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let part = usize::try_from(at)
            .ok()
            .and_then(|at| self.get(at..)?.get(..into.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(part);
        Ok(())
    }
}

/// A file that is yet to be written: its header, and zeros up to its length.
pub(crate) struct Planned<'a> {
    pub(crate) header: &'a [u8],
    /// At least as many as the header has.
    pub(crate) bytes: u64,
}

impl ReadAt for Planned<'_> {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        if at.checked_add(into.len() as u64).is_none_or(|end| end > self.bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into.fill(0);
        let header = usize::try_from(at).ok().and_then(|at| self.header.get(at..)).unwrap_or_default();
        into.iter_mut().zip(header).for_each(|(into, byte)| *into = *byte);
        Ok(())
    }
}

/// Why a field could not be read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The field goes on beyond the end.
    End,
    /// The field goes on beyond what is read at most.
    Limit,
    /// The file could not be read.
    Io(io::Error),
}

/// Goes through a source front to back.
pub(crate) struct Reader<'a> {
    source: &'a dyn ReadAt,
    /// Bytes that are read at most, however long the file is (a sparse one costs nothing to make).
    limit: u64,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a dyn ReadAt, limit: u64) -> Self {
        Self { source, limit, at: 0, window: Vec::new(), window_at: 0 }
    }

    /// Returns the position of the next byte.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Returns how many bytes are left to be read.
    pub(crate) fn remaining(&self) -> u64 {
        self.source.bytes().min(self.limit).saturating_sub(self.at)
    }

    /// Reads `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Failure> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Failure> {
        self.array().map(u64::from_le_bytes)
    }

    /// Appends `count` bytes to `into`, which grows only if they are there.
    pub(crate) fn append(&mut self, count: u64, into: &mut Vec<u8>) -> Result<(), Failure> {
        let count = self.checked(count)?;
        let start = into.len();
        into.resize(start + count, 0);
        self.fill(&mut into[start..])
    }

    /// Reads `count` bytes.
    pub(crate) fn vec(&mut self, count: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::with_capacity(self.checked(count)?);
        self.append(count, &mut bytes)?;
        Ok(bytes)
    }

    fn checked(&self, count: u64) -> Result<usize, Failure> {
        if count > self.source.bytes().saturating_sub(self.at) {
            return Err(Failure::End);
        }
        if count > self.remaining() {
            return Err(Failure::Limit);
        }
        usize::try_from(count).map_err(|_| Failure::End)
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), Failure> {
        let wanted = into.len() as u64;
        self.checked(wanted)?;
        if wanted > WINDOW_BYTES {
            self.source.read_exact_at(self.at, into).map_err(Failure::from)?;
        } else {
            let offset = self.window_offset(wanted)?;
            into.copy_from_slice(&self.window[offset..offset + into.len()]);
        }
        self.at += wanted;
        Ok(())
    }

    /// Returns where in the window the next `wanted` bytes are, having moved the window if need be.
    fn window_offset(&mut self, wanted: u64) -> Result<usize, Failure> {
        let window_end = self.window_at + self.window.len() as u64;
        if self.at < self.window_at || self.at + wanted > window_end {
            let length = self.remaining().min(WINDOW_BYTES) as usize;
            self.window.resize(length, 0);
            self.window_at = self.at;
            self.source.read_exact_at(self.at, &mut self.window).map_err(|error| {
                self.window_at = u64::MAX / 2;
                Failure::from(error)
            })?;
        }
        Ok((self.at - self.window_at) as usize)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // The file has become shorter since it was opened.
            io::ErrorKind::UnexpectedEof => Self::End,
            _ => Self::Io(error),
        }
    }
}
