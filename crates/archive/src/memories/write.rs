//! Writing memories: one transaction for each call.

use athenaeum_core::{MemoryId, Timestamp};
use athenaeum_tenancy::Scope;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite, SqliteConnection, sqlite::SqliteRow};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    read::{COLUMNS, IDS_MAX, memory, push_ids},
    view::{Cooled, Cooling, Kept, Memory, NewMemory},
};
use crate::{
    Error,
    store::{error::database, open::Files},
};

pub(super) async fn keep(files: &Files, scope: &Scope, new: &NewMemory) -> Result<Kept, Error> {
    let failed = database(WRITING);
    let text = new.text.trim();
    if text.is_empty() || text.len() > NewMemory::BYTES_MAX {
        let most = NewMemory::BYTES_MAX >> 10;
        let reason = format!("a memory has a text of 1 byte to {most} KiB; longer ones are documents");
        return Err(Error::Invalid { reason });
    }
    let now = Timestamp::now();
    let id = MemoryId::mint(now);
    let sql = format!(
        "INSERT INTO memories (uid, tenant, tier, remembered_at, used_at, uses, asked_for, perplexity, distance, score,
             conversation, message, hash, text)
         VALUES (?1, ?2, 'hot', ?3, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (tenant, hash) DO UPDATE SET tier = 'hot', used_at = max(used_at, excluded.used_at),
             asked_for = max(asked_for, excluded.asked_for)
         RETURNING {COLUMNS}"
    );
    let keep = sqlx::query(AssertSqlSafe(sql)).bind(id.as_bytes().to_vec()).bind(scope.tenant().as_str());
    let keep = keep.bind(now.as_micros()).bind(new.asked_for).bind(new.surprise.perplexity);
    let keep = keep.bind(new.surprise.distance).bind(new.surprise.score);
    let keep = keep.bind(new.origin.conversation.map(|id| id.as_bytes().to_vec()));
    let keep = keep.bind(new.origin.message.map(|id| id.0));
    let keep = keep.bind(xxh3_128(text.as_bytes()).to_be_bytes().to_vec()).bind(text);
    let mut held = files.writer().await?;
    held.begin().await?;
    let row = keep.fetch_one(held.connection()).await.map_err(failed)?;
    let memory = memory(&row)?;
    held.commit().await?;
    Ok(Kept { is_new: memory.id == id, memory })
}

pub(super) async fn used(
    files: &Files,
    scope: &Scope,
    ids: &[MemoryId],
    now: Timestamp,
) -> Result<(), Error> {
    let mut held = files.writer().await?;
    held.begin().await?;
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new(
            "UPDATE memories SET tier = iif(tier = 'warm', 'hot', tier), uses = uses + 1, used_at = max(used_at, ",
        );
        sql.push_bind(now.as_micros()).push(") WHERE tenant = ").push_bind(scope.tenant().as_str());
        push_ids(&mut sql, ids);
        sql.build().execute(held.connection()).await.map_err(database(WRITING))?;
    }
    held.commit().await
}

pub(super) async fn forget(files: &Files, scope: &Scope, ids: &[MemoryId]) -> Result<Vec<MemoryId>, Error> {
    let mut held = files.writer().await?;
    held.begin().await?;
    let mut gone = Vec::new();
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new("DELETE FROM memories WHERE tenant = ");
        sql.push_bind(scope.tenant().as_str());
        push_ids(&mut sql, ids);
        gone.extend(changed(&mut sql, held.connection()).await?.into_iter().map(|memory| memory.id));
    }
    held.commit().await?;
    Ok(gone)
}

/// Warm ones first, so that none goes down two tiers.
pub(super) async fn cool(files: &Files, scope: &Scope, cooling: &Cooling) -> Result<Cooled, Error> {
    let mut held = files.writer().await?;
    held.begin().await?;
    let mut sql = QueryBuilder::new("UPDATE memories SET tier = 'cold' WHERE tenant = ");
    sql.push_bind(scope.tenant().as_str()).push(" AND tier = 'warm' AND used_at < ");
    sql.push_bind(cooling.cold_before.as_micros());
    sql.push(" AND id NOT IN (SELECT id FROM memories WHERE tenant = ").push_bind(scope.tenant().as_str());
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(i64::try_from(cooling.kept).unwrap_or(i64::MAX)).push(")");
    let cold = changed(&mut sql, held.connection()).await?;
    let mut sql = QueryBuilder::new("UPDATE memories SET tier = 'warm' WHERE tenant = ");
    sql.push_bind(scope.tenant().as_str()).push(" AND tier = 'hot' AND used_at < ");
    sql.push_bind(cooling.warm_before.as_micros());
    let warm = changed(&mut sql, held.connection()).await?;
    held.commit().await?;
    let ids = |memories: Vec<Memory>| memories.into_iter().map(|memory| memory.id).collect();
    Ok(Cooled { warm: ids(warm), cold: ids(cold) })
}

pub(super) async fn lift(
    files: &Files,
    scope: &Scope,
    ids: &[MemoryId],
    now: Timestamp,
) -> Result<Vec<Memory>, Error> {
    let mut held = files.writer().await?;
    held.begin().await?;
    let mut lifted = Vec::new();
    for ids in ids.chunks(IDS_MAX) {
        let mut sql = QueryBuilder::new("UPDATE memories SET tier = 'hot', used_at = max(used_at, ");
        sql.push_bind(now.as_micros()).push(") WHERE tier <> 'hot' AND tenant = ");
        sql.push_bind(scope.tenant().as_str());
        push_ids(&mut sql, ids);
        lifted.extend(changed(&mut sql, held.connection()).await?);
    }
    held.commit().await?;
    Ok(lifted)
}

/// Runs a statement; returns the memories that it changed.
async fn changed(
    sql: &mut QueryBuilder<Sqlite>,
    connection: &mut SqliteConnection,
) -> Result<Vec<Memory>, Error> {
    sql.push(format!(" RETURNING {COLUMNS}"));
    let rows: Vec<SqliteRow> = sql.build().fetch_all(connection).await.map_err(database(WRITING))?;
    rows.iter().map(memory).collect()
}

const WRITING: &str = "writing memories";
