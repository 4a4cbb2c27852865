//! Models fetched from a server that behaves like those of the world, well and badly.

mod address;
mod hub;
mod ollama;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use athenaeum_inference::{
    model::Sha256,
    pull::{self, Error, Phase, Pulled, Settings, Source, pull},
    shelf::Shelf,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    stub::Stub,
    write::{Gguf, tensor},
};

/// A place to fetch into.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) settings: Settings,
    /// What was told on the way.
    pub(crate) phases: Arc<Mutex<Vec<Phase>>>,
}

impl Place {
    /// Makes one whose hub and registry are `stub`.
    pub(crate) fn of(stub: &Stub) -> Self {
        let base = || stub.url("").parse().unwrap();
        let settings = Settings {
            retry_wait: Duration::from_millis(5),
            idle_timeout: Duration::from_millis(700),
            retries_max: 3,
            ..Settings::new(base(), base())
        };
        Self { folder: tempfile::tempdir().unwrap(), settings, phases: Arc::default() }
    }

    pub(crate) fn shelf(&self) -> Shelf {
        Shelf::at(self.folder.path().join("models"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.shelf().folder().join(name)
    }

    pub(crate) fn pull(&self, source: &str) -> Result<Pulled, Error> {
        self.pull_until(source, &CancellationToken::new(), |_| {})
    }

    pub(crate) fn pull_until(
        &self,
        source: &str,
        cancel: &CancellationToken,
        look: impl Fn(&pull::Progress) + Send + Sync + 'static,
    ) -> Result<Pulled, Error> {
        let source: Source = source.parse().unwrap();
        let phases = Arc::clone(&self.phases);
        let report = Arc::new(move |progress: &pull::Progress| {
            let mut phases = phases.lock().unwrap();
            if phases.last() != Some(&progress.phase) {
                phases.push(progress.phase.clone());
            }
            drop(phases);
            look(progress);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(pull(&source, &self.shelf(), None, &self.settings, report, cancel))
    }

    /// Lists all files, those that are still coming included.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.shelf().folder().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.path().is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        let path = entry.path();
                        let path = path.strip_prefix(self.shelf().folder()).unwrap();
                        files.push(path.display().to_string());
                    }
                }
            }
        }
        files.sort();
        files
    }
}

/// A sound model of about `bytes` bytes, no two pieces of which are alike.
pub(crate) fn model(bytes: usize) -> Vec<u8> {
    let mut gguf = Gguf::small();
    gguf.tensors.push(tensor("big.weight", &[(bytes / 4) as u64], 0, 416));
    gguf.data_bytes = Some(416 + (bytes / 4 * 4) as u64);
    let data = gguf.header().len().next_multiple_of(32);
    let mut file = gguf.bytes();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for piece in file[data..].chunks_mut(8) {
        // SplitMix64's step, as good as random here.
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x94d0_49bb_1331_11eb);
        piece.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes()[..piece.len()]);
    }
    file
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |all, cause| format!("{all}: {cause}"))
}

pub(crate) fn sum(path: &Path) -> Sha256 {
    Sha256::of(&std::fs::read(path).unwrap())
}
