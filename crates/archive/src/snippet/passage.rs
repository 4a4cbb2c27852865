//! The passage: which hits it shows, where it begins and ends, and how it is written.

use std::{collections::VecDeque, ops::Range};

use super::{
    markdown::{self, Sign},
    matcher::{Found, Matcher},
    wanted::Wanted,
};
use crate::{Snippet, text::Analyzer};

/// Returns the ranges of the hits that one passage of `chars_max` characters shows best; none where nothing
/// wanted is in the text. And the share, by weight, of what is wanted that the text holds as typed.
pub(super) fn best_hits(
    text: &str,
    wanted: &Wanted,
    analyzer: &mut Analyzer,
    chars_max: usize,
) -> (Vec<Range<usize>>, f32) {
    if wanted.is_empty() {
        return (Vec::new(), 0.0);
    }
    let mut matcher = Matcher::new(wanted);
    let mut window = Window::new(wanted, chars_max - chars_max / 4);
    analyzer.analyze_while(text, |token| {
        matcher.take(text, &token, |hit| window.push(text, hit));
        window.best_score < window.score_max
    });
    let as_typed = window.sum(&window.as_typed) / window.score_max;
    (window.best, as_typed)
}

/// The hits that fit into one passage, sliding over the text.
struct Window<'w> {
    wanted: &'w Wanted,
    chars_max: usize,
    /// With the index of the character at which each begins.
    hits: VecDeque<(usize, Found)>,
    /// Where characters were last counted: byte and character.
    counted: (usize, usize),
    best: Vec<Range<usize>>,
    best_score: f32,
    /// The score of a passage with everything, as typed.
    score_max: f32,
    /// What was met as typed, wherever.
    as_typed: Vec<f32>,
    seen: Vec<f32>,
}

impl<'w> Window<'w> {
    fn new(wanted: &'w Wanted, chars_max: usize) -> Self {
        let mut window = Self {
            wanted,
            chars_max,
            hits: VecDeque::new(),
            counted: (0, 0),
            best: Vec::new(),
            best_score: 0.0,
            score_max: f32::INFINITY,
            as_typed: vec![0.0; wanted.needles.len()],
            seen: Vec::new(),
        };
        let all = vec![EXACT; wanted.needles.len()];
        window.score_max = window.sum(&all);
        window
    }

    fn push(&mut self, text: &str, hit: Found) {
        if hit.exact {
            self.as_typed[hit.needle] = EXACT;
        }
        let (byte, count) = self.counted;
        let begin = if hit.range.start >= byte {
            count + text[byte..hit.range.start].chars().count()
        } else {
            count.saturating_sub(text[hit.range.start..byte].chars().count())
        };
        self.counted = (hit.range.start, begin);
        let end = begin + text[hit.range.clone()].chars().count();
        while self.hits.front().is_some_and(|(first, _)| end > first + self.chars_max) {
            self.hits.pop_front();
        }
        if self.hits.len() == HITS_MAX {
            self.hits.pop_front();
        }
        self.hits.push_back((begin, hit));
        let score = self.score();
        if score > self.best_score {
            self.best_score = score;
            self.best = self.hits.iter().map(|(_, hit)| hit.range.clone()).collect();
        }
    }

    fn score(&mut self) -> f32 {
        let mut seen = std::mem::take(&mut self.seen);
        seen.clear();
        seen.resize(self.wanted.needles.len(), 0.0);
        for (_, hit) in &self.hits {
            let value = if hit.exact { EXACT } else { OTHER_FORM };
            seen[hit.needle] = value.max(seen[hit.needle]);
        }
        let score = self.sum(&seen);
        self.seen = seen;
        score
    }

    /// Always adds in the same order, so that equal passages score equal.
    fn sum(&self, values: &[f32]) -> f32 {
        self.wanted.needles.iter().zip(values).map(|(needle, value)| needle.weight * value).sum()
    }
}

const EXACT: f32 = 1.0;
const OTHER_FORM: f32 = 0.8;

/// Hits of one passage that are looked at; a longer run of hits says nothing more.
const HITS_MAX: usize = 64;

/// Returns where the passage around `hits` (ascending) begins and ends: whole words, from the beginning of a
/// sentence where one is near.
pub(super) fn around(text: &str, hits: &[Range<usize>], chars_max: usize) -> Range<usize> {
    let first = hits.iter().map(|hit| hit.start).min().unwrap_or(0);
    let last = hits.iter().map(|hit| hit.end).max().unwrap_or(0);
    let spare = chars_max.saturating_sub(text[first..last].chars().take(chars_max).count());
    let after = text[last..].chars().take(spare).count();
    // A third of what is to spare goes before, and what the end of the text leaves over.
    let before = (spare / 3).max(spare - after);
    let start = begin(text, first, before);
    let limit = text[start..].char_indices().nth(chars_max).map_or(text.len(), |(offset, _)| start + offset);
    start..end(text, last.max(start), limit)
}

/// Finds a place to begin, at most `chars` characters before `first`.
fn begin(text: &str, first: usize, chars: usize) -> usize {
    let limit = match chars.checked_sub(1) {
        None => return first,
        Some(steps) => text[..first].char_indices().rev().nth(steps).map_or(0, |(index, _)| index),
    };
    if limit == 0 {
        return 0;
    }
    let before = &text[limit..first];
    let sentence =
        before.char_indices().zip(before.chars().skip(1).chain([' '])).find_map(|((index, c), next)| {
            let ends = matches!(c, '\n' | '。' | '！' | '？')
                || (matches!(c, '.' | '!' | '?') && next.is_whitespace());
            ends.then_some(index + c.len_utf8())
        });
    let word = || before.find(char::is_whitespace);
    let offset = sentence.or_else(word).unwrap_or(0);
    let spaces = before[offset..].len() - before[offset..].trim_start().len();
    whole_letter(text, limit + offset + spaces).min(first)
}

/// Finds a place to end between `last` and `limit`, the nearer to `limit` the better.
fn end(text: &str, last: usize, limit: usize) -> usize {
    if limit >= text.len() || limit <= last {
        return limit.min(text.len());
    }
    match text[last..limit].rfind(char::is_whitespace) {
        Some(offset) => last + offset,
        None if text[limit..].starts_with(char::is_whitespace) => limit,
        None => whole_letter(text, limit).min(text.len()),
    }
}

/// Moves past marks that belong to the letter before `index`, but not far.
fn whole_letter(text: &str, index: usize) -> usize {
    let marks = text[index..].chars().take(MARKS_OF_A_LETTER_MAX).take_while(|&c| crate::text::is_mark(c));
    index + marks.map(char::len_utf8).sum::<usize>()
}

const MARKS_OF_A_LETTER_MAX: usize = 8;

/// Returns the part of `text` whose signs are looked for: `cut` from the beginning of its first line on, and what may
/// follow once signs are left out.
pub(super) fn region(text: &str, cut: &Range<usize>) -> Range<usize> {
    let least = text.floor_char_boundary(cut.start.saturating_sub(LINE_BYTES_MAX));
    let start = text[least..cut.start].rfind('\n').map_or(least, |index| least + index + 1);
    start..text.floor_char_boundary((cut.end + AFTER_BYTES_MAX).min(text.len()))
}

/// Lets the passage that must show `shown` go on until it has `chars_max` characters that are read, at most up to
/// `limit`.
pub(super) fn extended(
    text: &str,
    shown: Range<usize>,
    limit: usize,
    signs: &[Sign],
    chars_max: usize,
) -> Range<usize> {
    let mut chars = 0;
    let mut at = shown.start;
    // Where a word last ended beyond what must be shown.
    let mut word_end = None;
    let mut signs = signs.iter().skip_while(|sign| sign.range.end <= shown.start).peekable();
    while at < limit {
        let sign = signs.next_if(|sign| sign.range.start <= at);
        let (end, counted, ends_word) = match sign {
            Some(sign) if sign.range.start < at => (sign.range.end, 0, false),
            Some(sign) => (sign.range.end, sign.instead.chars().count(), sign.instead.contains(' ')),
            None => {
                let c = text[at..].chars().next().unwrap_or(' ');
                (at + c.len_utf8(), 1, c.is_whitespace())
            }
        };
        chars += counted;
        if ends_word && at >= shown.end {
            word_end = Some(at);
        }
        if chars > chars_max {
            break;
        }
        at = end.min(limit);
        if sign.is_some() && at == limit {
            word_end = Some(at);
        }
    }
    let end = if at >= text.len() { at } else { word_end.unwrap_or_else(|| whole_letter(text, at)) };
    shown.start..end
}

/// Writes `text[cut]` with single spaces and without signs, ellipses where it was cut, and `marks` moved along.
pub(super) fn written(text: &str, cut: Range<usize>, marks: &[Range<usize>], signs: &[Sign]) -> Snippet {
    let mut snippet = Snippet::default();
    if is_read(text, 0..cut.start, signs) {
        snippet.text.push('…');
    }
    let mut marks = marks.iter().peekable();
    let mut signs_left = signs.iter().skip_while(|sign| sign.range.end <= cut.start).peekable();
    let mut begun = None;
    let mut gap = Gap::default();
    let mut at = cut.start;
    while at < cut.end {
        if marks.peek().is_some_and(|mark| at >= mark.end) {
            push_mark(&mut snippet, &mut begun);
            marks.next();
            continue;
        }
        if let Some(sign) = signs_left.next_if(|sign| sign.range.start <= at) {
            let instead = if sign.range.start < at { "" } else { sign.instead };
            instead.chars().for_each(|c| gap.push(c, &mut snippet.text));
            at = sign.range.end;
            continue;
        }
        let Some(c) = text[at..cut.end].chars().next() else { break };
        if c.is_whitespace() || c.is_control() {
            gap.space = true;
        } else {
            gap.fill(&mut snippet.text);
            if begun.is_none() && marks.peek().is_some_and(|mark| mark.contains(&at)) {
                begun = Some(snippet.text.len());
            }
            snippet.text.push(c);
        }
        at += c.len_utf8();
    }
    push_mark(&mut snippet, &mut begun);
    if is_read(text, cut.end..text.len(), signs) {
        snippet.text.push('…');
    }
    snippet
}

/// Tells whether anything of `text[range]` is read. Not far beyond the beginning, as a rule.
fn is_read(text: &str, range: Range<usize>, signs: &[Sign]) -> bool {
    let mut signs = signs.iter().skip_while(|sign| sign.range.end <= range.start).peekable();
    text[range.clone()].char_indices().any(|(offset, c)| {
        let index = range.start + offset;
        while signs.next_if(|sign| sign.range.end <= index).is_some() {}
        !c.is_whitespace() && !signs.peek().is_some_and(|sign| sign.range.contains(&index))
    })
}

/// What stands between the last letter written and the next.
#[derive(Default)]
struct Gap {
    space: bool,
    sign: Option<char>,
}

impl Gap {
    fn push(&mut self, c: char, text: &mut String) {
        if c.is_whitespace() {
            self.space = true;
        } else if markdown::sets_apart(c) {
            self.sign = Some(c);
        } else {
            self.fill(text);
            text.push(c);
        }
    }

    fn fill(&mut self, text: &mut String) {
        let Self { space, sign } = std::mem::take(self);
        if text.is_empty() || text.ends_with('…') {
            return;
        }
        if let Some(sign) = sign {
            text.extend([' ', sign, ' ']);
        } else if space {
            text.push(' ');
        }
    }
}

/// How far before a passage its first line may begin.
const LINE_BYTES_MAX: usize = 2048;

/// How far beyond a passage signs are looked for: some addresses of links.
const AFTER_BYTES_MAX: usize = 768;

/// Ends the mark that was begun at the end of what is written.
fn push_mark(snippet: &mut Snippet, begun: &mut Option<usize>) {
    if let Some(start) = begun.take()
        && start < snippet.text.len()
    {
        snippet.marks.push(start..snippet.text.len());
    }
}
