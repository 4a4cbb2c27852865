//! Tokens that are found in a text before anything else is done with it.

use super::{Special, trie::Trie};

/// A token that is found as it stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Added {
    pub(super) id: u32,
    pub(super) text: Vec<u8>,
    /// Found only where text is parsed for control tokens.
    pub(super) control: bool,
    /// White space before it belongs to it.
    pub(super) strips_left: bool,
    /// White space after it belongs to it.
    pub(super) strips_right: bool,
    /// Found only where no letter or digit is next to it.
    pub(super) single_word: bool,
}

/// What is found when two of them overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The longer one, of equally long ones the one with the lower number: llama.cpp's.
    Longest,
    /// The one that begins first, of those the longest: that of Hugging Face.
    Leftmost,
}

/// All such tokens of a model.
#[derive(Debug)]
pub(super) struct Matcher {
    all: Vec<Added>,
    trie: Trie,
    begins: [bool; 256],
    order: Order,
    control_bytes_max: usize,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'text> {
    Text(&'text str),
    Token(u32),
}

struct Found {
    start: usize,
    end: usize,
    index: u32,
}

impl Matcher {
    pub(super) fn new(all: Vec<Added>, order: Order) -> Self {
        let texts = all.iter().zip(0..).filter(|(added, _)| !added.text.is_empty());
        let trie = Trie::new(texts.map(|(added, index)| (added.text.as_slice(), index)).collect());
        let mut begins = [false; 256];
        (0..=255u8).zip(&mut begins).for_each(|(byte, begins)| *begins = trie.begins(byte));
        let control_bytes_max =
            all.iter().filter(|added| added.control).map(|added| added.text.len()).max().unwrap_or(0);
        Self { all, trie, begins, order, control_bytes_max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.trie.is_empty()
    }

    /// Cuts a text into tokens and what lies between them, in order, nothing empty.
    pub(super) fn partition<'text>(
        &self,
        text: &'text str,
        special: Special,
        part: &mut dyn FnMut(Part<'text>),
    ) {
        let mut told = 0;
        for found in self.found(text, special) {
            if told < found.start {
                part(Part::Text(&text[told..found.start]));
            }
            part(Part::Token(self.all[found.index as usize].id));
            told = found.end.max(told);
        }
        if told < text.len() {
            part(Part::Text(&text[told..]));
        }
    }

    /// Returns where control tokens are spelled out in a text, and where the beginning of one stands at its end.
    pub(super) fn spelled(&self, text: &str) -> impl Iterator<Item = usize> {
        let starts = text.char_indices().map(|(start, _)| start);
        starts.filter(|&start| {
            let rest = &text.as_bytes()[start..];
            let mut is_whole = false;
            if rest.first().is_some_and(|byte| self.begins[usize::from(*byte)]) {
                self.trie.prefixes(rest, |len, index| {
                    is_whole |= len > 1 && self.all[index as usize].control;
                });
            }
            is_whole || (rest.len() < self.control_bytes_max && self.begins_control(rest))
        })
    }

    fn begins_control(&self, rest: &[u8]) -> bool {
        self.all
            .iter()
            .any(|added| added.control && added.text.len() > rest.len() && added.text.starts_with(rest))
    }

    /// Returns what is taken out of a text, in order, with the white space that goes with it.
    fn found(&self, text: &str, special: Special) -> Vec<Found> {
        let mut taken = match self.order {
            Order::Longest => self.longest(text, special),
            Order::Leftmost => self.leftmost(text, special),
        };
        let mut before = 0;
        for found in &mut taken {
            let added = &self.all[found.index as usize];
            if added.strips_left {
                found.start = text[..found.start].trim_end_matches(self.is_space()).len().max(before);
            }
            if added.strips_right {
                let rest = &text[found.end..];
                found.end += rest.len() - rest.trim_start_matches(self.is_space()).len();
            }
            before = before.max(found.end);
        }
        taken
    }

    fn is_space(&self) -> fn(char) -> bool {
        match self.order {
            Order::Longest => |character| matches!(character, ' ' | '\t'..='\r'),
            Order::Leftmost => char::is_whitespace,
        }
    }

    fn leftmost(&self, text: &str, special: Special) -> Vec<Found> {
        let mut taken: Vec<Found> = Vec::new();
        let mut at = 0;
        while let Some(start) = self.next_start(text, at) {
            let mut longest = None;
            self.trie.prefixes(&text.as_bytes()[start..], |len, index| {
                if self.counts(index, special) {
                    longest = Some(Found { start, end: start + len, index });
                }
            });
            at = longest.as_ref().map_or(start + 1, |found| found.end);
            taken.extend(longest.filter(|found| {
                !self.all[found.index as usize].single_word || stands_alone(text, found.start, found.end)
            }));
        }
        taken
    }

    fn longest(&self, text: &str, special: Special) -> Vec<Found> {
        let mut all: Vec<Found> = Vec::new();
        let mut at = 0;
        while let Some(start) = self.next_start(text, at) {
            self.trie.prefixes(&text.as_bytes()[start..], |len, index| {
                if self.counts(index, special) {
                    all.push(Found { start, end: start + len, index });
                }
            });
            at = start + 1;
        }
        if all.windows(2).all(|pair| pair[0].end <= pair[1].start) {
            return all;
        }
        let longest_first =
            |found: &Found| (usize::MAX - (found.end - found.start), found.index, found.start);
        all.sort_by_key(longest_first);
        let mut free = vec![true; text.len()];
        all.retain(|found| {
            let fits = free[found.start] && free[found.end - 1];
            // Longer ones were taken before, so that none lies within this one.
            if fits {
                free[found.start..found.end].fill(false);
            }
            fits
        });
        all.sort_by_key(|found| found.start);
        all
    }

    fn counts(&self, index: u32, special: Special) -> bool {
        special == Special::Parse || !self.all[index as usize].control
    }

    fn next_start(&self, text: &str, at: usize) -> Option<usize> {
        let rest = text.as_bytes().get(at..)?;
        let offset = rest.iter().position(|byte| self.begins[usize::from(*byte)])?;
        Some(at + offset)
    }
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    !text[..start].ends_with(is_word) && !text[end..].starts_with(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens stand in brackets; those in capitals are control tokens.
    fn check(order: Order, tokens: &[&str], special: Special, text: &str, expected: &str) {
        let added = tokens.iter().zip(0..).map(|(text, id)| {
            let (strips_left, rest) = text.strip_prefix('_').map_or((false, *text), |rest| (true, rest));
            let (strips_right, text) = rest.strip_suffix('_').map_or((false, rest), |rest| (true, rest));
            let control = text.contains(|character: char| character.is_ascii_uppercase());
            Added { id, text: text.into(), control, strips_left, strips_right, single_word: text == "word" }
        });
        let matcher = Matcher::new(added.collect(), order);
        let mut told = String::new();
        matcher.partition(text, special, &mut |part| match part {
            Part::Text(text) => told += text,
            Part::Token(id) => told += &format!("[{}]", tokens[id as usize]),
        });
        assert_eq!(told, expected, "{order:?} {tokens:?}");
    }

    #[test]
    fn tokens_are_found_where_they_stand() {
        for order in [Order::Longest, Order::Leftmost] {
            check(order, &["<s>", "<S>"], Special::Parse, "a<s><S>b", "a[<s>][<S>]b");
            check(order, &["<s>", "<S>"], Special::Text, "a<s><S>b", "a[<s>]<S>b");
            check(order, &["<s", "<s>"], Special::Parse, "<s><s", "[<s>][<s]");
            check(order, &["_<s>"], Special::Parse, "a \n<s> b", "a[_<s>] b");
            check(order, &["<s>_"], Special::Parse, "a <s> \t<s>b", "a [<s>_][<s>_]b");
            check(order, &["é"], Special::Parse, "éé", "[é][é]");
            check(order, &[], Special::Parse, "ab", "ab");
        }
        check(Order::Leftmost, &["word"], Special::Parse, "words word", "words [word]");
    }

    #[test]
    fn overlaps_are_settled_by_length_or_by_place() {
        check(Order::Longest, &["abc", "bcde"], Special::Parse, "abcde", "a[bcde]");
        check(Order::Leftmost, &["abc", "bcde"], Special::Parse, "abcde", "[abc]de");
        check(Order::Longest, &["aa"], Special::Parse, "aaaaa", "[aa][aa]a");
    }
}
