use std::{
    fs::{File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use xxhash_rust::xxh3::Xxh3;

use super::gguf;

/// What a model's files look like from outside: another stamp, other files. Costs a look at each file and reads none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When the youngest of them was last written.
    pub modified: SystemTime,
    /// By name: length, last writing, and what the system knows each by.
    files: Vec<(PathBuf, u64, SystemTime, u64)>,
}

/// Files of a folder that are looked at.
const FILES_MAX: usize = 4096;

impl Stamp {
    /// Looks at the file at `path`, all parts of a split one, or all files of a folder and of those right within it.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// What the system says: nothing is there, or it may not be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let mut files = Vec::new();
        if metadata.is_dir() {
            let mut folders = vec![(path.to_owned(), 0)];
            while let Some((folder, depth)) = folders.pop() {
                for entry in std::fs::read_dir(&folder)?.flatten().take(FILES_MAX) {
                    let Ok(metadata) = entry.path().metadata() else { continue };
                    match metadata.is_dir() {
                        true if depth == 0 => folders.push((entry.path(), depth + 1)),
                        true => {}
                        false => files.push(seen(entry.path(), &metadata)),
                    }
                }
            }
        } else {
            for part in parts(path) {
                let metadata = part.metadata()?;
                files.push(seen(part, &metadata));
            }
        }
        files.sort();
        let modified = files.iter().map(|(_, _, modified, _)| *modified).max();
        Ok(Self { modified: modified.unwrap_or(SystemTime::UNIX_EPOCH), files })
    }

    /// Returns a number that stands for what the files hold: other weights, another number, and the same one after a
    /// restart. Reads the beginning of each file and samples of the rest, about half a mebibyte, so that it costs
    /// milliseconds; who changes weights elsewhere without leaving a trace in length or time of writing is not noticed.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn fingerprint(&self) -> io::Result<u128> {
        let mut hash = Xxh3::new();
        let mut bytes = Vec::new();
        for (path, len, modified, _) in &self.files {
            if !is_of_model(path) {
                continue;
            }
            let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            hash.update(&[0]);
            hash.update(&len.to_le_bytes());
            hash.update(&since.as_nanos().to_le_bytes());
            let mut file = File::open(path)?;
            for (from, count) in samples(*len) {
                file.seek(SeekFrom::Start(from))?;
                bytes.clear();
                (&file).take(count).read_to_end(&mut bytes)?;
                hash.update(&bytes);
            }
        }
        Ok(hash.digest128())
    }
}

/// Bytes at the beginning of a file, where headers are.
const HEAD: u64 = 256 << 10;
/// Bytes of a sample.
const SAMPLE: u64 = 4 << 10;
const SAMPLES: u64 = 64;

/// Lists what is read of a file of `len` bytes: where each piece begins, and how much it has.
fn samples(len: u64) -> impl Iterator<Item = (u64, u64)> {
    let rest = len.saturating_sub(HEAD);
    let spread = (1..=SAMPLES).map(move |number| {
        // The last one is the end of the file.
        let end = HEAD + (u128::from(rest) * u128::from(number) / u128::from(SAMPLES)) as u64;
        (end.saturating_sub(SAMPLE).max(HEAD), SAMPLE)
    });
    std::iter::once((0, HEAD)).chain(spread.filter(move |_| rest > 0))
}

/// Whether a file of a folder has a say in what a model computes.
fn is_of_model(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    // Ollama's files have none.
    extension.is_none_or(|extension| ["gguf", "safetensors", "json", "model"].contains(&extension))
}

/// Lists the parts of a split file; of any other, only itself.
fn parts(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    match name.and_then(gguf::part_name) {
        Some((stem, _, count)) if count <= FILES_MAX as u64 => (1..=count)
            .map(|number| path.with_file_name(format!("{stem}-{number:05}-of-{count:05}.gguf")))
            .collect(),
        _ => vec![path.to_owned()],
    }
}

fn seen(path: PathBuf, metadata: &Metadata) -> (PathBuf, u64, SystemTime, u64) {
    #[cfg(unix)]
    let id = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let id = 0;
    (path, metadata.len(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_is_told_by_samples() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        let mut bytes = vec![0_u8; 3 << 20];
        let of = |bytes: &[u8]| {
            let modified = path.metadata().and_then(|metadata| metadata.modified());
            std::fs::write(&path, bytes).unwrap();
            if let Ok(modified) = modified {
                File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            }
            Stamp::of(&path).unwrap().fingerprint().unwrap()
        };
        let first = of(&bytes);
        assert_eq!(first, of(&bytes));
        for at in [0, (256 << 10) - 1, bytes.len() - 1, 2 << 20] {
            bytes[at..].iter_mut().take(64 << 10).for_each(|byte| *byte ^= 1);
            assert_ne!(first, of(&bytes), "{at}");
            bytes[at..].iter_mut().take(64 << 10).for_each(|byte| *byte ^= 1);
        }
        assert_ne!(first, of(&bytes[..bytes.len() - 1]));
        assert_eq!(first, of(&bytes));
        let stamp = Stamp::of(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(stamp != Stamp::of(&path).unwrap());
        assert_ne!(first, Stamp::of(&path).unwrap().fingerprint().unwrap(), "when it was written counts");
    }

    #[test]
    fn samples_lie_within_the_file() {
        for len in [0, 1, HEAD, HEAD + 1, HEAD + SAMPLE, 10 << 20, u64::MAX] {
            let last = samples(len).last().unwrap();
            assert!(samples(len).all(|(from, _)| from <= len), "{len}");
            assert!(last.0.saturating_add(last.1) >= len, "{len}: the end is read");
        }
    }
}
