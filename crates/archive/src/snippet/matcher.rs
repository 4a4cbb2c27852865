use std::{collections::VecDeque, ops::Range};

use rustc_hash::FxHashMap;

use super::wanted::{Form, Wanted};
use crate::text::Token;

/// Finds what is wanted in a stream of tokens.
///
/// Phrases by the shift-and method (Baeza-Yates and Gonnet, "A new approach to text searching", 1992): bit i of a
/// phrase's progress says that its first i + 1 terms have just been read. One step per token and phrase.
pub(super) struct Matcher<'w> {
    wanted: &'w Wanted,
    /// For each term, the needles that hold it and at which places (bits).
    places: FxHashMap<&'w str, Vec<(usize, u64)>>,
    beginnings: Vec<(usize, &'w str)>,
    /// For each phrase, its needle, its progress and its last bit.
    phrases: Vec<Phrase>,
    /// Where the last tokens stood, as many as the longest phrase needs.
    recent: VecDeque<Range<usize>>,
    recent_max: usize,
}

struct Phrase {
    needle: usize,
    progress: u64,
    terms: usize,
}

/// Something wanted was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Index in [`Wanted::needles`].
    pub(super) needle: usize,
    /// In the text, in bytes.
    pub(super) range: Range<usize>,
    /// As it was typed, letter case aside.
    pub(super) exact: bool,
}

impl<'w> Matcher<'w> {
    pub(super) fn new(wanted: &'w Wanted) -> Self {
        let mut matcher = Self {
            wanted,
            places: FxHashMap::default(),
            beginnings: Vec::new(),
            phrases: Vec::new(),
            recent: VecDeque::new(),
            recent_max: 1,
        };
        for (needle, want) in wanted.needles.iter().enumerate() {
            match &want.form {
                Form::Beginning { folded, stems } => {
                    matcher.beginnings.push((needle, folded));
                    stems.iter().for_each(|stem| matcher.place(stem, needle, 0));
                }
                Form::Terms(terms) => {
                    for (index, term) in terms.iter().enumerate() {
                        matcher.place(term, needle, index);
                    }
                    if terms.len() > 1 {
                        matcher.phrases.push(Phrase { needle, progress: 0, terms: terms.len() });
                        matcher.recent_max = matcher.recent_max.max(terms.len());
                    }
                }
            }
        }
        matcher
    }

    fn place(&mut self, term: &'w str, needle: usize, index: usize) {
        let places = self.places.entry(term).or_default();
        match places.iter_mut().find(|(known, _)| *known == needle) {
            Some((_, bits)) => *bits |= 1 << index,
            None => places.push((needle, 1 << index)),
        }
    }

    /// Takes the next token of `text` and tells what ends with it.
    pub(super) fn take(&mut self, text: &str, token: &Token<'_>, mut found: impl FnMut(Found)) {
        let places = self.places.get(token.term).map_or(&[][..], Vec::as_slice);
        let surface = &text[token.range.clone()];
        for &(needle, _) in places {
            let want = &self.wanted.needles[needle];
            let fits = match &want.form {
                Form::Terms(terms) => terms.len() == 1,
                Form::Beginning { .. } => begins(surface, &want.typed),
            };
            if fits {
                let exact = equal(surface, &want.typed) || matches!(want.form, Form::Beginning { .. });
                found(Found { needle, range: token.range.clone(), exact });
            }
        }
        for &(needle, beginning) in &self.beginnings {
            if token.term.starts_with(beginning) {
                found(Found { needle, range: token.range.clone(), exact: true });
            }
        }
        if self.phrases.is_empty() {
            return;
        }
        if self.recent.len() == self.recent_max {
            self.recent.pop_front();
        }
        self.recent.push_back(token.range.clone());
        for phrase in &mut self.phrases {
            let bits =
                places.iter().find(|(needle, _)| *needle == phrase.needle).map_or(0, |(_, bits)| *bits);
            phrase.progress = ((phrase.progress << 1) | 1) & bits;
            if phrase.progress >> (phrase.terms - 1) & 1 == 1
                && let Some(first) =
                    self.recent.len().checked_sub(phrase.terms).and_then(|i| self.recent.get(i))
            {
                let range = first.start..token.range.end;
                let exact = equal(&text[range.clone()], &self.wanted.needles[phrase.needle].typed);
                found(Found { needle: phrase.needle, range, exact });
            }
        }
    }
}

fn equal(surface: &str, typed: &str) -> bool {
    surface.eq_ignore_ascii_case(typed) || (!surface.is_ascii() && lower(surface).eq(lower(typed)))
}

fn begins(surface: &str, beginning: &str) -> bool {
    let mut surface = lower(surface);
    lower(beginning).all(|c| surface.next() == Some(c))
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}
