//! Lists of conversations.

use athenaeum_tenancy::Scope;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{
    cursor,
    error::{Error, database},
    filter,
    open::Files,
    row,
};
use crate::{ConversationSummary, Cursor, Filters, Page};

pub(crate) async fn conversations(
    files: &Files,
    scope: &Scope,
    filters: &Filters,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<ConversationSummary>, Error> {
    let failed = database("listing conversations");
    let limit = cursor::limit(limit);
    let mut sql = page_sql(scope, filters, cursor::decode_place(after)?, limit);
    let rows = sql.build().fetch_all(&files.readers).await.map_err(&failed)?;
    let items = rows.iter().take(limit).map(row::summary).collect::<Result<Vec<_>, _>>()?;
    let mut next = None;
    if rows.len() > limit
        && let Some(last) = rows.get(limit - 1)
    {
        next =
            Some(cursor::encode_place(last.try_get(9).map_err(&failed)?, last.try_get(10).map_err(&failed)?));
    }
    Ok(Page { items, next })
}

/// Lists conversations whose title begins with `prefix`, without regard to case of ASCII letters, newest first.
pub(crate) async fn suggest(
    files: &Files,
    scope: &Scope,
    prefix: &str,
    limit: usize,
) -> Result<Vec<ConversationSummary>, Error> {
    let prefix = prefix.trim();
    if prefix.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(sqlx::AssertSqlSafe(suggest_sql()))
        .bind(scope.tenant().as_str())
        .bind(prefix)
        // The largest character closes the range of titles that begin with the prefix.
        .bind(format!("{prefix}\u{10ffff}"))
        .bind(cursor::limit(limit) as i64)
        .fetch_all(&files.readers)
        .await
        .map_err(database("looking for titles"))?;
    rows.iter().map(row::summary).collect()
}

pub(crate) fn page_sql(
    scope: &Scope,
    filters: &Filters,
    place: (i64, i64),
    limit: usize,
) -> QueryBuilder<Sqlite> {
    let mut sql =
        QueryBuilder::new(format!("SELECT {}, c.began_at, c.id FROM conversations c WHERE", row::SUMMARY));
    filter::conversations(&mut sql, scope, filters);
    sql.push(" AND (c.began_at, c.id) < (").push_bind(place.0).push(", ").push_bind(place.1);
    sql.push(") ORDER BY c.began_at DESC, c.id DESC LIMIT ").push_bind(limit as i64 + 1);
    sql
}

pub(crate) fn suggest_sql() -> String {
    format!(
        "SELECT {} FROM conversations c
         WHERE c.tenant = ? AND c.title >= ? COLLATE NOCASE AND c.title < ? COLLATE NOCASE
         ORDER BY c.began_at DESC, c.id DESC LIMIT ?",
        row::SUMMARY
    )
}
