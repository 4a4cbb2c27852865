//! A collection's folder: segments, and a list of those that count (`docs/formats/vectors.md`).

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use athenaeum_kernels::map;
use serde_json::{Value, json};

use crate::{
    Error,
    error::io,
    graph::{Graph, Hnsw, Made},
    rows::Rows,
    segment::{self, Head, Segment},
    store::State,
    train::Partitions,
};

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    hnsw: Option<Hnsw>,
}

/// Holds off others that make segments; the system lets go of it when this process ends, however it does.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

struct Opened {
    segments: Vec<(String, Segment)>,
    /// The first one that could not be read, and why.
    problem: Option<(String, String)>,
}

impl Folder {
    pub(crate) fn new(path: PathBuf, hnsw: Option<Hnsw>) -> Self {
        Self { path, hnsw }
    }

    /// Opens the listed segments that are this collection's, as far as they follow each other from the first row on.
    /// What cannot be used is left out, and told to the log.
    pub(crate) fn segments(&self, state: &State, dimensions: usize) -> Vec<(String, Segment)> {
        let mut names = self.names();
        loop {
            let Opened { segments, problem } = self.opened(&names, state, dimensions);
            let Some((name, reason)) = problem else { return segments };
            // Another process may have put some together since they were listed, and removed them.
            let now = self.names();
            if now == names {
                tracing::warn!(segment = name, reason, "a segment of vectors is made anew");
                return segments;
            }
            names = now;
        }
    }

    /// Opens them up to the first that cannot be used, and tells why one could not be read.
    fn opened(&self, names: &[String], state: &State, dimensions: usize) -> Opened {
        let mut opened: Vec<(String, Segment)> = Vec::new();
        for name in names {
            let segment = match self.open(name) {
                Ok(segment) => segment,
                Err(reason) => return Opened { segments: opened, problem: Some((name.clone(), reason)) },
            };
            let head = &segment.head;
            let after = opened.last().map_or(0, |(_, segment)| segment.head.through);
            let fits = head.collection == state.uid
                && head.generation == state.mark.generation
                && head.dimensions == dimensions
                && head.after == after
                && head.through <= state.mark.row
                && head.removals >= state.forgotten
                && head.removals <= state.mark.removal;
            if !fits {
                tracing::debug!(segment = name, "a segment is not of these vectors, or has missed too much");
                break;
            }
            opened.push((name.clone(), segment));
        }
        Opened { segments: opened, problem: None }
    }

    fn open(&self, name: &str) -> Result<Segment, String> {
        let file = File::open(self.path.join(name)).map_err(|error| error.to_string())?;
        let bytes = map(&file).map_err(|error| error.to_string())?;
        let segment = Segment::open(&bytes).map_err(|error| error.to_string())?;
        let graph = self.hnsw.filter(|hnsw| segment.rows() >= hnsw.rows_min);
        let graph = graph.and_then(|hnsw| self.open_graph(name, &segment, &hnsw));
        Ok(match graph {
            Some(graph) => segment.with_graph(graph),
            None => segment,
        })
    }

    /// Opens a segment's graph; `None` where there is none that can be used.
    fn open_graph(&self, name: &str, segment: &Segment, hnsw: &Hnsw) -> Option<Graph> {
        let file = File::open(self.path.join(graph_name(name))).ok()?;
        let graph = map(&file).map(|bytes| Graph::open(&bytes, segment, hnsw.ef_search));
        match graph {
            Ok(Ok(graph)) => Some(graph),
            Ok(Err(error)) => {
                tracing::warn!(segment = name, %error, "a graph of vectors is made anew");
                None
            }
            Err(error) => {
                tracing::warn!(segment = name, %error, "a graph of vectors cannot be read");
                None
            }
        }
    }

    /// Writes the graph of a segment; whoever opens the segment from now on has it.
    pub(crate) fn add_graph(&self, _lock: &Lock, segment: &str, made: &Made<'_>) -> Result<(), Error> {
        let path = self.path.join(graph_name(segment));
        let fresh = path.with_extension("graph-new");
        let write = || -> std::io::Result<()> {
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&fresh)?);
            made.write(&mut out)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::rename(&fresh, &path)?;
            // It took its time: meanwhile the segment may have been put into another one.
            if !self.names().iter().any(|name| name == segment) {
                fs::remove_file(&path)?;
            }
            Ok(())
        };
        write().map_err(io("write", &path))
    }

    /// Removes all graphs, so that they are made anew.
    pub(crate) fn discard_graphs(&self) -> Result<(), Error> {
        for path in self.names().iter().map(|name| self.path.join(graph_name(name))) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        fs::read(self.path.join(LIST)).map_or_else(|_| Vec::new(), |text| read_list(&text))
    }

    /// Forgets all segments, so that they are made anew.
    pub(crate) fn discard(&self) -> Result<(), Error> {
        let path = self.path.join(LIST);
        fs::remove_file(&path).map_err(io("remove", path))
    }

    /// Holds off others; `None` where another process or task makes segments.
    pub(crate) fn lock(&self) -> Result<Option<Lock>, Error> {
        self.lock_file("lock")
    }

    /// The same for graphs, which take long: segments are made meanwhile.
    pub(crate) fn lock_graphs(&self) -> Result<Option<Lock>, Error> {
        self.lock_file("lock-graphs")
    }

    fn lock_file(&self, name: &str) -> Result<Option<Lock>, Error> {
        fs::create_dir_all(&self.path).map_err(io("create the folder", &self.path))?;
        let path = self.path.join(name);
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let file = options.map_err(io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(io("lock", path)(error)),
        }
    }

    /// Writes a segment; it counts when it is listed. Returns its name.
    pub(crate) fn add(
        &self,
        _lock: &Lock,
        head: &Head,
        rows: &Rows,
        partitions: &Partitions,
    ) -> Result<String, Error> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|_| Error::invalid("the system gives no random bytes"))?;
        let name = format!("{:x}-{:08x}.segment", head.through, u32::from_be_bytes(random));
        let path = self.path.join(&name);
        let file = File::create_new(&path).map_err(io("create", &path))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        segment::write(&mut out, head, rows, partitions).map_err(io("write", &path))?;
        out.get_ref().sync_all().map_err(io("write", &path))?;
        Ok(name)
    }

    /// Lists the segments that count from now on, and removes all others.
    pub(crate) fn list(&self, _lock: &Lock, names: &[String]) -> Result<(), Error> {
        let (path, fresh) = (self.path.join(LIST), self.path.join("segments.json.new"));
        let text = json!({ "version": 1, "segments": names }).to_string();
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            sync_folder(&self.path)
        };
        write().map_err(io("write", &path))?;
        let entries = fs::read_dir(&self.path).map_err(io("read the folder", &self.path))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let segment = segment_of(&name);
            if is_segment(&segment) && !names.contains(&segment) {
                // Systems that do not let go of mapped files remove it another time.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

const LIST: &str = "segments.json";
const NAMES_MAX: usize = 1_000;

/// Reads a list; names that are no segments' are no names, so that none leads out of the folder.
fn read_list(text: &[u8]) -> Vec<String> {
    let list: Value = serde_json::from_slice(text).unwrap_or_default();
    if list["version"] != 1 {
        return Vec::new();
    }
    let names = list["segments"].as_array().map_or(&[][..], Vec::as_slice);
    let names = names.iter().take(NAMES_MAX).map_while(Value::as_str).take_while(|name| is_segment(name));
    names.map(str::to_owned).collect()
}

fn is_segment(name: &str) -> bool {
    let stem = name.strip_suffix(".segment").unwrap_or("");
    !stem.is_empty() && stem.len() <= 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The file beside a segment that holds its graph.
fn graph_name(segment: &str) -> String {
    format!("{}.graph", segment.strip_suffix(".segment").unwrap_or(segment))
}

/// The segment that a file is, or belongs to.
fn segment_of(name: &str) -> String {
    let stem = name.strip_suffix(".graph").or_else(|| name.strip_suffix(".graph-new"));
    stem.map_or_else(|| name.to_owned(), |stem| format!("{stem}.segment"))
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere folders cannot be opened; a list that is lost with the power is made anew.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        let check = |list: &str, names: &[&str]| assert_eq!(read_list(list.as_bytes()), names, "{list}");
        check(r#"{"version":1,"segments":["a-1.segment","b.segment"]}"#, &["a-1.segment", "b.segment"]);
        check(r#"{"version":1,"segments":["a.segment","../b.segment","c.segment"]}"#, &["a.segment"]);
        check(r#"{"version":1,"segments":["/a.segment"]}"#, &[]);
        check(r#"{"version":1,"segments":["a.segment", 3]}"#, &["a.segment"]);
        check(r#"{"version":2,"segments":["a.segment"]}"#, &[]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn any_list_is_harmless(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            read_list(&text);
        }
    }
}
