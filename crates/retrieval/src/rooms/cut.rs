//! From a text to a document that can be kept.

use std::collections::BTreeMap;

use athenaeum_archive::library::{NewDocument, NewFile};
use athenaeum_ingest::{
    chunk::Chunking,
    document::{self, Format, Places, Reading, Source},
};
use serde_json::{Map, Value};

use crate::documents::{Options, TOKENS_MAX, read, tokens};

/// A text that a program hands in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    /// By what it is known again, 1 to 512 bytes: a text of the same id takes its place. `None`: by what it says.
    pub id: Option<String>,
    /// What it says.
    pub text: String,
    /// Its title, searched with it.
    pub title: Option<String>,
    /// What is to be known of it, up to 64 KiB as JSON.
    pub metadata: Map<String, Value>,
}

/// How texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutting {
    /// Tokens of a piece at most, by estimate, 1 to 8,192. The built-in embedder looks at 256: what is behind that is found by its
    /// words alone.
    pub tokens_max: usize,
    /// Tokens that a piece has in common with the one before; at most half of `tokens_max`.
    pub overlap: usize,
    /// Where.
    pub by: By,
}

/// Where texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum By {
    /// Between sentences, as a window that slides over them.
    #[default]
    Sentences,
    /// At the headings of Markdown first.
    Structure,
}

impl Default for Cutting {
    fn default() -> Self {
        Self { tokens_max: TOKENS_MAX, overlap: TOKENS_MAX / 8, by: By::Sentences }
    }
}

impl Cutting {
    /// Most tokens of a piece.
    pub const TOKENS_MAX: usize = 8_192;
}

/// Why a text cannot be kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// There is nothing in it.
    #[error("a text is empty; there is nothing to find in it")]
    Empty,
    /// It holds a character that no text holds.
    #[error("a text holds a character with the code 0; it is something else than text")]
    Nul,
    /// Its id is none.
    #[error("an id has 1 to {ID_BYTES_MAX} bytes, and none with the code 0")]
    Id,
    /// Its metadata are too long.
    #[error("metadata may have {METADATA_BYTES_MAX} bytes as JSON, and this has {0}")]
    Metadata(usize),
    /// It cannot be cut so.
    #[error(
        "a piece has 1 to {} tokens, and at most half of them in common with the one before",
        Cutting::TOKENS_MAX
    )]
    Cutting,
    /// It could not be read.
    #[error("the text could not be read as Markdown: {0}")]
    Unread(String),
}

/// Bytes of metadata as JSON.
pub(super) const METADATA_BYTES_MAX: usize = 64 << 10;

const ID_BYTES_MAX: usize = 512;

/// A text made ready.
pub(super) struct Cut {
    pub(super) id: String,
    pub(super) file: NewFile,
    pub(super) document: NewDocument,
    pub(super) tokens: u64,
}

/// Makes a text ready to be kept.
pub(super) fn cut(text: Text, cutting: Cutting) -> Result<Cut, InvalidText> {
    let Text { id, text, title, metadata } = text;
    if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > ID_BYTES_MAX || id.contains('\0')) {
        return Err(InvalidText::Id);
    }
    let metadata = if metadata.is_empty() { None } else { Some(Value::Object(metadata).to_string()) };
    if let Some(long) = metadata.as_ref().map(String::len).filter(|bytes| *bytes > METADATA_BYTES_MAX) {
        return Err(InvalidText::Metadata(long));
    }
    let id = id.unwrap_or_else(|| {
        let said =
            hash(&[&text, title.as_deref().unwrap_or_default(), metadata.as_deref().unwrap_or_default()]);
        said.to_hex()[..32].to_owned()
    });
    let path = format!("{OF_PROGRAMS}{id}");
    document(path, text, title, metadata, cutting).map(|(file, document, tokens)| Cut {
        id,
        file,
        document,
        tokens,
    })
}

/// Makes a document of a text that is kept under a name of the ledger.
pub(super) fn document(
    path: String,
    text: String,
    title: Option<String>,
    metadata: Option<String>,
    cutting: Cutting,
) -> Result<(NewFile, NewDocument, u64), InvalidText> {
    let Cutting { tokens_max, overlap, by } = cutting;
    if !(1..=Cutting::TOKENS_MAX).contains(&tokens_max) || overlap * 2 > tokens_max {
        return Err(InvalidText::Cutting);
    }
    if text.trim().is_empty() {
        return Err(InvalidText::Empty);
    }
    if text.contains('\0') {
        return Err(InvalidText::Nul);
    }
    let parts =
        [path.as_str(), &text, title.as_deref().unwrap_or_default(), metadata.as_deref().unwrap_or_default()];
    // Two texts that say the same under two names are two documents, each with its own metadata.
    let source = Source { blake3: *hash(&parts).as_bytes(), bytes: text.len() as u64 };
    let counted = tokens(&text) as u64;
    let mut reading = match by {
        By::Sentences => Reading {
            format: Format::Text,
            title: None,
            language: None,
            text,
            places: Places::default(),
            problems: Vec::new(),
            source,
            metadata: BTreeMap::new(),
        },
        By::Structure => {
            let options =
                document::Options { format: Some(Format::Markdown), ..document::Options::default() };
            let read = document::read_bytes("text.md", text.as_bytes(), &options);
            Reading { source, ..read.map_err(|error| InvalidText::Unread(error.to_string()))? }
        }
    };
    if title.is_some() {
        reading.title = title;
    }
    let structure = by == By::Structure;
    let tokens_min = Chunking::WINDOW.tokens_min.min(tokens_max);
    let options = Options {
        chunking: Some(Chunking { tokens_max, overlap, tokens_min, structure }),
        ..Options::default()
    };
    let document = NewDocument { metadata, ..read(reading, &options) };
    Ok((NewFile { path, bytes: document.bytes, modified_at: None }, document, counted))
}

/// Returns the id that a text was handed in with, of its name in the ledger.
pub(super) fn id_of(path: &str) -> String {
    path.strip_prefix(OF_PROGRAMS).unwrap_or(path).to_owned()
}

/// Hashes texts so that none runs into the next.
fn hash(parts: &[&str]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize()
}

/// What the names of texts begin with in the ledger. No path of a file does: those are absolute.
pub(super) const OF_PROGRAMS: &str = "program:";
