//! The passage: which hits it shows, where it begins and ends, and how it is written.

use std::{collections::VecDeque, ops::Range};

use super::{
    matcher::{Found, Matcher},
    wanted::Wanted,
};
use crate::{Snippet, text::Analyzer};

/// Returns the ranges of the hits that one passage of `chars_max` characters shows best; none where nothing
/// wanted is in the text.
pub(super) fn best_hits(
    text: &str,
    wanted: &Wanted,
    analyzer: &mut Analyzer,
    chars_max: usize,
) -> Vec<Range<usize>> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut matcher = Matcher::new(wanted);
    let mut window = Window::new(wanted, chars_max - chars_max / 4);
    analyzer.analyze_while(text, |token| {
        matcher.take(text, &token, |hit| window.push(text, hit));
        window.best_score < window.score_max
    });
    window.best
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
            seen: Vec::new(),
        };
        let all = vec![EXACT; wanted.needles.len()];
        window.score_max = window.sum(&all);
        window
    }

    fn push(&mut self, text: &str, hit: Found) {
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

/// Writes `text[cut]` with single spaces, ellipses where it was cut, and `marks` moved along.
pub(super) fn written(text: &str, cut: Range<usize>, marks: &[Range<usize>]) -> Snippet {
    let mut snippet = Snippet::default();
    if !text[..cut.start].trim_start().is_empty() {
        snippet.text.push('…');
    }
    let mut marks = marks.iter().peekable();
    let mut begun = None;
    let mut space = false;
    for (offset, c) in text[cut.clone()].char_indices() {
        let index = cut.start + offset;
        if let Some(mark) = marks.peek()
            && index >= mark.end
        {
            push_mark(&mut snippet, &mut begun);
            marks.next();
        }
        if c.is_whitespace() || c.is_control() {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) && !snippet.text.is_empty() && !snippet.text.ends_with('…') {
            snippet.text.push(' ');
        }
        if begun.is_none() && marks.peek().is_some_and(|mark| mark.contains(&index)) {
            begun = Some(snippet.text.len());
        }
        snippet.text.push(c);
    }
    push_mark(&mut snippet, &mut begun);
    if !text[cut.end..].trim_end().is_empty() {
        snippet.text.push('…');
    }
    snippet
}

/// Ends the mark that was begun at the end of what is written.
fn push_mark(snippet: &mut Snippet, begun: &mut Option<usize>) {
    if let Some(start) = begun.take()
        && start < snippet.text.len()
    {
        snippet.marks.push(start..snippet.text.len());
    }
}
