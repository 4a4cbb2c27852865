//! From text to terms: what the index keeps, what a query looks for, what a snippet marks.
//!
//! ```
//! use athenaeum_archive::text::Analyzer;
//!
//! let mut terms = Vec::new();
//! Analyzer::new().analyze("Running naïve tests: 東京", |token| terms.push(token.term.to_owned()));
//! assert_eq!(terms, ["run", "naiv", "test", "東", "京"]);
//! ```
//!
//! Latin, Greek, Cyrillic and most other scripts give the terms of SQLite's FTS5 with
//! `porter unicode61 remove_diacritics 2`, which a test holds against FTS5 itself. Where this goes further:
//!
//! - Scripts without spaces (Han, kana, Thai, Lao, Khmer, Burmese) and Hangul give a token per letter with its
//!   marks, so that any part of a sentence is found as a phrase. `docs/decisions/0030-letters-as-tokens.md`
//!   compares this with bigrams, trigrams and dictionaries.
//! - Marks never break a word: vowel signs (Hindi, Tamil) belong to it, accents and points (Arabic, Hebrew) are
//!   left out. FTS5 ends the token at most of them.
//! - Emoji are tokens of their own, without their skin tone.
//! - Full-width letters and digits count as ASCII, half-width katakana as full-width.
//! - A word of more than [`TERM_BYTES_MAX`] bytes (base64, hashes) becomes its first 47 bytes, `~`, and a hash
//!   of the whole: it is found when searched whole or by its beginning, and costs the index one short term.
//!
//! **Invariant:** no text makes this panic, and no term is longer than [`TERM_BYTES_MAX`].

mod common;
mod fold;
mod porter;
mod prefix;
mod runs;
mod stems;
mod tables;

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use self::{
    fold::{Class, compose_hangul, compose_kana, look_up, look_up_all},
    runs::{Run, Runs},
    stems::{Stem, Stems, Word},
};

pub use common::is_common;
pub use prefix::Prefix;

/// No term has more bytes.
pub const TERM_BYTES_MAX: usize = porter::STEMMED_BYTES_MAX;

/// Tells whether `c` belongs to the letter before it: an accent, a vowel sign.
pub(crate) fn is_mark(c: char) -> bool {
    matches!(look_up(c).0, Class::Accent | Class::Mark)
}

/// One word of a text, as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// Folded and stemmed; 1 to [`TERM_BYTES_MAX`] bytes.
    pub term: &'a str,
    /// Index of the token in its text.
    pub position: u32,
    /// Where it stands in the text, in bytes.
    pub range: Range<usize>,
}

/// Tells whether a term is a symbol, such as an emoji: a term here, and no word to SQLite's FTS5.
pub(crate) fn is_symbol(term: &str) -> bool {
    let first = term.chars().next().map(look_up_all);
    first.is_some_and(|(class, _, fts5)| class == Class::Alone && !fts5.differs_between_words())
}

/// Takes the terms of a text, and can know a frequent word again before its term is made.
pub trait Terms {
    /// Takes a word with its `memo`: what [`Terms::take`] last returned for it, maybe to another taker; 0 where
    /// nothing is remembered. Returns false if that says nothing here: then `take` follows.
    fn take_known(&mut self, memo: u64, position: u32) -> bool;

    /// Takes a term; returns what to remember with the word, 0 for nothing.
    fn take(&mut self, term: &str, position: u32) -> u64;

    /// Takes a term for which `is_symbol` holds.
    fn take_symbol(&mut self, term: &str, position: u32) {
        self.take(term, position);
    }

    /// Learns that SQLite's FTS5 finds other words in the text, symbols aside.
    fn differs_from_fts5(&mut self) {}
}

/// Splits texts into [`Token`]s. Holds buffers and a cache of stems (64 KiB): keep one per thread and use it for
/// many texts.
#[derive(Debug, Clone)]
pub struct Analyzer {
    stems: Stems,
    word: String,
    bytes: Vec<u8>,
    /// What the last [`Analyzer::fold`] came upon.
    found: Found,
    /// It is a word that the stemmer has to look at.
    has_ending: bool,
}

/// How a word looks to SQLite's FTS5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Same,
    Symbol,
    Different,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self::new()
    }
}

impl Analyzer {
    /// Makes an analyser; its answers depend on nothing but the texts.
    pub fn new() -> Self {
        Self::with_pair_bits(PAIR_BITS)
    }

    /// Makes an analyser for many texts: with a cache of 2 MiB, which holds nearly all words of running text.
    pub fn for_many() -> Self {
        Self::with_pair_bits(PAIR_BITS_FOR_MANY)
    }

    fn with_pair_bits(bits: u32) -> Self {
        Self {
            stems: Stems::new(bits),
            word: String::new(),
            bytes: Vec::new(),
            found: Found::Same,
            has_ending: false,
        }
    }

    /// Hands every token of `text` to `push`, in order, positions counting from 0.
    ///
    /// Linear in the text. Positions stop counting at `u32::MAX`.
    pub fn analyze(&mut self, text: &str, mut push: impl FnMut(Token<'_>)) {
        self.analyze_while(text, |token| {
            push(token);
            true
        });
    }

    /// As [`Analyzer::analyze`], until `push` returns false.
    #[inline]
    pub fn analyze_while(&mut self, text: &str, mut push: impl FnMut(Token<'_>) -> bool) {
        let mut position = 0_u32;
        let mut runs = Runs::new(text.as_bytes());
        let mut at = 0;
        while let Some(run) = runs.next(at) {
            let start = run.start;
            let term = if run.is_wide {
                at = self.fold(text, start);
                if at == start {
                    at += text[start..].chars().next().map_or(1, char::len_utf8);
                    continue;
                }
                self.word.as_str()
            } else {
                at = run.end;
                self.ascii(text, run)
            };
            if !push(Token { term, position, range: start..at }) {
                return;
            }
            position = position.saturating_add(1);
        }
    }

    /// As [`Analyzer::analyze`], but makes no term of a word that `terms` knows again.
    pub fn analyze_to(&mut self, text: &str, terms: &mut impl Terms) {
        let mut position = 0;
        let mut words = [Word::default(); WORDS_AHEAD];
        let mut waiting = 0;
        let mut runs = Runs::new(text.as_bytes());
        let mut at = 0;
        while let Some(run) = runs.next(at) {
            let (start, length) = (run.start, run.end - run.start);
            if !run.is_wide && length <= Stems::WORD_BYTES_MAX {
                at = run.end;
                words[waiting] = self.stems.word(text.as_bytes(), start, length);
                waiting += 1;
                if waiting == WORDS_AHEAD {
                    self.take_words(text, &words, terms, &mut position);
                    waiting = 0;
                }
                continue;
            }
            self.take_words(text, &words[..waiting], terms, &mut position);
            waiting = 0;
            at = self.fold_unstemmed(text, start);
            if self.found == Found::Different {
                terms.differs_from_fts5();
            }
            if at == start {
                at += text[start..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            self.take_folded(terms, position);
            position = position.saturating_add(1);
        }
        self.take_words(text, &words[..waiting], terms, &mut position);
    }

    /// Takes the word that [`Analyzer::fold_unstemmed`] left.
    fn take_folded(&mut self, terms: &mut impl Terms, position: u32) {
        if self.found == Found::Symbol {
            terms.take_symbol(&self.word, position);
            return;
        }
        let Some(word) = self.stems.folded_word(self.word.as_bytes()) else {
            self.stem();
            terms.take(&self.word, position);
            return;
        };
        let place = self.stems.find(&word);
        if !terms.take_known(self.stems.memo(place), position) {
            let stem = self.stems.stem(place);
            self.word.truncate(usize::from(stem.keep));
            self.word.extend(stem.tail().iter().map(|&byte| char::from(byte)));
            let memo = terms.take(&self.word, position);
            self.stems.keep(place, memo);
        }
    }

    /// Looks words up one right after the other: while one is on its way from memory, the next are asked for.
    #[inline]
    fn take_words(&mut self, text: &str, words: &[Word], terms: &mut impl Terms, position: &mut u32) {
        for word in words {
            let place = self.stems.find(word);
            if !terms.take_known(self.stems.memo(place), *position) {
                let stem = self.stems.stem(place);
                let memo = terms.take(shape(&mut self.word, &text[word.range()], stem), *position);
                self.stems.keep(place, memo);
            }
            *position = position.saturating_add(1);
        }
    }

    /// Returns the term of an ASCII word of letters and digits.
    #[inline]
    fn ascii<'a>(&'a mut self, text: &'a str, Run { start, end, .. }: Run) -> &'a str {
        if end - start > Stems::WORD_BYTES_MAX {
            self.fold(text, start);
            return &self.word;
        }
        let word = self.stems.word(text.as_bytes(), start, end - start);
        let place = self.stems.find(&word);
        let stem = self.stems.stem(place);
        shape(&mut self.word, &text[start..end], stem)
    }

    /// Leaves the term of the token that begins at `start` in `self.word` and returns its end; `start` itself
    /// where no token begins there.
    fn fold(&mut self, text: &str, start: usize) -> usize {
        let end = self.fold_unstemmed(text, start);
        if end > start {
            self.stem();
        }
        end
    }

    /// As [`Analyzer::fold`], but leaves the word with its ending.
    fn fold_unstemmed(&mut self, text: &str, start: usize) -> usize {
        let mut chars = text[start..].char_indices();
        let Some((_, first)) = chars.next() else { return start };
        self.word.clear();
        self.found = Found::Same;
        self.has_ending = true;
        let (class, folded, fts5) = look_up_all(first);
        if fts5.differs_between_words() || class == Class::Letter && fts5.differs_in_words() {
            self.found = Found::Different;
        }
        match class {
            Class::Letter => self.word.push(folded),
            Class::Alone => return start + self.fold_alone(folded, &text[start..]),
            _ => return start,
        }
        let mut long: Option<Box<Long>> = None;
        let mut end = text.len();
        for (offset, c) in chars {
            let (class, folded, fts5) = look_up_all(c);
            if matches!(class, Class::Separator | Class::Alone) {
                end = start + offset;
                break;
            }
            if class != Class::Accent {
                self.word.push(folded);
            }
            if fts5.differs_in_words() {
                self.found = Found::Different;
            }
            if self.word.len() > LONG_CHUNK_BYTES {
                long.get_or_insert_with(|| Box::new(Long::new(&self.word))).take(&mut self.word);
            }
        }
        if long.is_some() || self.word.len() > TERM_BYTES_MAX {
            self.found = Found::Different;
            self.has_ending = false;
            long.get_or_insert_with(|| Box::new(Long::new(&self.word))).finish(&mut self.word);
        }
        end
    }

    /// As [`Analyzer::fold`], for a letter that stands alone with the marks after it; returns the length.
    fn fold_alone(&mut self, first: char, text: &str) -> usize {
        self.has_ending = false;
        if self.found == Found::Same {
            self.found = Found::Symbol;
        }
        let mut last = first;
        for (offset, c) in text.char_indices().skip(1) {
            if let Some(joined) = compose_hangul(last, c).or_else(|| compose_kana(last, c)) {
                last = joined;
                self.found = Found::Different;
                continue;
            }
            let (class, _, fts5) = look_up_all(c);
            if !matches!(class, Class::Accent | Class::Mark) {
                self.word.push(last);
                return offset;
            }
            if fts5.differs_between_words() {
                self.found = Found::Different;
            }
            // More marks than any script stacks are left out of the term.
            if class == Class::Mark && self.word.len() + last.len_utf8() < ALONE_BYTES_MAX {
                self.word.push(last);
                last = c;
            }
        }
        self.word.push(last);
        text.len()
    }

    fn stem(&mut self) {
        if !self.has_ending {
            return;
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(self.word.as_bytes());
        porter::stem(&mut self.bytes);
        let kept = self.bytes.iter().zip(self.word.bytes()).take_while(|(a, b)| **a == *b).count();
        // The stemmer only ever takes or adds ASCII letters at the end.
        self.word.truncate(kept);
        self.word.extend(self.bytes[kept..].iter().map(|&byte| char::from(byte)));
    }
}

/// Makes the term of an ASCII word, in `room` where it is no part of the word as written.
#[inline]
fn shape<'a>(room: &'a mut String, word: &'a str, stem: Stem) -> &'a str {
    let kept = &word[..usize::from(stem.keep)];
    if stem.tail().is_empty() && !kept.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return kept;
    }
    room.clear();
    room.push_str(kept);
    room.make_ascii_lowercase();
    room.extend(stem.tail().iter().map(|&byte| char::from(byte)));
    room
}

/// A word too long to be its own term.
struct Long {
    head: String,
    hash: Xxh3Default,
}

impl Long {
    fn new(word: &str) -> Self {
        Self { head: head(word).to_owned(), hash: Xxh3Default::new() }
    }

    fn take(&mut self, word: &mut String) {
        self.hash.update(word.as_bytes());
        word.clear();
    }

    fn finish(&mut self, word: &mut String) {
        self.take(word);
        *word = format!("{}~{:016x}", self.head, self.hash.digest());
    }
}

/// The part of a long word that its term begins with: at most 47 bytes, whole characters.
fn head(word: &str) -> &str {
    &word[..word.floor_char_boundary(HEAD_BYTES_MAX)]
}

const HEAD_BYTES_MAX: usize = TERM_BYTES_MAX - "~0123456789abcdef".len();

/// A long word is hashed in pieces of this size, so that its length costs no memory.
const LONG_CHUNK_BYTES: usize = 1024;

/// Room for a letter and five marks of three bytes.
const ALONE_BYTES_MAX: usize = 18;

/// Pairs of words in the cache of stems, as powers of two.
const PAIR_BITS: u32 = 10;
const PAIR_BITS_FOR_MANY: u32 = 15;

/// Words that are looked up together.
const WORDS_AHEAD: usize = 32;
