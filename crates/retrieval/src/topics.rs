//! What somebody's conversations and documents are about, as their vectors tell.
//!
//! Passages that mean alike come together in a group ([`athenaeum_vector::group`]), whether they are of a message or of a
//! document. A group is called by the words that its passages have and others have not, and shown by the passages nearest to
//! its middle. No model is asked, and nothing is kept: topics are as new as the vectors.

mod words;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_archive::{
    Archive, ConversationSummary, Notice,
    library::{DocumentSummary, Library},
};
use athenaeum_core::{ChunkId, DocumentId, MessageId, Role};
use athenaeum_tenancy::Scope;
use athenaeum_vector::Grouping;

use crate::{
    meaning::{self, Grouped, Kind, Meaning, Passage},
    search::{Coverage, SearchError, Within},
};
use words::{Said, Words};

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Where.
    pub within: Within,
    /// How many topics at most; `None`: as many as there are passages for. More than [`Request::COUNT_MAX`] are cut to it.
    pub count: Option<usize>,
}

impl Request {
    /// Most topics.
    pub const COUNT_MAX: usize = Grouping::COUNT_MAX;
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topics {
    /// The greatest first; each has a passage at least.
    pub topics: Vec<Topic>,
    /// Passages in all of them.
    pub passages: u64,
    /// How much could be looked at; `None` where there is no model for vectors.
    pub coverage: Option<Coverage>,
    /// What is to be said beside; one sentence each, for people.
    pub notices: Vec<Notice>,
    /// Time it took.
    pub elapsed: Duration,
}

/// Something that passages are about.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Its most telling words, up to three, or else how its nearest passage begins.
    pub label: String,
    /// Words and pairs of words that its passages have and others have not, the most telling first, up to [`WORDS_MAX`].
    pub words: Vec<String>,
    /// Passages: chunks of documents, and messages or parts of long ones.
    pub passages: u64,
    /// Documents that they are of.
    pub documents: u64,
    /// Conversations that they are of.
    pub conversations: u64,
    /// Up to [`EXAMPLES_MAX`] of the nearest to the middle, the nearest first; of several documents or conversations where
    /// there are several.
    pub examples: Vec<Example>,
}

/// A passage that is typical of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Where it stands.
    pub origin: Origin,
    /// Its text.
    pub text: String,
    /// The cosine with the topic's middle.
    pub score: f64,
}

/// Where an example stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// In a message.
    Message {
        /// The conversation.
        conversation: Arc<ConversationSummary>,
        /// The message.
        id: MessageId,
        /// Who speaks.
        role: Role,
    },
    /// In a document.
    Document {
        /// The document.
        document: Arc<DocumentSummary>,
        /// The chunk.
        chunk: ChunkId,
        /// Its bytes in the document's text.
        range: Range<usize>,
        /// Where it stands in the source, for people.
        place: Option<String>,
    },
}

/// Most words of a topic.
pub const WORDS_MAX: usize = 6;

/// Most examples of a topic.
pub const EXAMPLES_MAX: usize = 3;

/// Tells what the conversations of `archive` and the documents of `library` are about, as far as they have vectors. Vectors are
/// read in pages; of each topic some texts are read.
///
/// # Errors
/// What the disk says.
///
/// # Cancellation
/// Dropping the future ends the work; nothing is written.
pub async fn topics(
    (archive, library): (Option<&Archive>, Option<&Library>),
    meaning: Option<&Meaning>,
    scope: &Scope,
    request: &Request,
) -> Result<Topics, SearchError> {
    let begun = Instant::now();
    let Some(meaning) = meaning else {
        let notices = vec![Notice(NO_MODEL.into())];
        return Ok(Topics { notices, elapsed: begun.elapsed(), ..Topics::default() });
    };
    let archive = archive.filter(|_| request.within != Within::Library);
    let library = library.filter(|_| request.within != Within::Chats);
    let kinds: Vec<Kind> =
        library.map(|_| Kind::Chunks).into_iter().chain(archive.map(|_| Kind::Messages)).collect();
    let count = request.count.map(|count| count.clamp(1, Request::COUNT_MAX));
    let Grouped { groups, left_out } = meaning.grouped(scope, &kinds, count).await?;
    let place = Place { archive, library, scope };
    let mut groups = place.owned(groups).await?;
    groups.retain(|group| !group.members.is_empty());
    groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
    let mut read = Vec::with_capacity(groups.len());
    for group in &groups {
        read.push(place.read(group).await?);
    }
    let texts: Vec<Vec<Said<'_>>> = read.iter().map(|passages| said(passages)).collect();
    let named = words::of_groups(&texts);
    let passages = groups.iter().map(|group| group.members.len() as u64).sum();
    let topics = groups.iter().zip(named).zip(&read);
    let topics: Vec<Topic> = topics.map(|((group, words), read)| topic(group, words, read)).collect();
    let coverage = meaning.coverage(scope, library, archive).await?;
    let mut notices = Vec::new();
    if topics.is_empty() {
        notices.push(Notice(if coverage.total == 0 { NOTHING } else { NO_VECTORS }.into()));
    }
    if left_out > 0 {
        notices.push(Notice(OTHER_MODEL.into()));
    }
    Ok(Topics { topics, passages, coverage: Some(coverage), notices, elapsed: begun.elapsed() })
}

/// What a passage is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Document(DocumentId),
    Conversation([u8; 8]),
}

/// A group whose passages are there, the nearest to its middle first as far as they are read.
struct Group {
    members: Vec<(Passage, Owner, f32)>,
}

impl Group {
    /// Orders as many of its members as are read.
    fn new(mut members: Vec<(Passage, Owner, f32)>) -> Self {
        if members.len() > TEXTS {
            members.select_nth_unstable_by(TEXTS, |a, b| b.2.total_cmp(&a.2));
        }
        let end = members.len().min(TEXTS);
        members[..end].sort_by(|a, b| b.2.total_cmp(&a.2));
        Self { members }
    }

    fn nearest(&self) -> &[(Passage, Owner, f32)] {
        &self.members[..self.members.len().min(TEXTS)]
    }
}

/// A passage that was read.
struct Read {
    owner: Owner,
    example: Example,
}

struct Place<'a> {
    archive: Option<&'a Archive>,
    library: Option<&'a Library>,
    scope: &'a Scope,
}

impl Place<'_> {
    /// Says what each passage is of. Chunks that are gone are left out.
    async fn owned(&self, groups: Vec<Vec<(Passage, f32)>>) -> Result<Vec<Group>, SearchError> {
        let mut owned = Vec::with_capacity(groups.len());
        for passages in groups {
            let chunk = |(passage, _): &(Passage, f32)| match passage {
                Passage::Chunk(id) => Some(*id),
                Passage::Piece { .. } => None,
            };
            let chunks: Vec<ChunkId> = passages.iter().filter_map(chunk).collect();
            let documents = match self.library.filter(|_| !chunks.is_empty()) {
                Some(library) => library.documents_of(self.scope, &chunks).await?,
                None => HashMap::new(),
            };
            let member = |(passage, score)| {
                let owner = match passage {
                    Passage::Chunk(id) => Owner::Document(*documents.get(&id)?),
                    Passage::Piece { conversation, .. } => Owner::Conversation(conversation),
                };
                Some((passage, owner, score))
            };
            owned.push(Group::new(passages.into_iter().filter_map(member).collect()));
        }
        Ok(owned)
    }

    /// Reads the passages of a group that are nearest to its middle, the nearest first. Those that went are left out.
    async fn read(&self, group: &Group) -> Result<Vec<Read>, SearchError> {
        let nearest = group.nearest();
        let mut found: HashMap<usize, (Origin, String)> = HashMap::with_capacity(nearest.len());
        if let Some(library) = self.library {
            let chunks = nearest.iter().enumerate().filter_map(|(place, (passage, ..))| match passage {
                Passage::Chunk(id) => Some((place, *id)),
                Passage::Piece { .. } => None,
            });
            let (places, ids): (Vec<usize>, Vec<ChunkId>) = chunks.unzip();
            for (place, chunk) in places.into_iter().zip(library.chunks(self.scope, &ids).await?) {
                let Some(chunk) = chunk else { continue };
                let origin = Origin::Document {
                    document: chunk.document,
                    chunk: chunk.id,
                    range: chunk.range,
                    place: chunk.place,
                };
                found.insert(place, (origin, chunk.text));
            }
        }
        if let Some(archive) = self.archive {
            let mut wanted: HashMap<MessageId, Vec<(usize, u32)>> = HashMap::new();
            for (place, (passage, ..)) in nearest.iter().enumerate() {
                if let Passage::Piece { message, piece, .. } = passage {
                    wanted.entry(*message).or_default().push((place, *piece));
                }
            }
            let ids: Vec<MessageId> = wanted.keys().copied().collect();
            for said in archive.messages_by_id(self.scope, &ids).await? {
                let message = &said.stored.message;
                let content = message.content();
                for (place, piece) in wanted.remove(&said.stored.id).unwrap_or_default() {
                    let text = meaning::piece(message, piece).and_then(|range| content.get(range));
                    let Some(text) = text else { continue };
                    let conversation = Arc::clone(&said.conversation);
                    let origin = Origin::Message { conversation, id: said.stored.id, role: message.role };
                    found.insert(place, (origin, text.to_owned()));
                }
            }
        }
        let read = |(place, (_, owner, score)): (usize, &(Passage, Owner, f32))| {
            let (origin, text) = found.remove(&place)?;
            Some(Read { owner: *owner, example: Example { origin, text, score: f64::from(*score) } })
        };
        Ok(nearest.iter().enumerate().filter_map(read).collect())
    }
}

/// Returns what passages say, and once for each document or conversation what it is called.
fn said(passages: &[Read]) -> Vec<Said<'_>> {
    let mut owners = HashSet::new();
    let mut said = Vec::with_capacity(2 * passages.len());
    for Read { owner, example } in passages {
        said.push(Said::Passage(&example.text));
        let title = match &example.origin {
            Origin::Message { conversation, .. } => conversation.title.as_deref(),
            Origin::Document { document, .. } => document.title.as_deref(),
        };
        if let Some(title) = title.filter(|_| owners.insert(*owner)) {
            said.push(Said::Title(title));
        }
    }
    said
}

fn topic(group: &Group, words: Words, read: &[Read]) -> Topic {
    let owners: HashSet<Owner> = group.members.iter().map(|(_, owner, _)| *owner).collect();
    let conversations = owners.iter().filter(|owner| matches!(owner, Owner::Conversation(_))).count() as u64;
    let examples = examples(read);
    let label = match words.label() {
        Some(label) => label,
        None => examples.first().map(|example| beginning(&example.text)).unwrap_or_default(),
    };
    Topic {
        label,
        words: words.0,
        passages: group.members.len() as u64,
        documents: owners.len() as u64 - conversations,
        conversations,
        examples,
    }
}

/// Takes the nearest, of each owner and each text one, then others where that is too few.
fn examples(read: &[Read]) -> Vec<Example> {
    let (mut owners, mut texts) = (HashSet::new(), HashSet::new());
    let (first, rest): (Vec<&Read>, Vec<&Read>) = read
        .iter()
        .filter(|read| texts.insert(read.example.text.trim()))
        .partition(|read| owners.insert(read.owner));
    let mut taken: Vec<Example> =
        first.into_iter().chain(rest).take(EXAMPLES_MAX).map(|read| read.example.clone()).collect();
    taken.sort_by(|a, b| b.score.total_cmp(&a.score));
    taken
}

/// Returns the first words of a text.
fn beginning(text: &str) -> String {
    let mut label: String = text.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = label.char_indices().nth(BEGINNING_CHARS) {
        label.truncate(cut);
        label.push('…');
    }
    label
}

/// Passages of a topic that are read for its words: those nearest to the middle.
const TEXTS: usize = 48;

/// Characters of a label that is no list of words.
const BEGINNING_CHARS: usize = 40;

const NO_MODEL: &str = "There is no model that makes vectors, and topics are found by vectors.";

const NOTHING: &str = "There is nothing to find topics in yet.";

const NO_VECTORS: &str =
    "Nothing has a vector yet: `athenaeum library embed` makes them, and so does `athenaeum serve`.";

const OTHER_MODEL: &str = "Vectors of another model are left out until they are made anew.";
