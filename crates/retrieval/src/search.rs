//! One search over conversations and documents, by word and by meaning.
//!
//! Every list that a search asks (words in conversations, words in documents, and both by meaning) orders its hits by a
//! measure of its own. Two lists over the same things are fused by how far each score stands out of its list
//! ([`fuse::deviations`]), what is near in meaning by one scale for all, so that hits of different lists can be compared, and a
//! hit can say why it is there ([`Why`]).
//! Documents are looked at twice where a question was asked (`documents`): what stands first in both lists says better than
//! the question what its answers speak of.

mod documents;
pub mod fuse;
mod nearby;
mod request;
mod reranked;

use std::{
    collections::HashMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_archive::{
    Archive, ErrorKind, Filters, Notice, Place, SearchRequest, Snippet, library::Library, query,
};
use athenaeum_core::{ChunkId, MessageId, Rerank};
use athenaeum_tenancy::Scope;

pub use request::{Coverage, Found, Hit, Mode, Rank, Request, Results, Why, Within};

use crate::meaning::{self, Kind, Meaning, MeaningError, NearMessage, Question};
use fuse::{Fused, Fusion, Lists};
use reranked::Reranking;

/// What is searched. Cheap to clone.
#[derive(Clone)]
pub struct Searcher {
    archive: Option<Archive>,
    library: Option<Library>,
    meaning: Option<Meaning>,
    settings: Settings,
    reranking: Option<Reranking>,
}

/// How hits are ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How the lists by word and by meaning are fused.
    pub fusion: Fusion,
    /// How many of the best hits a model reads to order them anew, where there is one for it.
    pub rerank_top: usize,
    /// How long it may take; after that the hits stay as they are.
    pub rerank_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fusion: Fusion::default(), rerank_top: 30, rerank_time: Duration::from_secs(3) }
    }
}

/// Why a search could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The words could not be looked for.
    #[error("the search failed")]
    Words(#[from] athenaeum_archive::Error),
    /// The meaning could not be looked for.
    #[error("the search by meaning failed; `text` mode needs no model")]
    Meaning(#[from] MeaningError),
}

impl SearchError {
    /// Says what can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Words(error) => error.kind(),
            Self::Meaning(error) => error.kind(),
        }
    }
}

impl Searcher {
    /// Searches what is there: conversations, documents, or both; by meaning, too, where there is a model for it.
    pub fn new(archive: Option<Archive>, library: Option<Library>, meaning: Option<Meaning>) -> Self {
        Self { archive, library, meaning, settings: Settings::default(), reranking: None }
    }

    /// Orders hits so, and the best of them by `reranker`, where there is one.
    #[must_use]
    pub fn with_settings(self, settings: Settings, reranker: Option<Arc<dyn Rerank>>) -> Self {
        let top = settings.rerank_top.min(RERANKED_MAX);
        let reranking = reranker.map(|model| Reranking { model, top, time: settings.rerank_time });
        Self { settings, reranking, ..self }
    }

    /// Finds messages and chunks of documents, best first. Any text is a query. Where there is no model, a search by
    /// meaning is one by words, and says so.
    ///
    /// # Errors
    /// A filter that is not understood, and what disk and model say.
    pub async fn search(&self, scope: &Scope, request: &Request) -> Result<Results, SearchError> {
        let begun = Instant::now();
        let parsed = query::parse(&request.query);
        let mut notices = Vec::new();
        let mut mode = request.mode;
        if mode.by_meaning() && self.meaning.is_none() {
            mode = Mode::Text;
            notices.push(Notice(NO_MODEL.into()));
        }
        let Some(filters) = request.filters.and(&parsed.filters) else {
            notices.extend(parsed.notices);
            let elapsed = begun.elapsed();
            return Ok(Results { hits: Vec::new(), more: false, coverage: None, notices, elapsed });
        };
        let archive = self.archive.as_ref().filter(|_| {
            request.within != Within::Library && request.formats.is_empty() && request.documents.is_none()
        });
        let library = self
            .library
            .as_ref()
            .filter(|_| request.within != Within::Chats && !speaks_of_conversations(&filters));
        let by_meaning = self.meaning.as_ref().filter(|_| mode.by_meaning());
        let question = async {
            let Some((meaning, words)) = by_meaning.zip(nearby::words(&request.query, &parsed)) else {
                return Ok(Question::default());
            };
            let mut kinds = Vec::new();
            kinds.extend(library.map(|_| Kind::Chunks));
            kinds.extend(archive.map(|_| Kind::Messages));
            Ok::<_, SearchError>(meaning.question(scope, &words, &kinds).await?)
        };
        let fusion = self.settings.fusion;
        let asked = Asked { request, filters: &filters, mode, depth: depth(request), fusion };
        let (question, chats, documents) = tokio::try_join!(
            question,
            asked.messages_by_word(scope, archive),
            asked.chunks_by_word(scope, library)
        )?;
        let (near_messages, chunks) = tokio::try_join!(
            asked.messages_by_meaning(scope, archive, &question),
            asked.chunks(scope, library, &documents, &question)
        )?;
        let pieces: HashMap<MessageId, u32> =
            near_messages.iter().map(|near| (near.id, near.piece)).collect();
        let message = |near: &NearMessage| (Key::Place(Place::Message(near.id)), near.score);
        let near_messages: Vec<(Key, f64)> = near_messages.iter().map(message).collect();
        let (of_messages, of_chunks) = (
            Lists { text: &chats.list, meaning: &near_messages },
            Lists { text: &documents.chunks, meaning: &chunks.near },
        );
        let (mut found, beside) = asked.fusion.fuse_beside(of_messages, of_chunks, asked.depth);
        let chunks = if found.is_empty() { chunks.order } else { chunks.with_scores_of(&beside) };
        found.extend(chunks.into_iter().map(|Fused { key, score, why }| Fused {
            key: Key::Chunk(key),
            score,
            why,
        }));
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        if let Some(least) = request.score_min {
            found.retain(|fused| fused.score >= least);
        }
        for notice in chats.notices.into_iter().chain(documents.notices) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        let more = found.len() > request.offset + request.limit();
        let reranking = self.reranking.as_ref().filter(|_| request.rerank != Some(false));
        if reranking.is_none() && request.rerank == Some(true) {
            notices.push(Notice(NO_RERANKER.into()));
        }
        let hits = match reranking.filter(|reranking| request.offset < reranking.top) {
            Some(reranking) => {
                // What is ordered anew is the beginning of the list, whichever part of it is shown.
                let end = reranking.top.max(request.offset + request.limit());
                found.truncate(end);
                let (mut hits, passages) = self.shown(scope, request, &found, &pieces).await?;
                let question = nearby::words(&request.query, &parsed).unwrap_or_default();
                notices.extend(reranking.order(&question, &mut hits, &passages).await);
                hits.into_iter().skip(request.offset).take(request.limit()).collect()
            }
            None => {
                let page = found.into_iter().skip(request.offset).take(request.limit());
                self.shown(scope, request, &page.collect::<Vec<_>>(), &pieces).await?.0
            }
        };
        let coverage = match by_meaning {
            Some(meaning) => Some(meaning.coverage(scope, library, archive).await?),
            None => None,
        };
        Ok(Results { hits, more, coverage, notices, elapsed: begun.elapsed() })
    }

    /// Reads what is shown of the hits of one page. What went while it was looked for is left out.
    async fn shown(
        &self,
        scope: &Scope,
        request: &Request,
        page: &[Fused<Key>],
        pieces: &HashMap<MessageId, u32>,
    ) -> Result<(Vec<Hit>, Vec<Option<String>>), SearchError> {
        let (mut places, mut chunks) = (Vec::new(), Vec::new());
        for fused in page {
            match fused.key {
                Key::Place(place) => places.push(place),
                Key::Chunk(id) => chunks.push(id),
            }
        }
        let mut found: HashMap<Key, Found> = HashMap::with_capacity(page.len());
        if let Some(archive) = self.archive.as_ref().filter(|_| !places.is_empty()) {
            for hit in archive.hits(scope, &places, &request.query).await? {
                let place = hit.message.map_or(Place::Title(hit.conversation.id), Place::Message);
                found.insert(Key::Place(place), Found::Message(Box::new(hit)));
            }
        }
        if let Some(library) = self.library.as_ref().filter(|_| !chunks.is_empty()) {
            for hit in library.hits(scope, &chunks, &request.query).await? {
                found.insert(Key::Chunk(hit.chunk.id), Found::Chunk(Box::new(hit)));
            }
        }
        let mut hits = Vec::with_capacity(page.len());
        let mut passages = Vec::with_capacity(page.len());
        for fused in page {
            let Some(mut found) = found.remove(&fused.key) else { continue };
            let by_word = fused.why.text.map_or(0.0, |rank| rank.score);
            let (mut passage, mut text) = (None, None);
            match &mut found {
                Found::Message(hit) => {
                    hit.score = by_word;
                    let piece = hit.message.and_then(|id| pieces.get(&id));
                    if let (Some(piece), Some(archive)) = (piece, &self.archive) {
                        let near = nearest(archive, scope, hit, *piece, fused.why.text.is_none()).await?;
                        (passage, text) = near.unzip();
                    }
                }
                Found::Chunk(hit) => hit.score = by_word,
            }
            hits.push(Hit { found, score: fused.score, why: fused.why, passage });
            passages.push(text);
        }
        Ok((hits, passages))
    }
}

/// What the lists hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Place(Place),
    Chunk(ChunkId),
}

/// Finds the part of a message that is nearest in meaning, and its text; `show`n where no word says where to look.
async fn nearest(
    archive: &Archive,
    scope: &Scope,
    hit: &mut athenaeum_archive::Hit,
    piece: u32,
    show: bool,
) -> Result<Option<(Range<usize>, String)>, SearchError> {
    let found = archive.messages(scope, hit.conversation.id, hit.position..hit.position + 1).await;
    let found = match found {
        Ok(found) => found.into_iter().find(|stored| Some(stored.id) == hit.message),
        // It was deleted this moment.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let Some(stored) = found else { return Ok(None) };
    let Some(range) = meaning::piece(&stored.message, piece) else { return Ok(None) };
    let content = stored.message.content();
    let part = content.get(range.clone()).unwrap_or_default();
    if show && range.start > 0 {
        let mut text: String = "…".chars().chain(part.chars().take(SNIPPET_CHARS)).collect();
        if text.len() < part.len() {
            text.push('…');
        }
        hit.snippet = Snippet { text, marks: Vec::new() };
    }
    Ok(Some((range, part.to_owned())))
}

/// A list, and what to say about it.
#[derive(Default)]
struct Part {
    list: Vec<(Key, f64)>,
    notices: Vec<Notice>,
}

/// A request, made ready.
struct Asked<'r> {
    request: &'r Request,
    /// Those of the request and those that its query names.
    filters: &'r Filters,
    /// The one that can be done.
    mode: Mode,
    /// How many hits each list is asked for.
    depth: usize,
    fusion: Fusion,
}

impl Asked<'_> {
    async fn messages_by_word(&self, scope: &Scope, archive: Option<&Archive>) -> Result<Part, SearchError> {
        let Some(archive) = archive.filter(|_| self.mode.by_word()) else { return Ok(Part::default()) };
        let ranking = archive.rank(scope, &self.of_archive()).await?;
        let list = ranking.places.into_iter().map(|(place, score)| (Key::Place(place), score));
        Ok(Part { list: list.collect(), notices: ranking.notices })
    }

    async fn messages_by_meaning(
        &self,
        scope: &Scope,
        archive: Option<&Archive>,
        question: &Question,
    ) -> Result<Vec<NearMessage>, SearchError> {
        let Some(archive) = archive else { return Ok(Vec::new()) };
        nearby::messages(archive, scope, question, &self.of_archive(), self.filters, self.depth).await
    }

    fn of_archive(&self) -> SearchRequest {
        SearchRequest {
            query: self.request.query.clone(),
            filters: self.request.filters.clone(),
            limit: self.depth,
            ..SearchRequest::default()
        }
    }
}

/// Fusing needs more of each list than is shown: what stands deep in both may come first.
fn depth(request: &Request) -> usize {
    (request.offset + request.limit()).clamp(DEPTH_LEAST, DEPTH_MOST)
}

fn speaks_of_conversations(filters: &Filters) -> bool {
    let times = Filters {
        after: filters.after,
        before: filters.before,
        include_hidden: filters.include_hidden,
        ..Filters::default()
    };
    *filters != times
}

const NO_RERANKER: &str =
    "There is no model to order hits anew, so they are in the order that they were found in.";

const NO_MODEL: &str = "There is no model to search by meaning, so this was searched by words.";

/// More than a person looks at, and than a model reads while one waits.
const RERANKED_MAX: usize = 200;

const DEPTH_LEAST: usize = 100;

const DEPTH_MOST: usize = 1_000;

/// Characters shown of what is near in meaning: two to three lines.
const SNIPPET_CHARS: usize = 240;
