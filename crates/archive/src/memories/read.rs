//! Reading memories.

use std::collections::HashMap;

use athenaeum_core::{ConversationId, MemoryId, MessageId, Timestamp};
use athenaeum_tenancy::Scope;
use futures_util::TryStreamExt as _;
use rustc_hash::FxHashSet;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, sqlite::SqliteRow};

use super::view::{Memory, MemoryStats, Origin, Surprise, Tier, Wanted};
use crate::{
    Cursor, Error, Page,
    store::{cursor, error::database, open::Files},
    text::{Analyzer, is_common},
};

pub(super) async fn memories(
    files: &Files,
    scope: &Scope,
    ids: &[MemoryId],
) -> Result<Vec<Option<Memory>>, Error> {
    let failed = database(READING);
    let mut found = HashMap::new();
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(format!("SELECT {COLUMNS} FROM memories WHERE tenant = "));
        sql.push_bind(scope.tenant().as_str());
        push_ids(&mut sql, ids);
        for row in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
            let memory = memory(&row)?;
            found.insert(memory.id, memory);
        }
    }
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

pub(super) async fn list(
    files: &Files,
    scope: &Scope,
    wanted: &Wanted,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Memory>, Error> {
    let failed = database(READING);
    let limit = cursor::limit(limit);
    let (_, before) = cursor::decode_place(after)?;
    let sql = format!(
        "SELECT {COLUMNS}, id FROM memories WHERE tenant = ?1 AND id < ?2 AND {} ORDER BY id DESC LIMIT ?3",
        condition(*wanted)
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(scope.tenant().as_str()).bind(before);
    let rows = rows.bind(limit as i64 + 1);
    let rows = rows.fetch_all(&files.readers).await.map_err(&failed)?;
    let items = rows.iter().take(limit).map(memory).collect::<Result<_, _>>()?;
    let next = match rows.get(limit.saturating_sub(1)).filter(|_| rows.len() > limit) {
        Some(last) => Some(cursor::encode_place(0, last.try_get("id").map_err(&failed)?)),
        None => None,
    };
    Ok(Page { items, next })
}

pub(super) async fn find(
    files: &Files,
    scope: &Scope,
    text: &str,
    wanted: &Wanted,
    limit: usize,
) -> Result<Vec<(Memory, f64)>, Error> {
    let failed = database(READING);
    let words = words(text);
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = condition(*wanted);
    let sql = format!("SELECT {COLUMNS} FROM memories WHERE tenant = ?1 AND {wanted} ORDER BY id DESC");
    let mut rows = sqlx::query(AssertSqlSafe(sql)).bind(scope.tenant().as_str()).fetch(&files.readers);
    let mut analyzer = Analyzer::new();
    let mut found: Vec<(Memory, f64)> = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(&failed)? {
        let mut there = FxHashSet::default();
        let text: &str = row.try_get("text").map_err(&failed)?;
        analyzer.analyze(text, |token| {
            if words.contains(token.term) {
                there.insert(token.term.to_owned());
            }
        });
        if !there.is_empty() {
            found.push((memory(&row)?, there.len() as f64 / words.len() as f64));
        }
        // More are dropped than kept, so that this is rare.
        if found.len() > 4 * limit.max(64) {
            best(&mut found, limit);
        }
    }
    best(&mut found, limit);
    Ok(found)
}

pub(super) async fn stats(files: &Files, scope: &Scope) -> Result<MemoryStats, Error> {
    let counts: Vec<(String, i64)> =
        sqlx::query_as("SELECT tier, count(*) FROM memories WHERE tenant = ? GROUP BY tier")
            .bind(scope.tenant().as_str())
            .fetch_all(&files.readers)
            .await
            .map_err(database("counting memories"))?;
    let of = |tier: Tier| {
        let count = counts.iter().find(|(name, _)| name == tier.as_str()).map_or(0, |(_, count)| *count);
        u64::try_from(count).unwrap_or(0)
    };
    Ok(MemoryStats { hot: of(Tier::Hot), warm: of(Tier::Warm), cold: of(Tier::Cold) })
}

/// Says in SQL which memories are wanted.
fn condition(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Found => "tier <> 'cold'",
        Wanted::Of(Tier::Hot) => "tier = 'hot'",
        Wanted::Of(Tier::Warm) => "tier = 'warm'",
        Wanted::Of(Tier::Cold) => "tier = 'cold'",
        Wanted::All => "true",
    }
}

/// Keeps those that have most of the words; of as many, the first.
fn best(found: &mut Vec<(Memory, f64)>, limit: usize) {
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.truncate(limit);
}

fn words(text: &str) -> FxHashSet<String> {
    let mut words = FxHashSet::default();
    Analyzer::new().analyze(text, |token| {
        words.insert(token.term.to_owned());
    });
    if words.iter().any(|word| !is_common(word)) {
        words.retain(|word| !is_common(word));
    }
    words
}

/// Adds that a memory is one of these.
pub(super) fn push_ids(sql: &mut QueryBuilder<sqlx::Sqlite>, ids: &[MemoryId]) {
    sql.push(" AND uid IN (");
    let mut list = sql.separated(", ");
    for id in ids {
        list.push_bind(id.as_bytes().to_vec());
    }
    sql.push(")");
}

pub(super) fn memory(row: &SqliteRow) -> Result<Memory, Error> {
    let failed = database(READING);
    let damaged = |what: &str| Error::damaged(format!("a memory's {what}"));
    let id: &[u8] = row.try_get("uid").map_err(&failed)?;
    let id = id.try_into().map(MemoryId::from_bytes).map_err(|_| damaged("name"))?;
    let tier: &str = row.try_get("tier").map_err(&failed)?;
    let conversation: Option<&[u8]> = row.try_get("conversation").map_err(&failed)?;
    let conversation = match conversation {
        Some(bytes) => {
            Some(bytes.try_into().map(ConversationId::from_bytes).map_err(|_| damaged("conversation"))?)
        }
        None => None,
    };
    let time = |name: &str| row.try_get::<i64, _>(name).map(Timestamp::from_micros).map_err(&failed);
    Ok(Memory {
        id,
        text: row.try_get("text").map_err(&failed)?,
        origin: Origin {
            conversation,
            message: row.try_get::<Option<i64>, _>("message").map_err(&failed)?.map(MessageId),
        },
        surprise: Surprise {
            perplexity: row.try_get("perplexity").map_err(&failed)?,
            distance: row.try_get("distance").map_err(&failed)?,
            score: row.try_get("score").map_err(&failed)?,
        },
        asked_for: row.try_get("asked_for").map_err(&failed)?,
        tier: Tier::named(tier).ok_or_else(|| damaged("tier"))?,
        remembered_at: time("remembered_at")?,
        used_at: time("used_at")?,
        uses: row.try_get::<i64, _>("uses").map_err(&failed)?.cast_unsigned(),
    })
}

pub(super) const COLUMNS: &str = "uid, tier, remembered_at, used_at, uses, asked_for, perplexity, distance, score, \
     conversation, message, text";

const READING: &str = "reading memories";

/// Ids in one statement.
pub(super) const IDS_MAX: usize = 500;
