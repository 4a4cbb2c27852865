//! Search without the search index: slower, always there, and it means the same.
//!
//! SQLite's own index names the messages that may match, and their text is then read and decided with the very terms
//! that the search index holds. So phrases, exclusions and titles hold here as they do there, within [`Bounds`].

mod candidates;
mod check;
#[cfg(test)]
mod tests;

use athenaeum_tenancy::Scope;
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use self::{
    candidates::{Candidates, candidates},
    check::Check,
};
use super::{
    error::{Error, database},
    filter,
    open::Files,
    row,
};
use crate::{
    Count, Facets, Filters, Sort, Total,
    index::{Query, TopDoc, TopDocs},
    text::Analyzer,
};

/// How much is looked at for one search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Where a filter leaves no more messages than these, all are read: nothing is missed, whatever the script.
    every: usize,
    /// Messages whose text is read, the best by SQLite's order, or the newest rows.
    messages: usize,
    /// Bytes of text that are read.
    bytes: usize,
    titles: usize,
}

impl Bounds {
    /// Some tenths of a second, mostly.
    pub(crate) const USUAL: Self = Self { every: 5_000, messages: 10_000, bytes: 64 << 20, titles: 100_000 };
}

/// What was found, in the order of the pages.
pub(crate) struct Found {
    pub(crate) docs: TopDocs,
    /// What the answer may lack.
    pub(crate) notice: Option<&'static str>,
}

pub(crate) async fn search(
    files: &Files,
    scope: &Scope,
    query: &Query,
    filters: &Filters,
    sort: Sort,
    (limit, offset): (usize, usize),
) -> Result<Found, Error> {
    if *query == Query::All(Vec::new()) {
        return newest(files, scope, filters, (limit, offset)).await;
    }
    let Matches { mut docs, cut, notice } = matches(files, scope, query, filters, Bounds::USUAL).await?;
    match sort {
        // Titles tell more than texts.
        Sort::Relevance if query.is_ranked() => docs.sort_by(|a, b| {
            let by_score = b.is_title.cmp(&a.is_title).then_with(|| b.score.total_cmp(&a.score));
            by_score.then_with(|| b.id.cmp(&a.id))
        }),
        _ => docs.sort_by_key(|doc| std::cmp::Reverse((doc.time, doc.id))),
    }
    let total = if cut { Total::AtLeast(docs.len() as u64) } else { Total::Exactly(docs.len() as u64) };
    let hits = docs.iter().skip(offset).take(limit).map(|doc| TopDoc {
        message_id: if doc.is_title { 0 } else { doc.id },
        conversation_row: doc.conversation,
        score: doc.score,
        is_title: doc.is_title,
    });
    Ok(Found { docs: TopDocs { hits: hits.collect(), total, approximate: false }, notice })
}

pub(crate) async fn facets(
    files: &Files,
    scope: &Scope,
    query: &Query,
    filters: &Filters,
) -> Result<Facets, Error> {
    let mut of = None;
    if *query != Query::All(Vec::new()) {
        let found = matches(files, scope, query, filters, Bounds::USUAL).await?;
        let ids = found.docs.iter().filter(|doc| !doc.is_title).map(|doc| doc.id.to_string());
        of = Some(format!("[{}]", ids.collect::<Vec<_>>().join(",")));
    }
    let of = of.as_deref();
    let month = concat!("strftime('%Y-%m', ", row::time_sql!(), " / 1000000, 'unixepoch')");
    Ok(Facets {
        providers: group(files, scope, filters, of, "c.provider", "2 DESC, 1").await?,
        models: group(files, scope, filters, of, "coalesce(m.model, c.model)", "2 DESC, 1").await?,
        roles: group(files, scope, filters, of, "m.role", "2 DESC, 1").await?,
        months: group(files, scope, filters, of, month, "1").await?,
    })
}

/// A message or title that matches.
#[derive(Debug, Clone, Copy)]
struct Doc {
    /// Row of the message, or for a title of the conversation.
    id: i64,
    conversation: i64,
    time: Option<i64>,
    score: f64,
    is_title: bool,
}

struct Matches {
    docs: Vec<Doc>,
    /// More was there than was looked at.
    cut: bool,
    notice: Option<&'static str>,
}

async fn matches(
    files: &Files,
    scope: &Scope,
    query: &Query,
    filters: &Filters,
    bounds: Bounds,
) -> Result<Matches, Error> {
    let mut check = Check::new(query);
    let mut analyzer = Analyzer::new();
    let mut docs = Vec::new();
    let mut cut = false;
    if query.is_ranked() && filters.roles.is_empty() && filters.has.is_empty() {
        cut |= titles(files, scope, (&mut check, &mut analyzer), filters, bounds, &mut docs).await?;
    }
    if query.is_title_only() {
        return Ok(Matches { docs, cut, notice: cut.then_some(CUT) });
    }
    let Candidates { ids, cut: more, by_words } =
        candidates(files, scope, query, filters, &mut analyzer, bounds).await?;
    cut |= more;
    let failed = database("reading messages");
    let mut bytes = 0;
    for ids in ids.chunks(CHUNK) {
        let mut sql = QueryBuilder::new(concat!(
            "SELECT m.id, m.conversation_id, ",
            row::time_sql!(),
            ", m.content, c.title FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.id IN ("
        ));
        let mut list = sql.separated(", ");
        ids.iter().for_each(|id| {
            list.push_bind(*id);
        });
        sql.push(")");
        for found in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            let text: &str = found.try_get(3).map_err(&failed)?;
            let title: Option<&str> = found.try_get(4).map_err(&failed)?;
            bytes += text.len();
            if let Some(score) = check.message(text, title, &mut analyzer) {
                docs.push(Doc {
                    id: found.try_get(0).map_err(&failed)?,
                    conversation: found.try_get(1).map_err(&failed)?,
                    time: found.try_get(2).map_err(&failed)?,
                    score,
                    is_title: false,
                });
            }
        }
        if bytes > bounds.bytes {
            cut = true;
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(Matches { docs, cut, notice: if cut { Some(CUT) } else { by_words.then_some(BY_WORDS) } })
}

/// Adds the conversations whose title matches; returns whether there were too many to look at.
async fn titles(
    files: &Files,
    scope: &Scope,
    (check, analyzer): (&mut Check<'_>, &mut Analyzer),
    filters: &Filters,
    bounds: Bounds,
    docs: &mut Vec<Doc>,
) -> Result<bool, Error> {
    let failed = database("reading titles");
    let mut sql = QueryBuilder::new("SELECT c.id, nullif(c.began_at, 0), c.title FROM conversations c WHERE");
    filter::conversations(&mut sql, scope, filters);
    sql.push(" AND c.title IS NOT NULL ORDER BY c.id DESC LIMIT ").push_bind(bounds.titles as i64 + 1);
    let rows = sql.build().fetch_all(&files.readers).await.map_err(&failed)?;
    for found in rows.iter().take(bounds.titles) {
        let id = found.try_get(0).map_err(&failed)?;
        if let Some(score) = check.title(found.try_get(2).map_err(&failed)?, analyzer) {
            let time = found.try_get(1).map_err(&failed)?;
            docs.push(Doc { id, conversation: id, time, score, is_title: true });
        }
    }
    Ok(rows.len() > bounds.titles)
}

/// Lists all messages that the filters let pass, newest first.
async fn newest(
    files: &Files,
    scope: &Scope,
    filters: &Filters,
    (limit, offset): (usize, usize),
) -> Result<Found, Error> {
    let failed = database("listing messages");
    let mut sql = QueryBuilder::new(format!("SELECT m.id, m.conversation_id {FROM}"));
    filter::messages(&mut sql, scope, filters);
    sql.push(concat!(" ORDER BY ", row::time_sql!(), " DESC, m.id DESC LIMIT "));
    sql.push_bind(limit as i64).push(" OFFSET ").push_bind(offset as i64);
    let rows = sql.build().fetch_all(&files.readers).await.map_err(&failed)?;
    let doc = |row: &SqliteRow| -> Result<TopDoc, sqlx::Error> {
        let (message_id, conversation_row) = (row.try_get(0)?, row.try_get(1)?);
        Ok(TopDoc { message_id, conversation_row, score: 0.0, is_title: false })
    };
    let hits = rows.iter().map(doc).collect::<Result<_, _>>().map_err(&failed)?;
    let mut sql = QueryBuilder::new(format!("SELECT count(*) FROM (SELECT 1 {FROM}"));
    filter::messages(&mut sql, scope, filters);
    sql.push(" LIMIT ").push_bind(COUNTED_MAX + 1).push(")");
    let count: i64 = sql.build_query_scalar().fetch_one(&files.readers).await.map_err(failed)?;
    let total = if count > COUNTED_MAX {
        Total::AtLeast(COUNTED_MAX as u64)
    } else {
        Total::Exactly(u64::try_from(count).unwrap_or(0))
    };
    Ok(Found { docs: TopDocs { hits, total, approximate: false }, notice: None })
}

/// Counts messages by `value`: those in the JSON list `of`, or all.
async fn group(
    files: &Files,
    scope: &Scope,
    filters: &Filters,
    of: Option<&str>,
    value: &'static str,
    order: &'static str,
) -> Result<Vec<Count>, Error> {
    let failed = database("counting matches");
    let mut sql: QueryBuilder<Sqlite> =
        QueryBuilder::new(format!("SELECT {value} AS value, count(*) {FROM}"));
    filter::messages(&mut sql, scope, filters);
    if let Some(ids) = of {
        sql.push(" AND m.id IN (SELECT value FROM json_each(").push_bind(ids.to_owned()).push("))");
    }
    sql.push(format!(" GROUP BY 1 HAVING value IS NOT NULL ORDER BY {order}"));
    let rows = sql.build().fetch_all(&files.readers).await.map_err(&failed)?;
    let count = |row: &SqliteRow| -> Result<Count, sqlx::Error> {
        let count: i64 = row.try_get(1)?;
        Ok(Count { value: row.try_get(0)?, count: u64::try_from(count).unwrap_or(0) })
    };
    rows.iter().map(count).collect::<Result<_, _>>().map_err(failed)
}

const FROM: &str = "FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE";

const CUT: &str = "Very many messages may match; only some of them were looked at.";

const BY_WORDS: &str = "Words written next to Chinese, Japanese, Korean or Thai letters may be missing here.";

/// Counting stops here; people read "10,000+".
const COUNTED_MAX: i64 = 10_000;

/// Messages that are read at once.
const CHUNK: usize = 200;
