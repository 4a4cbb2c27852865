use std::{collections::BTreeMap, ops::Range};

use athenaeum_core::{Problem, Severity};
use serde::{Deserialize, Serialize};

use super::{Block, Format, Heading, Options, Part, Places, Reading, Source, clean, places::Span};

/// Most problems told one by one.
const PROBLEMS_MAX: usize = 1_000;
/// Pictures kept of one document.
const PICTURES_BYTES_MAX: usize = 256 << 20;
/// Longest title kept.
const TITLE_BYTES_MAX: usize = 1_000;

/// A reading in the making. It stops growing at the limits and says so, so that formats need not look.
pub(super) struct Draft {
    name: String,
    pub(super) title: Option<String>,
    pub(super) language: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) options: Options,
    text: String,
    places: Places,
    problems: Vec<Problem>,
    problems_beyond: u64,
    full: bool,
    /// Pages that are pictures, by their number.
    pictures: Vec<(u32, Vec<u8>)>,
    picture_bytes: usize,
    /// Where pieces go as they are done, and how much went there already.
    sink: Option<Sink>,
    passed: Passed,
}

/// Takes a piece; `false` ends the reading.
type Sink = Box<dyn FnMut(Piece) -> bool>;

#[derive(Default)]
struct Passed {
    text: usize,
    spans: usize,
    parts: usize,
    headings: usize,
    blocks: usize,
    problems: usize,
}

/// What was added to a draft, for another process that makes a draft of it again.
#[derive(Serialize, Deserialize)]
pub(super) struct Piece {
    /// Where it begins in the whole text.
    start: usize,
    text: String,
    spans: Vec<Span>,
    parts: Vec<Part>,
    headings: Vec<Heading>,
    blocks: Vec<(Range<usize>, Block)>,
    /// Whether the record was left out, or the rest of the document, the record, the reason.
    problems: Vec<(bool, bool, String, String)>,
}

/// Where a piece of text comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) row: u32,
    pub(super) bytes: Range<u64>,
    /// The piece is these bytes, one for one.
    pub(super) exact: bool,
}

impl At {
    pub(super) fn row(row: u32) -> Self {
        Self { row, ..Self::default() }
    }
}

impl Draft {
    pub(super) fn new(name: &str, options: &Options) -> Self {
        Self {
            name: name.to_owned(),
            title: None,
            language: None,
            metadata: BTreeMap::new(),
            options: options.clone(),
            text: String::new(),
            places: Places::default(),
            problems: Vec::new(),
            problems_beyond: 0,
            full: false,
            pictures: Vec::new(),
            picture_bytes: 0,
            sink: None,
            passed: Passed::default(),
        }
    }

    /// Whether there may be somebody who reads pictures.
    pub(super) fn wants_pictures(&self) -> bool {
        let most = self.options.ocr.as_ref().map_or(0, |ocr| ocr.pictures_max as usize);
        self.pictures.len() < most && self.picture_bytes < PICTURES_BYTES_MAX
    }

    /// Keeps a page that is a picture.
    pub(super) fn picture(&mut self, page: u32, picture: Vec<u8>) {
        self.picture_bytes += picture.len();
        self.pictures.push((page, picture));
    }

    pub(super) fn take_pictures(&mut self) -> Vec<(u32, Vec<u8>)> {
        std::mem::take(&mut self.pictures)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// From now on what is whole goes to `sink`.
    pub(super) fn pass_on(&mut self, sink: Sink) {
        self.sink = Some(sink);
    }

    /// What was added since the last time is whole: it goes on.
    pub(super) fn flush(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        let from = &self.passed;
        let places = &self.places;
        let kind = |problem: &Problem| {
            let (skipped, broken) =
                (problem.severity == Severity::Skipped, problem.severity == Severity::Broken);
            (skipped, broken, problem.record.clone(), problem.reason.clone())
        };
        let piece = Piece {
            start: from.text,
            text: self.text.get(from.text..).unwrap_or_default().to_owned(),
            spans: places.spans.get(from.spans..).unwrap_or_default().to_vec(),
            parts: places.parts.get(from.parts..).unwrap_or_default().to_vec(),
            headings: places.headings.get(from.headings..).unwrap_or_default().to_vec(),
            blocks: places.blocks.get(from.blocks..).unwrap_or_default().to_vec(),
            problems: self.problems.get(from.problems..).unwrap_or_default().iter().map(kind).collect(),
        };
        self.passed = Passed {
            text: self.text.len(),
            spans: places.spans.len(),
            parts: places.parts.len(),
            headings: places.headings.len(),
            blocks: places.blocks.len(),
            problems: self.problems.len(),
        };
        if !sink(piece) {
            self.full = true;
        }
    }

    /// Adds what another draft passed on, as far as it fits together.
    pub(super) fn absorb(&mut self, piece: Piece) {
        if piece.start != self.text.len() || self.append(&piece.text) != piece.text.len() {
            return;
        }
        let length = self.text.len();
        let fits = |range: &Range<usize>| range.start <= range.end && range.end <= length;
        let parts = self.places.parts.len() + piece.parts.len();
        self.places.parts.extend(piece.parts);
        let mut last = self.places.spans.last().map_or(0, |span| span.text.start);
        for span in piece.spans {
            if fits(&span.text) && span.text.start >= last && span.part as usize <= parts {
                last = span.text.start;
                self.places.spans.push(span);
            }
        }
        self.places.headings.extend(piece.headings.into_iter().filter(|heading| fits(&heading.range)));
        self.places.blocks.extend(piece.blocks.into_iter().filter(|(range, _)| fits(range)));
        for (skipped, broken, record, reason) in piece.problems {
            match (skipped, broken) {
                (true, _) => self.skipped(record, reason),
                (_, true) => self.broken(record, reason),
                _ => self.notice(record, reason),
            }
        }
    }

    /// Adds text from one place.
    pub(super) fn push(&mut self, text: &str, at: At) {
        let start = self.text.len();
        if self.append(text) == 0 {
            return;
        }
        let part = self.places.parts.len() as u32;
        self.places.spans.push(Span {
            text: start..self.text.len(),
            bytes: at.bytes,
            line: at.line,
            row: at.row,
            part,
            exact: at.exact,
        });
    }

    /// Adds text that continues the last place: a line break, a separator.
    pub(super) fn append(&mut self, text: &str) -> usize {
        let text = clean(text);
        let room = self.options.text_bytes_max.saturating_sub(self.text.len());
        if text.len() > room && !self.full {
            self.full = true;
            let max = self.options.text_bytes_max;
            self.broken("", format!("only the first {max} bytes of its text are kept; split the document"));
        }
        let kept = text.floor_char_boundary(room);
        self.text.push_str(&text[..kept]);
        kept
    }

    /// Ends the line and leaves `blank` empty lines; nothing at the beginning.
    pub(super) fn line(&mut self, blank: usize) {
        let kept = self.text.trim_end_matches([' ', '\t']).len();
        self.cut(kept);
        if self.text.is_empty() {
            return;
        }
        let have = self.text.len() - self.text.trim_end_matches('\n').len();
        for _ in have..=blank {
            self.append("\n");
        }
    }

    /// Ends the text with one line break.
    pub(super) fn end(&mut self) {
        let kept = self.text.trim_end().len();
        self.cut(kept);
        self.line(0);
    }

    /// Forgets what was added after `length` bytes.
    pub(super) fn cut(&mut self, length: usize) {
        if length >= self.text.len() {
            return;
        }
        let length = self.text.floor_char_boundary(length);
        self.text.truncate(length);
        while self.places.spans.last().is_some_and(|span| span.text.start >= length) {
            self.places.spans.pop();
        }
        if let Some(span) = self.places.spans.last_mut() {
            span.text.end = span.text.end.min(length);
        }
        self.places.headings.retain(|heading| heading.range.start < length);
        self.places.blocks.retain(|(range, _)| range.start < length);
    }

    /// What follows belongs to this part.
    pub(super) fn part(&mut self, part: Part) {
        self.line(1);
        self.places.parts.push(part);
    }

    /// Marks the text from `start` as a heading; its words are the title unless others are given.
    pub(super) fn heading(&mut self, start: usize, level: u8, title: &str) {
        let end = self.text.len();
        let title = self.short(title);
        if start < end && !title.is_empty() {
            self.places.headings.push(Heading { range: start..end, level: level.max(1), title });
        }
    }

    /// Marks the text from `start` as no prose.
    pub(super) fn block(&mut self, start: usize, block: Block) {
        let end = self.text.len();
        if start >= end {
            return;
        }
        match self.places.blocks.last_mut() {
            Some((range, known)) if *known == block && range.end >= start => range.end = end,
            _ => self.places.blocks.push((start..end, block)),
        }
    }

    /// Adds a document that stands inside of this one, under its name.
    pub(super) fn include(&mut self, name: &str, reading: Reading) {
        self.part(Part { entry: Some(name.into()), ..Part::default() });
        let start = self.text.len();
        if self.append(&reading.text) != reading.text.len() {
            self.cut(start);
            return;
        }
        let shift = |range: Range<usize>| range.start + start..range.end + start;
        let parts = self.places.parts.len() as u32;
        for mut part in reading.places.parts {
            part.entry =
                Some(part.entry.map_or_else(|| name.into(), |entry| format!("{name} › {entry}").into()));
            self.places.parts.push(part);
        }
        if reading.places.spans.is_empty() && start < self.text.len() {
            let text = start..self.text.len();
            self.places.spans.push(Span { text, bytes: 0..0, line: 0, row: 0, part: parts, exact: false });
        }
        for span in reading.places.spans {
            let part = if span.part == 0 { parts } else { parts + span.part };
            // Its bytes are those of the attachment, not of this file.
            self.places.spans.push(Span { text: shift(span.text), bytes: 0..0, part, exact: false, ..span });
        }
        for heading in reading.places.headings {
            self.places.headings.push(Heading { range: shift(heading.range), ..heading });
        }
        self.places
            .blocks
            .extend(reading.places.blocks.into_iter().map(|(range, block)| (shift(range), block)));
        for problem in reading.problems {
            let record = if problem.record.is_empty() {
                name.to_owned()
            } else {
                format!("{name}, {}", problem.record)
            };
            self.problem(problem.severity, record, problem.reason);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// No more text is taken; whoever reads may stop.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn notice(&mut self, record: impl Into<String>, reason: impl Into<String>) {
        self.problem(Severity::Notice, record.into(), reason.into());
    }

    pub(super) fn skipped(&mut self, record: impl Into<String>, reason: impl Into<String>) {
        self.problem(Severity::Skipped, record.into(), reason.into());
    }

    pub(super) fn broken(&mut self, record: impl Into<String>, reason: impl Into<String>) {
        self.problem(Severity::Broken, record.into(), reason.into());
    }

    fn problem(&mut self, severity: Severity, record: String, reason: String) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.problems_beyond += 1;
            return;
        }
        self.problems.push(Problem { severity, file: self.name.clone(), record, reason });
    }

    /// Keeps something that the document says of itself, if it says anything.
    pub(super) fn tell(&mut self, name: &str, value: &str) {
        let value = self.short(value);
        if !value.is_empty() {
            self.metadata.entry(name.to_owned()).or_insert(value);
        }
    }

    pub(super) fn short(&self, text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().take(TITLE_BYTES_MAX).collect();
        let mut words = clean(&words.join(" ")).into_owned();
        words.truncate(words.floor_char_boundary(TITLE_BYTES_MAX));
        words
    }

    pub(super) fn finish(mut self, format: Format, source: Source) -> Reading {
        if self.problems_beyond > 0 {
            let record = format!("{} more", self.problems_beyond);
            let reason = "further problems are not told one by one".to_owned();
            self.problems.push(Problem {
                severity: Severity::Notice,
                file: self.name.clone(),
                record,
                reason,
            });
        }
        let title = self.title.take().map(|title| self.short(&title)).filter(|title| !title.is_empty());
        let language = self.language.take().filter(|tag| is_tag(tag));
        let first = self.places.headings.iter().take(20).min_by_key(|heading| heading.level);
        Reading {
            format,
            title: title.or_else(|| first.map(|heading| heading.title.clone())),
            language,
            text: self.text,
            places: self.places,
            problems: self.problems,
            source,
            metadata: self.metadata,
        }
    }
}

/// Whether a text has the form of a BCP 47 tag.
fn is_tag(tag: &str) -> bool {
    (2..=35).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
