//! Whether passages bear a sentence out.

use std::collections::HashSet;

use athenaeum_archive::text::{Analyzer, is_common};

use super::passages::Passage;

/// The words of passages.
pub(super) struct Support {
    terms: Vec<HashSet<String>>,
}

impl Support {
    pub(super) fn of(passages: &[Passage]) -> Self {
        let mut analyzer = Analyzer::new();
        Self { terms: passages.iter().map(|passage| terms(&passage.text, &mut analyzer)).collect() }
    }

    /// Tells whether the passages of these numbers together hold most of the sentence's telling words and all its numbers.
    pub(super) fn bears_out(&self, sentence: &str, citations: &[u32]) -> bool {
        let cited: Vec<&HashSet<String>> =
            citations.iter().filter_map(|number| self.terms.get(*number as usize - 1)).collect();
        if cited.is_empty() {
            return false;
        }
        let holds = |term: &String| cited.iter().any(|terms| terms.contains(term));
        let wanted = terms(&without_citations(sentence), &mut Analyzer::new());
        let (numbers, words): (Vec<&String>, Vec<&String>) =
            wanted.iter().partition(|term| term.chars().any(|c| c.is_ascii_digit()));
        let held = words.iter().filter(|word| holds(word)).count();
        numbers.into_iter().all(holds) && held as f64 >= words.len() as f64 * SHARE
    }
}

/// Returns the telling words of a text, folded and stemmed.
pub(super) fn terms(text: &str, analyzer: &mut Analyzer) -> HashSet<String> {
    let mut terms = HashSet::new();
    analyzer.analyze(text, |token| {
        if !is_common(token.term) {
            terms.insert(token.term.to_owned());
        }
    });
    terms
}

/// A citation is no word of the sentence.
fn without_citations(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, behind)) = rest.split_once('[') {
        text.push_str(before);
        let numbers = |inside: &str| inside.chars().all(|c| c.is_ascii_digit() || ", ".contains(c));
        rest = match behind.split_once(']') {
            Some((inside, after)) if numbers(inside) => after,
            _ => {
                text.push('[');
                behind
            }
        };
    }
    text.push_str(rest);
    text
}

/// How many of a sentence's telling words must stand in what it cites: a paraphrase keeps about that many.
const SHARE: f64 = 0.6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_needs_its_words_and_its_numbers() {
        let passages = [
            Passage::for_test(1, "The dough rises for 12 hours in a cold room."),
            Passage::for_test(2, "Tea."),
        ];
        let support = Support::of(&passages);
        let check = |sentence: &str, citations: &[u32], expected: bool| {
            assert_eq!(support.bears_out(sentence, citations), expected, "{sentence}");
        };
        check("Dough rises 12 hours in the cold [1].", &[1], true);
        check("Dough rises 13 hours in the cold [1].", &[1], false);
        check("The king of France is bald [1].", &[1], false);
        check("Dough rises 12 hours in the cold.", &[], false);
        check("Dough rises 12 hours in the cold [2].", &[2], false);
        check("Dough rises for 12 hours, then tea [1, 2].", &[1, 2], true);
    }
}
