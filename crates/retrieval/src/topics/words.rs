//! What groups of texts are called: words that a group has and the others have not.
//!
//! A word counts by how many passages of its group have it, and the less, the more it is in other groups: class-based TF-IDF
//! (Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure", 2022, arXiv 2203.05794), with shares of
//! passages in the place of counts, so that neither a long text nor a group of many speaks louder. Words are told apart as the
//! search index does (`archive::text`), and shown as they are written most.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    ops::Range,
};

use athenaeum_archive::text::{Analyzer, is_common};

use super::WORDS_MAX;

/// Something that was said in a group.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'t> {
    Passage(&'t str),
    /// Of what passages are of; no passage of its own, but it says what they are about.
    Title(&'t str),
}

/// The most telling words of a group first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Words(pub(super) Vec<String>);

impl Words {
    /// Returns the first three.
    pub(super) fn label(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0[..self.0.len().min(LABEL_WORDS)].join(", "))
    }
}

/// Names groups, each against all others.
pub(super) fn of_groups(groups: &[Vec<Said<'_>>]) -> Vec<Words> {
    let mut analyzer = Analyzer::for_many();
    let counted: Vec<Group> = groups.iter().map(|said| Group::count(&mut analyzer, said)).collect();
    // Of each term, the sum of its shares over the groups; of all terms, the mean of a group's sum.
    let mut everywhere: HashMap<&str, f64> = HashMap::new();
    let mut all = 0.0;
    for group in &counted {
        for (term, seen) in &group.words {
            let share = group.share(seen);
            *everywhere.entry(term).or_default() += share;
            all += share;
        }
    }
    let mean = all / counted.len().max(1) as f64;
    let others = counted.len().saturating_sub(1);
    counted.iter().map(|group| group.words(&everywhere, mean, others)).collect()
}

/// A term in the texts of a group.
#[derive(Debug, Default)]
struct Seen {
    /// Texts that have it.
    texts: u32,
    /// The last text that counted.
    last: usize,
    /// As it is written, and how often.
    written: HashMap<String, u32>,
}

impl Seen {
    fn take(&mut self, text: usize, written: &str) {
        if self.texts == 0 || self.last != text {
            self.texts += 1;
            self.last = text;
        }
        match self.written.get_mut(written) {
            Some(count) => *count += 1,
            None => drop(self.written.insert(written.to_owned(), 1)),
        }
    }

    /// Returns how it is written most; of as frequent ones that in small letters.
    fn written(&self) -> &str {
        let written = self.written.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| a.0.cmp(b.0)));
        written.map_or("", |(written, _)| written)
    }
}

/// What the texts of a group have.
#[derive(Debug, Default)]
struct Group {
    texts: usize,
    words: HashMap<String, Seen>,
    /// Words that stand beside each other, by the terms of both.
    pairs: HashMap<(String, String), Seen>,
}

impl Group {
    fn count(analyzer: &mut Analyzer, said: &[Said<'_>]) -> Self {
        let mut group = Self { texts: said.len(), ..Self::default() };
        for (number, said) in said.iter().enumerate() {
            let (Said::Passage(text) | Said::Title(text)) = said;
            let mut before: Option<(String, Range<usize>)> = None;
            for (term, range) in telling(analyzer, text) {
                let written = &text[range.clone()];
                group.words.entry(term.clone()).or_default().take(number, written);
                if let Some((first, standing)) = before.take()
                    && beside(text, &standing, &range)
                {
                    let pair = group.pairs.entry((first, term.clone())).or_default();
                    pair.take(number, &text[standing.start..range.end]);
                }
                before = Some((term, range));
            }
        }
        group
    }

    /// Returns which part of the texts has a term.
    fn share(&self, seen: &Seen) -> f64 {
        f64::from(seen.texts) / self.texts.max(1) as f64
    }

    /// Orders its words by how much they tell, and puts the most frequent pair in the place of a word that mostly stands
    /// in one.
    fn words(&self, everywhere: &HashMap<&str, f64>, mean: f64, others: usize) -> Words {
        // A word of one text among many is that text's, not the group's.
        let least = if self.texts < 3 { 1 } else { 2 };
        let mut ranked: Vec<(&str, &Seen, f64)> = Vec::new();
        for (term, seen) in self.words.iter().filter(|(_, seen)| seen.texts >= least) {
            let (share, sum) = (self.share(seen), everywhere.get(term.as_str()).copied().unwrap_or(1.0));
            let elsewhere = (sum - share).max(0.0) / others.max(1) as f64;
            if share > MORE_THAN_ELSEWHERE * elsewhere {
                ranked.push((term, seen, share * (1.0 + mean / sum).ln()));
            }
        }
        let order = |a: &(&str, &Seen, f64), b: &(&str, &Seen, f64)| -> Ordering {
            b.2.total_cmp(&a.2).then_with(|| a.0.cmp(b.0))
        };
        ranked.sort_by(order);
        let telling: HashSet<&str> = ranked.iter().map(|(term, ..)| *term).collect();
        let mut taken: Vec<&str> = Vec::new();
        let mut words = Vec::new();
        for (term, seen, _) in ranked {
            if words.len() == WORDS_MAX {
                break;
            }
            if taken.contains(&term) {
                continue;
            }
            match self.pair_of(term, seen, |term| telling.contains(term) && !taken.contains(&term)) {
                Some(((first, second), pair)) => {
                    taken.extend([first.as_str(), second.as_str()]);
                    words.push(pair.written().to_owned());
                }
                None => {
                    taken.push(term);
                    words.push(seen.written().to_owned());
                }
            }
        }
        Words(words)
    }

    /// Finds the pair that most texts with a word have, where it is half of them or more and both words are `free` to be
    /// taken.
    fn pair_of<'g>(
        &'g self,
        term: &str,
        seen: &Seen,
        free: impl Fn(&str) -> bool,
    ) -> Option<(&'g (String, String), &'g Seen)> {
        let has = |(first, second): &(String, String)| {
            (first == term || second == term) && first != second && free(first) && free(second)
        };
        let pairs = self.pairs.iter().filter(|(pair, _)| has(pair));
        let frequent = pairs.filter(|(_, pair)| pair.texts >= 2 && 2 * pair.texts >= seen.texts);
        frequent.max_by(|a, b| a.1.texts.cmp(&b.1.texts).then_with(|| b.0.cmp(a.0)))
    }
}

/// Lists the terms of a text that may tell what it is about, with where they stand. Of scripts that are written without
/// spaces, two letters beside each other are a term.
fn telling(analyzer: &mut Analyzer, text: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut letter: Option<(String, Range<usize>)> = None;
    analyzer.analyze(text, |token| {
        let written = &text[token.range.clone()];
        let mut letters = token.term.chars();
        let is_letter = letters.next().is_some_and(|first| !first.is_ascii() && first.is_alphabetic())
            && letters.next().is_none();
        if is_letter {
            if let Some((term, range)) = letter.take()
                && range.end == token.range.start
                && ![term.as_str(), token.term].iter().any(|letter| is_small(letter))
            {
                found.push((term + token.term, range.start..token.range.end));
            }
            letter = Some((token.term.to_owned(), token.range));
            return;
        }
        letter = None;
        let after_apostrophe = text[..token.range.start].ends_with(['\'', '’']);
        if !is_common(token.term) && is_word(written) && !after_apostrophe {
            found.push((token.term.to_owned(), token.range));
        }
    });
    found
}

/// Tells whether two terms stand beside each other: with a space or a hyphen between them, or as pairs of letters that share one.
fn beside(text: &str, first: &Range<usize>, second: &Range<usize>) -> bool {
    second.start < first.end || matches!(&text[first.end..second.start], " " | "-")
}

/// Tells letters of which Japanese makes its small words and endings.
fn is_small(letter: &str) -> bool {
    letter.starts_with(|first: char| ('\u{3040}'..='\u{309f}').contains(&first))
}

/// Tells words from numbers, hashes, and what is too short to tell anything; names of two letters are written in capitals.
fn is_word(written: &str) -> bool {
    let letters = written.chars().filter(|c| c.is_alphabetic()).count();
    let digits = written.chars().filter(|c| c.is_numeric()).count();
    let is_name = letters == 2 && written.chars().all(char::is_uppercase);
    (letters >= 3 || is_name) && digits <= letters && written.len() <= WORD_BYTES_MAX
}

/// Words of a label.
const LABEL_WORDS: usize = 3;

/// Longer ones are no words.
const WORD_BYTES_MAX: usize = 40;

/// How many times more of its own texts must have a word than of the others, in the mean: small words of a language that are no
/// English ones are in all groups alike.
const MORE_THAN_ELSEWHERE: f64 = 1.5;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(groups: &[&[&str]], expected: &[&[&str]]) {
        let said: Vec<Vec<Said<'_>>> =
            groups.iter().map(|texts| texts.iter().map(|text| Said::Passage(text)).collect()).collect();
        let found = of_groups(&said);
        for (words, expected) in found.iter().zip(expected) {
            let first: Vec<&str> = words.0.iter().take(expected.len()).map(String::as_str).collect();
            assert_eq!(first, *expected, "{words:?}");
        }
        assert_eq!(found.len(), expected.len());
        assert_eq!(of_groups(&said), found, "the same texts have the same words");
    }

    #[test]
    fn a_group_is_called_by_what_the_others_have_not() {
        check(
            &[
                &[
                    "The sourdough starter wants flour and water every day.",
                    "Feed your sourdough starter before the loaf is shaped.",
                    "A loaf of rye: flour, water, salt and a sourdough starter.",
                ],
                &[
                    "The borrow checker wants a lifetime here.",
                    "Rust's borrow checker refuses two mutable references.",
                    "With a lifetime the borrow checker of Rust knows how long it lives.",
                ],
                &[
                    "Walk the puppy every day, on a leash.",
                    "A leash for the puppy, and water on the way.",
                    "Puppy training: the leash stays loose.",
                ],
            ],
            &[
                &["sourdough starter", "flour", "loaf"],
                &["borrow checker", "lifetime", "Rust"],
                &["leash", "puppy"],
            ],
        );
    }

    #[test]
    fn small_words_of_any_language_and_noise_are_no_label() {
        check(
            &[
                &[
                    "Der Teig und die Hefe brauchen Zeit, und der Ofen auch. 12345 9f86d081884c7d65",
                    "Die Hefe geht auf, der Teig wird groß. 12345 9f86d081884c7d65",
                    "Teig und Hefe: don't hurry, it's alive! 12345",
                ],
                &[
                    "Der Hund und die Leine, und der Park.",
                    "Die Leine ist lang, der Hund läuft.",
                    "Hund und Leine: don't pull, it's short!",
                ],
            ],
            &[&["Hefe", "Teig"], &["Hund", "Leine"]],
        );
    }

    #[test]
    fn scripts_without_spaces_have_pairs_of_letters() {
        check(
            &[&["東京の地下鉄は便利です", "東京から地下鉄で"], &["猫の写真を見る", "写真の猫"]],
            &[&["地下鉄", "東京"], &["写真"]],
        );
    }

    #[test]
    fn names_of_two_letters_count_and_nothing_has_no_words() {
        check(
            &[&["AI and go, ok", "AI is it"], &["UI is it", "the UI, ok"], &["", "!!"]],
            &[&["AI"], &["UI"], &[]],
        );
        check(&[&["Alone with dough", "Dough again"]], &[&["dough"]]);
        check(&[], &[]);
    }

    /// One text that repeats itself would otherwise speak for all.
    #[test]
    fn a_word_counts_once_in_a_text() {
        let loud = "error ".repeat(500);
        check(
            &[
                &[&loud, "Tides follow the moon", "The moon pulls tides", "Spring tides at new moon"],
                &["bread", "more bread"],
            ],
            &[&["moon", "tides"], &["bread"]],
        );
    }
}
