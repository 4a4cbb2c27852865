use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use super::list;
use crate::{bounded, gap::Gap};

/// The files under a root, each read within a limit.
pub(crate) struct Files {
    root: PathBuf,
}

impl Files {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Returns where `path`, which begins with `/`, really is.
    pub(crate) fn real(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.real(path).exists()
    }

    /// Reads a whole file, at most a mebibyte.
    pub(crate) fn read(&self, path: &str) -> Result<String, Gap> {
        bounded::read(&self.real(path), FILE_BYTES_MAX)
    }

    /// Reads the first mebibyte of a file.
    pub(crate) fn read_start(&self, path: &str) -> Result<String, Gap> {
        Ok(bounded::read_start(&self.real(path), FILE_BYTES_MAX)?.0)
    }

    /// Reads a file that holds a single value.
    pub(crate) fn value<T: FromStr>(&self, path: &str, expected: &'static str) -> Result<T, Gap> {
        self.read_start(path)?.trim().parse().map_err(|_| self.not_understood(path, expected))
    }

    /// Reads a file that holds a list of processors or nodes.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<u32>, Gap> {
        list::parse(&self.read(path)?).ok_or_else(|| self.not_understood(path, "a list such as 0-3,8"))
    }

    /// Returns the numbers N of the entries of `folder` that are called `{prefix}N`, ascending.
    pub(crate) fn numbered(&self, folder: &str, prefix: &str) -> Result<Vec<u32>, Gap> {
        let path = self.real(folder);
        let entries = std::fs::read_dir(&path).map_err(|source| Gap::Unreadable { path, source })?;
        let mut numbers: Vec<u32> = entries
            .take(ENTRIES_MAX)
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(crate) fn not_understood(&self, path: &str, expected: &'static str) -> Gap {
        Gap::NotUnderstood { path: self.real(path), expected }
    }
}

/// A mebibyte: the longest of these files, `/proc/cpuinfo`, has about 1.5 kB for each processor, and its first
/// processor tells all.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 65_536;
