//! Answers without a model: the sentences that answer best, word for word.

use std::collections::HashMap;

use athenaeum_archive::text::Analyzer;

use super::{answer::Answer, passages::Passage, sentences::sentences, support::terms};
use crate::meaning::{Meaning, MeaningError};

impl Answer {
    /// Quotes the sentences of the passages that answer the question best: those that hold its rarer words and, where there
    /// is a model for that, whose meaning is near. In the order of the passages.
    ///
    /// # Errors
    /// What the model says.
    pub async fn quoted(
        question: &str,
        passages: &[Passage],
        meaning: Option<&Meaning>,
    ) -> Result<Self, MeaningError> {
        if passages.is_empty() {
            return Ok(Self::nothing(question));
        }
        let mut candidates = candidates(question, passages);
        if let Some(meaning) = meaning {
            candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
            candidates.truncate(COMPARED);
            let texts: Vec<String> = candidates.iter().map(|candidate| candidate.text.clone()).collect();
            let near = meaning.near_to(question, &texts).await?;
            for (candidate, near) in candidates.iter_mut().zip(near) {
                candidate.score += MEANING_WEIGHT * near;
            }
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut quotes: Vec<Candidate> = Vec::new();
        for candidate in candidates {
            let said = quotes.iter().any(|quote| quote.text == candidate.text);
            if quotes.len() < QUOTES_MAX && !said {
                quotes.push(candidate);
            }
        }
        quotes.sort_by_key(|quote| (quote.passage, quote.at));
        let quotes: Vec<(String, u32)> =
            quotes.into_iter().map(|quote| (quote.text, quote.passage)).collect();
        Ok(match quotes.is_empty() {
            true => Self::nothing(question),
            false => Self::of_quotes(question, &quotes, passages),
        })
    }
}

struct Candidate {
    passage: u32,
    at: usize,
    text: String,
    score: f64,
}

fn candidates(question: &str, passages: &[Passage]) -> Vec<Candidate> {
    let mut analyzer = Analyzer::new();
    let wanted = terms(question, &mut analyzer);
    let mut found = Vec::new();
    for passage in passages {
        for range in sentences(&passage.text) {
            let text = &passage.text[range.clone()];
            let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
            // A question answers none, and in a conversation somebody asked the same before.
            let asks = text.ends_with(['?', '？']);
            if letters >= LETTERS_LEAST && text.len() <= BYTES_MOST && !asks {
                found.push((passage.number, range.start, text, terms(text, &mut analyzer)));
            }
        }
    }
    let mut holders: HashMap<&str, f64> = HashMap::new();
    for (.., held) in &found {
        for term in held.intersection(&wanted) {
            *holders.entry(term).or_default() += 1.0;
        }
    }
    let weight =
        |term: &str| ((1.0 + found.len() as f64) / (1.0 + holders.get(term).copied().unwrap_or(0.0))).ln();
    let all: f64 = wanted.iter().map(|term| weight(term)).sum();
    found
        .iter()
        .map(|(passage, at, text, held)| {
            let share: f64 = held.intersection(&wanted).map(|term| weight(term)).sum::<f64>() / all.max(1e-9);
            // What stands in a better passage answers better, other things being equal.
            let score = share + 0.2 / f64::from(*passage);
            // A sentence broken over lines reads as one.
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            Candidate { passage: *passage, at: *at, text, score }
        })
        .collect()
}

/// Sentences quoted: more would be read less.
const QUOTES_MAX: usize = 3;

/// Sentences compared by meaning, the best by words.
const COMPARED: usize = 48;

/// What the cosine counts beside the share of the question's words.
const MEANING_WEIGHT: f64 = 2.0;

/// Headings and scraps answer nothing.
const LETTERS_LEAST: usize = 20;

/// What is longer is no sentence but a table or a list run together.
const BYTES_MOST: usize = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sentence_with_the_rare_words_is_quoted_with_its_passage() {
        let passages = [
            Passage::for_test(
                1,
                "Bread is made of flour and water. The dough rises for twelve hours in a cold room.",
            ),
            Passage::for_test(
                2,
                "Tea is made of leaves and hot water. It is drunk from cups all over the world.",
            ),
        ];
        let answer = Answer::quoted("How many hours does dough rise?", &passages, None).await.unwrap();
        assert_eq!(answer.sentences.len(), 3);
        let first = &answer.text[answer.sentences[0].range.clone()];
        assert!(answer.text.contains("The dough rises for twelve hours in a cold room. [1]"), "{first}");
        assert!(answer.sentences.iter().all(|sentence| sentence.supported));
        let asked = [Passage::for_test(
            1,
            "How many hours does dough rise, do you think? It rises for twelve hours or so.",
        )];
        let answer = Answer::quoted("How many hours does dough rise?", &asked, None).await.unwrap();
        assert_eq!(answer.text, "It rises for twelve hours or so. [1]");
        let nothing = Answer::quoted("Why?", &[], None).await.unwrap();
        assert_eq!(nothing.kind, super::super::Kind::Nothing);
    }
}
