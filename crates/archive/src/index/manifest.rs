//! The list of segments that make up the index: one small file, replaced as a whole.
//!
//! ```text
//! magic "athnsrch" | version u32 | count u32 | generation u64 | watermark i64 | next_segment u64
//! count ×   number u64 | removals u32 | removed u32
//! xxh3-64 of all before it
//! ```

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    codec::Bytes,
    error::{Error, Result},
    pages::VERSION,
};

const NAME: &str = "manifest";
const MAGIC: &[u8; 8] = b"athnsrch";

/// What the index consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Grows with every change; readers look at it to see whether they are behind.
    pub(super) generation: u64,
    /// What the caller said it had indexed.
    pub(super) watermark: i64,
    /// Number of the next segment; numbers are never used twice.
    pub(super) next_segment: u64,
    pub(super) segments: Vec<SegmentRef>,
}

/// A segment in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentRef {
    pub(super) number: u64,
    /// Which file of removals belongs to it; 0: none.
    pub(super) removals: u32,
    /// Documents removed.
    pub(super) removed: u32,
}

impl Manifest {
    /// Reads the manifest; an empty one where there is none.
    pub(super) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let damaged = || Error::damaged(&path, "manifest");
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or_else(damaged)?;
        if body.get(..8) != Some(MAGIC) {
            return Err(damaged());
        }
        let version = Bytes(&body[8..]).u32().ok_or_else(damaged)?;
        if version != VERSION {
            return Err(Error::Version { path, found: version, known: VERSION });
        }
        if xxh3_64(body) != u64::from_le_bytes(*sum) {
            return Err(damaged());
        }
        Self::decode(&body[12..]).ok_or_else(damaged)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let count = bytes.u32()?;
        let (generation, watermark, next_segment) = (bytes.u64()?, bytes.u64()? as i64, bytes.u64()?);
        let mut segments = Vec::new();
        for _ in 0..count {
            segments.push(SegmentRef { number: bytes.u64()?, removals: bytes.u32()?, removed: bytes.u32()? });
        }
        Some(Self { generation, watermark, next_segment, segments })
    }

    /// Returns the generation that is on disk now, cheaply; `None` if there is no manifest or a strange one.
    pub(super) fn generation_on_disk(dir: &Path) -> Option<u64> {
        let mut head = [0; 24];
        File::open(dir.join(NAME)).ok()?.read_exact(&mut head).ok()?;
        (head[..8] == *MAGIC).then(|| u64::from_le_bytes(head[16..].try_into().unwrap_or_default()))
    }

    /// Puts this manifest in the place of the old one; a crash leaves one or the other.
    pub(super) fn store(&self, dir: &Path) -> Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        for number in [self.generation, self.watermark as u64, self.next_segment] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.number.to_le_bytes());
            bytes.extend_from_slice(&segment.removals.to_le_bytes());
            bytes.extend_from_slice(&segment.removed.to_le_bytes());
        }
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        let (path, fresh) = (dir.join(NAME), dir.join("manifest.new"));
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            sync_directory(dir)
        };
        write().map_err(Error::io("write", &path))
    }
}

/// Makes renames durable, where the system lets a directory be synced.
fn sync_directory(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
