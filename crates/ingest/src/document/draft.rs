use std::{collections::BTreeMap, ops::Range};

use athenaeum_core::{Problem, Severity};

use super::{Block, Format, Heading, Options, Part, Places, Reading, Source, clean, places::Span};

/// Most problems told one by one.
const PROBLEMS_MAX: usize = 1_000;
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

#[expect(dead_code, reason = "tables come next")]
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
    #[expect(dead_code, reason = "formats with pages come next")]
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
            Some((range, known)) if *known == block && range.end == start => range.end = end,
            _ => self.places.blocks.push((start..end, block)),
        }
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

    #[expect(dead_code, reason = "formats with pages come next")]
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
