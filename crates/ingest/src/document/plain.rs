//! Text as it stands: notes, program text, and whatever else is lines.

use super::{
    Block, Format,
    draft::{At, Draft},
    letters::{self, Letters},
};

pub(super) fn read(bytes: &[u8], format: Format, draft: &mut Draft) {
    let letters = letters::decode(bytes, None);
    tell_encoding(&letters, draft);
    for line in lines(&letters.text) {
        match format {
            Format::Json | Format::JsonLines if line.text.len() > DENSE_BYTES => {
                dense(&line, &letters, draft);
            }
            _ => line.push(&letters, draft),
        }
        if draft.is_full() {
            break;
        }
    }
    if !matches!(format, Format::Text) {
        draft.block(0, Block::Code);
    }
}

/// Lines of JSON longer than this were not meant to be read.
const DENSE_BYTES: usize = 1_000;
/// How long they become.
const BROKEN_BYTES: usize = 120;

/// Breaks a line of JSON after commas and brackets, outside of strings.
fn dense(line: &Line<'_>, letters: &Letters<'_>, draft: &mut Draft) {
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, byte) in line.text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'{' | b'[' if !quoted && at + 1 - start > BROKEN_BYTES => {
                Line { text: &line.text[start..=at], start: line.start + start, number: line.number }
                    .push(letters, draft);
                draft.append("\n");
                start = at + 1;
            }
            _ => {}
        }
    }
    Line { text: &line.text[start..], start: line.start + start, number: line.number }.push(letters, draft);
}

pub(super) fn tell_encoding(letters: &Letters<'_>, draft: &mut Draft) {
    draft.tell("encoding", letters.encoding);
    if letters.replaced {
        let reason = format!("some bytes are no {}; they are shown as \u{FFFD}", letters.encoding);
        draft.notice("", reason);
    }
}

/// A line of a text, with its end.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
    /// From 1.
    pub(super) number: u32,
}

impl Line<'_> {
    pub(super) fn push(&self, letters: &Letters<'_>, draft: &mut Draft) {
        let (bytes, exact) = letters.bytes(self.start..self.start + self.text.len());
        draft.push(self.text, At { line: self.number, row: 0, bytes, exact });
    }
}

pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').zip(1..).map(move |(line, number)| {
        let line = Line { text: line, start, number };
        start += line.text.len();
        line
    })
}
