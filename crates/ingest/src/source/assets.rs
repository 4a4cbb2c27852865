use std::collections::BTreeMap;

use super::Entry;

/// Files that came along with an export, findable by the id that conversations name them with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Assets {
    /// Name without folders and path, sorted.
    files: Vec<(String, String)>,
    /// What the person called a file, by its name in the export or its id.
    names: BTreeMap<String, String>,
}

impl Assets {
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut files: Vec<_> =
            entries.iter().map(|entry| (entry.base().to_owned(), entry.name.clone())).collect();
        files.sort();
        Self { files, names: BTreeMap::new() }
    }

    /// Adds names that people gave, by file name or id.
    pub(crate) fn name(&mut self, names: BTreeMap<String, String>) {
        self.names.extend(names);
    }

    /// Returns the path of the file named `id`, `id.ext` or `id-name.ext`, inside the export.
    pub(crate) fn path(&self, id: &str) -> Option<&str> {
        if id.is_empty() {
            return None;
        }
        let from = self.files.partition_point(|(name, _)| name.as_str() < id);
        let fits = |name: &str| matches!(name[id.len()..].chars().next(), None | Some('.' | '-' | '_'));
        let candidates = self.files[from..].iter().take_while(|(name, _)| name.starts_with(id));
        candidates.take(64).find(|(name, _)| fits(name)).map(|(_, path)| path.as_str())
    }

    /// Returns what the person called the file with this id or name.
    pub(crate) fn given_name(&self, id: &str) -> Option<&str> {
        if let Some(name) = self.names.get(id) {
            return Some(name);
        }
        let base = self.path(id)?.rsplit('/').next()?;
        self.names.get(base).map(String::as_str)
    }
}
