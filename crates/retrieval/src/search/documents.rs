//! Chunks of documents, by word and by meaning.

use athenaeum_archive::library::{self, Library, Ranking};
use athenaeum_core::ChunkId;
use athenaeum_tenancy::Scope;

use super::{Asked, SearchError, fuse::Fused, nearby};
use crate::{meaning::Question, search::Request};

impl Asked<'_> {
    /// Orders chunks by their words.
    pub(super) async fn chunks_by_word(
        &self,
        scope: &Scope,
        library: Option<&Library>,
    ) -> Result<Ranking, SearchError> {
        let Some(library) = library.filter(|_| self.mode.by_word()) else { return Ok(Ranking::default()) };
        let Request { query, formats, filters, documents, .. } = self.request;
        let query = library::Query {
            text: query.clone(),
            formats: formats.clone(),
            after: filters.after,
            before: filters.before,
            documents: documents.clone(),
            limit: self.depth,
            ..library::Query::default()
        };
        Ok(library.rank(scope, &query).await?)
    }

    /// Puts what is near in meaning beside what was found by word. Where a question was asked, what comes first then lends
    /// the words it uses and moves the question towards what it means, and both lists are made once more.
    pub(super) async fn chunks(
        &self,
        scope: &Scope,
        library: Option<&Library>,
        by_word: &Ranking,
        question: &Question,
    ) -> Result<Chunks, SearchError> {
        let Some(library) = library else { return Ok(Chunks::default()) };
        let near = self.chunks_near(scope, library, question).await?;
        let first = self.fused(&by_word.chunks, &near);
        let Some(asked) = by_word.question.as_ref().filter(|_| !near.is_empty()) else {
            return Ok(Chunks { near, order: first });
        };
        let again = library.rank_again(scope, asked, &from_zero(&first)).await?;
        let nearer = match again.lenders.as_slice() {
            [] => near.clone(),
            lenders => self.chunks_near(scope, library, &question.toward(lenders).await?).await?,
        };
        Ok(Chunks { order: self.fused(&again.chunks, &nearer), near })
    }

    async fn chunks_near(
        &self,
        scope: &Scope,
        library: &Library,
        question: &Question,
    ) -> Result<Vec<(ChunkId, f64)>, SearchError> {
        nearby::chunks(library, scope, question, self.request, self.filters, self.depth).await
    }

    fn fused(&self, by_word: &[(ChunkId, f64)], near: &[(ChunkId, f64)]) -> Vec<Fused<ChunkId>> {
        self.fusion.fuse(by_word, near, self.depth)
    }
}

/// What was found of documents.
#[derive(Default)]
pub(super) struct Chunks {
    /// By meaning, as the question was asked.
    pub(super) near: Vec<(ChunkId, f64)>,
    /// Their order in the end.
    pub(super) order: Vec<Fused<ChunkId>>,
}

impl Chunks {
    /// Gives the order the scores of `beside`, which can be compared with those of other things: the best the highest.
    pub(super) fn with_scores_of(self, beside: &[Fused<ChunkId>]) -> Vec<Fused<ChunkId>> {
        let lowest = beside.last().map_or(0.0, |fused| fused.score);
        let scores = beside.iter().map(|fused| fused.score).chain(std::iter::repeat(lowest));
        self.order.into_iter().zip(scores).map(|(fused, score)| Fused { score, ..fused }).collect()
    }
}

/// Returns scores as how much they are above the least.
fn from_zero(fused: &[Fused<ChunkId>]) -> Vec<(ChunkId, f64)> {
    let least = fused.last().map_or(0.0, |fused| fused.score);
    fused.iter().map(|fused| (fused.key, fused.score - least)).collect()
}
