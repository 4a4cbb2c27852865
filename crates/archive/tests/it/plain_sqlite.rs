//! The file is an ordinary SQLite file: anyone's `sqlite3` reads it, and keeps the text index in step.

use std::{path::Path, process::Command};

use athenaeum_tenancy::local;

use crate::sample;

/// Runs the system's `sqlite3`; `None` where there is none.
fn sqlite3(file: &Path, sql: &str) -> Option<String> {
    let output = Command::new("sqlite3").arg(file).arg(sql).output().ok()?;
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[tokio::test]
async fn the_file_opens_with_plain_sqlite3() {
    let (dir, archive) = sample::archive().await;
    sample::import(&archive, &local(), &[sample::conversation("a", "Bread", &["I was running", "Stop"])])
        .await;
    let file = dir.path().join("archive.db");
    let check = |sql: &str, expected: &str| {
        if let Some(found) = sqlite3(&file, sql) {
            assert_eq!(found, expected, "{sql}");
        }
    };
    check(
        "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'table'
           AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'messages\\_fts\\_%' ESCAPE '\\' ORDER BY name)",
        "conversations,import_events,messages,messages_fts",
    );
    check("PRAGMA journal_mode", "wal");
    check("SELECT content, role FROM messages_fts WHERE messages_fts MATCH 'run'", "I was running|user");
    check("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'user'", "0");
    check("UPDATE messages SET content = 'I was walking' WHERE content = 'I was running'", "");
    check("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'run'", "0");
    check("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'walk'", "1");
    check("DELETE FROM messages WHERE content = 'Stop'", "");
    check("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'stop'", "0");
    check("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)", "");
    check("PRAGMA integrity_check", "ok");
}
