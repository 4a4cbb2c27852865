use std::ops::Range;

use super::Chunking;
use crate::document::{Block, Reading};

/// A stretch of text that is kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Up to the next unit: its white space is at its end.
    pub(super) range: Range<usize>,
    pub(super) tokens: usize,
    /// How good a place to begin a chunk its beginning is.
    pub(super) border: Border,
}

/// What stands between a unit and the one before, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Border {
    /// In the middle of a sentence that is too long.
    Word,
    Sentence,
    Line,
    /// An empty line, or the beginning of something at a line's beginning in code.
    Paragraph,
    /// A heading or another part.
    Section,
}

/// Cuts the text into units that tile it and have at most `tokens_max` tokens each.
pub(super) fn units(reading: &Reading, chunking: &Chunking, tokens: &dyn Fn(&str) -> usize) -> Vec<Unit> {
    let max = chunking.tokens_max.max(1);
    let text = reading.text.as_str();
    let mut units = Vec::new();
    let mut add = |range: Range<usize>, border: Border| {
        let count = tokens(text[range.clone()].trim());
        if count <= max {
            units.push(Unit { range, tokens: count, border });
        } else {
            words(text, range, border, max, tokens, &mut units);
        }
    };
    let mut sections = sections(reading).into_iter().peekable();
    let mut blocks = reading.places.blocks().iter().peekable();
    let mut line_start = 0;
    let mut blank_before = false;
    let mut after_heading = false;
    for line in text.split_inclusive('\n') {
        let range = line_start..line_start + line.len();
        line_start = range.end;
        while blocks.next_if(|(block, _)| block.end <= range.start).is_some() {}
        let block = blocks.peek().filter(|(block, _)| block.start < range.end).map(|(_, block)| *block);
        let section = sections.next_if(|start| *start < range.end).is_some();
        while sections.next_if(|start| *start < range.end).is_some() {}
        let border = match block {
            _ if section => Border::Section,
            // A heading is not left alone.
            _ if after_heading => Border::Word,
            Some(Block::Code) if blank_before && !line.starts_with([' ', '\t', '}', ')', ']']) => {
                Border::Paragraph
            }
            Some(_) => Border::Line,
            None if blank_before => Border::Paragraph,
            None => Border::Line,
        };
        blank_before = line.trim().is_empty();
        after_heading = section || (after_heading && blank_before);
        match block {
            Some(_) => add(range, border),
            None => sentences(text, range, border, &mut add),
        }
    }
    units
}

/// Where headings and parts begin.
fn sections(reading: &Reading) -> Vec<usize> {
    let headings = reading.places.headings().iter().map(|heading| heading.range.start);
    let parts = reading.places.parts().filter(|(_, part)| part.page.is_none()).map(|(start, _)| start);
    let mut starts: Vec<usize> = headings.chain(parts).collect();
    starts.sort_unstable();
    starts
}

/// Cuts a line where sentences end: after a full stop and the like, closing quotes and white space, unless what follows
/// goes on in small letters or what stands before is an initial or a number of a list.
fn sentences(text: &str, line: Range<usize>, border: Border, add: &mut dyn FnMut(Range<usize>, Border)) {
    let mut start = line.start;
    let mut border = border;
    let mut letters = text[line.clone()].char_indices().peekable();
    let mut word_start = line.start;
    while let Some((at, letter)) = letters.next() {
        let at = line.start + at;
        if letter.is_whitespace() {
            word_start = at + letter.len_utf8();
        }
        let wide = matches!(letter, '。' | '！' | '？' | '｡');
        if !wide && !matches!(letter, '.' | '!' | '?' | '…' | '؟' | '۔' | '।' | '॥' | '։' | '።') {
            continue;
        }
        while letters.next_if(|(_, next)| is_closing(*next)).is_some() {}
        let mut end = letters.peek().map_or(line.end, |(next, _)| line.start + next);
        let spaced = letters.peek().is_some_and(|(_, next)| next.is_whitespace());
        if !spaced && !wide {
            continue;
        }
        while letters.next_if(|(_, next)| next.is_whitespace()).is_some() {}
        end = letters.peek().map_or(line.end, |(next, _)| line.start + *next).max(end);
        let small = letters.peek().is_some_and(|(_, next)| next.is_lowercase());
        let before = &text[word_start.min(at)..at];
        let short = letter == '.'
            && (before.chars().count() <= 1
                || is_title(before)
                || before.bytes().all(|byte| byte.is_ascii_digit()));
        // "etc. and so on", yet people write whole sentences in small letters, too.
        let goes_on = small && (letter == '…' || before.chars().count() <= 3);
        word_start = end;
        if (goes_on || short) && end < line.end {
            continue;
        }
        add(start..end, border);
        (start, border) = (end, Border::Sentence);
    }
    if start < line.end {
        add(start..line.end, border);
    }
}

fn is_closing(letter: char) -> bool {
    matches!(letter, '.' | '!' | '?' | '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '）')
}

fn is_title(word: &str) -> bool {
    let word = word.trim_start_matches(['(', '"', '“']);
    ["Mr", "Mrs", "Ms", "Dr", "Prof", "St", "vs", "cf", "Fig", "No", "Nr", "Vol", "pp", "al"].contains(&word)
        || word.contains('.')
}

/// Cuts what is too long between words, and where even a word is too long between characters.
fn words(
    text: &str,
    range: Range<usize>,
    border: Border,
    max: usize,
    tokens: &dyn Fn(&str) -> usize,
    units: &mut Vec<Unit>,
) {
    let mut border = border;
    let mut start = range.start;
    while start < range.end {
        let rest = &text[start..range.end];
        let count = tokens(rest.trim());
        if count <= max {
            units.push(Unit { range: start..range.end, tokens: count, border });
            return;
        }
        // By the share that fits, halved until it does.
        let mut length = (rest.len() as u64 * max as u64 / count as u64) as usize;
        let (end, count) = loop {
            let cut = before_word(rest, length.max(1));
            let count = tokens(rest[..cut].trim());
            let smallest = cut <= rest.chars().next().map_or(1, char::len_utf8);
            if count <= max || smallest {
                break (start + cut, count);
            }
            length = cut / 2;
        };
        units.push(Unit { range: start..end, tokens: count, border });
        border = Border::Word;
        start = end;
    }
}

/// The end of the last word within `length` bytes, with the white space after it; within a word where there is none.
/// At least one character.
fn before_word(text: &str, length: usize) -> usize {
    let length = text.floor_char_boundary(length);
    let space = text[..length].rfind(char::is_whitespace);
    let end = space
        .filter(|found| !text[..*found].trim().is_empty())
        .map_or(length, |found| found + text[found..].chars().next().map_or(1, char::len_utf8));
    end.max(text.chars().next().map_or(0, char::len_utf8))
}
