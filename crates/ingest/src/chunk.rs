//! Readings cut into pieces that a search can find and a model can read.
//!
//! ```
//! use athenaeum_ingest::{chunk::{Chunking, chunks}, document::{self, Options}};
//!
//! let reading = document::read_bytes("a.md", b"# Bread\nIt rises. It is baked.\n# Tea\nIt is drunk.", &Options::default())?;
//! let words = |text: &str| text.split_whitespace().count();
//! let chunking = Chunking { tokens_max: 6, tokens_min: 2, ..Chunking::of(reading.format) };
//! let pieces: Vec<&str> = chunks(&reading, &chunking, &words).into_iter().map(|chunk| &reading.text[chunk.range]).collect();
//! assert_eq!(pieces, ["# Bread\nIt rises.", "It rises. It is baked.", "# Tea\nIt is drunk."]);
//! # Ok::<(), athenaeum_ingest::document::Error>(())
//! ```
//!
//! The text is cut into units that nobody would take apart without need (sentences, lines of code, rows), and as many
//! of them as fit make a chunk; it ends early where a better place to end is near: a heading, an empty line. The next
//! chunk begins with the last units of the one before (the overlap). With [`Chunking::structure`] a heading or a new
//! part (a slide, a sheet) always begins a chunk, unless what is before it is very short.
//!
//! **Invariant:** every byte that is not white space is in a chunk; a chunk begins and ends with something else than
//! white space, at a character's border; it has at most [`Chunking::tokens_max`] tokens, as the sum of its units, except
//! for a single character that alone has more.

mod pack;
mod units;

use std::ops::Range;

use crate::document::{Format, Reading};

/// A piece of a reading's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// The headings that it stands under, outermost first, joined by ` › `.
    pub heading: Option<String>,
    /// As counted by the caller's function, unit by unit.
    pub tokens: usize,
}

/// How to cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunking {
    /// Most tokens of a chunk; at least 1.
    pub tokens_max: usize,
    /// Tokens that a chunk has in common with the one before, at most; less than half of `tokens_max` is used.
    pub overlap: usize,
    /// A chunk with fewer tokens goes on over a heading.
    pub tokens_min: usize,
    /// Headings, slides, sheets and entries begin chunks, and functions keep together.
    pub structure: bool,
}

impl Chunking {
    /// The window that slides over sentences, whatever the document: 512 tokens, 64 of them shared.
    pub const WINDOW: Self = Self { tokens_max: 512, overlap: 64, tokens_min: 32, structure: false };

    /// Returns what suits a format.
    pub fn of(format: Format) -> Self {
        let structured = Self { structure: true, ..Self::WINDOW };
        match format {
            Format::Text => Self::WINDOW,
            // What is shared between rows or functions is said twice and helps nobody.
            Format::Code | Format::Json | Format::JsonLines | Format::Xml => {
                Self { overlap: 0, ..structured }
            }
            _ => structured,
        }
    }
}

/// Cuts a reading; `tokens` counts those of a text, and should count no more for a text than for its parts together.
pub fn chunks(reading: &Reading, chunking: &Chunking, tokens: &dyn Fn(&str) -> usize) -> Vec<Chunk> {
    let units = units::units(reading, chunking, tokens);
    pack::pack(reading, chunking, &units)
}
