use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

/// Where each byte of a reading's text comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Sorted, not overlapping; text between them (line breaks, labels) belongs to the one before.
    pub(super) spans: Vec<Span>,
    pub(super) parts: Vec<Part>,
    pub(super) headings: Vec<Heading>,
    pub(super) blocks: Vec<(Range<usize>, Block)>,
}

/// One place of a document, as far as its format has such things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Page, slide, sheet or entry.
    pub part: Part,
    /// Row of a table or sheet, from 1.
    pub row: Option<u32>,
    /// Titles of the headings that it stands under, outermost first.
    pub headings: Vec<String>,
    /// Line of the source, from 1.
    pub line: Option<u32>,
    /// Bytes of the source. To the byte where the source is UTF-8 without markup in between; of the line or run of
    /// text that it stands in otherwise.
    pub bytes: Option<Range<u64>>,
}

/// A part of a document that has a number or name of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Part {
    /// Page, from 1.
    pub page: Option<u32>,
    /// Slide, from 1.
    pub slide: Option<u32>,
    /// Sheet, by its name.
    #[serde(with = "text")]
    pub sheet: Option<Arc<str>>,
    /// A chapter's file, an attachment, a message of a mailbox, a cell of a notebook: what it is called.
    #[serde(with = "text")]
    pub entry: Option<Arc<str>>,
}

/// `Arc<str>` between processes.
mod text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        text: &Option<Arc<str>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(
        deserializer: D,
    ) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
    }
}

/// From where to where something reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins.
    pub first: Place,
    /// Where its last byte stands.
    pub last: Place,
    /// The source's bytes from begin to end, where both are known and of one part.
    pub bytes: Option<Range<u64>>,
}

/// A heading in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// The heading's own line in the text.
    pub range: Range<usize>,
    /// From 1, the outermost.
    pub level: u8,
    /// Its words, without markup.
    pub title: String,
}

/// What a stretch of text is, where it is not prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Block {
    /// Program text: lines count, sentences do not.
    Code,
    /// Rows, one a line.
    Table,
}

/// A run of text that comes from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) text: Range<usize>,
    /// Empty where there are none.
    pub(super) bytes: Range<u64>,
    /// 0 where there is none.
    pub(super) line: u32,
    /// 0 where there is none.
    pub(super) row: u32,
    /// Place in `parts`, plus 1; 0 where there is none.
    pub(super) part: u32,
    /// The n-th byte of the text is the n-th of the source.
    pub(super) exact: bool,
}

impl Places {
    /// Returns the place of the byte at `offset`; beyond the text, that of its end.
    pub fn at(&self, offset: usize) -> Place {
        let headings = self.headings_at(offset);
        let Some(span) = self.span_at(offset) else { return Place { headings, ..Place::default() } };
        let some = |number: u32| (number > 0).then_some(number);
        let part = span.part.checked_sub(1).and_then(|part| self.parts.get(part as usize));
        let bytes = (!span.bytes.is_empty()).then(|| match span.exact {
            true => {
                let into = offset.saturating_sub(span.text.start) as u64;
                let at = span.bytes.start.saturating_add(into).min(span.bytes.end - 1);
                at..at + 1
            }
            false => span.bytes.clone(),
        });
        Place {
            part: part.cloned().unwrap_or_default(),
            row: some(span.row),
            headings,
            line: some(span.line),
            bytes,
        }
    }

    /// Returns from where to where a range of the text reaches; an empty one is where it begins.
    pub fn of(&self, range: Range<usize>) -> Stretch {
        let first = self.at(range.start);
        let last = self.at(range.end.saturating_sub(1).max(range.start));
        let bytes = match (&first.bytes, &last.bytes) {
            (Some(begin), Some(end)) if first.part == last.part && begin.start < end.end => {
                Some(begin.start..end.end)
            }
            _ => None,
        };
        Stretch { first, last, bytes }
    }

    /// The headings in the order of the text.
    pub fn headings(&self) -> &[Heading] {
        &self.headings
    }

    /// The stretches that are no prose, in the order of the text.
    pub fn blocks(&self) -> &[(Range<usize>, Block)] {
        &self.blocks
    }

    /// The parts with the offset in the text where each begins, in the order of the text.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &Part)> {
        let mut before = 0;
        self.spans.iter().filter_map(move |span| {
            let begins = span.part != before;
            before = span.part;
            let part = self.parts.get(span.part.checked_sub(1)? as usize)?;
            begins.then_some((span.text.start, part))
        })
    }

    fn span_at(&self, offset: usize) -> Option<&Span> {
        let after = self.spans.partition_point(|span| span.text.start <= offset);
        self.spans.get(after.saturating_sub(1))
    }

    /// The titles that stand over `offset`, outermost first.
    fn headings_at(&self, offset: usize) -> Vec<String> {
        let after = self.headings.partition_point(|heading| heading.range.start <= offset);
        let mut path = Vec::new();
        let mut level = u8::MAX;
        for heading in self.headings[..after].iter().rev() {
            if heading.level < level {
                level = heading.level;
                path.push(heading.title.clone());
            }
            if level <= 1 {
                break;
            }
        }
        path.reverse();
        path
    }
}
