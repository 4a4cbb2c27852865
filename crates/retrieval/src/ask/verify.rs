//! Checking an answer again, offline.

use std::path::Path;

use athenaeum_archive::text::Analyzer;
use athenaeum_ingest::document::{self, Reading, Source};
use serde::Serialize;

use crate::rooms::is_of_a_program;

use super::{
    answer::{Answer, Citation, Kind, Origin},
    passages::Passage,
    support::{Support, terms},
};

/// What came of checking an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Everything that can be checked without an archive holds.
    pub holds: bool,
    /// Each citation.
    pub citations: Vec<Checked>,
    /// Sentences that the passages which they name do not bear out, by index.
    pub unsupported: Vec<usize>,
}

/// What came of checking a citation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its number.
    pub number: u32,
    /// What was found.
    pub verdict: Verdict,
    /// In words.
    pub said: String,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The source is what it was, and the passage stands there.
    Holds,
    /// The source is another one now, but the passage still stands in it.
    Moved,
    /// The passage does not stand in its source.
    Missing,
    /// The answer itself was changed: the passage is not the one that was cited.
    Forged,
    /// There is no source to look at: the file is gone, it is a conversation, or a program handed it in without a file.
    Unseen,
}

/// Checks an answer against the files that it cites: that passages are what they were, that they stand in their sources,
/// that the sources are the same to the byte, and that sentences are borne out. Reads files and nothing else.
pub fn verify(answer: &Answer, options: &document::Options) -> Verification {
    let citations: Vec<Checked> = answer.citations.iter().map(|citation| check(citation, options)).collect();
    let mut verification = Verification { holds: false, citations, unsupported: unsupported(answer) };
    verification.judge();
    verification
}

impl Verification {
    /// Says whether all of it holds, of what is said of its parts.
    pub(crate) fn judge(&mut self) {
        let holds = |checked: &Checked| checked.verdict == Verdict::Holds;
        self.holds = self.unsupported.is_empty() && self.citations.iter().all(holds);
    }
}

fn check(citation: &Citation, options: &document::Options) -> Checked {
    let (verdict, said) = judge(citation, options);
    Checked { number: citation.number, verdict, said }
}

fn judge(citation: &Citation, options: &document::Options) -> (Verdict, String) {
    let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    if digest(citation.text.as_bytes()) != citation.text_blake3 {
        return (Verdict::Forged, "the passage was changed since it was cited".to_owned());
    }
    let Origin::Document { path, text_range, source_range, source_blake3, .. } = &citation.origin else {
        return (Verdict::Unseen, "it is of a conversation; look it up in the archive".to_owned());
    };
    let Some(path) = path else { return (Verdict::Unseen, "no file is named".to_owned()) };
    if is_of_a_program(path) {
        return (Verdict::Unseen, "a program handed it in, so there is no file to look at".to_owned());
    }
    let bytes = match bounded(Path::new(path), options.bytes_max) {
        Ok(bytes) => bytes,
        Err(error) => return (Verdict::Unseen, format!("{path} cannot be read: {error}")),
    };
    let same = blake3::Hash::from_bytes(Source::of(&bytes).blake3).to_hex().as_str() == source_blake3;
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let reading: Option<Reading> = document::read_bytes(&name, &bytes, options).ok();
    let in_text = reading.as_ref().is_some_and(|reading| {
        let at_its_place = reading.text.get(text_range.clone()) == Some(citation.text.as_str());
        at_its_place || !same && reading.text.contains(&citation.text)
    });
    // The very bytes, where the passage is one stretch of them and the reader changed nothing.
    let in_bytes = source_range.as_ref().is_some_and(|range| {
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        range.and_then(|(from, to)| bytes.get(from..to)) == Some(citation.text.as_bytes())
    });
    match (same, in_text || in_bytes) {
        (true, true) => (Verdict::Holds, format!("{path} is what it was, and the passage stands there")),
        (false, true) => (Verdict::Moved, format!("{path} changed since; the passage still stands there")),
        (_, false) => (Verdict::Missing, format!("the passage does not stand in {path}")),
    }
}

fn bounded(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(std::io::Error::other("it is too large"));
    }
    Ok(bytes)
}

fn unsupported(answer: &Answer) -> Vec<usize> {
    if answer.kind == Kind::Nothing {
        return Vec::new();
    }
    let passages: Vec<Passage> = answer
        .citations
        .iter()
        .map(|citation| Passage {
            number: citation.number,
            origin: citation.origin.clone(),
            title: citation.title.clone(),
            text: citation.text.clone(),
        })
        .collect();
    let support = Support::of(&passages);
    let mut analyzer = Analyzer::new();
    let mut borne_out = |sentence: &super::Sentence| {
        let Some(text) = answer.text.get(sentence.range.clone()) else { return false };
        let cited: Vec<u32> = sentence
            .citations
            .iter()
            .copied()
            .filter(|number| (1..=passages.len()).contains(&(*number as usize)))
            .collect();
        terms(text, &mut analyzer).is_empty() || support.bears_out(text, &cited)
    };
    (0..)
        .zip(&answer.sentences)
        .filter(|(_, sentence)| !borne_out(sentence))
        .map(|(index, _)| index)
        .collect()
}
