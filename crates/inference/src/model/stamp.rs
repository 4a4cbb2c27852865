use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

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
