use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Measures, Ranking};

/// Documents, questions, and which of the documents answer which question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collection {
    /// In the order of the file.
    pub documents: Vec<Text>,
    /// Those that somebody judged, in the order of the file.
    pub queries: Vec<Query>,
    /// Questions of the file that nobody judged.
    pub unjudged: usize,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// As the file has it.
    pub id: String,
    /// Empty where it has none.
    pub title: String,
    /// What it says.
    pub text: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// As the file has it.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// How much documents answer it, by their ids; 0 is judged and does not. Later judgments replace earlier ones.
    pub judged: HashMap<String, u32>,
}

/// What is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a line.
    pub line_bytes: u64,
    /// Bytes of all files together.
    pub total_bytes: u64,
}

impl Default for Limits {
    /// 16 MiB a line and 8 GiB in all.
    fn default() -> Self {
        Self { line_bytes: 16 << 20, total_bytes: 8 << 30 }
    }
}

/// Why a folder is not taken as a collection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is missing or cannot be read.
    #[error(
        "cannot read {}; a collection is a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv", path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("line {line} of {} is not {wanted}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        line: u64,
        /// What it should be.
        wanted: &'static str,
        /// What the reader says.
        source: Option<serde_json::Error>,
    },
    /// There is more than is read.
    #[error("{} is larger than {limit} bytes, which is the most that is read of a {what}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Of what: a line or a collection.
        what: &'static str,
        /// The most.
        limit: u64,
    },
    /// No question has an answer.
    #[error("no question of {} is judged; its qrels name others", path.display())]
    Unjudged {
        /// The folder.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "_id")]
    id: Id,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    text: String,
}

/// Some collections number where others name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

impl Collection {
    /// Reads a folder; of several files of judgments all.
    ///
    /// # Errors
    ///
    /// If a file is missing, a line is not understood, there is more than `limits` allow, or nothing was judged.
    pub fn read(folder: &Path, limits: &Limits) -> Result<Self, Error> {
        let mut left = limits.total_bytes;
        let mut documents = Vec::new();
        lines(&folder.join("corpus.jsonl"), limits, &mut left, |line| {
            let Line { id, title, text } = parse(line)?;
            documents.push(Text { id: id.text(), title: title.unwrap_or_default(), text });
            Ok(())
        })?;
        let mut judged: HashMap<String, HashMap<String, u32>> = HashMap::new();
        for path in judgments(&folder.join("qrels"))? {
            let mut is_first = true;
            lines(&path, limits, &mut left, |line| {
                let heading = std::mem::take(&mut is_first);
                match judgment(line) {
                    Some((query, document, score)) => {
                        judged.entry(query.to_owned()).or_default().insert(document.to_owned(), score);
                        Ok(())
                    }
                    None if heading => Ok(()),
                    None => Err(("a query's id, a document's id and a whole number, parted by tabs", None)),
                }
            })?;
        }
        let (mut queries, mut unjudged) = (Vec::new(), 0);
        lines(&folder.join("queries.jsonl"), limits, &mut left, |line| {
            let Line { id, text, .. } = parse(line)?;
            let id = id.text();
            match judged.remove(&id).filter(|judged| judged.values().any(|score| *score > 0)) {
                Some(judged) => queries.push(Query { id, text, judged }),
                None => unjudged += 1,
            }
            Ok(())
        })?;
        if queries.is_empty() {
            return Err(Error::Unjudged { path: folder.to_owned() });
        }
        Ok(Self { documents, queries, unjudged })
    }
}

impl Query {
    /// Takes the measures of documents that came for it, best first. One that comes twice counts where it comes first.
    pub fn measure<'a>(&self, hits: impl IntoIterator<Item = &'a str>) -> Measures {
        let mut left: HashMap<&str, u32> =
            self.judged.iter().map(|(id, score)| (id.as_str(), *score)).collect();
        let hits: Vec<u32> = hits.into_iter().map(|id| left.remove(id).unwrap_or(0)).collect();
        let judged: Vec<u32> = self.judged.values().copied().collect();
        Ranking { hits: &hits, judged: &judged }.measures()
    }
}

impl Id {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

type Misread = (&'static str, Option<serde_json::Error>);

fn parse(line: &str) -> Result<Line, Misread> {
    serde_json::from_str(line).map_err(|error| ("an object with _id and text", Some(error)))
}

/// Reads `query document score`; scores below zero say that a document does not answer.
fn judgment(line: &str) -> Option<(&str, &str, u32)> {
    let mut parts = line.split('\t').map(str::trim);
    let (query, document, score) = (parts.next()?, parts.next()?, parts.next()?.parse::<i32>().ok()?);
    parts.next().is_none().then_some((query, document, u32::try_from(score).unwrap_or(0)))
}

/// Lists the files of judgments, in the order of their names.
fn judgments(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "tsv") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Hands out a file's lines, but for empty ones, and takes their bytes off what is `left`.
fn lines(
    path: &Path,
    limits: &Limits,
    left: &mut u64,
    mut take: impl FnMut(&str) -> Result<(), Misread>,
) -> Result<(), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let too_large = |what, limit| Error::TooLarge { path: path.to_owned(), what, limit };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let read = file.by_ref().take(limits.line_bytes.saturating_add(1)).read_line(&mut line);
        let read = read.map_err(failed)? as u64;
        if read == 0 {
            break;
        }
        if read > limits.line_bytes {
            return Err(too_large("line", limits.line_bytes));
        }
        *left = left.checked_sub(read).ok_or_else(|| too_large("collection", limits.total_bytes))?;
        let text = line.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() {
            let misread =
                |(wanted, source)| Error::Line { path: path.to_owned(), line: number, wanted, source };
            take(text).map_err(misread)?;
        }
    }
    Ok(())
}
