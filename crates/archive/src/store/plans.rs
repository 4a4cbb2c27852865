//! Every list is answered through an index: the plans that SQLite makes are part of the design.

use athenaeum_core::{ConversationId, Provider, Timestamp};
use athenaeum_tenancy::local;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{list, open, open::Settings};
use crate::{Filters, Flag};

/// Returns the plan, a step a line.
async fn plan(sql: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let files = open::open(&super::schema::ARCHIVE, dir.path(), &Settings::default(), true).await.unwrap();
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).fetch_all(&files.readers).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(3)).collect::<Vec<_>>().join("\n")
}

async fn check(sql: &str, index: &str) {
    let plan = plan(sql).await;
    assert!(plan.contains(index), "{sql}\n{plan}");
    assert!(
        !plan.contains("SCAN c\n") && !plan.contains("SCAN m\n") && !plan.ends_with("SCAN c"),
        "{sql}\n{plan}"
    );
}

async fn check_list(filters: Filters, index: &str) {
    let sql: QueryBuilder<Sqlite> = list::page_sql(&local(), &filters, (i64::MAX, i64::MAX), 20);
    check(sql.sql().as_str(), index).await;
}

#[tokio::test]
async fn lists_of_conversations() {
    let with = |change: fn(&mut Filters)| {
        let mut filters = Filters::default();
        change(&mut filters);
        filters
    };
    let newest = "USING INDEX conversations_by_time (tenant=? AND began_at<?)";
    check_list(Filters::default(), newest).await;
    check_list(with(|f| f.after = Some(Timestamp::from_micros(0))), "conversations_by_time").await;
    check_list(with(|f| f.models = vec!["gpt*".into()]), "conversations_by_time").await;
    check_list(with(|f| f.has = vec![Flag::Code]), "messages_by_conversation").await;
    check_list(with(|f| f.providers = vec![Provider::CLAUDE]), "conversations_by_provider").await;
    check_list(with(|f| f.users = vec!["u".into()]), "conversations_by_user").await;
    let id = |f: &mut Filters| f.conversation = Some(ConversationId::from_bytes([0; 16]));
    check_list(with(id), "sqlite_autoindex_conversations_1 (uid=?)").await;
}

#[tokio::test]
async fn everything_else() {
    check(&list::suggest_sql(), "conversations_by_title (tenant=? AND title>? AND title<?)").await;
    for (sql, index) in [
        ("SELECT id FROM conversations c WHERE tenant = ? AND model = ?", "conversations_by_model"),
        ("SELECT id FROM messages m WHERE conversation_id = ? ORDER BY position", "messages_by_conversation"),
        (
            "SELECT id FROM messages m WHERE conversation_id = ? AND position >= ? AND position < ? ORDER BY position",
            "messages_by_conversation (conversation_id=? AND position>? AND position<?)",
        ),
        ("SELECT id FROM messages m WHERE created_at > ?", "messages_by_time"),
        ("SELECT id FROM messages m WHERE role = 'tool'", "messages_by_role"),
        ("SELECT id FROM messages m ORDER BY created_at DESC LIMIT 9", "messages_by_time"),
        (
            "SELECT id FROM import_events WHERE tenant = ? AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC",
            "import_events_by_time (tenant=? AND created_at<?)",
        ),
        ("SELECT id FROM import_events WHERE tenant = ? AND provider = ?", "import_events_by_provider"),
        ("SELECT uid FROM import_events WHERE status = 'in_progress'", "import_events_running"),
        (
            "SELECT id FROM conversations c WHERE tenant = ? AND provider = ? AND external_id = ?",
            "autoindex_conversations_2",
        ),
    ] {
        check(sql, index).await;
    }
}
