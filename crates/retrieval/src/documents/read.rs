//! From a file to a document that can be kept.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use athenaeum_archive::library::{FileState, NewChunk, NewDocument};
use athenaeum_core::Problem;
use athenaeum_ingest::{
    chunk::{self, Chunking},
    document::{self, Reading},
};
use serde::Serialize;

use super::{place, walk::Seen};
use crate::with_causes;

/// How documents are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Limits and helpers of reading.
    pub reading: document::Options,
    /// How texts are cut; `None` as it suits the format and [`Options::tokens_max`].
    pub chunking: Option<Chunking>,
    /// Tokens of a chunk at most, by estimate. No more than the embedding model looks at: what is behind that is found by
    /// its words alone.
    pub tokens_max: usize,
    /// Files read at the same time.
    pub readers: usize,
    /// Folders that are not entered where they lie in others: those where programs keep what is theirs.
    pub passed_over: Vec<PathBuf>,
    /// Reads what failed or was passed over before once more, and what was kept, too.
    pub again: bool,
}

impl Default for Options {
    fn default() -> Self {
        let readers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            reading: document::Options::default(),
            chunking: None,
            tokens_max: TOKENS_MAX,
            readers,
            passed_over: Vec::new(),
            again: false,
        }
    }
}

/// What became of a file.
pub(super) enum Came {
    Document(Box<NewDocument>, Vec<Problem>),
    Nothing(FileState, String),
}

/// Reads a file. Whatever it holds, this returns.
pub(super) fn come(seen: &Seen, options: &Options) -> Came {
    let read = catch_unwind(AssertUnwindSafe(|| document::read(&seen.path, &options.reading)));
    match read {
        Ok(Ok(mut reading)) => {
            for problem in &mut reading.problems {
                problem.file.clone_from(&seen.file.path);
            }
            let problems = reading.problems.clone();
            Came::Document(Box::new(kept(reading, options)), problems)
        }
        Ok(Err(error)) => {
            let state = match error.kind() {
                document::Kind::Unknown => FileState::Skipped,
                _ => FileState::Failed,
            };
            Came::Nothing(state, with_causes(&error))
        }
        Err(_) => Came::Nothing(FileState::Failed, "its reader broke down; please report this".to_owned()),
    }
}

/// Turns a reading into what the library keeps: its text, and chunks that know where they stand.
pub fn read(reading: Reading, options: &Options) -> NewDocument {
    kept(reading, options)
}

fn kept(reading: Reading, options: &Options) -> NewDocument {
    let chunking = options.chunking.clone().unwrap_or_else(|| {
        let usual = Chunking::of(reading.format);
        let tokens_max = usual.tokens_max.min(options.tokens_max.max(1));
        Chunking { tokens_max, overlap: usual.overlap.min(tokens_max / 8), ..usual }
    });
    let cut = chunk::chunks(&reading, &chunking, &tokens);
    let chunks = cut.into_iter().map(|chunk| {
        let stretch = reading.places.of(chunk.range.clone());
        NewChunk {
            place: place::for_people(&stretch),
            source: stretch.bytes,
            heading: chunk.heading,
            range: chunk.range,
        }
    });
    NewDocument {
        hash: reading.source.blake3,
        format: reading.format.as_str().to_owned(),
        title: reading.title.clone(),
        bytes: reading.source.bytes,
        coverage: athenaeum_archive::library::Coverage::default(),
        problems: problems_json(&reading.problems),
        chunks: chunks.collect(),
        text: reading.text,
        metadata: None,
    }
}

/// Estimates the tokens of a text, for which no model need be there: a word is one for every six of its letters begun,
/// a letter of a script without spaces is one, so is any other sign. Within a tenth of WordPiece's on English prose.
pub(crate) fn tokens(text: &str) -> usize {
    let (mut tokens, mut letters) = (0, 0_usize);
    for c in text.chars() {
        if c.is_alphanumeric() && c < '\u{2e80}' {
            letters += 1;
            continue;
        }
        tokens += std::mem::take(&mut letters).div_ceil(LETTERS_A_TOKEN);
        tokens += usize::from(!c.is_whitespace());
    }
    tokens + letters.div_ceil(LETTERS_A_TOKEN)
}

const LETTERS_A_TOKEN: usize = 6;

/// The built-in embedder looks at 256, of which title and headings take some.
pub(crate) const TOKENS_MAX: usize = 216;

#[derive(Serialize)]
struct Told<'a> {
    severity: &'static str,
    record: &'a str,
    reason: &'a str,
}

fn problems_json(problems: &[Problem]) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let told: Vec<Told<'_>> = problems
        .iter()
        .map(|problem| Told {
            severity: problem.severity.as_str(),
            record: &problem.record,
            reason: &problem.reason,
        })
        .collect();
    serde_json::to_string(&told).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_estimated() {
        let check = |text: &str, expected: usize| assert_eq!(tokens(text), expected, "{text}");
        check("", 0);
        check("The dough rises.", 4);
        check("internationalization", 4);
        check("東京 is big", 4);
    }
}
