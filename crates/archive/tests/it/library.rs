//! Documents: kept whole, changed in part, found by word, and nobody else's.

use athenaeum_archive::{
    ErrorKind, Settings,
    library::{Coverage, Fields, FileState, Kept, Library, NewChunk, NewDocument, NewFile, Outcome, Query},
};
use athenaeum_core::{ChunkId, Timestamp};
use athenaeum_tenancy::{Scope, for_test, local};
use sqlx::Connection as _;
use tempfile::TempDir;

async fn open() -> (TempDir, Library) {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::open(dir.path(), &Settings::default()).await.unwrap();
    (dir, library)
}

fn file(path: &str) -> NewFile {
    NewFile { path: path.into(), bytes: 10, modified_at: Some(Timestamp::from_micros(1_700_000_000_000_000)) }
}

/// A document of these chunks, one behind the other.
fn document(chunks: &[&str]) -> NewDocument {
    let mut text = String::new();
    let mut ranges = Vec::new();
    for chunk in chunks {
        let begins = text.len();
        text.push_str(chunk);
        ranges.push(NewChunk {
            range: begins..text.len(),
            heading: None,
            place: Some("page 1".into()),
            source: Some(7..9),
        });
        text.push('\n');
    }
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_le_bytes());
    NewDocument {
        hash,
        format: "markdown".into(),
        title: Some("Bread".into()),
        bytes: text.len() as u64,
        text,
        chunks: ranges,
        ..NewDocument::default()
    }
}

async fn keep(library: &Library, scope: &Scope, path: &str, chunks: &[&str]) -> Kept {
    let mut kept = library.keep(scope, vec![(file(path), document(chunks))]).await.unwrap();
    assert_eq!(kept.len(), 1);
    kept.remove(0)
}

async fn found(library: &Library, scope: &Scope, text: &str) -> Vec<String> {
    let query = Query { text: text.into(), ..Query::default() };
    let found = library.search(scope, &query).await.unwrap();
    let ranking = library.rank(scope, &query).await.unwrap();
    let ids: Vec<ChunkId> = ranking.chunks.iter().map(|(id, _)| *id).collect();
    let mut hits = library.hits(scope, &ids, text).await.unwrap();
    for (hit, (_, score)) in hits.iter_mut().zip(&ranking.chunks) {
        hit.score = *score;
    }
    assert_eq!(hits, found.hits, "ranking first and reading then gives what a search gives at once");
    assert_eq!(library.known(scope, &ids).await.unwrap().len(), ids.len());
    assert!(library.known(&for_test("nobody"), &ids).await.unwrap().is_empty());
    found.hits.into_iter().map(|hit| hit.chunk.text).collect()
}

#[tokio::test]
async fn a_chunk_is_found_by_any_of_its_words_the_best_first() {
    let (_dir, library) = open().await;
    keep(&library, &local(), "/a.md", &["the dough rises slowly", "a starter wants flour", "salt"]).await;
    assert_eq!(
        found(&library, &local(), "rising dough and flour").await,
        ["the dough rises slowly", "a starter wants flour"]
    );
    let all = Query { text: "dough flour".into(), all_words: true, ..Query::default() };
    assert!(library.search(&local(), &all).await.unwrap().hits.is_empty());
    let other = Query { text: "dough".into(), formats: vec!["pdf".into()], ..Query::default() };
    assert!(library.search(&local(), &other).await.unwrap().hits.is_empty());
    let hit = library.search(&local(), &Query { text: "salt".into(), ..Query::default() }).await.unwrap();
    assert_eq!(hit.hits[0].chunk.place.as_deref(), Some("page 1"));
    assert_eq!(hit.hits[0].chunk.source, Some(7..9));
    assert_eq!(hit.hits[0].chunk.document.path.as_deref(), Some("/a.md"));
}

#[tokio::test]
async fn a_title_and_headings_count_as_much_as_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let open = async |title, heading| {
        let settings = Settings { fields: Fields { title, heading }, ..Settings::default() };
        Library::open(dir.path(), &settings).await.unwrap()
    };
    let library = open(1, 1).await;
    // Each says "rye" in one place, and they are equally long.
    let named = |title: &str, heading: &str, text: &str| {
        let mut document = document(&[text]);
        document.title = Some(title.into());
        document.chunks[0].heading = Some(heading.into());
        document
    };
    let documents = [
        ("/text.md", named("Loaf", "Crust", "rye and again rye")),
        ("/heading.md", named("Loaf", "Rye", "a crumb is soft")),
        ("/title.md", named("Rye", "Crust", "a starter is sour")),
    ];
    for (path, document) in documents {
        library.keep(&local(), vec![(file(path), document)]).await.unwrap();
    }
    for number in 0..9 {
        keep(&library, &local(), &format!("/{number}.md"), &[&format!("{number} of wheat")]).await;
    }
    let first = async |library: &Library| {
        let query = Query { text: "rye".into(), ..Query::default() };
        let found = library.search(&local(), &query).await.unwrap().hits;
        assert_eq!(found.len(), 3);
        found[0].chunk.document.path.clone().unwrap()
    };
    assert_eq!(first(&library).await, "/text.md");
    assert_eq!(first(&open(8, 1).await).await, "/title.md");
    assert_eq!(first(&open(1, 8).await).await, "/heading.md");
    // What is kept later counts likewise.
    let library = open(8, 1).await;
    let last = named("Rye, Rye", "Crust", "a loaf is dark");
    library.keep(&local(), vec![(file("/heading.md"), last)]).await.unwrap();
    assert_eq!(first(&library).await, "/heading.md");
}

#[tokio::test]
async fn chunks_are_counted_with_every_change_and_in_an_older_file() {
    let (dir, library) = open().await;
    keep(&library, &local(), "/a.md", &["one", "two"]).await;
    keep(&library, &local(), "/b.md", &["three"]).await;
    keep(&library, &for_test("other"), "/c.md", &["four"]).await;
    assert_eq!(library.chunk_count(&local()).await.unwrap(), 3);
    keep(&library, &local(), "/a.md", &["one", "two", "five", "six"]).await;
    library.forget(&local(), &["/b.md".into()]).await.unwrap();
    assert_eq!(library.chunk_count(&local()).await.unwrap(), 4);
    library.close().await;

    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("library.db"));
    let mut file = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
    let older = "DROP TRIGGER documents_came; DROP TRIGGER documents_changed; DROP TRIGGER documents_went;
        DROP TABLE counts; DROP TABLE rooms; DROP TABLE sessions; DROP INDEX documents_expiring;
        ALTER TABLE documents DROP COLUMN metadata; ALTER TABLE documents DROP COLUMN expires_at; PRAGMA user_version = 1;";
    sqlx::raw_sql(older).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    let library = Library::open(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(library.chunk_count(&local()).await.unwrap(), 4);
    assert_eq!(library.chunk_count(&for_test("other")).await.unwrap(), 1);
    keep(&library, &local(), "/d.md", &["seven"]).await;
    assert_eq!(library.chunk_count(&local()).await.unwrap(), 5);
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_with_all_their_places() {
    let (_dir, library) = open().await;
    let first = keep(&library, &local(), "/a.md", &["one"]).await;
    let second = keep(&library, &local(), "/b.md", &["one"]).await;
    assert_eq!((first.outcome, second.outcome), (Outcome::Added, Outcome::Same));
    assert_eq!(first.document, second.document);
    assert_eq!(library.document(&local(), first.document).await.unwrap().paths, ["/a.md", "/b.md"]);
    assert!(library.forget(&local(), &["/a.md".into()]).await.unwrap().is_empty());
    assert_eq!(found(&library, &local(), "one").await.len(), 1);
    assert_eq!(library.forget(&local(), &["/b.md".into()]).await.unwrap().len(), 1);
    assert!(found(&library, &local(), "one").await.is_empty());
    let error = library.document(&local(), first.document).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn of_a_file_that_changed_only_the_changed_chunks_change() {
    let (_dir, library) = open().await;
    let before = keep(&library, &local(), "/a.md", &["one", "two", "three"]).await;
    let ids = async || -> Vec<(ChunkId, String)> {
        let chunks = library.chunks_at(&local(), before.document, 0..=9).await.unwrap();
        chunks.into_iter().map(|chunk| (chunk.id, chunk.text)).collect()
    };
    let old = ids().await;
    let after = keep(&library, &local(), "/a.md", &["zero", "one", "three"]).await;
    assert_eq!((after.document, after.outcome, after.added), (before.document, Outcome::Updated, 1));
    assert_eq!(after.removed, [old[1].0]);
    let new = ids().await;
    assert_eq!(new[1], old[0]);
    assert_eq!(new[2], old[2]);
    assert_eq!(new[0].1, "zero");
    assert_eq!(found(&library, &local(), "two").await, Vec::<String>::new());
    assert_eq!(found(&library, &local(), "zero three").await.len(), 2);
    assert_eq!(keep(&library, &local(), "/a.md", &["zero", "one", "three"]).await.outcome, Outcome::Same);
}

#[tokio::test]
async fn a_shared_document_that_changes_in_one_place_stays_in_the_other() {
    let (_dir, library) = open().await;
    let first = keep(&library, &local(), "/a.md", &["one"]).await;
    keep(&library, &local(), "/b.md", &["one"]).await;
    let changed = keep(&library, &local(), "/a.md", &["two"]).await;
    assert_ne!(changed.document, first.document);
    assert_eq!(library.document(&local(), first.document).await.unwrap().paths, ["/b.md"]);
    assert_eq!(found(&library, &local(), "one two").await.len(), 2);
}

#[tokio::test]
async fn the_ledger_says_what_became_of_every_file() {
    let (_dir, library) = open().await;
    keep(&library, &local(), "/kept.md", &["one"]).await;
    let noted =
        [("/bad.pdf", FileState::Failed, "it is encrypted"), ("/x.iso", FileState::Skipped, "too large")];
    let noted = noted.map(|(path, state, reason)| (file(path), state, reason.to_owned()));
    library.note(&local(), noted.to_vec()).await.unwrap();
    library.note(&local(), vec![noted[0].clone()]).await.unwrap();
    let bad = library.file(&local(), "/bad.pdf").await.unwrap().unwrap();
    assert_eq!((bad.state, bad.reason.as_str(), bad.tries), (FileState::Failed, "it is encrypted", 2));
    let page = library.list(&local(), "/", None, None, 2).await.unwrap();
    let rest = library.list(&local(), "/", None, page.next.as_ref(), 2).await.unwrap();
    let names = page.items.iter().chain(&rest.items).map(|file| file.found.path.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["/bad.pdf", "/kept.md", "/x.iso"]);
    assert!(rest.next.is_none());
    let failed = library.list(&local(), "/", Some(FileState::Failed), None, 9).await.unwrap();
    assert_eq!(failed.items.len(), 1);
    let removed =
        library.note(&local(), vec![(file("/kept.md"), FileState::Gone, String::new())]).await.unwrap();
    assert_eq!(removed.len(), 1);
    assert!(found(&library, &local(), "one").await.is_empty());
    let stats = library.stats(&local()).await.unwrap();
    assert_eq!(stats.documents, 0);
    assert_eq!(stats.files, [(FileState::Failed, 1), (FileState::Gone, 1), (FileState::Skipped, 1)]);
}

#[tokio::test]
async fn a_file_that_is_renamed_keeps_what_was_read_of_it() {
    let (_dir, library) = open().await;
    let kept = keep(&library, &local(), "/a.md", &["one"]).await;
    keep(&library, &local(), "/old.md", &["two"]).await;
    let names = |from: &str, to: &str| [(from.to_owned(), to.to_owned())];
    assert_eq!(library.rename(&local(), &names("/a.md", "/old.md")).await.unwrap().len(), 1);
    assert!(library.rename(&local(), &names("/a.md", "/c.md")).await.unwrap().is_empty());
    assert!(library.file(&local(), "/c.md").await.unwrap().is_none());
    assert_eq!(library.document(&local(), kept.document).await.unwrap().paths, ["/old.md"]);
    assert_eq!(found(&library, &local(), "one two").await, ["one"]);
}

#[tokio::test]
async fn a_passage_of_a_long_text_is_read_from_its_pieces() {
    let (_dir, library) = open().await;
    let long = "ö".repeat(40_000);
    let kept = keep(&library, &local(), "/long.txt", &[&long, "the end"]).await;
    let chunks = library.chunks_at(&local(), kept.document, 0..=9).await.unwrap();
    assert_eq!(chunks[0].text, long);
    assert_eq!(chunks[1].text, "the end");
    let document = library.document(&local(), kept.document).await.unwrap();
    assert_eq!(document.text, format!("{long}\nthe end\n"));
    assert_eq!(document.text[chunks[1].range.clone()], *"the end");
}

#[tokio::test]
async fn what_the_index_missed_is_read_from_the_rows() {
    let (dir, library) = open().await;
    keep(&library, &local(), "/a.md", &["one"]).await;
    std::fs::remove_dir_all(dir.path().join("search-library")).unwrap();
    let again = Library::open(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(found(&again, &local(), "one").await, ["one"]);
    keep(&again, &local(), "/b.md", &["one more"]).await;
    assert_eq!(found(&library, &local(), "one").await.len(), 2);
}

#[tokio::test]
async fn a_batch_is_kept_as_its_files_would_be_one_by_one() {
    let (_dirs, together, alone) = {
        let ((one, together), (other, alone)) = (open().await, open().await);
        ((one, other), together, alone)
    };
    // What has not been seen is written together, and everything else on its own: few names and few contents make every
    // mixture of both.
    let mut state = 7_u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    for _ in 0..60 {
        let batch: Vec<(NewFile, NewDocument)> = (0..below(9))
            .map(|_| {
                let content = [format!("only {}", below(12)), "shared by all".to_owned()];
                let content: Vec<&str> = content.iter().map(String::as_str).collect();
                (file(&format!("/{}.md", below(16))), document(&content))
            })
            .collect();
        let kept = together.keep(&local(), batch.clone()).await.unwrap();
        for ((file, document), kept) in batch.into_iter().zip(kept) {
            let path = file.path.clone();
            let single = alone.keep(&local(), vec![(file, document)]).await.unwrap().remove(0);
            let told = |kept: &Kept| (kept.outcome, kept.added, kept.removed.len());
            assert_eq!(told(&kept), told(&single), "{path}");
        }
        if below(4) == 0 {
            let gone = format!("/{}.md", below(16));
            for library in [&together, &alone] {
                let note = vec![(file(&gone), FileState::Gone, "it is gone".to_owned())];
                library.note(&local(), note).await.unwrap();
            }
        }
        let mut seen = Vec::new();
        for library in [&together, &alone] {
            let mut ledger = Vec::new();
            for entry in library.list(&local(), "/", None, None, 100).await.unwrap().items {
                let text = match entry.document {
                    Some(id) => Some(library.document(&local(), id).await.unwrap().text),
                    None => None,
                };
                ledger.push((entry.found.path, entry.state, entry.reason, entry.tries, text));
            }
            let mut shared = found(library, &local(), "shared").await;
            shared.sort();
            let count = library.chunk_count(&local()).await.unwrap();
            assert_eq!(library.stats(&local()).await.unwrap().chunks, count);
            seen.push((ledger, shared, count));
        }
        assert_eq!(seen[0], seen[1]);
    }
}

#[tokio::test]
async fn a_chunk_beyond_its_text_is_refused_with_the_whole_batch() {
    let (_dir, library) = open().await;
    let mut bad = document(&["ö"]);
    bad.chunks[0].range = 0..1;
    let batch = vec![(file("/good.md"), document(&["good"])), (file("/bad.md"), bad)];
    let error = library.keep(&local(), batch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(library.file(&local(), "/good.md").await.unwrap().is_none());
    keep(&library, &local(), "/good.md", &["good"]).await;
}

#[tokio::test]
async fn a_part_without_text_is_said() {
    let (_dir, library) = open().await;
    let mut scanned = document(&["one"]);
    scanned.coverage = Coverage { covered: 1, parts: 3 };
    library.keep(&local(), vec![(file("/scan.pdf"), scanned)]).await.unwrap();
    let entry = library.file(&local(), "/scan.pdf").await.unwrap().unwrap();
    assert_eq!(entry.reason, "1 of 3 parts hold text");
    assert_eq!(entry.coverage, Some(Coverage { covered: 1, parts: 3 }));
}

#[tokio::test]
async fn nothing_of_one_tenant_is_anothers() {
    let (_dir, library) = open().await;
    let (ours, theirs) = (local(), for_test("other"));
    let kept = keep(&library, &ours, "/a.md", &["one"]).await;
    keep(&library, &theirs, "/b.md", &["two"]).await;
    let chunk = library.chunks_at(&ours, kept.document, 0..=0).await.unwrap().remove(0);

    assert_eq!(library.document(&theirs, kept.document).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(library.chunks(&theirs, &[chunk.id]).await.unwrap(), [None]);
    assert!(library.chunks_at(&theirs, kept.document, 0..=9).await.unwrap().is_empty());
    assert_eq!(library.chunks_before(&theirs, None, None, 9).await.unwrap().items.len(), 1);
    assert_eq!(library.documents(&theirs, None, 9).await.unwrap().items.len(), 1);
    assert!(library.file(&theirs, "/a.md").await.unwrap().is_none());
    assert!(library.files(&theirs, &["/a.md"]).await.unwrap().is_empty());
    assert!(library.list(&theirs, "/a", None, None, 9).await.unwrap().items.is_empty());
    assert!(library.rename(&theirs, &[("/a.md".into(), "/c.md".into())]).await.unwrap().is_empty());
    assert!(library.file(&theirs, "/c.md").await.unwrap().is_none());
    assert!(library.forget(&theirs, &["/a.md".into()]).await.unwrap().is_empty());
    assert!(found(&library, &theirs, "one").await.is_empty());
    assert_eq!(library.stats(&theirs).await.unwrap().documents, 1);
    // The same bytes are a document of each.
    let same = keep(&library, &theirs, "/a.md", &["one"]).await;
    assert_eq!(same.outcome, Outcome::Added);
    assert_ne!(same.document, kept.document);
    library.forget(&theirs, &["/a.md".into()]).await.unwrap();
    assert_eq!(found(&library, &ours, "one").await, ["one"]);
}

#[tokio::test]
async fn chunks_are_walked_from_the_newest_to_the_oldest() {
    let (_dir, library) = open().await;
    for n in 0..5 {
        keep(&library, &local(), &format!("/{n}.md"), &[&format!("chunk {n}")]).await;
    }
    let (mut texts, mut before) = (Vec::new(), None);
    loop {
        let page = library.chunks_before(&local(), before.as_ref(), None, 2).await.unwrap();
        texts.extend(page.items.into_iter().map(|chunk| chunk.text));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(texts, ["chunk 4", "chunk 3", "chunk 2", "chunk 1", "chunk 0"]);

    let mark = library.mark(&local()).await.unwrap().unwrap();
    assert_eq!(library.newer_than(&local(), &mark).await.unwrap(), Some(0));
    assert_eq!(library.newer_than(&for_test("other"), &mark).await.unwrap(), None);
    keep(&library, &for_test("other"), "/5.md", &["chunk 5"]).await;
    keep(&library, &local(), "/6.md", &["chunk 6"]).await;
    let newer = library.chunks_before(&local(), None, Some(&mark), 9).await.unwrap();
    assert_eq!(newer.items.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>(), ["chunk 6"]);
    assert_eq!(library.newer_than(&local(), &mark).await.unwrap(), Some(1));
    // The chunk of the mark goes, and with it what it tells.
    keep(&library, &local(), "/4.md", &["another chunk 4"]).await;
    assert_eq!(library.newer_than(&local(), &mark).await.unwrap(), None);
}

#[tokio::test]
async fn a_question_is_ordered_by_what_its_best_answers_speak_of() {
    let (_dir, library) = open().await;
    // The last two hold one and the same word of the question; one of them speaks of what the best answers speak of.
    let texts = [
        "a stale loaf never rises: yeast and gluten starve, crumb, crust, oven, proof",
        "the loaf is stale and never to rise: its proof, oven, crust and crumb, gluten and yeast",
        "a loaf at the shop",
        "a loaf takes flour and water and a little salt: oven, proof, crumb, crust, gluten and yeast",
    ];
    let others = (0..60).map(|n| (0..24).map(|word| format!("other{n}x{word} ")).collect::<String>());
    for (n, text) in texts.iter().map(|text| (*text).to_owned()).chain(others).enumerate() {
        let untitled = NewDocument { title: None, ..document(&[&text]) };
        library.keep(&local(), vec![(file(&format!("/{n}.md")), untitled)]).await.unwrap();
    }
    // Two words mean themselves: the shorter text comes first.
    let plain = found(&library, &local(), "loaf stale").await;
    assert_eq!(plain[2..], [texts[2], texts[3]]);
    let question = found(&library, &local(), "why does a stale loaf never rise").await;
    assert_eq!(question[2..], [texts[3], texts[2]]);
}

#[tokio::test]
async fn a_copy_is_put_back_and_what_is_no_copy_is_refused() {
    let (dir, library) = open().await;
    let scope = local();
    keep(&library, &scope, "/kept.md", &["in the copy"]).await;
    let copy = dir.path().join("copy.db");
    library.backup(&copy).await.unwrap();
    assert_eq!(library.backup(&copy).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    library.forget(&scope, &["/kept.md".into()]).await.unwrap();
    keep(&library, &scope, "/later.md", &["after the copy"]).await;
    assert!(library.check().await.unwrap().is_empty());
    library.close().await;

    let settings = Settings::default();
    athenaeum_archive::Archive::open(dir.path(), &settings).await.unwrap().close().await;
    let other = dir.path().join("archive.db");
    assert_eq!(Library::check_backup(&other).await.unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(Library::restore(dir.path(), &other).await.unwrap_err().kind(), ErrorKind::Damaged);
    Library::check_backup(&copy).await.unwrap();
    let aside = Library::restore(dir.path(), &copy).await.unwrap().unwrap();
    let library = Library::open(dir.path(), &settings).await.unwrap();
    assert_eq!(found(&library, &scope, "copy").await, ["in the copy"], "the index is of these rows");
    assert!(library.file(&scope, "/later.md").await.unwrap().is_none());
    assert_eq!(library.file(&scope, "/kept.md").await.unwrap().unwrap().state, FileState::Kept);
    library.close().await;

    // What was there can be had back in the same way.
    Library::restore(dir.path(), &aside).await.unwrap();
    let library = Library::open(dir.path(), &settings).await.unwrap();
    assert_eq!(found(&library, &scope, "copy").await, ["after the copy"]);
}
