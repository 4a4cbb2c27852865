//! Rooms: what is in one is found there and nowhere else, for as long as it is meant to stay.

use std::{collections::HashSet, sync::Arc, time::Duration};

use athenaeum_archive::{
    ErrorKind, Settings,
    library::{
        Having, Library, NewChunk, NewDocument, NewFile, NewSession, Query, RoomEntry, SessionStatus,
        SessionsWanted,
    },
};
use athenaeum_core::Timestamp;
use athenaeum_tenancy::{Room, Scope, for_test, local};
use serde_json::json;
use sqlx::Connection as _;
use tempfile::TempDir;

async fn open() -> (TempDir, Library) {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::open(dir.path(), &Settings::default()).await.unwrap();
    (dir, library)
}

fn session(id: &str) -> Room {
    Room::new("session", id).unwrap()
}

async fn room(library: &Library, id: &str) -> RoomEntry {
    library.open_room(&local(), &session(id), None).await.unwrap().0
}

async fn keep(library: &Library, scope: &Scope, path: &str, text: &str, metadata: Option<serde_json::Value>) {
    let mut hash = [0; 32];
    hash[..16]
        .copy_from_slice(&xxhash_rust::xxh3::xxh3_128(format!("{path}{text}").as_bytes()).to_le_bytes());
    let chunks = vec![NewChunk { range: 0..text.len(), ..NewChunk::default() }];
    let metadata = metadata.map(|metadata| metadata.to_string());
    let document = NewDocument {
        hash,
        format: "text".into(),
        text: text.into(),
        chunks,
        metadata,
        ..NewDocument::default()
    };
    library.keep(scope, vec![(NewFile { path: path.into(), ..NewFile::default() }, document)]).await.unwrap();
}

async fn found(library: &Library, scope: &Scope, text: &str) -> Vec<String> {
    let query = Query { text: text.into(), ..Query::default() };
    let found = library.search(scope, &query).await.unwrap();
    found.hits.into_iter().map(|hit| hit.chunk.text).collect()
}

#[tokio::test]
async fn what_is_in_a_room_is_found_there_and_nowhere_else() {
    let (dir, library) = open().await;
    keep(&library, &local(), "own", "dough of the house", None).await;
    let ids = ["abc", "ABC", "abc ", "a.bc", "é", "e\u{301}"];
    for id in ids {
        let room = room(&library, id).await;
        keep(&library, &room.scope, "one", &format!("dough of <{id}>"), None).await;
    }
    assert_eq!(found(&library, &local(), "dough").await, ["dough of the house"]);
    for id in ids {
        assert_eq!(
            found(&library, &room(&library, id).await.scope, "dough").await,
            [format!("dough of <{id}>")]
        );
    }
    // Another kind with this id, and another tenant's room of this name, are others.
    let user = library.open_room(&local(), &Room::new("user", "abc").unwrap(), None).await.unwrap().0;
    let theirs = library.open_room(&for_test("other"), &session("abc"), None).await.unwrap().0;
    for scope in [&user.scope, &theirs.scope, &for_test("other")] {
        assert!(found(&library, scope, "dough").await.is_empty());
    }
    let listed = library.rooms(&local()).await.unwrap();
    let listed: HashSet<&str> = listed.iter().map(|entry| entry.room.id()).collect();
    assert_eq!(listed, ids.into_iter().collect());
    assert_eq!(library.rooms(&for_test("other")).await.unwrap().len(), 1);

    // Ids of what is in a room are not found from elsewhere.
    let document = library.documents(&room(&library, "abc").await.scope, None, 9).await.unwrap().items[0].id;
    for scope in [&local(), &user.scope, &theirs.scope, &room(&library, "ABC").await.scope] {
        assert_eq!(library.document(scope, document).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    // The same after it was opened anew, with every index made again.
    library.close().await;
    std::fs::remove_dir_all(dir.path().join("search-library")).unwrap();
    let library = Library::open(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(found(&library, &room(&library, "ABC").await.scope, "dough").await, ["dough of <ABC>"]);
    assert_eq!(found(&library, &local(), "dough").await, ["dough of the house"]);
}

#[tokio::test]
async fn a_room_that_is_removed_leaves_nothing_behind() {
    let (dir, library) = open().await;
    let (gone, stays) = (room(&library, "gone").await, room(&library, "stays").await);
    keep(&library, &gone.scope, "a", "dough one", None).await;
    keep(&library, &gone.scope, "b", "dough two", None).await;
    keep(&library, &stays.scope, "a", "dough three", None).await;
    assert_eq!(found(&library, &gone.scope, "dough").await.len(), 2);
    assert_eq!(library.remove_room(&local(), &session("gone")).await.unwrap(), Some(2));
    assert_eq!(library.remove_room(&local(), &session("gone")).await.unwrap(), None);
    assert!(!dir.path().join("search-library").join(gone.scope.tenant().as_str()).exists());
    assert_eq!(found(&library, &stays.scope, "dough").await, ["dough three"]);
    let kept = library.keep(&gone.scope, vec![(NewFile::default(), NewDocument::default())]).await;
    assert_eq!(kept.unwrap_err().kind(), ErrorKind::NotFound, "nothing is put into a room that is not there");
    // One of the same name begins empty.
    let again = room(&library, "gone").await;
    assert!(found(&library, &again.scope, "dough").await.is_empty());
    keep(&library, &again.scope, "c", "dough four", None).await;
    assert_eq!(found(&library, &again.scope, "dough").await, ["dough four"]);
    library.close().await;

    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("library.db"));
    let mut file = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM texts), (SELECT count(*) FROM chunks), \
         (SELECT count(*) FROM files)";
    let left: (i64, i64, i64, i64) = sqlx::query_as(left).fetch_one(&mut file).await.unwrap();
    assert_eq!(left, (2, 2, 2, 2));
}

#[tokio::test]
async fn what_has_expired_is_taken_out() {
    let (_dir, library) = open().await;
    let hour = Duration::from_secs(3600);
    let (room, made) = library.open_room(&local(), &session("s"), Some(hour)).await.unwrap();
    assert!(made && room.ttl == Some(hour));
    keep(&library, &room.scope, "a", "dough", None).await;
    let later = |seconds: i64| Timestamp::from_micros(Timestamp::now().as_micros() + seconds * 1_000_000);
    assert_eq!(library.expire(&room.scope, later(3000)).await.unwrap().0, 0);
    // What is put there once more, as it is, stays as long as if it were new.
    let expiry = async || library.documents(&room.scope, None, 9).await.unwrap().items[0].expires_at.unwrap();
    let before = expiry().await;
    keep(&library, &room.scope, "a", "dough", None).await;
    assert!(expiry().await > before);
    // A shorter time holds for what is there.
    library.open_room(&local(), &session("s"), Some(Duration::from_secs(60))).await.unwrap();
    let (documents, chunks) = library.expire(&room.scope, later(61)).await.unwrap();
    assert_eq!((documents, chunks.len()), (1, 1));
    assert!(found(&library, &room.scope, "dough").await.is_empty());
    assert_eq!(library.room(&local(), &session("s")).await.unwrap().unwrap().documents, 0);
    // Without a time nothing expires.
    keep(&library, &local(), "a", "dough", None).await;
    assert_eq!(library.expire(&local(), later(i64::from(u32::MAX))).await.unwrap().0, 0);
}

#[tokio::test]
async fn metadata_is_kept_and_narrows_a_search_exactly() {
    let (_dir, library) = open().await;
    let room = room(&library, "s").await.scope;
    // More that does not pass than any list holds, and all of it better.
    for n in 0..30 {
        let metadata = json!({ "kind": "noise", "n": n, "open": false, "odd \"key\"": "x" });
        keep(&library, &room, &format!("{n}"), &"dough ".repeat(9), Some(metadata)).await;
    }
    keep(
        &library,
        &room,
        "it",
        "one dough among many other words",
        Some(json!({ "kind": "it", "n": 2.5, "open": true })),
    )
    .await;
    keep(&library, &room, "bare", "dough without", None).await;
    let check = async |conditions: &[(&str, &[serde_json::Value])], count: usize| {
        let having = |(key, values): &(&str, &[serde_json::Value])| Having {
            key: (*key).into(),
            values: values.to_vec(),
        };
        let conditions: Vec<Having> = conditions.iter().map(having).collect();
        let documents = library.having(&room, &conditions).await.unwrap();
        assert_eq!(documents.len(), count, "{conditions:?}");
        documents
    };
    check(&[("kind", &[json!("noise")])], 30).await;
    check(&[("kind", &[json!("noise"), json!("it")])], 31).await;
    check(&[("n", &[json!(2)])], 1).await;
    check(&[("n", &[json!(2.0)])], 1).await;
    check(&[("n", &[json!("2")])], 0).await;
    check(&[("open", &[json!(false)]), ("n", &[json!(7)])], 1).await;
    check(&[("open", &[json!(0)])], 0).await;
    check(&[("odd \"key\"", &[json!("x")])], 30).await;
    check(&[("kind\") --", &[json!("x")])], 0).await;
    let documents = check(&[("kind", &[json!("it")])], 1).await;
    let query =
        Query { text: "dough".into(), documents: Some(Arc::new(documents)), limit: 1, ..Query::default() };
    let hits = library.search(&room, &query).await.unwrap().hits;
    assert_eq!(hits[0].chunk.text, "one dough among many other words");
    assert_eq!(hits[0].chunk.document.metadata.as_deref(), Some(r#"{"kind":"it","n":2.5,"open":true}"#));
    let question = Query { text: "what dough is there?".into(), ..query };
    assert_eq!(library.search(&room, &question).await.unwrap().hits.len(), 1);
    let nothing = Query { documents: Some(Arc::default()), ..question };
    assert!(library.search(&room, &nothing).await.unwrap().hits.is_empty());
}

#[tokio::test]
async fn an_older_file_gets_rooms_and_keeps_what_it_has() {
    let (dir, library) = open().await;
    keep(&library, &local(), "a", "dough", None).await;
    library.close().await;
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("library.db"));
    let mut file = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
    let older = "DROP INDEX documents_expiring; ALTER TABLE documents DROP COLUMN metadata;
        ALTER TABLE documents DROP COLUMN expires_at; DROP TABLE rooms; DROP TABLE sessions;
        PRAGMA user_version = 2;";
    sqlx::raw_sql(older).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    let library = Library::open(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(found(&library, &local(), "dough").await, ["dough"]);
    let room = room(&library, "s").await;
    keep(&library, &room.scope, "b", "tea", Some(json!({ "a": 1 }))).await;
    assert_eq!(found(&library, &room.scope, "tea").await, ["tea"]);
}

#[tokio::test]
async fn numbers_of_a_room_are_given_once_and_rooms_have_no_rooms() {
    let (_dir, library) = open().await;
    let one = room(&library, "s").await;
    assert_eq!(library.number_in(&local(), &session("s")).await.unwrap(), 1);
    assert_eq!(library.number_in(&local(), &session("s")).await.unwrap(), 2);
    let error = library.number_in(&local(), &session("t")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let nested = library.open_room(&one.scope, &session("t"), None).await.unwrap_err();
    assert_eq!(nested.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn sessions_are_known_again_and_only_to_their_tenant() {
    let (dir, library) = open().await;
    let about = |name: &str, tags: &[&str]| NewSession {
        name: Some(name.into()),
        tags: tags.iter().map(ToString::to_string).collect(),
        metadata: json!({ "n": [1, null] }).as_object().cloned().unwrap(),
        ..NewSession::default()
    };
    let first = library.add_session(&local(), about("first", &["a", "b"])).await.unwrap();
    let second = library.add_session(&local(), about("second", &["b"])).await.unwrap();
    let theirs = library.add_session(&for_test("other"), about("theirs", &["b"])).await.unwrap();
    library.close().await;
    let library = Library::open(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(library.session(&local(), first.id).await.unwrap(), Some(first.clone()));
    let listed = async |status, tags: &[&str], limit| {
        let tags = tags.iter().map(ToString::to_string).collect();
        let found = library.sessions(&local(), &SessionsWanted { status, tags, limit }).await.unwrap();
        found.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, &[], 9).await, [second.id, first.id]);
    assert_eq!(listed(None, &["b"], 1).await, [second.id]);
    assert_eq!(listed(None, &["b", "a"], 9).await, [first.id]);
    assert!(listed(None, &["a", "c"], 9).await.is_empty());

    // Another tenant's session is one that is not there, whatever is asked of it.
    let (rest, active) = (SessionStatus::Suspended, [SessionStatus::Active]);
    assert_eq!(library.session(&local(), theirs.id).await.unwrap(), None);
    assert_eq!(library.turn_session(&local(), theirs.id, &active, rest).await.unwrap(), None);
    assert!(!library.remove_session(&local(), theirs.id).await.unwrap());
    assert_eq!(library.session(&for_test("other"), theirs.id).await.unwrap(), Some(theirs));

    let (turned, changed) = library.turn_session(&local(), first.id, &active, rest).await.unwrap().unwrap();
    assert!(changed && turned.status == rest && turned.changed_at >= turned.made_at);
    let (turned, changed) =
        library.turn_session(&local(), first.id, &active, SessionStatus::Completed).await.unwrap().unwrap();
    assert!(!changed && turned.status == rest, "it was active no longer");
    assert_eq!(
        (listed(Some(rest), &[], 9).await, listed(Some(active[0]), &[], 9).await),
        (vec![first.id], vec![second.id])
    );
    assert!(library.remove_session(&local(), first.id).await.unwrap());
    assert!(!library.remove_session(&local(), first.id).await.unwrap());
    assert_eq!(listed(None, &[], 9).await, [second.id]);
    let nested = library.add_session(&room(&library, "s").await.scope, about("nested", &[])).await;
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::InvalidRequest);
}
