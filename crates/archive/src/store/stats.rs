//! What the archive holds, counted.

use std::{collections::BTreeMap, path::Path};

use athenaeum_core::Timestamp;
use athenaeum_tenancy::Scope;
use sqlx::Row;

use super::{
    error::{Error, database},
    open::Files,
    row,
    search::Indexes,
};
use crate::{
    Count, Filters, Stats,
    index::{Filter, Query},
};

pub(crate) async fn stats(files: &Files, indexes: &Indexes, scope: &Scope) -> Result<Stats, Error> {
    let mut stats = Stats {
        conversations_by_provider: counts(
            files,
            scope,
            "SELECT provider, count(*) FROM conversations WHERE tenant = ? GROUP BY provider ORDER BY 2 DESC, 1",
        )
        .await?,
        ..Stats::default()
    };
    stats.facets.providers = counts(
        files,
        scope,
        "SELECT provider, sum(message_count) FROM conversations WHERE tenant = ?
         GROUP BY provider HAVING sum(message_count) > 0 ORDER BY 2 DESC, 1",
    )
    .await?;
    stats.conversations = stats.conversations_by_provider.iter().map(|count| count.count).sum();
    stats.messages = stats.facets.providers.iter().map(|count| count.count).sum();
    stats.database_bytes = bytes_on_disk(&files.database_path());
    if !by_index(files, indexes, scope, &mut stats).await? {
        by_rows(files, scope, &mut stats).await?;
    }
    Ok(stats)
}

/// The file and what waits in its write-ahead log.
fn bytes_on_disk(database: &Path) -> u64 {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    [database.as_os_str(), &log].iter().map(|path| std::fs::metadata(path).map_or(0, |file| file.len())).sum()
}

/// Counts in the columns of the search index, some hundred times faster than in the rows. Returns whether it
/// could: the index must hold exactly the messages that there are.
async fn by_index(files: &Files, indexes: &Indexes, scope: &Scope, stats: &mut Stats) -> Result<bool, Error> {
    let Some(index) = indexes.of(files, scope) else { return Ok(false) };
    let filter =
        Filter { filters: Filters { include_hidden: true, ..Filters::default() }, ..Filter::default() };
    let counted = tokio::task::spawn_blocking(move || index.facets(&Query::All(Vec::new()), &filter)).await;
    let Ok(Ok(counted)) = counted else { return Ok(false) };
    if counted.approximate || counted.total != stats.messages {
        return Ok(false);
    }
    stats.facets.models = counted.facets.models;
    stats.facets.roles = counted.facets.roles;
    stats.facets.months = counted.facets.months;
    stats.span =
        counted.span.map(|(first, last)| (Timestamp::from_micros(first), Timestamp::from_micros(last)));
    let day = |(day, count): (i64, u64)| {
        let begins = Timestamp::from_micros(day.saturating_mul(MICROS_A_DAY)).to_string();
        Count { value: begins.chars().take_while(|c| *c != 'T').collect(), count }
    };
    stats.days = counted.days.into_iter().map(day).collect();
    Ok(true)
}

async fn by_rows(files: &Files, scope: &Scope, stats: &mut Stats) -> Result<(), Error> {
    stats.facets.models = counts(
        files,
        scope,
        "SELECT coalesce(m.model, c.model) AS value, count(*)
         FROM conversations c JOIN messages m ON m.conversation_id = c.id
         WHERE c.tenant = ? GROUP BY 1 HAVING value IS NOT NULL ORDER BY 2 DESC, 1",
    )
    .await?;
    stats.facets.roles = counts(
        files,
        scope,
        "SELECT m.role, count(*) FROM conversations c JOIN messages m ON m.conversation_id = c.id
         WHERE c.tenant = ? GROUP BY 1 ORDER BY 2 DESC, 1",
    )
    .await?;
    days(files, scope, stats).await
}

const MICROS_A_DAY: i64 = 86_400_000_000;

async fn days(files: &Files, scope: &Scope, stats: &mut Stats) -> Result<(), Error> {
    let failed = database("counting messages by day");
    let rows = sqlx::query(concat!(
        "SELECT time / 86400000000, count(*), min(time), max(time) FROM (SELECT ",
        row::time_sql!(),
        " AS time FROM conversations c JOIN messages m ON m.conversation_id = c.id WHERE c.tenant = ?)
         WHERE time IS NOT NULL GROUP BY 1 ORDER BY 1",
    ))
    .bind(scope.tenant().as_str())
    .fetch_all(&files.readers)
    .await
    .map_err(&failed)?;
    let mut days = BTreeMap::<String, u64>::new();
    let mut months = BTreeMap::<String, u64>::new();
    for row in &rows {
        let count: i64 = row.try_get(1).map_err(&failed)?;
        let (min, max): (i64, i64) = (row.try_get(2).map_err(&failed)?, row.try_get(3).map_err(&failed)?);
        let (min, max) = (Timestamp::from_micros(min), Timestamp::from_micros(max));
        let date = min.to_string();
        let count = u64::try_from(count).unwrap_or(0);
        *days.entry(date.chars().take_while(|c| *c != 'T').collect()).or_default() += count;
        let month = date.rsplit_once('-').map_or(date.as_str(), |(month, _)| month);
        *months.entry(month.to_owned()).or_default() += count;
        stats.span = Some(stats.span.map_or((min, max), |(first, last)| (first.min(min), last.max(max))));
    }
    let counts =
        |map: BTreeMap<String, u64>| map.into_iter().map(|(value, count)| Count { value, count }).collect();
    stats.days = counts(days);
    stats.facets.months = counts(months);
    Ok(())
}

async fn counts(files: &Files, scope: &Scope, sql: &'static str) -> Result<Vec<Count>, Error> {
    let failed = database("counting");
    let rows =
        sqlx::query(sql).bind(scope.tenant().as_str()).fetch_all(&files.readers).await.map_err(&failed)?;
    let count = |row: &sqlx::sqlite::SqliteRow| -> Result<Count, sqlx::Error> {
        let count: i64 = row.try_get(1)?;
        Ok(Count { value: row.try_get(0)?, count: u64::try_from(count).unwrap_or(0) })
    };
    rows.iter().map(count).collect::<Result<_, _>>().map_err(failed)
}
