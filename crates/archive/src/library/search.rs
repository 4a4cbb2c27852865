//! Finding chunks by their words.

use std::{collections::BTreeSet, sync::Arc};

use athenaeum_core::{ChunkId, Provider};
use athenaeum_tenancy::Scope;

use super::{
    feedback, follow, read,
    view::{Chunk, Found, Hit, Query},
};
use crate::{
    Error, Filters, Notice, Sort, Total,
    index::{self, Filter, Index, TopDocs},
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
    let parsed = query::parse(&asked.text);
    let nothing = |notices| Found { hits: Vec::new(), total: Total::Exactly(0), notices };
    let lowered =
        parsed.expr.as_ref().and_then(|expr| indexes.with_analyzer(|analyzer| query::lower(expr, analyzer)));
    let Some(all) = lowered else { return Ok(nothing(parsed.notices)) };
    let query = if asked.all_words { all } else { relaxed(&all).unwrap_or(all) };
    let Some(filters) = filters(asked, &parsed.filters) else { return Ok(nothing(parsed.notices)) };
    let mut notices = parsed.notices;

    let (index, lags) = usable(files, indexes, scope).await?;
    let limit = if asked.limit == 0 { LIMIT_DEFAULT } else { asked.limit.min(LIMIT_MAX) };
    let question = if asked.all_words || !is_plain(parsed.expr.as_ref()) {
        None
    } else {
        indexes.with_analyzer(|analyzer| feedback::asked(&asked.text, analyzer))
    };
    // What is ordered anew is the best of the index's order, whatever the page.
    let reaches = asked.offset.saturating_add(limit) <= CANDIDATES;
    let question = question.filter(|_| reaches);
    let query = match &question {
        // Words joined by a hyphen count one by one.
        Some(terms) => {
            let terms: BTreeSet<&String> = terms.iter().collect();
            index::Query::Any(terms.into_iter().map(|term| index::Query::Term(term.clone())).collect())
        }
        None => query,
    };
    let (wanted, offset) = if question.is_some() { (CANDIDATES, 0) } else { (limit, asked.offset) };
    let filter = Filter { filters, conversation: None };
    let ask = async |index: Index| -> Result<index::Result<TopDocs>, Error> {
        let (query, filter) = (query.clone(), filter.clone());
        // Bounded work, but milliseconds of it: not on a thread that serves others.
        let found = tokio::task::spawn_blocking(move || {
            index.search(&query, &filter, Sort::Relevance, wanted, offset)
        });
        found.await.map_err(|error| Error::Internal { what: error.to_string() })
    };
    let mut index = index;
    let found = match ask(index.clone()).await? {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the library's search index cannot be read; it is made anew");
            follow::rebuild(files, scope).await?;
            (index, _) = usable(files, indexes, scope).await?;
            ask(index.clone()).await?.map_err(|error| unreadable(&error))?
        }
    };
    if lags {
        notices.push(Notice(LAGGING.into()));
    }
    if found.approximate {
        notices.push(Notice(
            "The beginning stands for very many words; the most frequent were looked for.".into(),
        ));
    }
    let rows: Vec<i64> = found.hits.iter().map(|hit| hit.message_id).collect();
    let mut chunks = read::chunks_by_row(files, scope, &rows).await?;
    // Those whose row is gone were removed while the index was another's.
    let hits = found.hits.iter().filter_map(|hit| Some((hit.score, chunks.remove(&hit.message_id)?)));
    let mut hits: Vec<(f64, Chunk)> = hits.collect();
    if let Some(question) = question {
        let texts: Vec<String> = hits.iter().map(|(_, chunk)| chunk.searched()).collect();
        let scores = indexes.with_analyzer(|analyzer| feedback::scores(&question, &texts, &index, analyzer));
        for (hit, score) in hits.iter_mut().zip(scores.map_err(|error| unreadable(&error))?) {
            hit.0 = score;
        }
        hits.sort_by(|a, b| b.0.total_cmp(&a.0));
    }
    let hits = shown(indexes, parsed.expr.as_ref(), hits.into_iter().skip(asked.offset - offset).take(limit));
    Ok(Found { hits, total: found.total, notices })
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

/// Tells whether a query is words and nothing else: then it may be a question.
fn is_plain(expr: Option<&Expr>) -> bool {
    match expr {
        Some(Expr::Word(_)) => true,
        Some(Expr::All(members)) => members.iter().all(|member| matches!(member, Expr::Word(_))),
        _ => false,
    }
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

/// Characters of a passage: two to three lines.
const SNIPPET_CHARS: usize = 240;
