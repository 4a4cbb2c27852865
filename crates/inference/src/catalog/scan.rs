use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Entry, Problem, Purpose, Settings,
    names::{self, Missed, plain, stem},
    purpose,
};
use crate::{
    model::{self, Limits, Place, Record, Root, Stamp, Summary, locate},
    vision::beside,
};

/// What was there when somebody looked.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// `None` when it is not to be relied on any more.
    at: Option<Instant>,
    /// By name.
    entries: Vec<Entry>,
    /// By path.
    problems: Vec<Problem>,
    /// Headers that were read, for the next look.
    headers: HashMap<PathBuf, (Stamp, Header)>,
}

/// What a model's header says, or why it cannot be used.
type Header = Result<Said, String>;

#[derive(Debug, Clone)]
struct Said {
    summary: Arc<Summary>,
    purpose: Purpose,
    decodes: bool,
    /// It is no model of its own, but what another one sees with.
    is_projector: bool,
}

impl Scan {
    /// Looks at everything, and reads what was not read `before`.
    pub(super) fn of(settings: &Settings, before: Option<Self>) -> Self {
        let places = locate(&settings.roots, Limits::default());
        let problem = |(path, reason)| Problem { name: String::new(), path, reason };
        let mut building = Building {
            known: before.map(|before| before.headers).unwrap_or_default(),
            scan: Self { problems: places.skipped.into_iter().map(problem).collect(), ..Self::default() },
            taken: HashSet::new(),
            seen: HashMap::new(),
        };
        for named in &settings.files {
            building.take(vec![named.name.clone()], &named.path, None);
        }
        for Place { name, path, root } in places.places {
            let Some(root) = settings.roots.get(root) else { continue };
            building.take(names_of(&name, &path, root), &path, Some(root));
        }
        building.scan.end(settings)
    }

    fn end(mut self, settings: &Settings) -> Self {
        self.at = Some(Instant::now());
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        self.problems.sort_by(|a, b| (&a.path, &a.name).cmp(&(&b.path, &b.name)));
        for (alias, target) in &settings.aliases {
            let name = names::exact(&self.entries, target).map(|entry| entry.name.clone());
            let Ok(name) = name else { continue };
            if let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == name) {
                add(&mut entry.aliases, &entry.name, alias.clone());
            }
        }
        self
    }

    pub(super) fn is_fresh(&self, fresh: Duration) -> bool {
        self.at.is_some_and(|at| at.elapsed() < fresh)
    }

    pub(super) fn expire(&mut self) {
        self.at = None;
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Finds the one that is meant without doubt.
    pub(super) fn exact(&self, settings: &Settings, asked: &str) -> Option<&Entry> {
        names::exact(&self.entries, meant(settings, asked)).ok()
    }

    /// Finds what is meant; nothing stands for the only one that generates.
    pub(super) fn find(&self, settings: &Settings, asked: Option<&str>) -> Result<&Entry, Missed> {
        let Some(asked) = asked else {
            let mut generating = self.entries.iter().filter(|entry| entry.purpose == Purpose::Generate);
            return match (generating.next(), generating.next()) {
                (Some(only), None) => Ok(only),
                _ => Err(Missed::Nothing),
            };
        };
        let asked = meant(settings, asked);
        match names::exact(&self.entries, asked) {
            Err(Missed::Nothing) => {}
            decided => return decided,
        }
        let called = |problem: &&Problem| !problem.name.is_empty() && plain(&problem.name) == plain(asked);
        match self.problems.iter().find(called) {
            Some(Problem { name, reason, .. }) => {
                Err(Missed::Unusable { name: name.clone(), reason: reason.clone() })
            }
            None => names::part(&self.entries, asked),
        }
    }
}

/// Follows an alias of the settings, one step.
pub(super) fn meant<'a>(settings: &'a Settings, asked: &'a str) -> &'a str {
    let exact = settings.aliases.get(asked);
    let alike = || settings.aliases.iter().find(|(alias, _)| plain(alias) == plain(asked)).map(|(_, to)| to);
    exact.or_else(alike).map_or(asked, String::as_str)
}

/// A scan while it is made.
struct Building {
    known: HashMap<PathBuf, (Stamp, Header)>,
    scan: Scan,
    /// Names that are given away.
    taken: HashSet<String>,
    /// Where files really lie, and which of the entries they are.
    seen: HashMap<PathBuf, Option<usize>>,
}

impl Building {
    /// Takes in what lies at `path` under the first of `names` that is free.
    fn take(&mut self, names: Vec<String>, path: &Path, root: Option<&Root>) {
        let first = names.first().cloned().unwrap_or_default();
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Some(seen) = self.seen.get(&real) {
            if let Some(entry) = seen.and_then(|index| self.scan.entries.get_mut(index)) {
                add(&mut entry.aliases, &entry.name, first);
            }
            return;
        }
        let read = match self.read(path) {
            Ok(read) => read,
            Err(reason) => {
                self.seen.insert(real, None);
                self.scan.problems.push(Problem { name: first, path: path.to_owned(), reason });
                return;
            }
        };
        let (stamp, Said { summary, purpose, decodes, is_projector }) = read;
        if is_projector {
            self.seen.insert(real, None);
            return;
        }
        let width = summary.embedding_size.filter(|_| purpose == Purpose::Generate);
        let projector = width.and_then(|width| beside::find(path, width));
        let name = self.free(names);
        let mut aliases = Vec::new();
        let record = record(path);
        let come_from = record.iter().flat_map(|(folder, record)| sources(folder, path, record));
        let last = name.rsplit_once('/').map(|(_, last)| last.to_owned());
        for alias in std::iter::once(first).chain(come_from).chain(last) {
            add(&mut aliases, &name, alias);
        }
        self.seen.insert(real, Some(self.scan.entries.len()));
        self.scan.entries.push(Entry {
            name,
            aliases,
            path: path.to_owned(),
            summary,
            purpose,
            modified: stamp.modified,
            root: root.cloned(),
            record: record.map(|(_, record)| record),
            projector,
            decodes,
            stamp,
        });
    }

    fn read(&mut self, path: &Path) -> Result<(Stamp, Said), String> {
        let stamp = Stamp::of(path).map_err(|error| format!("it cannot be opened: {error}"))?;
        let known = self.known.remove(path).filter(|(seen, _)| *seen == stamp);
        let header = known.map_or_else(|| header(path), |(_, header)| header);
        self.scan.headers.insert(path.to_owned(), (stamp.clone(), header.clone()));
        Ok((stamp, header?))
    }

    fn free(&mut self, names: Vec<String>) -> String {
        let last = names.last().cloned().unwrap_or_default();
        let numbered = (2_u64..).map(|number| format!("{last} ({number})"));
        let name = names.into_iter().chain(numbered).find(|name| !self.taken.contains(name)).unwrap_or(last);
        self.taken.insert(name.clone());
        name
    }
}

fn header(path: &Path) -> Header {
    let model = model::open(path).map_err(|error| match error {
        model::Error::Open { source, .. } => format!("it cannot be opened: {source}"),
        error => reasons(std::error::Error::source(&error).unwrap_or(&error)),
    })?;
    let summary = model.summary();
    if summary.tensors == 0 {
        return Err("it holds a vocabulary and nothing that computes".to_owned());
    }
    let summary = Arc::new(summary);
    if let Some(checked) = beside::check(&model) {
        checked.map_err(|error| reasons(&error))?;
        return Ok(Said { summary, purpose: Purpose::Generate, decodes: false, is_projector: true });
    }
    let (purpose, decodes) = purpose::of(&model).map_err(|error| reasons(&error))?;
    Ok(Said { summary, purpose, decodes, is_projector: false })
}

fn reasons(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Lists what a model can be called, the nicest first.
fn names_of(found: &str, path: &Path, root: &Root) -> Vec<String> {
    let inside = path.strip_prefix(&root.path).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    vec![stem(found).to_owned(), stem(&parts.join("/")).to_owned()]
}

/// Finds what was noted when a model came, and the folder of it.
fn record(path: &Path) -> Option<(PathBuf, Record)> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    let record = Record::read(folder).ok()??;
    let is_of_it = path == folder || record.files.iter().any(|file| file.path.within(folder) == path);
    is_of_it.then(|| (folder.to_owned(), record))
}

/// Lists what a model was called where it came from, and its folder's name.
fn sources(folder: &Path, path: &Path, record: &Record) -> Vec<String> {
    let ggufs = record.files.iter().filter(|file| file.path.as_str().ends_with(".gguf")).count();
    // The folder of several models is none of them.
    let folder = folder.file_name().filter(|_| path == folder || ggufs == 1);
    let mut names: Vec<String> = folder.map(|name| name.to_string_lossy().into_owned()).into_iter().collect();
    if let Some(name) = &record.name {
        // A copy is not what its original is called.
        names.push(name.clone());
    } else if let Some(name) = record.source.strip_prefix("ollama:") {
        names.push(name.to_owned());
    } else if let Some(name) = record.source.strip_prefix("hf:") {
        names.push(name.to_owned());
        names.extend(name.split(['@', ':']).next().filter(|short| *short != name).map(str::to_owned));
    }
    names
}

/// Adds a name that says something new.
fn add(aliases: &mut Vec<String>, name: &str, alias: String) {
    let known = |known: &str| plain(known) == plain(&alias);
    if !alias.is_empty() && !known(name) && !aliases.iter().any(|one| known(one)) {
        aliases.push(alias);
    }
}
