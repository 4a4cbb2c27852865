//! Which documents of a segment were removed: one bit each, in a paged file beside the segment.

use std::path::{Path, PathBuf};

use super::{
    error::Result,
    pages::{PageFile, PageWriter},
};

const KIND_REMOVED: u32 = 3;

/// A set of documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Removed {
    words: Vec<u64>,
    pub(super) count: u32,
}

impl Removed {
    #[inline]
    pub(super) fn has(&self, doc: u32) -> bool {
        self.words.get(doc as usize / 64).is_some_and(|word| word >> (doc % 64) & 1 == 1)
    }

    /// Adds a document; `false` if it was in the set.
    pub(super) fn add(&mut self, doc: u32) -> bool {
        let at = doc as usize / 64;
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let fresh = !self.has(doc);
        self.words[at] |= 1 << (doc % 64);
        self.count += u32::from(fresh);
        fresh
    }

    pub(super) fn load(dir: &Path, number: u64, generation: u32) -> Result<Self> {
        let (file, _) = PageFile::open(&path(dir, number, generation), KIND_REMOVED)?;
        let mut bytes = Vec::new();
        file.read(0, file.len() as usize, &mut bytes)?;
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
            .collect();
        let count = words.iter().map(|word| word.count_ones()).sum();
        Ok(Self { words, count })
    }

    pub(super) fn store(&self, dir: &Path, number: u64, generation: u32) -> Result<()> {
        let mut file = PageWriter::create(&path(dir, number, generation))?;
        for word in &self.words {
            file.write(&word.to_le_bytes())?;
        }
        file.finish(KIND_REMOVED, b"")
    }
}

/// Name of the file.
pub(super) fn path(dir: &Path, number: u64, generation: u32) -> PathBuf {
    dir.join(format!("{number:08}.{generation}.del"))
}
