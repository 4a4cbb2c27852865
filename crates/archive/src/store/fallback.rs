//! Search by SQLite's own full-text index alone: slower on common words, always there.

use std::{collections::HashMap, sync::Arc};

use athenaeum_core::MessageId;
use athenaeum_tenancy::Scope;
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{
    cursor,
    error::{Error, database},
    filter,
    open::Files,
    row,
};
use crate::{ConversationSummary, Count, Facets, Hit, SearchRequest, SearchResults, Snippet, Sort, Total};

pub(crate) async fn search(
    files: &Files,
    scope: &Scope,
    request: &SearchRequest,
) -> Result<SearchResults, Error> {
    let failed = database("searching");
    let started = std::time::Instant::now();
    let offset = cursor::decode_offset(request.cursor.as_ref())?;
    let limit = cursor::limit(request.limit);
    let words = words(&request.query);

    let mut sql = QueryBuilder::new(format!(
        "SELECT {}, m.id, m.position, m.role, m.model, m.created_at, m.flags, m.content, {} {}",
        row::SUMMARY,
        if words.is_empty() { "0.0" } else { "messages_fts.rank" },
        from(&words),
    ));
    matching(&mut sql, scope, request, &words);
    sql.push(match (request.sort, words.is_empty()) {
        (Sort::Relevance, false) => " ORDER BY messages_fts.rank, m.id",
        _ => concat!(" ORDER BY ", row::time_sql!(), " DESC, m.id DESC"),
    });
    sql.push(" LIMIT ").push_bind(limit as i64 + 1).push(" OFFSET ").push_bind(offset as i64);
    let rows = sql.build().fetch_all(&files.readers).await.map_err(&failed)?;

    let mut shared = HashMap::new();
    let hits = rows.iter().take(limit).map(|row| hit(row, &words, &mut shared)).collect::<Result<_, _>>()?;
    Ok(SearchResults {
        hits,
        total: total(files, scope, request, &words).await?,
        notices: Vec::new(),
        next: if rows.len() > limit { cursor::encode_offset(offset + limit) } else { None },
        elapsed: started.elapsed(),
    })
}

pub(crate) async fn facets(files: &Files, scope: &Scope, request: &SearchRequest) -> Result<Facets, Error> {
    Ok(Facets {
        providers: group(files, scope, request, "c.provider", "2 DESC, 1").await?,
        models: group(files, scope, request, "coalesce(m.model, c.model)", "2 DESC, 1").await?,
        roles: group(files, scope, request, "m.role", "2 DESC, 1").await?,
        months: group(
            files,
            scope,
            request,
            concat!("strftime('%Y-%m', ", row::time_sql!(), " / 1000000, 'unixepoch')"),
            "1",
        )
        .await?,
    })
}

async fn group(
    files: &Files,
    scope: &Scope,
    request: &SearchRequest,
    value: &'static str,
    order: &'static str,
) -> Result<Vec<Count>, Error> {
    let failed = database("counting matches");
    let words = words(&request.query);
    let mut sql = QueryBuilder::new(format!("SELECT {value} AS value, count(*) {}", from(&words)));
    matching(&mut sql, scope, request, &words);
    sql.push(format!(" GROUP BY 1 HAVING value IS NOT NULL ORDER BY {order}"));
    let rows = sql.build().fetch_all(&files.readers).await.map_err(&failed)?;
    let count = |row: &SqliteRow| -> Result<Count, sqlx::Error> {
        let count: i64 = row.try_get(1)?;
        Ok(Count { value: row.try_get(0)?, count: u64::try_from(count).unwrap_or(0) })
    };
    rows.iter().map(count).collect::<Result<_, _>>().map_err(failed)
}

async fn total(
    files: &Files,
    scope: &Scope,
    request: &SearchRequest,
    words: &[Word],
) -> Result<Total, Error> {
    let mut sql = QueryBuilder::new(format!("SELECT count(*) FROM (SELECT 1 {}", from(words)));
    matching(&mut sql, scope, request, words);
    sql.push(" LIMIT ").push_bind(COUNTED_MAX + 1).push(")");
    let count: i64 =
        sql.build_query_scalar().fetch_one(&files.readers).await.map_err(database("counting matches"))?;
    Ok(if count > COUNTED_MAX {
        Total::AtLeast(COUNTED_MAX as u64)
    } else {
        Total::Exactly(u64::try_from(count).unwrap_or(0))
    })
}

fn from(words: &[Word]) -> &'static str {
    if words.is_empty() {
        "FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE"
    } else {
        "FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid
         JOIN conversations c ON c.id = m.conversation_id WHERE"
    }
}

fn matching(sql: &mut QueryBuilder<Sqlite>, scope: &Scope, request: &SearchRequest, words: &[Word]) {
    filter::messages(sql, scope, &request.filters);
    if !words.is_empty() {
        let terms: Vec<String> = words.iter().map(Word::term).collect();
        sql.push(" AND messages_fts MATCH ").push_bind(terms.join(" AND "));
    }
}

fn hit(
    row: &SqliteRow,
    words: &[Word],
    shared: &mut HashMap<[u8; 16], Arc<ConversationSummary>>,
) -> Result<Hit, Error> {
    let failed = database("reading a hit");
    let uid = row::uid(row, 0)?;
    let conversation = match shared.get(&uid) {
        Some(conversation) => Arc::clone(conversation),
        None => Arc::clone(shared.entry(uid).or_insert(Arc::new(row::summary(row)?))),
    };
    let flags: i64 = row.try_get(14).map_err(&failed)?;
    let rank: f64 = row.try_get(16).map_err(&failed)?;
    Ok(Hit {
        title_marks: Vec::new(),
        message: Some(MessageId(row.try_get(9).map_err(&failed)?)),
        position: row.try_get(10).map_err(&failed)?,
        role: row::role(row.try_get(11).map_err(&failed)?)
            .ok_or_else(|| Error::damaged("a message's role"))?,
        model: row.try_get(12).map_err(&failed)?,
        created_at: row::time(row, 13)?,
        score: -rank,
        snippet: snippet(row.try_get(15).map_err(&failed)?, words),
        off_branch: flags & row::OFF_BRANCH != 0,
        conversation,
    })
}

/// A word of a query.
struct Word {
    text: String,
    is_prefix: bool,
}

impl Word {
    /// Quoted, so that nothing in it is taken for an operator.
    fn term(&self) -> String {
        format!("\"{}\"{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}

fn words(query: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        let (_, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_alphanumeric()).unwrap_or(from.len());
        let (text, after) = from.split_at(end);
        words.push(Word { text: text.to_owned(), is_prefix: after.starts_with('*') });
        rest = after;
    }
    words.truncate(WORDS_MAX);
    words
}

/// Cuts the passage around the first match, with every match in it marked.
fn snippet(content: &str, words: &[Word]) -> Snippet {
    let matches: Vec<_> = tokens(content)
        .filter(|(_, token)| {
            words.iter().any(|word| token.to_lowercase().starts_with(&word.text.to_lowercase()))
        })
        .map(|(start, token)| start..start + token.len())
        .collect();
    let first = matches.first().map_or(0, |range| range.start);
    let begin = content.floor_char_boundary(first.saturating_sub(SNIPPET_BYTES / 3));
    let end = content.floor_char_boundary((begin + SNIPPET_BYTES).min(content.len()));
    let mut text = String::from(if begin > 0 { "…" } else { "" });
    let shift = text.len();
    text.push_str(content.get(begin..end).unwrap_or_default());
    if end < content.len() {
        text.push('…');
    }
    let inside = matches.into_iter().filter(|range| range.start >= begin && range.end <= end);
    Snippet {
        text,
        marks: inside.map(|range| range.start - begin + shift..range.end - begin + shift).collect(),
    }
}

fn tokens(content: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = content.as_ptr() as usize;
    content
        .split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .map(move |token| (token.as_ptr() as usize - base, token))
}

/// Counting stops here; people read "10,000+".
const COUNTED_MAX: i64 = 10_000;

/// FTS5 refuses expressions that are nested too deeply; nobody types this many words.
const WORDS_MAX: usize = 64;

const SNIPPET_BYTES: usize = 240;
