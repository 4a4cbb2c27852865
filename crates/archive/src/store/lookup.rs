//! Finding conversations by what others call them.

use athenaeum_core::{ConversationId, Provider};
use athenaeum_tenancy::Scope;
use rustc_hash::FxHashMap;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{
    error::{Error, database},
    open::Files,
    row,
};

pub(crate) async fn message_counts(
    files: &Files,
    scope: &Scope,
    conversations: &[(Provider, String)],
) -> Result<Vec<Option<u64>>, Error> {
    let failed = database("counting messages");
    let mut counts: FxHashMap<(&str, String), u64> = FxHashMap::default();
    for part in conversations.chunks(KEYS_IN_ONE_QUERY) {
        let mut by_provider: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
        for (provider, external_id) in part {
            by_provider.entry(provider.as_str()).or_default().push(external_id);
        }
        for (provider, external_ids) in by_provider {
            let mut sql = counts_sql(scope, provider, &external_ids);
            for found in sql.build().fetch_all(&files.readers).await.map_err(&failed)? {
                let count: i64 = found.try_get(1).map_err(&failed)?;
                counts.insert((provider, found.try_get(0).map_err(&failed)?), count.max(0) as u64);
            }
        }
    }
    let count = |(provider, external_id): &(Provider, String)| {
        counts.get(&(provider.as_str(), external_id.clone())).copied()
    };
    Ok(conversations.iter().map(count).collect())
}

/// Counts rows of messages, not the number that the conversation claims: that is what is to be checked.
fn counts_sql(scope: &Scope, provider: &str, external_ids: &[&str]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "SELECT c.external_id, (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id)
         FROM conversations c WHERE c.tenant = ",
    );
    sql.push_bind(scope.tenant().as_str().to_owned())
        .push(" AND c.provider = ")
        .push_bind(provider.to_owned());
    sql.push(" AND c.external_id IN (");
    let mut values = sql.separated(", ");
    for external_id in external_ids {
        values.push_bind((*external_id).to_owned());
    }
    sql.push(")");
    sql
}

pub(crate) async fn by_source(
    files: &Files,
    scope: &Scope,
    provider: &Provider,
    external_id: &str,
) -> Result<Option<ConversationId>, Error> {
    let row =
        sqlx::query("SELECT uid FROM conversations WHERE tenant = ? AND provider = ? AND external_id = ?")
            .bind(scope.tenant().as_str())
            .bind(provider.as_str())
            .bind(external_id)
            .fetch_optional(&files.readers)
            .await
            .map_err(database("looking for a conversation"))?;
    row.map(|row| row::uid(&row, 0).map(ConversationId::from_bytes)).transpose()
}

pub(crate) async fn by_prefix(files: &Files, scope: &Scope, prefix: &str) -> Result<ConversationId, Error> {
    let shown: String = prefix.chars().take(64).collect();
    let not_found = || Error::not_found("conversation", shown.as_str());
    let (first, last) = range(prefix).ok_or_else(not_found)?;
    let failed = database("looking for a conversation");
    let rows = sqlx::query("SELECT uid FROM conversations WHERE uid BETWEEN ? AND ? AND tenant = ? LIMIT 2")
        .bind(&first[..])
        .bind(&last[..])
        .bind(scope.tenant().as_str())
        .fetch_all(&files.readers)
        .await
        .map_err(&failed)?;
    match rows.as_slice() {
        [] => Err(not_found()),
        [one] => Ok(ConversationId::from_bytes(row::uid(one, 0)?)),
        _ => Err(Error::Invalid {
            reason: format!("more than one conversation begins with {prefix}; give more of the id"),
        }),
    }
}

/// Returns the first and the last id that begin with these hexadecimal digits, hyphens passed over.
fn range(prefix: &str) -> Option<([u8; 16], [u8; 16])> {
    let (mut first, mut last) = ([0x00_u8; 16], [0xff_u8; 16]);
    let mut digits = 0;
    for character in prefix.chars().filter(|character| *character != '-') {
        let digit = u8::try_from(character.to_digit(16)?).ok()?;
        let shift = if digits % 2 == 0 { 4 } else { 0 };
        let (low, high) = (first.get_mut(digits / 2)?, last.get_mut(digits / 2)?);
        *low |= digit << shift;
        *high &= !((0xf ^ digit) << shift);
        digits += 1;
    }
    (digits >= PREFIX_DIGITS_MIN).then_some((first, last))
}

/// SQLite takes 32,766 parameters; planning gets slow long before.
const KEYS_IN_ONE_QUERY: usize = 500;

/// Shorter beginnings are more likely a slip than an id.
const PREFIX_DIGITS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range_of_ids() {
        let (first, last) = range("0190c-3f").unwrap();
        assert_eq!(first, [0x01, 0x90, 0xc3, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(last[..5], [0x01, 0x90, 0xc3, 0xff, 0xff]);
        let whole = "0190c3f1-0000-7000-8000-000000000001";
        let (first, last) = range(whole).unwrap();
        assert_eq!(first, last);
        for wrong in ["", "01", "xyz", "0190c3\u{e9}", &whole.repeat(2)] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
