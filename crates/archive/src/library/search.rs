//! Finding chunks by their words.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use athenaeum_core::{ChunkId, Provider};
use athenaeum_tenancy::Scope;

use super::{
    feedback, follow, read,
    view::{Chunk, Found, Hit, Query, Question, RankedAgain, Ranking},
};
use crate::{
    Error, Filters, Notice, Sort, Total,
    index::{self, Candidates, Filter, Index, TopDocs},
    query::{self, Expr},
    snippet::{self, Wanted},
    store::{
        error::database,
        open::Files,
        search::{Indexes, relaxed},
    },
};

pub(super) async fn search(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    asked: &Query,
) -> Result<Found, Error> {
    let Ranked { expr, best, total, notices, .. } = ranked(files, indexes, scope, asked).await?;
    let rows: Vec<i64> = best.iter().map(|(row, _)| *row).collect();
    let mut chunks = read::chunks_by_row(files, scope, &rows).await?;
    // Those whose row is gone were removed while the index was another's.
    let chunks = best.into_iter().filter_map(|(row, score)| Some((score, chunks.remove(&row)?)));
    let hits = shown(indexes, expr.as_ref(), chunks);
    Ok(Found { hits, total, notices })
}

/// Returns what [`search`] does, without reading more of it than its order needs.
pub(super) async fn rank(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    asked: &Query,
) -> Result<Ranking, Error> {
    let Ranked { best, question, notices, .. } = ranked(files, indexes, scope, asked).await?;
    let chunks = named(files, scope, best).await?;
    Ok(Ranking { chunks, question, notices })
}

/// Orders what was found for a question anew, by what `best` speak of: chunks and their scores, best first.
pub(super) async fn rank_again(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    question: &Question,
    best: &[(ChunkId, f64)],
) -> Result<RankedAgain, Error> {
    let ids: Vec<ChunkId> = best.iter().take(LOOKED_AT).map(|(id, _)| *id).collect();
    let chunks = read::chunks(files, scope, &ids).await?;
    let chunks = chunks.into_iter().zip(best).filter_map(|(chunk, (_, score))| Some((chunk?, *score)));
    let lenders = feedback::lenders(chunks, |chunk| chunk.document.id);
    let ids = lenders.iter().map(|(chunk, _)| chunk.id).collect();
    let lenders = lenders.into_iter().map(|(chunk, score)| (chunk.searched(), score)).collect();
    let best = with_feedback(indexes, question, lenders).await?;
    Ok(RankedAgain { chunks: named(files, scope, best).await?, lenders: ids })
}

async fn named(files: &Files, scope: &Scope, best: Vec<(i64, f64)>) -> Result<Vec<(ChunkId, f64)>, Error> {
    let rows: Vec<i64> = best.iter().map(|(row, _)| *row).collect();
    let ids = if rows.is_empty() { HashMap::new() } else { read::ids_by_row(files, scope, &rows).await? };
    Ok(best.into_iter().filter_map(|(row, score)| Some((*ids.get(&row)?, score))).collect())
}

/// What was found, in order.
struct Ranked {
    expr: Option<Expr>,
    /// Rows and scores, the best first.
    best: Vec<(i64, f64)>,
    total: Total,
    question: Option<Question>,
    notices: Vec<Notice>,
}

async fn ranked(
    files: &Arc<Files>,
    indexes: &Arc<Indexes>,
    scope: &Scope,
    asked: &Query,
) -> Result<Ranked, Error> {
    let parsed = query::parse(&asked.text);
    let expr = parsed.expr;
    let nothing =
        |expr, notices| Ranked { expr, best: Vec::new(), total: Total::Exactly(0), question: None, notices };
    let lowered =
        expr.as_ref().and_then(|expr| indexes.with_analyzer(|analyzer| query::lower(expr, analyzer)));
    let Some(all) = lowered else { return Ok(nothing(expr, parsed.notices)) };
    let query = if asked.all_words { all } else { relaxed(&all).unwrap_or(all) };
    let Some(filters) = filters(asked, &parsed.filters) else { return Ok(nothing(expr, parsed.notices)) };
    let documents = match &asked.documents {
        Some(documents) => Some(Arc::new(read::rows_of(files, scope, documents.iter()).await?)),
        None => None,
    };
    let filter = Filter { filters, conversation: None, among: documents };
    let mut notices = parsed.notices;

    let limit = if asked.limit == 0 { LIMIT_DEFAULT } else { asked.limit.min(LIMIT_MAX) };
    // What is ordered anew is the best of the index's order, whatever the page.
    let reaches = asked.offset.saturating_add(limit) <= CANDIDATES;
    let terms = if !reaches || asked.all_words || !expr.as_ref().is_some_and(Expr::is_plain) {
        None
    } else {
        indexes.with_analyzer(|analyzer| feedback::asked(&asked.text, analyzer))
    };
    let (offset, wanted) = (asked.offset, limit);
    let look = move |index: &Index| match &terms {
        Some(terms) => Looked::for_question(index, terms, &filter),
        None => Ok(Looked::listed(&index.search(&query, &filter, Sort::Relevance, wanted, offset)?)),
    };
    let (looked, lags) = looked(files, indexes, scope, look).await?;
    if lags {
        notices.push(Notice(LAGGING.into()));
    }
    if looked.approximate {
        notices.push(Notice(
            "The beginning stands for very many words; the most frequent were looked for.".into(),
        ));
    }
    let Looked { mut best, total, question, .. } = looked;
    if let Some(question) = &question {
        let lenders = own_lenders(files, scope, question, &best).await?;
        best = with_feedback(indexes, question, lenders).await?;
        best = best.into_iter().skip(offset).take(limit).collect();
    }
    Ok(Ranked { expr, best, total, question, notices })
}

/// Looks into the index, and once more where it had to be made anew. Tells whether the index lags behind.
async fn looked(
    files: &Arc<Files>,
    indexes: &Indexes,
    scope: &Scope,
    look: impl Fn(&Index) -> index::Result<Looked> + Send + Sync + 'static,
) -> Result<(Looked, bool), Error> {
    let look = Arc::new(look);
    let ask = async |index: Index| {
        let look = Arc::clone(&look);
        in_background(move || look(&index)).await
    };
    let (index, lags) = usable(files, indexes, scope).await?;
    match ask(index).await? {
        Ok(looked) => Ok((looked, lags)),
        Err(error) => {
            tracing::warn!(%error, "the library's search index cannot be read; it is made anew");
            follow::rebuild(files, scope).await?;
            let (index, lags) = usable(files, indexes, scope).await?;
            let looked = ask(index).await?.map_err(|error| unreadable(&error))?;
            Ok((looked, lags))
        }
    }
}

/// Bounded work, but milliseconds of it: not on a thread that serves others.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Internal { what: error.to_string() })
}

/// What one look into the index brought.
struct Looked {
    /// Rows and scores, the best first.
    best: Vec<(i64, f64)>,
    total: Total,
    approximate: bool,
    question: Option<Question>,
}

impl Looked {
    fn listed(found: &TopDocs) -> Self {
        let best = found.hits.iter().map(|hit| (hit.message_id, hit.score)).collect();
        Self { best, total: found.total, approximate: found.approximate, question: None }
    }

    fn for_question(index: &Index, terms: &[String], filter: &Filter) -> index::Result<Self> {
        // Words joined by a hyphen count one by one.
        let distinct: BTreeSet<&String> = terms.iter().collect();
        let any =
            index::Query::Any(distinct.into_iter().map(|term| index::Query::Term(term.clone())).collect());
        let candidates = index.candidates(&any, filter, CANDIDATES)?;
        let best = ordered(&candidates, feedback::scores(terms, &candidates)?);
        let (total, approximate) = (candidates.total(), candidates.approximate());
        let question = Question { terms: terms.into(), candidates: Arc::new(candidates) };
        Ok(Self { best, total, approximate, question: Some(question) })
    }
}

/// Returns candidates' rows with their scores, best first; among equals in the order of the index.
fn ordered(candidates: &Candidates, scores: Vec<f64>) -> Vec<(i64, f64)> {
    let mut best: Vec<(i64, f64)> = candidates.rows().iter().copied().zip(scores).collect();
    best.sort_by(|a, b| b.1.total_cmp(&a.1));
    best
}

/// Returns the texts of the best documents of a first ranking, with their scores.
async fn own_lenders(
    files: &Files,
    scope: &Scope,
    question: &Question,
    best: &[(i64, f64)],
) -> Result<Vec<(String, f64)>, Error> {
    let candidates = &question.candidates;
    let documents: HashMap<i64, i64> =
        candidates.rows().iter().copied().zip(candidates.conversations().iter().copied()).collect();
    let lenders = feedback::lenders(best.iter().copied(), |row| documents.get(row).copied());
    let rows: Vec<i64> = lenders.iter().map(|(row, _)| *row).collect();
    let chunks = read::chunks_by_row(files, scope, &rows).await?;
    Ok(lenders.into_iter().filter_map(|(row, score)| Some((chunks.get(&row)?.searched(), score))).collect())
}

/// Orders candidates by what these texts speak of.
async fn with_feedback(
    indexes: &Arc<Indexes>,
    question: &Question,
    lenders: Vec<(String, f64)>,
) -> Result<Vec<(i64, f64)>, Error> {
    let (indexes, question) = (Arc::clone(indexes), question.clone());
    let best = in_background(move || {
        let Question { terms, candidates } = &question;
        let scores =
            indexes.with_analyzer(|analyzer| feedback::scores_with(terms, &lenders, candidates, analyzer))?;
        Ok(ordered(candidates, scores))
    });
    best.await?.map_err(|error: index::Error| unreadable(&error))
}

/// Returns chunks by id as a search for `text` would show them, with 0 for a score.
pub(super) async fn hits(
    files: &Files,
    indexes: &Indexes,
    scope: &Scope,
    ids: &[ChunkId],
    text: &str,
) -> Result<Vec<Hit>, Error> {
    let chunks = read::chunks(files, scope, ids).await?;
    let parsed = query::parse(text);
    Ok(shown(indexes, parsed.expr.as_ref(), chunks.into_iter().flatten().map(|chunk| (0.0, chunk))))
}

fn shown(indexes: &Indexes, expr: Option<&Expr>, chunks: impl Iterator<Item = (f64, Chunk)>) -> Vec<Hit> {
    indexes.with_analyzer(|analyzer| {
        let wanted = Wanted::in_text(expr, analyzer);
        let hit = |(score, chunk): (f64, Chunk)| {
            let snippet = snippet::snippet(&chunk.text, &wanted, analyzer, SNIPPET_CHARS);
            Hit { chunk, score, snippet }
        };
        chunks.map(hit).collect()
    })
}

/// Returns the index as it was last published, brought up to date where that is possible, and whether it lags behind.
async fn usable(files: &Arc<Files>, indexes: &Indexes, scope: &Scope) -> Result<(Index, bool), Error> {
    let index = match indexes.of(files, scope) {
        Some(index) => index,
        None => {
            follow::rebuild(files, scope).await?;
            indexes.of(files, scope).ok_or_else(|| Error::damaged("the library's search index"))?
        }
    };
    let mut reader = files.readers.acquire().await.map_err(database("looking for new chunks"))?;
    let last = follow::last(&mut reader).await?;
    drop(reader);
    if index.watermark() >= last || !files.is_writable() {
        return Ok((index.clone(), index.watermark() < last));
    }
    follow::follow(files, scope).await?;
    let index = indexes.of(files, scope).unwrap_or(index);
    let lags = index.watermark() < last;
    Ok((index, lags))
}

/// `None` where nothing can pass: a name that is no format's.
fn filters(asked: &Query, said: &Filters) -> Option<Filters> {
    let formats: Vec<Provider> = asked.formats.iter().filter_map(|format| format.parse().ok()).collect();
    if formats.is_empty() && !asked.formats.is_empty() {
        return None;
    }
    Some(Filters {
        providers: formats,
        after: asked.after.max(said.after),
        before: match (asked.before, said.before) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        },
        ..Filters::default()
    })
}

fn unreadable(error: &index::Error) -> Error {
    Error::damaged(format!("the library's search index ({error})"))
}

const LAGGING: &str = "The newest documents are still being indexed; some may be missing here.";

const LIMIT_DEFAULT: usize = 20;

const LIMIT_MAX: usize = 1_000;

/// How many of the best by the index are ordered anew by what the best of them speak of.
const CANDIDATES: usize = 200;

/// Of what is best by another ranking, how many are looked at to find those of different documents.
const LOOKED_AT: usize = 20;

/// Characters of a passage: two to three lines.
const SNIPPET_CHARS: usize = 240;
