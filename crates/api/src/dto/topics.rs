use athenaeum_retrieval::topics::{self, Origin};
use serde::Serialize;
use utoipa::ToSchema;

use super::library::Coverage;

/// What conversations and documents are about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Topics {
    /// The greatest first.
    pub(crate) topics: Vec<Topic>,
    /// Passages in all of them.
    pub(crate) passages: u64,
    /// How much has a vector and could be looked at; null where there is no model for vectors.
    #[schema(required = true)]
    pub(crate) coverage: Option<Coverage>,
    /// What is to be said beside; one sentence each, for people.
    pub(crate) notices: Vec<String>,
    /// Milliseconds that it took.
    pub(crate) elapsed_ms: f64,
}

/// Something that passages are about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Topic {
    /// Its three most telling words, or else how its first example begins.
    pub(crate) label: String,
    /// Words and pairs of words that its passages have and others have not, the most telling first.
    pub(crate) words: Vec<String>,
    /// Parts of documents and messages.
    pub(crate) passages: u64,
    /// Documents that they are of.
    pub(crate) documents: u64,
    /// Conversations that they are of.
    pub(crate) conversations: u64,
    /// Up to three of those nearest to its middle, the nearest first.
    pub(crate) examples: Vec<Example>,
}

/// A passage that is typical of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Example {
    /// `message` or `document`: which of the two is there.
    pub(crate) kind: &'static str,
    /// Its cosine with the topic's middle.
    pub(crate) score: f64,
    /// Its text.
    pub(crate) text: String,
    /// Of conversation or document; null where it has none.
    pub(crate) title: Option<String>,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<TopicMessage>,
    /// The part of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<TopicPassage>,
}

/// Where a message stands that is typical of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicMessage {
    /// The conversation's id.
    pub(crate) conversation_id: String,
    /// The message's.
    pub(crate) message_id: i64,
    /// Who speaks: user or assistant.
    pub(crate) role: &'static str,
}

/// Where a part of a document stands that is typical of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicPassage {
    /// The document's id.
    pub(crate) document_id: String,
    /// The part's.
    pub(crate) chunk_id: String,
    /// Its bytes in the document's text: from, to.
    pub(crate) text_range: [usize; 2],
    /// A file that holds the document.
    pub(crate) path: Option<String>,
    /// Where in the document, for people: `page 3`.
    pub(crate) place: Option<String>,
}

impl From<topics::Topics> for Topics {
    fn from(found: topics::Topics) -> Self {
        Self {
            topics: found.topics.into_iter().map(Topic::from).collect(),
            passages: found.passages,
            coverage: found.coverage.map(Into::into),
            notices: found.notices.into_iter().map(|notice| notice.0).collect(),
            elapsed_ms: found.elapsed.as_secs_f64() * 1e3,
        }
    }
}

impl From<topics::Topic> for Topic {
    fn from(topic: topics::Topic) -> Self {
        Self {
            label: topic.label,
            words: topic.words,
            passages: topic.passages,
            documents: topic.documents,
            conversations: topic.conversations,
            examples: topic.examples.into_iter().map(Example::from).collect(),
        }
    }
}

impl From<topics::Example> for Example {
    fn from(topics::Example { origin, text, score }: topics::Example) -> Self {
        let (title, message, document) = match origin {
            Origin::Message { conversation, id, role } => {
                let (conversation_id, role) = (conversation.id.to_string(), role.as_str());
                let message = TopicMessage { conversation_id, message_id: id.0, role };
                (conversation.title.clone(), Some(message), None)
            }
            Origin::Document { document, chunk, range, place } => {
                let passage = TopicPassage {
                    document_id: document.id.to_string(),
                    chunk_id: chunk.to_string(),
                    text_range: [range.start, range.end],
                    path: document.path.clone(),
                    place,
                };
                (document.title.clone(), None, Some(passage))
            }
        };
        let kind = if message.is_some() { "message" } else { "document" };
        Self { kind, score, text, title, message, document }
    }
}
