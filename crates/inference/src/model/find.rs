//! Which models lie in which folders.

pub(super) mod ollama;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{Error, Model, gguf, open};

/// A folder to look in, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The folder.
    pub path: PathBuf,
    /// How it is laid out.
    pub kind: RootKind,
}

/// How a folder of models is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RootKind {
    /// Files and folders of any names.
    Folder,
    /// Manifests that name blobs.
    Ollama,
    /// `publisher/model/file.gguf`.
    LmStudio,
    /// `models--org--name/snapshots/revision/…`, with links to blobs.
    HuggingFace,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Folders within folders.
    pub depth_max: usize,
    /// Files and folders looked at, in each root.
    pub entries_max: usize,
}

/// Something that was found and looks like a model.
#[derive(Debug)]
pub struct Found {
    /// A name to speak of it: of the file, or as the program whose folder it is calls it.
    pub name: String,
    /// The file or folder to open it by.
    pub path: PathBuf,
    /// Whose folder it lies in.
    pub kind: RootKind,
    /// The model, or why it is none.
    pub model: Result<Model, Error>,
}

/// A place that looks like a model's and was not looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// See [`Found::name`].
    pub name: String,
    /// The file or folder to open it by. Several names may lead to one.
    pub path: PathBuf,
    /// In which of the roots, from 0.
    pub root: usize,
}

/// What looks like models, before anything was opened.
#[derive(Debug, Default)]
pub struct Places {
    /// By root and path, in the order of the roots.
    pub places: Vec<Place>,
    /// Folders that could not be looked at or only in part, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Search {
    /// Models and what looks like one, by root and path.
    pub found: Vec<Found>,
    /// Folders that could not be looked at or only in part, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

// === impl RootKind ===

impl RootKind {
    /// Returns the name of the program whose layout it is; empty for none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "",
            Self::Ollama => "Ollama",
            Self::LmStudio => "LM Studio",
            Self::HuggingFace => "Hugging Face",
        }
    }
}

impl Root {
    /// Takes a folder for what it looks like: Ollama's has manifests and blobs.
    pub fn recognised(path: PathBuf) -> Self {
        let is_ollama = path.join("manifests").is_dir() && path.join("blobs").is_dir();
        Self { path, kind: if is_ollama { RootKind::Ollama } else { RootKind::Folder } }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: 8, entries_max: 100_000 }
    }
}

/// Lists where Ollama, LM Studio and Hugging Face's libraries keep models, as far as these folders exist.
///
/// `variable` looks up an environment variable; those that these programs heed are heeded.
pub fn known_roots(home: Option<&Path>, variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<Root> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let under_home = |path: &str| home.map(|home| home.join(path));
    let hub = absolute("HF_HUB_CACHE")
        .or_else(|| absolute("HF_HOME").map(|folder| folder.join("hub")))
        .or_else(|| under_home(".cache/huggingface/hub"));
    let candidates = [
        (RootKind::Ollama, absolute("OLLAMA_MODELS").or_else(|| under_home(".ollama/models"))),
        // Where the Linux service of Ollama keeps them.
        (RootKind::Ollama, Some(PathBuf::from("/usr/share/ollama/.ollama/models"))),
        (RootKind::LmStudio, under_home(".lmstudio/models")),
        (RootKind::LmStudio, under_home(".cache/lm-studio/models")),
        (RootKind::HuggingFace, hub),
    ];
    let roots = candidates.into_iter().filter_map(|(kind, path)| path.map(|path| Root { path, kind }));
    roots.filter(|root| root.path.is_dir()).collect()
}

/// Looks for models in `roots`. What looks like a model and is none is listed with its reason; links that lead out of
/// a root are not followed. Blocks; reads headers only.
pub fn find(roots: &[Root], limits: Limits) -> Search {
    let Places { places, skipped } = locate(roots, limits);
    // A root can lie within another one.
    let mut seen = HashSet::new();
    let new = places.into_iter().filter(|place| seen.insert(place.path.clone()));
    let mut found: Vec<Found> = new
        .filter_map(|Place { name, path, root }| {
            let kind = roots.get(root)?.kind;
            Some(Found { name, model: open(&path), path, kind })
        })
        .collect();
    found.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    Search { found, skipped }
}

/// Looks for what [`find`] would open. Blocks; reads no files but Ollama's manifests.
pub fn locate(roots: &[Root], limits: Limits) -> Places {
    let mut all = Places::default();
    for (index, root) in roots.iter().enumerate() {
        let Ok(base) = root.path.canonicalize() else {
            all.skipped.push((root.path.clone(), "it cannot be opened".to_owned()));
            continue;
        };
        let before = all.places.len();
        match root.kind {
            RootKind::Ollama => ollama::find((index, root), limits, &mut all),
            _ => {
                let root = (index, root);
                Walk { root, base, limits, entries: 0, seen: HashSet::new(), all: &mut all }.run();
            }
        }
        all.places[before..].sort_by(|a, b| (&a.path, &a.name).cmp(&(&b.path, &b.name)));
    }
    all
}

struct Walk<'a> {
    root: (usize, &'a Root),
    /// The root without links; what is not beneath it is not looked at.
    base: PathBuf,
    limits: Limits,
    entries: usize,
    /// Folders without links, so that each is entered once.
    seen: HashSet<PathBuf>,
    all: &'a mut Places,
}

impl Walk<'_> {
    fn run(mut self) {
        let mut folders = vec![(self.root.1.path.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if !self.is_inside(&folder) {
                self.all.skipped.push((folder, LEADS_OUT.to_owned()));
                continue;
            }
            if !folder.canonicalize().is_ok_and(|path| self.seen.insert(path)) {
                continue;
            }
            let Some(entries) = self.entries(&folder) else { continue };
            let (folders_inside, files): (Vec<PathBuf>, Vec<PathBuf>) =
                entries.into_iter().filter(|path| !is_partial(path)).partition(|path| path.is_dir());
            self.models(&folder, &files);
            if depth < self.limits.depth_max {
                folders.extend(folders_inside.into_iter().map(|folder| (folder, depth + 1)));
            } else if !folders_inside.is_empty() {
                self.all.skipped.push((folder, "what lies deeper is not looked at".to_owned()));
            }
        }
    }

    /// Whether a path, with all links followed, lies beneath the root.
    fn is_inside(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|path| path.starts_with(&self.base))
    }

    /// Lists a folder; `None` where that fails or the limit is reached.
    fn entries(&mut self, folder: &Path) -> Option<Vec<PathBuf>> {
        let reading = match std::fs::read_dir(folder) {
            Ok(reading) => reading,
            Err(error) => {
                self.all.skipped.push((folder.to_owned(), error.to_string()));
                return None;
            }
        };
        let mut entries = Vec::new();
        for entry in reading.flatten() {
            self.entries += 1;
            if self.entries > self.limits.entries_max {
                let told = format!("more than {} files are not looked at", self.limits.entries_max);
                self.all.skipped.push((folder.to_owned(), told));
                return None;
            }
            entries.push(entry.path());
        }
        entries.sort_unstable();
        Some(entries)
    }

    fn models(&mut self, folder: &Path, files: &[PathBuf]) {
        let is = |path: &Path, ending: &str| path.extension().is_some_and(|extension| extension == ending);
        let is_part = |path: &Path| part_number(path).is_some();
        let (inside, outside): (Vec<&PathBuf>, Vec<&PathBuf>) =
            files.iter().partition(|path| self.is_inside(path));
        for path in &outside {
            if is(path, "gguf") || is(path, "safetensors") {
                self.all.skipped.push(((*path).clone(), LEADS_OUT.to_owned()));
            }
        }
        // A model of several files is opened as a whole, or, where one of them leads out, not at all.
        let all_inside = outside.is_empty();
        let ggufs = inside.iter().filter(|path| is(path, "gguf") && (all_inside || !is_part(path)));
        let mut paths: Vec<PathBuf> = ggufs
            .filter(|path| part_number(path).is_none_or(|number| number == 1))
            .map(|path| path.to_path_buf())
            .collect();
        let weights: Vec<&&PathBuf> = inside.iter().filter(|path| is(path, "safetensors")).collect();
        let has_config = files.iter().any(|path| path.ends_with("config.json"));
        if weights.is_empty() || !has_config {
            paths.extend(weights.into_iter().map(|path| path.to_path_buf()));
        } else if all_inside {
            paths.push(folder.to_owned());
        } else {
            self.all.skipped.push((folder.to_owned(), LEADS_OUT.to_owned()));
        }
        for path in paths {
            self.all.places.push(Place { name: self.name(&path), path, root: self.root.0 });
        }
    }

    /// `org/name` in Hugging Face's cache, `publisher/model/file` in LM Studio's folder, else the file's name.
    fn name(&self, path: &Path) -> String {
        let last = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let inside = path.strip_prefix(&self.root.1.path).unwrap_or(path);
        match self.root.1.kind {
            RootKind::HuggingFace => {
                let repository = inside.iter().find_map(|part| part.to_str()?.strip_prefix("models--"));
                let repository = repository.map(|name| name.replace("--", "/"));
                match (repository, path.extension()) {
                    (Some(repository), Some(extension)) if extension == "gguf" => {
                        format!("{repository}/{}", last(path))
                    }
                    (Some(repository), _) => repository,
                    (None, _) => last(path),
                }
            }
            RootKind::LmStudio => inside.with_extension("").display().to_string(),
            _ => last(path),
        }
    }
}

/// Whether it is the folder of what is still being fetched.
fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == crate::shelf::PARTIAL)
}

/// Of a part of a split model, returns the number, from 1; the first stands for all.
fn part_number(path: &Path) -> Option<u64> {
    let (_, number, _) = gguf::part_name(path.file_name()?.to_str()?)?;
    Some(number)
}

const LEADS_OUT: &str = "a link leads out of the folder; name the place it leads to to see what is there";
