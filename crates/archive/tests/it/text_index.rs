//! SQLite's text index after an import, which writes most of it itself, against what FTS5 makes of the same rows.

use athenaeum_archive::{Archive, Settings};
use athenaeum_core::{Block, Conversation};
use athenaeum_tenancy::local;
use proptest::prelude::*;
use sqlx::{Connection, Row, SqliteConnection};
use tempfile::TempDir;

use crate::sample;

/// An archive that commits every so many conversations.
async fn archive(batch_conversations: usize) -> (TempDir, Archive) {
    let dir = TempDir::new().unwrap();
    let settings = Settings { batch_conversations, ..Settings::default() };
    let archive = Archive::open(dir.path(), &settings).await.unwrap();
    (dir, archive)
}

/// Compares with an index that FTS5 makes of the rows: every word with its numbers of rows, every row's length.
async fn check(dir: &TempDir) {
    let path = dir.path().join("archive.db");
    let mut db = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let check = "INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)";
    sqlx::raw_sql(check).execute(&mut db).await.unwrap();
    let create: String = sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE name = 'messages_fts'")
        .fetch_one(&mut db)
        .await
        .unwrap();
    let anew = format!(
        "ATTACH ':memory:' AS anew;
         CREATE TABLE anew.messages AS SELECT * FROM main.messages;
         {};
         INSERT INTO anew.messages_fts (messages_fts) VALUES ('rebuild');
         CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, messages_fts, row);
         CREATE VIRTUAL TABLE temp.words_anew USING fts5vocab(anew, messages_fts, row);",
        create.replace("VIRTUAL TABLE messages_fts", "VIRTUAL TABLE anew.messages_fts"),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(anew)).execute(&mut db).await.unwrap();
    for (found, expected) in [
        ("SELECT CAST(term AS BLOB), doc FROM words", "SELECT CAST(term AS BLOB), doc FROM words_anew"),
        (
            "SELECT sz, id FROM main.messages_fts_docsize ORDER BY id",
            "SELECT sz, id FROM anew.messages_fts_docsize ORDER BY id",
        ),
        (
            "SELECT block, id FROM main.messages_fts_data WHERE id = 1",
            "SELECT block, id FROM anew.messages_fts_data WHERE id = 1",
        ),
    ] {
        assert_eq!(rows(&mut db, found).await, rows(&mut db, expected).await, "{found}");
    }
}

async fn rows(db: &mut SqliteConnection, sql: &'static str) -> Vec<(String, i64)> {
    let rows = sqlx::query(sql).fetch_all(db).await.unwrap();
    let printed = |bytes: Vec<u8>| bytes.escape_ascii().to_string();
    rows.iter().map(|row| (printed(row.get(0)), row.get(1))).collect()
}

#[tokio::test]
async fn an_import_writes_what_fts5_would() {
    let (dir, archive) = archive(2).await;
    let conversations: Vec<Conversation> = [
        &["The foxes were jumping", "naïve cafés — “quoted” … end", "", "12 £5 ½ x²"][..],
        &["東京へ行きました", "mixed 漢字 and words", "한국어 문장", "ภาษาไทย"],
        &["Great! 🎉🎉 work👍🏽 done ❤️ 1️⃣", "\u{1F9FF}eye", "e\u{301}te\u{301} a\u{FE0F}b soft\u{AD}hyphen"],
        &["हिन्दी में", "שָׁלוֹם", "ＦＵＬＬ width ｶﾀｶﾅ", "nul\0byte", "\u{E000}private"],
        &[&"abcdefgh".repeat(20), &"long".repeat(16), &format!("{}ing", "ab".repeat(31)), "running runs ran"],
        &["ƀ seen", "Ωμέγα", "İstanbul ﬁne ǆ", "Größenwahn und Straßen"],
    ]
    .iter()
    .enumerate()
    .map(|(i, texts)| sample::conversation(&i.to_string(), "Title", texts))
    .collect();
    sample::import(&archive, &local(), &conversations).await;
    archive.close().await;
    check(&dir).await;
}

/// One segment is the import's own, the other FTS5's, for what it splits otherwise.
#[tokio::test]
async fn only_what_fts5_splits_otherwise_is_left_to_it() {
    let (dir, archive) = archive(1_000).await;
    let conversation =
        sample::conversation("a", "A", &["plain words — “quoted” 🎉", "ภาษาไทย", "naïve words"]);
    sample::import(&archive, &local(), &[conversation]).await;
    archive.close().await;
    let mut db = SqliteConnection::connect(dir.path().join("archive.db").to_str().unwrap()).await.unwrap();
    let vocabulary = "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, messages_fts, instance)";
    sqlx::raw_sql(vocabulary).execute(&mut db).await.unwrap();
    let segments = "SELECT CAST(group_concat(DISTINCT segid) AS BLOB), count(*) FROM messages_fts_idx";
    assert_eq!(rows(&mut db, segments).await, [("1,2".to_owned(), 2)]);
    let plain =
        "SELECT CAST(term AS BLOB), doc FROM words WHERE term IN ('word', 'naiv', 'quot') ORDER BY doc, term";
    let found = rows(&mut db, plain).await;
    assert_eq!(found, [("quot".into(), 1), ("word".into(), 1), ("naiv".into(), 3), ("word".into(), 3)]);
}

/// Thousands of rows and words: lists and words go over from page to page, and segments from level to level.
#[tokio::test]
async fn pages_follow_each_other() {
    let (dir, archive) = archive(40).await;
    let conversations: Vec<_> = (0..160_u64)
        .map(|i| {
            let texts: Vec<String> = (0..40_u64)
                .map(|j| {
                    let n = i * 40 + j;
                    format!("every message {} has{} some{} words", n % 2, n / 3, n * n % 1009)
                })
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            sample::conversation(&i.to_string(), "Title", &texts)
        })
        .collect();
    sample::import(&archive, &local(), &conversations).await;
    archive.close().await;
    check(&dir).await;
}

/// FTS5 merges the import's segments with its own, and the import goes on from there.
#[tokio::test]
async fn segments_are_merged_before_there_are_too_many() {
    let (dir, archive) = archive(1).await;
    let conversations: Vec<_> = (0..300)
        .map(|i| {
            let words = format!("every message has word{} and {}", i % 7, i * i);
            let text = if i % 50 == 0 { "ภาษาไทย" } else { "more words" };
            sample::conversation(&i.to_string(), "Title", &[&words, text, &words])
        })
        .collect();
    sample::import(&archive, &local(), &conversations).await;
    archive.close().await;
    let mut db = SqliteConnection::connect(dir.path().join("archive.db").to_str().unwrap()).await.unwrap();
    let segments = "SELECT CAST('segments' AS BLOB), count(DISTINCT segid) FROM messages_fts_idx";
    let count = rows(&mut db, segments).await[0].1;
    assert!((1..200).contains(&count), "{count} segments");
    db.close().await.unwrap();
    check(&dir).await;
}

#[tokio::test]
async fn changes_of_one_transaction_reach_the_index_in_order() {
    let (dir, archive) = archive(1_000).await;
    let mut old = sample::conversation("old", "Old", &["first words", "second words"]);
    sample::import(&archive, &local(), std::slice::from_ref(&old)).await;
    old.messages[0].blocks = vec![Block::text("other words")];
    let mut new = sample::conversation("new", "New", &["fresh words", "to be replaced"]);
    let added = sample::conversation("added", "Added", &["words between"]);
    let mut export = vec![new.clone(), old.clone(), added];
    new.messages[1].blocks = vec![Block::text("replaced at once")];
    export.push(new);
    old.messages.truncate(1);
    export.push(old);
    export.push(sample::conversation("last", "Last", &["last words", "東京"]));
    sample::import(&archive, &local(), &export).await;
    let listed = archive.conversations(&local(), &Default::default(), None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 4);
    archive.delete(&local(), listed.items[0].id).await.unwrap();
    assert_eq!(archive.check().await.unwrap(), []);
    sample::import(&archive, &local(), &[sample::conversation("after", "After", &["a look"])]).await;
    archive.close().await;
    check(&dir).await;
}

#[test]
fn any_text_reaches_the_index() {
    let message = prop_oneof![
        3 => "[a-zA-Z ]{0,40}(ing|ed|s)?".boxed(),
        2 => "\\PC{0,20}".boxed(),
        1 => "[a-z\u{301}\u{FE0F}\u{AD}😀🫠漢アｱ한ก\u{941}é—’ ]{0,12}".boxed(),
    ];
    let texts = proptest::collection::vec(proptest::collection::vec(message, 1..8), 1..12);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(24), |(texts in texts, batch in 1_usize..4)| runtime.block_on(async {
        let (dir, archive) = archive(batch).await;
        let conversations: Vec<_> = texts.iter().enumerate().map(|(i, texts)| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            sample::conversation(&(i % 9).to_string(), "Title", &texts)
        }).collect();
        sample::import(&archive, &local(), &conversations).await;
        archive.close().await;
        check(&dir).await;
    }));
}
