//! Which part of a message shows best why it was found.
//!
//! ```
//! use athenaeum_archive::{query, snippet::{self, Wanted}, text::Analyzer};
//!
//! let mut analyzer = Analyzer::new();
//! let wanted = Wanted::in_text(query::parse("rising dough").expr.as_ref(), &mut analyzer);
//! let snippet = snippet::snippet("First we mix.\nThe dough rises for hours.", &wanted, &mut analyzer, 30);
//! assert_eq!(snippet.text, "…The dough rises for hours.");
//! assert_eq!(&snippet.text[snippet.marks[0].clone()], "dough");
//! ```
//!
//! [`Wanted`] holds the words of a query; [`snippet`] cuts the best passage, [`marks`] finds the matches of a
//! whole text. Both read the text once, from its beginning, and [`snippet`] only as far as no better passage
//! can follow.
//!
//! **Invariant:** marks are ascending, disjoint, not empty, and lie between whole characters.

mod markdown;
mod matcher;
mod passage;
mod wanted;

use std::ops::Range;

use self::{markdown::Sign, matcher::Matcher};
use crate::{Snippet, text::Analyzer};

pub use wanted::Wanted;

/// Most marks that [`marks`] returns.
pub const MARKS_MAX: usize = 10_000;

/// Returns the passage of `text` that shows most of what is wanted: the most distinct words and phrases, the
/// weightier first ([`Wanted::weigh`]), as typed rather than in another form, and the earliest of equals.
///
/// At most `chars_max` characters and an ellipsis at either end. Without a match it is the beginning.
/// White space is folded to single spaces. Markdown's signs are left out, and so are the addresses of links, except
/// where they are what was looked for; code stays as it is.
pub fn snippet(text: &str, wanted: &Wanted, analyzer: &mut Analyzer, chars_max: usize) -> Snippet {
    passage(text, wanted, analyzer, chars_max).0
}

/// As [`snippet`], with the share (0 to 1, by weight) of what is wanted that stands in the text as typed.
pub(crate) fn passage(
    text: &str,
    wanted: &Wanted,
    analyzer: &mut Analyzer,
    chars_max: usize,
) -> (Snippet, f32) {
    let (hits, as_typed) = passage::best_hits(text, wanted, analyzer, chars_max);
    let (cut, signs) = readable(text, &hits, wanted, analyzer, chars_max);
    let inside = marks(&text[cut.clone()], wanted, analyzer);
    let inside = inside.into_iter().map(|mark| mark.start + cut.start..mark.end + cut.start);
    let clipped = hits.into_iter().map(|hit| hit.start.max(cut.start)..hit.end.min(cut.end));
    let marks = merged(inside.chain(clipped).filter(|mark| !mark.is_empty()).collect());
    (passage::written(text, cut, &marks, &signs), as_typed)
}

/// Returns the share (0 to 1, by weight) of what is wanted that stands in `text` as typed, letter case aside.
pub(crate) fn as_typed(text: &str, wanted: &Wanted, analyzer: &mut Analyzer) -> f32 {
    passage::best_hits(text, wanted, analyzer, usize::MAX).1
}

/// Returns the passage around `hits` and Markdown's signs in it, which do not count.
fn readable(
    text: &str,
    hits: &[Range<usize>],
    wanted: &Wanted,
    analyzer: &mut Analyzer,
    chars_max: usize,
) -> (Range<usize>, Vec<Sign>) {
    let cut = passage::around(text, hits, chars_max);
    let region = passage::region(text, &cut);
    let signs = markdown::signs(text, region.clone());
    if !signs.iter().any(|sign| sign.range.end > cut.start) {
        return (cut, signs);
    }
    let shown = hits.last().map_or(cut.start, |hit| hit.end.clamp(cut.start, cut.end));
    let wide = passage::extended(text, cut.start..shown, region.end, &signs, chars_max);
    let inside = marks(&text[wide.clone()], wanted, analyzer);
    let inside = inside.into_iter().map(|mark| mark.start + wide.start..mark.end + wide.start);
    let signs = markdown::uncover(signs, &merged(inside.chain(hits.iter().cloned()).collect()));
    (passage::extended(text, cut.start..shown, region.end, &signs, chars_max), signs)
}

/// Returns where what is wanted stands in `text`: ascending, disjoint ranges of bytes, a phrase as one range.
/// The first [`MARKS_MAX`] matches.
pub fn marks(text: &str, wanted: &Wanted, analyzer: &mut Analyzer) -> Vec<Range<usize>> {
    let mut matcher = Matcher::new(wanted);
    let mut marks = Vec::new();
    if wanted.is_empty() {
        return marks;
    }
    analyzer.analyze_while(text, |token| {
        matcher.take(text, &token, |hit| marks.push(hit.range));
        marks.len() < MARKS_MAX
    });
    merged(marks)
}

/// Sorts ranges and joins those that overlap.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
