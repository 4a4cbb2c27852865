//! Of several processes that have one library, one watches.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// The right to watch, as long as it is held; it ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lease(
    #[expect(dead_code, reason = "the lock is held as long as the file is open")] Option<File>,
);

impl Lease {
    /// Takes it, unless another process has it. Where the disk knows no locks, everybody has it: then files are read more than
    /// once, and kept once.
    pub(super) fn take(file: &Path) -> Option<Self> {
        let opened = File::options().create(true).append(true).open(file);
        let Ok(opened) = opened.inspect_err(|error| {
            tracing::warn!(file = %file.display(), %error, "others who watch cannot be told of");
        }) else {
            return Some(Self(None));
        };
        match opened.try_lock() {
            Ok(()) => Some(Self(Some(opened))),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(_)) => Some(Self(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lock");
        let first = Lease::take(&file).unwrap();
        assert!(Lease::take(&file).is_none());
        drop(first);
        assert!(Lease::take(&file).is_some());
        assert!(Lease::take(&folder.path().join("none/lock")).is_some());
    }
}
