//! Answers, and what they rest on.

use std::ops::Range;

use athenaeum_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{passages::Passage, prompt, sentences::sentences, support::Support};

/// An answer that says of every sentence what it rests on. Its JSON is what `verify` reads; fields may be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked.
    pub question: String,
    /// How it was made.
    pub kind: Kind,
    /// The model that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When: RFC 3339.
    pub created_at: String,
    /// The answer, with `[n]` behind what rests on passage n.
    pub text: String,
    /// Its sentences, in order.
    pub sentences: Vec<Sentence>,
    /// What it rests on.
    pub citations: Vec<Citation>,
}

/// How an answer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The sentences that answer best, word for word.
    Extractive,
    /// A model wrote it from the passages.
    Generated,
    /// Nothing was found to answer from.
    Nothing,
}

/// A sentence of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sentence {
    /// Bytes of the answer's text.
    pub range: Range<usize>,
    /// The passages that it names.
    pub citations: Vec<u32>,
    /// Whether the words of these passages bear it out: most of its telling words stand there, and all of its numbers.
    pub supported: bool,
}

/// A passage that an answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// From 1; what `[n]` names.
    pub number: u32,
    /// Where it stands.
    #[serde(flatten)]
    pub origin: Origin,
    /// Title of document or conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The passage to the letter.
    pub text: String,
    /// BLAKE3 of the passage, in hexadecimal digits.
    pub text_blake3: String,
}

/// Where a passage stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum Origin {
    /// In a document.
    Document {
        /// The document's id.
        document_id: String,
        /// The ids of the chunks that it is made of.
        chunk_ids: Vec<String>,
        /// A file that holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Name of its format.
        format: String,
        /// Where in the document, for people: `page 3`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<String>,
        /// Bytes of the document's text.
        text_range: Range<usize>,
        /// Bytes of the source, where that is text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_range: Option<Range<u64>>,
        /// BLAKE3 of the whole source, in hexadecimal digits.
        source_blake3: String,
        /// Length of the source.
        source_bytes: u64,
    },
    /// In a conversation.
    Message {
        /// The conversation's id.
        conversation_id: String,
        /// The message's.
        message_id: i64,
        /// Who spoke.
        role: String,
        /// When: RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created_at: Option<String>,
        /// Bytes of the message.
        text_range: Range<usize>,
    },
}

impl Answer {
    /// Says that nothing was found.
    pub fn nothing(question: &str) -> Self {
        Self::new(question, Kind::Nothing, None, "Nothing was found that answers this.".to_owned(), &[])
    }

    /// Takes what a model wrote from the passages.
    pub fn written(question: &str, model: &str, text: &str, passages: &[Passage]) -> Self {
        Self::new(question, Kind::Generated, Some(model), text.trim().to_owned(), passages)
    }

    /// Joins what was taken word for word: sentences, each with the number of its passage.
    pub(super) fn of_quotes(question: &str, quotes: &[(String, u32)], passages: &[Passage]) -> Self {
        let mut text = String::new();
        let mut ranges = Vec::new();
        for (quote, number) in quotes {
            let begins = text.len();
            text.push_str(&format!("{quote} [{number}]"));
            ranges.push(Sentence { range: begins..text.len(), citations: vec![*number], supported: true });
            text.push('\n');
        }
        let mut answer = Self::new(question, Kind::Extractive, None, text.trim_end().to_owned(), passages);
        answer.sentences = ranges;
        answer
    }

    fn new(question: &str, kind: Kind, model: Option<&str>, text: String, passages: &[Passage]) -> Self {
        let support = Support::of(passages);
        let sentences: Vec<Sentence> = sentences(&text)
            .into_iter()
            .map(|range| {
                let citations = prompt::cited(&text[range.clone()], passages.len());
                let supported = support.bears_out(&text[range.clone()], &citations);
                Sentence { range, citations, supported }
            })
            .collect();
        Self {
            question: question.to_owned(),
            kind,
            model: model.map(ToOwned::to_owned),
            created_at: Timestamp::now().to_string(),
            citations: passages.iter().map(Citation::from).collect(),
            sentences,
            text,
        }
    }
}

impl From<&Passage> for Citation {
    fn from(passage: &Passage) -> Self {
        Self {
            number: passage.number,
            origin: passage.origin.clone(),
            title: passage.title.clone(),
            text_blake3: blake3::hash(passage.text.as_bytes()).to_hex().to_string(),
            text: passage.text.clone(),
        }
    }
}
