//! Grammars as llama.cpp writes them, made into the library's Lark.
//!
//! A GBNF grammar speaks of single characters; the library cuts text into lexemes first, each as long as it can be,
//! and is fast because of it. So stretches of the grammar without recursion become lexemes, as large as they can be
//! while cutting greedily cannot go wrong ([`lexemes`]); in the worst case each character is one.
//!
//! Tokens by name or number (`<think>`, `<[10]>`) are not taken. Left recursion, which llama.cpp refuses, is fine.

mod lexemes;
mod parse;

use super::Error;

pub(super) fn to_lark(gbnf: &str) -> Result<String, Error> {
    let invalid = |reason| Error::Invalid { what: "the GBNF grammar", reason };
    let grammar = parse::grammar(gbnf).map_err(invalid)?;
    lexemes::to_lark(&grammar).map_err(invalid)
}

/// Rules by number, and the one to begin with.
#[derive(Debug)]
struct Grammar {
    rules: Vec<Expression>,
    root: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    /// One of these characters.
    One(Characters),
    Rule(usize),
    Sequence(Vec<Expression>),
    Choice(Vec<Expression>),
    /// So many times; without a second number, any more.
    Repeat(Box<Expression>, u32, Option<u32>),
}

/// A set of characters: ranges, ascending, not touching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Characters(Vec<(char, char)>);

impl Characters {
    fn new(mut ranges: Vec<(char, char)>) -> Self {
        ranges.retain(|(from, to)| from <= to);
        ranges.sort_unstable();
        let mut joined: Vec<(char, char)> = Vec::new();
        for (from, to) in ranges {
            match joined.last_mut() {
                Some(last) if from <= last.1 || Some(from) == after(last.1) => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    fn all() -> Self {
        Self(vec![('\0', char::MAX)])
    }

    fn others(&self) -> Self {
        let mut others = Vec::new();
        let mut from = Some('\0');
        for &(first, last) in &self.0 {
            if let (Some(from), Some(to)) = (from, before(first)) {
                others.push((from, to));
            }
            from = after(last);
        }
        others.extend(from.map(|from| (from, char::MAX)));
        Self::new(others)
    }

    fn meets(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            if x.0 <= y.1 && y.0 <= x.1 {
                return true;
            }
            if x.1 < y.1 {
                a.next()
            } else {
                b.next()
            };
        }
        false
    }

    /// Takes the others in, and says whether any of them is new.
    fn join(&mut self, other: &Self) -> bool {
        let joined = Self::new(self.0.iter().chain(&other.0).copied().collect());
        let grown = joined != *self;
        *self = joined;
        grown
    }
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

fn before(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

#[cfg(test)]
mod tests {
    use super::Characters;

    #[test]
    fn sets_of_characters() {
        let set = Characters::new(vec![('d', 'f'), ('a', 'b'), ('c', 'c'), ('x', 'w')]);
        assert_eq!(set.0, [('a', 'f')]);
        assert_eq!(set.others().0, [('\0', '`'), ('g', char::MAX)]);
        assert_eq!(set.others().others(), set);
        assert_eq!(Characters::all().others().0, []);
        assert!(set.meets(&Characters::new(vec![('0', '9'), ('f', 'z')])));
        assert!(!set.meets(&set.others()));
        let around_surrogates = Characters::new(vec![('\u{d7ff}', '\u{d7ff}'), ('\u{e000}', '\u{e000}')]);
        assert_eq!(around_surrogates.0.len(), 1);
        let mut joined = set.clone();
        assert!(
            !joined.join(&Characters::new(vec![('b', 'e')]))
                && joined.join(&Characters::new(vec![('z', 'z')]))
        );
    }
}
