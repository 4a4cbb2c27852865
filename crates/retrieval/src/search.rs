//! One search over conversations and documents, by word and by meaning.
//!
//! Every list that a search asks (words in conversations, words in documents, and both by meaning) orders its hits by a
//! measure of its own. They are fused by *reciprocal ranks* (Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion
//! Outperforms Condorcet and Individual Rank Learning Methods", 2009): a hit at rank r of a list, from 1, has
//! weight / ([`fuse::RANK_OFFSET`] + r) from it, and its score is the sum. So hits of different lists can be compared, and
//! a hit can say why it is there ([`Why`]).

pub mod fuse;
mod request;

use std::{collections::HashMap, time::Instant};

use athenaeum_archive::{
    Archive, ErrorKind, Filters, Notice, SearchRequest,
    library::{self, Library},
};
use athenaeum_core::{ChunkId, vector};
use athenaeum_tenancy::Scope;

pub use request::{Coverage, Found, Hit, Mode, Rank, Request, Results, Why, Within};

use crate::meaning::{Meaning, MeaningError};
use fuse::{Fused, Weights};

/// What is searched. Cheap to clone.
#[derive(Clone)]
pub struct Searcher {
    archive: Option<Archive>,
    library: Option<Library>,
    meaning: Option<Meaning>,
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

/// A part of the hits, and what to say about it.
type Part = (Vec<Hit>, Vec<Notice>);

impl Searcher {
    /// Searches what is there: conversations, documents, or both; by meaning, too, where there is a model for it.
    pub fn new(archive: Option<Archive>, library: Option<Library>, meaning: Option<Meaning>) -> Self {
        Self { archive, library, meaning }
    }

    /// Finds messages and chunks of documents, best first. Any text is a query. Where there is no model, a search by
    /// meaning is one by words, and says so.
    ///
    /// # Errors
    /// A filter that is not understood, and what disk and model say.
    pub async fn search(&self, scope: &Scope, request: &Request) -> Result<Results, SearchError> {
        let begun = Instant::now();
        let mut notices = Vec::new();
        let mut mode = request.mode;
        let mut vector = None;
        match &self.meaning {
            Some(meaning) if mode.by_meaning() => vector = Some(meaning.of_query(&request.query).await?),
            None if mode.by_meaning() => {
                mode = Mode::Text;
                notices.push(Notice(NO_MODEL.into()));
            }
            _ => {}
        }
        let asked = Asked { request, mode, vector: vector.as_deref(), depth: depth(request) };
        let (chats, documents) = tokio::try_join!(self.chats(scope, &asked), self.documents(scope, &asked))?;
        for notice in chats.1.into_iter().chain(documents.1) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        let mut hits: Vec<Hit> = chats.0.into_iter().chain(documents.0).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        let more = hits.len() > request.offset + request.limit();
        let hits = hits.into_iter().skip(request.offset).take(request.limit()).collect();
        let coverage = match (&self.meaning, mode.by_meaning()) {
            (Some(meaning), true) => Some(meaning.coverage(scope, self.library.as_ref()).await?),
            _ => None,
        };
        Ok(Results { hits, more, coverage, notices, elapsed: begun.elapsed() })
    }

    async fn chats(&self, scope: &Scope, asked: &Asked<'_>) -> Result<Part, SearchError> {
        let Request { within, formats, .. } = asked.request;
        let Some(archive) = &self.archive else { return Ok(Part::default()) };
        if *within == Within::Library || !formats.is_empty() || !asked.mode.by_word() {
            return Ok(Part::default());
        }
        let request = SearchRequest {
            query: asked.request.query.clone(),
            filters: asked.request.filters.clone(),
            limit: asked.depth,
            ..SearchRequest::default()
        };
        let found = archive.search(scope, &request).await?;
        let ranked: Vec<(usize, f64)> = found.hits.iter().map(|hit| hit.score).enumerate().collect();
        let fused = fuse::reciprocal_ranks(&ranked, &[], Weights::default());
        let mut hits: Vec<Option<athenaeum_archive::Hit>> = found.hits.into_iter().map(Some).collect();
        let shown = fused.into_iter().filter_map(|Fused { key, score, why }| {
            Some(Hit { found: Found::Message(Box::new(hits[key].take()?)), score, why })
        });
        Ok((shown.collect(), found.notices))
    }

    async fn documents(&self, scope: &Scope, asked: &Asked<'_>) -> Result<Part, SearchError> {
        let Some(library) = &self.library else { return Ok(Part::default()) };
        let request = asked.request;
        if request.within == Within::Chats || speaks_of_conversations(&request.filters) {
            return Ok(Part::default());
        }
        let mut notices = Vec::new();
        let mut by_word = Vec::new();
        let mut hits: HashMap<ChunkId, library::Hit> = HashMap::new();
        if asked.mode.by_word() {
            let query = library::Query {
                text: request.query.clone(),
                formats: request.formats.clone(),
                after: request.filters.after,
                before: request.filters.before,
                limit: asked.depth,
                ..library::Query::default()
            };
            let found = library.search(scope, &query).await?;
            notices.extend(found.notices);
            for hit in found.hits {
                by_word.push((hit.chunk.id, hit.score));
                hits.insert(hit.chunk.id, hit);
            }
        }
        let mut by_meaning = Vec::new();
        if let (Some(meaning), Some(vector)) = (&self.meaning, asked.vector) {
            let filter = vector::Filter {
                tags: match request.formats.as_slice() {
                    [] => Vec::new(),
                    formats => vec![vector::Condition::any("format", formats.iter().cloned())],
                },
                valid: span(&request.filters),
                ..vector::Filter::default()
            };
            by_meaning = meaning.chunks_near(scope, vector, filter, asked.depth).await?;
            let missing: Vec<ChunkId> =
                by_meaning.iter().map(|(id, _)| *id).filter(|id| !hits.contains_key(id)).collect();
            let shown = library.hits(scope, &missing, &request.query).await?;
            hits.extend(shown.into_iter().map(|hit| (hit.chunk.id, hit)));
            // What is gone from the library takes no rank from what is there.
            by_meaning.retain(|(id, _)| hits.contains_key(id));
        }
        let fused = fuse::reciprocal_ranks(&by_word, &by_meaning, Weights::default());
        let shown = fused.into_iter().filter_map(|Fused { key, score, why }| {
            Some(Hit { found: Found::Chunk(Box::new(hits.remove(&key)?)), score, why })
        });
        Ok((shown.collect(), notices))
    }
}

/// A request, made ready.
struct Asked<'r> {
    request: &'r Request,
    /// The one that can be done.
    mode: Mode,
    vector: Option<&'r [f32]>,
    /// How many hits each list is asked for.
    depth: usize,
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

fn span(filters: &Filters) -> Option<vector::Span> {
    let until = filters
        .before
        .map(|before| athenaeum_core::Timestamp::from_micros(before.as_micros().saturating_add(1)));
    let span = vector::Span { from: filters.after, until };
    (span != vector::Span::ALWAYS).then_some(span)
}

const NO_MODEL: &str = "There is no model to search by meaning, so this was searched by words.";

const DEPTH_LEAST: usize = 100;

const DEPTH_MOST: usize = 1_000;
