//! The words of a search, marked wherever a message that came from it is shown.

use std::{cell::RefCell, ops::Range};

use athenaeum_archive::{query::Expr, text::Analyzer};

use crate::html::escape_into;

/// What to mark. Empty for a page that nobody searched for.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    needles: Vec<Needle>,
    /// The archive's own reading of words, so that what was found is what is marked. Behind a cell because it
    /// keeps buffers; only there when something is to be marked.
    analyzer: Option<RefCell<Analyzer>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Needle {
    /// Terms next to each other, in this order: a word has one, or one per letter in scripts without spaces.
    Terms(Vec<String>),
    /// A word that begins so, in lower case.
    Prefix(String),
}

/// More needles than this would make every page of a conversation slow; a query has a handful.
const NEEDLES_MAX: usize = 32;

impl Marks {
    /// Collects what `expr` looks for; what it excludes is left out.
    pub(crate) fn of(expr: &Expr) -> Self {
        let mut needles = Vec::new();
        let mut analyzer = Analyzer::new();
        collect(expr, &mut analyzer, &mut needles);
        let analyzer = (!needles.is_empty()).then(|| RefCell::new(analyzer));
        Self { needles, analyzer }
    }

    /// Appends `text` escaped, what is looked for between `<mark>` and `</mark>`.
    pub(crate) fn write(&self, out: &mut String, text: &str) {
        match &self.analyzer {
            Some(analyzer) => write_marked(out, text, &self.find(text, &mut analyzer.borrow_mut())),
            None => escape_into(out, text),
        }
    }

    /// Returns the bytes to mark: ascending, disjoint, between characters.
    fn find(&self, text: &str, analyzer: &mut Analyzer) -> Vec<Range<usize>> {
        let mut words: Vec<(Range<usize>, u32)> = Vec::new();
        let mut found: Vec<Range<usize>> = Vec::new();
        // Per needle, how many of its terms the words before this one have matched.
        let mut matched = vec![0_usize; self.needles.len()];
        analyzer.analyze(text, |token| {
            let at = words.len();
            words.push((token.range.clone(), token.position));
            for (needle, matched) in self.needles.iter().zip(&mut matched) {
                let length = match needle {
                    Needle::Terms(terms) => {
                        let goes_on = terms.get(*matched).is_some_and(|term| term == token.term);
                        *matched = if goes_on { *matched + 1 } else { usize::from(terms[0] == token.term) };
                        if *matched < terms.len() {
                            continue;
                        }
                        *matched = 0;
                        terms.len()
                    }
                    Needle::Prefix(prefix) if begins_with(&text[token.range.clone()], prefix) => 1,
                    Needle::Prefix(_) => continue,
                };
                found.push(words[at + 1 - length].0.start..token.range.end);
            }
        });
        found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        found.dedup_by(|later, earlier| later.start < earlier.end);
        found
    }
}

fn begins_with(word: &str, prefix: &str) -> bool {
    let mut chars = word.chars().flat_map(char::to_lowercase);
    prefix.chars().all(|expected| chars.next() == Some(expected))
}

fn collect(expr: &Expr, analyzer: &mut Analyzer, needles: &mut Vec<Needle>) {
    let needle = match expr {
        Expr::Word(text) | Expr::Phrase(text) => {
            let mut terms = Vec::new();
            analyzer.analyze(text, |token| terms.push(token.term.to_owned()));
            (!terms.is_empty()).then_some(Needle::Terms(terms))
        }
        Expr::Prefix(text) => {
            let prefix = text.trim().to_lowercase();
            (!prefix.is_empty()).then_some(Needle::Prefix(prefix))
        }
        Expr::All(parts) | Expr::Any(parts) => {
            return parts.iter().for_each(|part| collect(part, analyzer, needles));
        }
        Expr::Title(part) => return collect(part, analyzer, needles),
        Expr::Not(_) => None,
    };
    needles.extend(needle.filter(|needle| needles.len() < NEEDLES_MAX && !needles.contains(needle)));
}

/// Appends `text` escaped, with `marks` (ascending ranges of bytes) between `<mark>` and `</mark>`. Ranges that
/// do not fit the text are passed over.
pub(crate) fn write_marked(out: &mut String, text: &str, marks: &[Range<usize>]) {
    let mut at = 0;
    for mark in marks {
        if mark.start < at || mark.start >= mark.end {
            continue;
        }
        let (Some(before), Some(marked)) = (text.get(at..mark.start), text.get(mark.clone())) else {
            continue;
        };
        escape_into(out, before);
        out.push_str("<mark>");
        escape_into(out, marked);
        out.push_str("</mark>");
        at = mark.end;
    }
    escape_into(out, text.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(exprs: &[Expr], text: &str, expected: &str) {
        let mut out = String::new();
        Marks::of(&Expr::All(exprs.to_vec())).write(&mut out, text);
        assert_eq!(out, expected);
    }

    #[test]
    fn what_is_looked_for_is_marked() {
        let word = |text: &str| Expr::Word(text.into());
        check(&[word("bread")], "Bread & breadth", "<mark>Bread</mark> &amp; breadth");
        check(
            &[Expr::Prefix("bre".into())],
            "Bread & breadth",
            "<mark>Bread</mark> &amp; <mark>breadth</mark>",
        );
        check(&[Expr::Phrase("rye bread".into())], "<rye> bread", "&lt;<mark>rye&gt; bread</mark>");
        check(&[Expr::Not(Box::new(word("rye")))], "rye", "rye");
        check(&[word("東京")], "私は東京に", "私は<mark>東京</mark>に");
        check(&[word("run")], "Running, she ran runs", "<mark>Running</mark>, she ran <mark>runs</mark>");
        check(&[word("cafe")], "Café", "<mark>Café</mark>");
        check(&[word("a"), word("a b")], "x a a b", "x <mark>a</mark> <mark>a b</mark>");
        check(&[], "plain", "plain");
    }

    #[test]
    fn marks_that_do_not_fit_are_passed_over() {
        let mut out = String::new();
        write_marked(&mut out, "añb", &[0..1, 2..3, 0..1, 3..9]);
        assert_eq!(out, "<mark>a</mark>ñb");
    }

    proptest! {
        #[test]
        fn marking_changes_no_text(text in any::<String>(), word in "[a-z]{1,2}|東|é") {
            let marks = Marks::of(&Expr::Any(vec![Expr::Word(word.clone()), Expr::Prefix(word)]));
            let mut marked = String::new();
            marks.write(&mut marked, &text);
            prop_assert_eq!(marked.replace("<mark>", "").replace("</mark>", ""), crate::html::escape(&text));
        }
    }
}
