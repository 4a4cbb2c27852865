//! The messages that may match: at least all that do, as far as SQLite's index knows their words.

use athenaeum_tenancy::Scope;
use sqlx::{QueryBuilder, Sqlite};

use super::{Bounds, FROM};
use crate::{
    Filters,
    index::Query,
    store::{
        error::{Error, database},
        filter,
        open::Files,
    },
    text::Analyzer,
};

/// Rows of messages.
pub(super) struct Candidates {
    pub(super) ids: Vec<i64>,
    /// There were more.
    pub(super) cut: bool,
    /// They were found by their words rather than being all there are.
    pub(super) by_words: bool,
}

/// Names the messages to look at.
pub(super) async fn candidates(
    files: &Files,
    scope: &Scope,
    query: &Query,
    filters: &Filters,
    analyzer: &mut Analyzer,
    bounds: Bounds,
) -> Result<Candidates, Error> {
    let words = words(query, analyzer);
    let most = if words.is_some() { bounds.every } else { bounds.messages };
    let mut sql = QueryBuilder::new(format!("SELECT m.id {FROM}"));
    filter::messages(&mut sql, scope, filters);
    sql.push(" ORDER BY m.id DESC");
    let all = ids(files, sql, most).await?;
    let Some(words) = words.filter(|_| all.cut) else { return Ok(all) };
    let mut sql = QueryBuilder::new(
        "SELECT m.id FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid
         JOIN conversations c ON c.id = m.conversation_id WHERE",
    );
    filter::messages(&mut sql, scope, filters);
    sql.push(" AND messages_fts MATCH ").push_bind(words).push(" ORDER BY messages_fts.rank, m.id");
    Ok(Candidates { by_words: true, ..ids(files, sql, bounds.messages).await? })
}

async fn ids(files: &Files, mut sql: QueryBuilder<Sqlite>, most: usize) -> Result<Candidates, Error> {
    sql.push(" LIMIT ").push_bind(most as i64 + 1);
    let mut ids: Vec<i64> =
        sql.build_query_scalar().fetch_all(&files.readers).await.map_err(database("searching"))?;
    let cut = ids.len() > most;
    ids.truncate(most);
    Ok(Candidates { ids, cut, by_words: false })
}

/// Writes a query in FTS5's language that every matching message satisfies; `None` where there is none to write.
/// FTS5 knows no positions here (`docs/decisions/0011`), so a phrase is its words.
fn words(query: &Query, analyzer: &mut Analyzer) -> Option<String> {
    match query {
        Query::Term(term) => word(term, false, analyzer),
        Query::Prefix { beginning, stems } => {
            let mut words = vec![word(beginning, true, analyzer)?];
            for stem in stems {
                words.push(word(stem, false, analyzer)?);
            }
            joined(&words, " OR ")
        }
        Query::Phrase(terms) => {
            let words = terms.iter().filter_map(|(_, term)| word(term, false, analyzer));
            joined(&words.collect::<Vec<_>>(), " AND ")
        }
        Query::All(members) => {
            let words = members.iter().filter_map(|member| words(member, analyzer));
            joined(&words.collect::<Vec<_>>(), " AND ")
        }
        Query::Any(members) => {
            let words: Option<Vec<String>> = members.iter().map(|member| words(member, analyzer)).collect();
            joined(&words?, " OR ")
        }
        Query::Not(_) | Query::Title(_) => None,
    }
}

fn joined(words: &[String], with: &str) -> Option<String> {
    (!words.is_empty()).then(|| format!("({})", words.join(with)))
}

/// Writes a stem, or the beginning of one, so that FTS5, which stems what it is asked for once more, finds it.
fn word(term: &str, is_beginning: bool, analyzer: &mut Analyzer) -> Option<String> {
    // What follows `~` stands for the rest of a long word.
    let (mut text, is_whole) = match term.split_once('~') {
        Some((head, _)) => (head, false),
        None => (term, !is_beginning),
    };
    if text.is_empty() || !text.chars().all(is_known) {
        return None;
    }
    let mut stem = |text: &str| {
        let mut stem = String::new();
        analyzer.analyze(text, |token| stem.push_str(token.term));
        stem
    };
    if is_whole && stem(text) == text {
        return Some(format!("\"{text}\""));
    }
    while !term.starts_with(&stem(text)) {
        text = &text[..text.char_indices().next_back()?.0];
    }
    (!text.is_empty()).then(|| format!("\"{text}\"*"))
}

/// Tells whether FTS5 takes words of such letters as our analyser does: Latin, Greek, Cyrillic, digits.
fn is_known(c: char) -> bool {
    c.is_alphanumeric() && c < '\u{530}'
}
