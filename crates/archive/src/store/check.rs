//! Looking for damage.

use sqlx::Row;

use super::{
    error::{Error, database},
    open::Files,
    raw, row,
    schema::ARCHIVE,
};
use crate::{
    Filters,
    index::{Filter, Index, Query},
};

/// Something that [`Archive::check`](crate::Archive::check) found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the archive can be trusted as it is.
    pub is_damage: bool,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What to do next, in one sentence.
    pub advice: String,
}

/// Checks the file, the text index against the rows, the counts, and a sample of the kept sources.
pub(crate) async fn check(files: &Files) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    integrity(files, &mut findings).await?;
    foreign_keys(files, &mut findings).await?;
    text_index(files, &mut findings).await;
    counts(files, &mut findings).await?;
    sources(files, &mut findings).await?;
    search_indexes(files, &mut findings).await?;
    Ok(findings)
}

async fn integrity(files: &Files, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
        .fetch_all(&files.readers)
        .await
        .map_err(database("checking the file"))?;
    findings.extend(
        said.into_iter()
            .filter(|line| line != "ok")
            .map(|line| damage(format!("archive.db: {line}."), RESTORE)),
    );
    Ok(())
}

async fn foreign_keys(files: &Files, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let lost: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM messages WHERE conversation_id NOT IN (SELECT id FROM conversations)",
    )
    .fetch_one(&files.readers)
    .await
    .map_err(database("checking the messages"))?;
    if lost > 0 {
        findings.push(damage(format!("{lost} messages belong to no conversation."), RESTORE));
    }
    Ok(())
}

/// SQLite compares the index with every message's text; it only does so for a connection that may write.
async fn text_index(files: &Files, findings: &mut Vec<Finding>) {
    let Ok(mut held) = files.writer().await else { return };
    let checked = sqlx::query("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")
        .execute(held.connection())
        .await;
    if let Err(error) = checked {
        findings.push(damage(
            format!("The text index does not match the messages ({error})."),
            "Run `sqlite3 archive.db \"INSERT INTO messages_fts(messages_fts) VALUES('rebuild')\"`.",
        ));
    }
}

async fn counts(files: &Files, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let failed = database("counting messages");
    let rows = sqlx::query(
        "SELECT c.external_id, c.message_count, count(m.id)
         FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
         GROUP BY c.id HAVING c.message_count <> count(m.id) LIMIT 20",
    )
    .fetch_all(&files.readers)
    .await
    .map_err(&failed)?;
    for row in &rows {
        let (id, expected, found): (String, i64, i64) = (
            row.try_get(0).map_err(&failed)?,
            row.try_get(1).map_err(&failed)?,
            row.try_get(2).map_err(&failed)?,
        );
        findings.push(damage(
            format!("Conversation '{id}' holds {found} messages where {expected} were stored."),
            "Import its export again, or restore a backup.",
        ));
    }
    Ok(())
}

/// Decodes the newest kept sources and those of some others, evenly spread.
async fn sources(files: &Files, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let failed = database("checking the kept sources");
    let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM conversations")
        .fetch_one(&files.readers)
        .await
        .map_err(&failed)?;
    let step = (last.unwrap_or(0) / SAMPLES).max(1);
    for start in (0..SAMPLES).map(|i| i * step) {
        let found = sqlx::query(
            "SELECT id, external_id, raw_json FROM conversations WHERE id > ? AND id <= ? AND raw_json IS NOT NULL
             ORDER BY id LIMIT 1",
        )
        .bind(start)
        .bind(start + step)
        .fetch_optional(&files.readers)
        .await
        .map_err(&failed)?;
        let Some(found) = found else { continue };
        let messages = sqlx::query(
            "SELECT external_id, content FROM messages WHERE conversation_id = ? ORDER BY position",
        )
        .bind(found.try_get::<i64, _>(0).map_err(&failed)?)
        .fetch_all(&files.readers)
        .await
        .map_err(&failed)?;
        let stored: &[u8] = found.try_get(2).map_err(&failed)?;
        let mut prefix = raw::Prefix::of(stored);
        for message in &messages {
            let content = message.try_get(1).map_err(&failed)?;
            if let Some(prefix) = &mut prefix {
                prefix.push(row::external_id(message, 0)?.as_deref(), content);
            }
        }
        if prefix.and_then(|prefix| raw::decode(stored, &prefix)).is_none() {
            let id: &str = found.try_get(1).map_err(&failed)?;
            findings.push(damage(
                format!("The source of conversation '{id}' does not read back; its messages do."),
                "Import its export again, or restore a backup.",
            ));
        }
    }
    Ok(())
}

/// Compares each tenant's search index with the number of its messages.
async fn search_indexes(files: &Files, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let failed = database("counting messages");
    let tenants = sqlx::query("SELECT tenant, sum(message_count) FROM conversations GROUP BY tenant")
        .fetch_all(&files.readers)
        .await
        .map_err(&failed)?;
    let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM messages")
        .fetch_one(&files.readers)
        .await
        .map_err(&failed)?;
    let last = last.unwrap_or(0);
    for row in &tenants {
        let (tenant, messages): (&str, i64) =
            (row.try_get(0).map_err(&failed)?, row.try_get(1).map_err(&failed)?);
        let dir = files.dir.join(ARCHIVE.search).join(tenant);
        let counted = tokio::task::spawn_blocking(move || {
            let filters = Filters { include_hidden: true, ..Filters::default() };
            let filter = Filter { filters, ..Filter::default() };
            let index = Index::open(&dir)?;
            // What it does not claim to hold yet, it catches up with by itself.
            let complete = index.watermark() >= last;
            complete.then(|| index.facets(&Query::All(Vec::new()), &filter)).transpose()
        });
        let what = match counted.await {
            Ok(Ok(None)) => continue,
            Ok(Ok(Some(counts))) if counts.approximate || i64::try_from(counts.total) == Ok(messages) => {
                continue;
            }
            Ok(Ok(Some(counts))) => {
                format!("The search index of '{tenant}' holds {} of {messages} messages.", counts.total)
            }
            Ok(Err(error)) => format!("The search index of '{tenant}' cannot be read ({error})."),
            Err(error) => return Err(Error::Internal { what: error.to_string() }),
        };
        let advice =
            "Nothing is lost: remove its directory under `search`, and the next search makes it anew.";
        findings.push(Finding { is_damage: false, what, advice: advice.to_owned() });
    }
    Ok(())
}

fn damage(what: String, advice: &str) -> Finding {
    Finding { is_damage: true, what, advice: advice.to_owned() }
}

const RESTORE: &str = "Restore a backup with `athenaeum restore`.";

/// Sources decoded by one check.
const SAMPLES: i64 = 200;
