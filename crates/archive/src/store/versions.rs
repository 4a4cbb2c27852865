//! For whoever makes something of conversations and messages: what there is, in which state, and what a request lets pass.

use std::collections::HashSet;

use athenaeum_core::{ConversationId, MessageId};
use athenaeum_tenancy::Scope;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, sqlite::SqliteRow};

use super::{
    cursor,
    error::{Error, database},
    filter,
    open::Files,
    row,
    search::Indexes,
};
use crate::{
    Cursor, Page, SearchRequest, Versioned,
    query::{self, Expr},
    snippet::{self, Wanted},
    text::Analyzer,
};

pub(crate) async fn page(
    files: &Files,
    scope: &Scope,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Versioned>, Error> {
    let failed = database("listing conversations");
    let limit = limit.clamp(1, IDS_MAX);
    let place = cursor::decode_place(after)?;
    let sql = format!(
        "SELECT {}, c.content_hash, c.began_at, c.id FROM conversations c
         WHERE c.tenant = ? AND (c.began_at, c.id) < (?, ?) ORDER BY c.began_at DESC, c.id DESC LIMIT ?",
        row::SUMMARY
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(scope.tenant().as_str());
    let rows = rows.bind(place.0).bind(place.1).bind(limit as i64);
    let rows = rows.fetch_all(&files.readers).await.map_err(&failed)?;
    let next = match rows.last().filter(|_| rows.len() == limit) {
        Some(last) => {
            let place = (last.try_get(10).map_err(&failed)?, last.try_get(11).map_err(&failed)?);
            Some(cursor::encode_place(place.0, place.1))
        }
        None => None,
    };
    Ok(Page { items: rows.iter().map(versioned).collect::<Result<_, _>>()?, next })
}

pub(crate) async fn of(
    files: &Files,
    scope: &Scope,
    ids: &[ConversationId],
) -> Result<Vec<Versioned>, Error> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(format!(
            "SELECT {}, c.content_hash, c.began_at FROM conversations c WHERE c.uid IN (",
            row::SUMMARY
        ));
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.as_bytes().to_vec());
        }
        sql.push(") AND c.tenant = ").push_bind(scope.tenant().as_str().to_owned());
        let rows = sql.build().fetch_all(&files.readers).await.map_err(database("reading conversations"))?;
        for row in &rows {
            found.push(versioned(row)?);
        }
    }
    Ok(found)
}

pub(crate) async fn count(files: &Files, scope: &Scope) -> Result<(u64, u64), Error> {
    let failed = database("counting conversations");
    // That index has all that is asked for.
    let sql = "SELECT count(*), coalesce(sum(message_count), 0)
        FROM conversations INDEXED BY conversations_by_provider WHERE tenant = ?";
    let row = sqlx::query(sql).bind(scope.tenant().as_str());
    let row = row.fetch_one(&files.readers).await.map_err(&failed)?;
    let number =
        |column: usize| row.try_get::<i64, _>(column).map(|number| u64::try_from(number).unwrap_or(0));
    Ok((number(0).map_err(&failed)?, number(1).map_err(&failed)?))
}

pub(crate) async fn passing(
    files: &Files,
    indexes: &Indexes,
    scope: &Scope,
    request: &SearchRequest,
    messages: &[MessageId],
) -> Result<HashSet<MessageId>, Error> {
    let failed = database("reading messages");
    let parsed = query::parse(&request.query);
    let Some(filters) = filter::both(&request.filters, &parsed.filters) else { return Ok(HashSet::new()) };
    let demands = parsed.expr.as_ref().map(Demands::of).unwrap_or_default();
    let what = if demands.of_text() { "m.content" } else { "NULL" };
    let mut passing = HashSet::with_capacity(messages.len());
    for messages in messages.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(format!(
            "SELECT m.id, c.title, {what} FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE"
        ));
        filter::messages(&mut sql, scope, &filters);
        sql.push(" AND m.id IN (");
        let mut list = sql.separated(", ");
        for message in messages {
            list.push_bind(message.0);
        }
        sql.push(")");
        for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            let title: Option<&str> = row.try_get(1).map_err(&failed)?;
            let text: Option<&str> = row.try_get(2).map_err(&failed)?;
            let (title, text) = (title.unwrap_or_default(), text.unwrap_or_default());
            if indexes.with_analyzer(|analyzer| demands.met(title, text, analyzer)) {
                passing.insert(MessageId(row.try_get(0).map_err(&failed)?));
            }
        }
    }
    Ok(passing)
}

/// What a query demands beside what it looks for.
#[derive(Default)]
struct Demands<'q> {
    /// In the title, and whether it must be there or must not.
    titles: Vec<(&'q Expr, bool)>,
    /// Not in the text.
    without: Vec<&'q Expr>,
}

impl<'q> Demands<'q> {
    fn of(expr: &'q Expr) -> Self {
        let mut demands = Self::default();
        let members = match expr {
            Expr::All(members) => members.as_slice(),
            one => std::slice::from_ref(one),
        };
        for member in members {
            match member {
                Expr::Title(inner) => demands.titles.push((inner, true)),
                Expr::Not(inner) => match &**inner {
                    Expr::Title(inner) => demands.titles.push((inner, false)),
                    inner => demands.without.push(inner),
                },
                _ => {}
            }
        }
        demands
    }

    fn of_text(&self) -> bool {
        !self.without.is_empty()
    }

    fn met(&self, title: &str, text: &str, analyzer: &mut Analyzer) -> bool {
        let mut holds = |expr: &Expr, text: &str| {
            let wanted = Wanted::in_text(Some(expr), analyzer);
            !snippet::marks(text, &wanted, analyzer).is_empty()
        };
        self.titles.iter().all(|(expr, wanted)| holds(expr, title) == *wanted)
            && !self.without.iter().any(|expr| holds(expr, text))
    }
}

fn versioned(row: &SqliteRow) -> Result<Versioned, Error> {
    let began_at: i64 = row.try_get(10).map_err(database("reading a conversation"))?;
    Ok(Versioned {
        summary: row::summary(row)?,
        version: row::uid(row, 9)?,
        began_at: (began_at != 0).then(|| athenaeum_core::Timestamp::from_micros(began_at)),
    })
}

/// Ids in one statement, and conversations in one answer.
const IDS_MAX: usize = 1_000;
