//! What a server's librarian does in the background.

use std::{fs, path::Path, sync::Arc, time::Duration};

use athenaeum_archive::{
    Archive, Settings,
    library::{FileState, Library},
};
use athenaeum_core::{Block, Conversation, Message, Provider, Role};
use athenaeum_retrieval::{
    ask::{Budget, Kind, Verdict},
    documents::Options,
    librarian::{Activity, Librarian, Open, Opening, Pace},
    meaning::Meaning,
    search::{Coverage, Found, Mode, Request, Results},
    testing::FourMeanings,
};
use athenaeum_tenancy::{Scope, for_test, local};
use athenaeum_vector::Vectors;
use tempfile::TempDir;

/// Opens what lies in a folder.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Open for Folder {
    fn library(&self) -> Opening<Library, athenaeum_archive::Error> {
        let folder = self.0.clone();
        Box::pin(async move { Library::open(&folder, &Settings::default()).await })
    }

    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn std::error::Error + Send + Sync>> {
        let folder = self.0.join("vectors");
        Box::pin(async move {
            let vectors = Vectors::open(&folder, athenaeum_vector::Settings::default()).await?;
            Ok(Some(Meaning::new(vectors, Arc::new(FourMeanings::new()))))
        })
    }
}

fn librarian(data: &Path) -> Librarian {
    Librarian::new(Folder(data.to_owned()), &data.join("drop"), Options::default())
}

async fn take_in(librarian: &Librarian, scope: &Scope, name: &str, text: &str) -> String {
    let sent = tempfile::tempdir().unwrap();
    let file = sent.path().join("sent");
    fs::write(&file, text).unwrap();
    let places = librarian.take_in(scope, vec![(name.to_owned(), file)]).await.unwrap();
    places[0].to_str().unwrap().to_owned()
}

/// Waits until nothing is under way and `done` holds.
async fn until(librarian: &Librarian, scope: &Scope, done: impl Fn(&Activity) -> bool) -> Activity {
    let mut watch = librarian.watch(scope);
    let quiet = watch.wait_for(|now| now.adding.is_none() && now.waiting == 0 && done(now));
    let quiet = tokio::time::timeout(Duration::from_secs(30), quiet).await;
    quiet.expect("it takes too long").unwrap().clone()
}

fn all_embedded(now: &Activity) -> bool {
    let whole = now.embedding.coverage.is_some_and(|coverage| coverage.embedded == coverage.total);
    now.last.is_some() && now.embedding.pace == Pace::Idle && whole
}

async fn search(librarian: &Librarian, archive: &Archive, scope: &Scope, query: &str, mode: Mode) -> Results {
    let request = Request { query: query.to_owned(), mode, ..Request::default() };
    librarian.search(archive, scope, &request).await.unwrap()
}

async fn opened(data: &TempDir) -> (Librarian, Archive) {
    let archive = Archive::open(data.path(), &Settings::default()).await.unwrap();
    (librarian(data.path()), archive)
}

#[tokio::test]
async fn what_is_handed_in_is_found_by_word_and_meaning_and_by_nobody_else() {
    let data = tempfile::tempdir().unwrap();
    let (librarian, archive) = opened(&data).await;
    let (me, other) = (local(), for_test("stranger"));
    let place = take_in(&librarian, &me, "../pets.md", "# Pets\n\nThe puppy sleeps at noon.\n").await;
    assert_eq!(Path::new(&place), data.path().join("drop/local/pets.md"));
    take_in(&librarian, &other, "tea.md", "An infusion of leaves.\n").await;
    let now = until(&librarian, &me, all_embedded).await;
    assert_eq!((now.last.unwrap().added, now.embedding.coverage.unwrap().total), (1, 1));
    until(&librarian, &other, all_embedded).await;

    let found = search(&librarian, &archive, &me, "hound", Mode::Semantic).await;
    let Found::Chunk(hit) = &found.hits[0].found else { panic!("a document is found") };
    assert!(hit.chunk.text.contains("puppy"));
    assert_eq!(found.coverage.unwrap().total, 1);
    assert!(search(&librarian, &archive, &me, "infusion", Mode::Text).await.hits.is_empty());
    assert!(search(&librarian, &archive, &other, "puppy", Mode::Text).await.hits.is_empty());
    assert!(librarian.forget(&other, &place).await.unwrap().is_none());
    assert!(Path::new(&place).exists());

    let request = Request { query: "When does the puppy sleep?".into(), ..Request::default() };
    let answer = librarian.answer(&archive, &me, &request, Budget::default()).await.unwrap();
    assert_eq!(answer.kind, Kind::Extractive);
    assert!(librarian.verify(&me, answer.clone()).await.unwrap().holds);
    let by_other = librarian.verify(&other, answer).await.unwrap();
    assert_eq!(by_other.citations[0].verdict, Verdict::Unseen);
    assert_eq!(by_other.citations[0].said, "the library does not know this file");

    assert!(librarian.forget(&me, &place).await.unwrap().is_some());
    assert!(!Path::new(&place).exists());
    assert!(search(&librarian, &archive, &me, "puppy", Mode::Hybrid).await.hits.is_empty());
    librarian.shut_down().await;
}

#[tokio::test]
async fn what_lies_there_at_the_start_is_caught_up_with() {
    let data = tempfile::tempdir().unwrap();
    let (me, library_file) = (local(), data.path().join("library.db"));
    let first = librarian(data.path());
    first.catch_up(&me, &library_file, Vec::new()).await;
    assert!(!library_file.exists(), "nothing is opened where nothing is");
    first.shut_down().await;

    fs::create_dir_all(data.path().join("drop/local")).unwrap();
    fs::write(data.path().join("drop/local/a.md"), "Dough rests.\n").unwrap();
    let (second, archive) = opened(&data).await;
    second.catch_up(&me, &library_file, Vec::new()).await;
    until(&second, &me, all_embedded).await;
    assert_eq!(search(&second, &archive, &me, "dough", Mode::Hybrid).await.hits.len(), 1);
    second.shut_down().await;
    assert!(second.take_in(&me, Vec::new()).await.is_err());
}

#[tokio::test]
async fn embedding_is_paused_and_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let (librarian, _archive) = opened(&data).await;
    let me = local();
    librarian.pause(&me, true);
    take_in(&librarian, &me, "a.md", "Dough rests.\n").await;
    let now = until(&librarian, &me, |now| now.last.is_some()).await;
    assert_eq!(now.embedding.pace, Pace::Paused);
    assert_eq!(librarian.coverage(&me).await.unwrap().unwrap().embedded, 0);
    librarian.pause(&me, false);
    until(&librarian, &me, all_embedded).await;
    assert_eq!(librarian.coverage(&me).await.unwrap().unwrap().embedded, 1);
    librarian.shut_down().await;
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let data = tempfile::tempdir().unwrap();
    let (librarian, _archive) = opened(&data).await;
    let me = local();
    let place = take_in(&librarian, &me, "broken.docx", "PK\u{3}\u{4} and then nothing of the kind").await;
    let now = until(&librarian, &me, |now| now.last.is_some()).await;
    let file = librarian.library().await.unwrap().file(&me, &place).await.unwrap().unwrap();
    assert_ne!(file.state, FileState::Kept, "{now:?}");
    assert!(!file.reason.is_empty());
    fs::write(&place, "It is whole now.\n").unwrap();
    assert_eq!(librarian.retry(&me, Some(&place)).await.unwrap(), 1);
    until(&librarian, &me, |now| now.last.as_ref().is_some_and(|last| last.added == 1)).await;
    assert_eq!(librarian.retry(&me, Some("/etc/passwd")).await.unwrap(), 0);
    librarian.shut_down().await;
}

#[tokio::test]
async fn conversations_are_embedded_in_the_background_after_documents() {
    let data = tempfile::tempdir().unwrap();
    let archive = Archive::open(data.path(), &Settings::default()).await.unwrap();
    let librarian = librarian(data.path()).with_conversations(archive.clone());
    let (me, library_file) = (local(), data.path().join("library.db"));
    librarian.catch_up(&me, &library_file, Vec::new()).await;
    assert!(!library_file.exists() && !data.path().join("vectors").exists());

    let talk = |name: &str, text: &str| {
        let mut conversation = Conversation::new(Provider::CLAUDE, name);
        conversation.messages.push(Message::new(Role::User, vec![Block::text(text)]));
        conversation
    };
    archive.keep(&me, talk("a", "My hound sleeps.")).await.unwrap();
    librarian.catch_up(&me, &library_file, Vec::new()).await;
    let covers = |messages: u64| {
        move |now: &Activity| {
            let whole = Some(Coverage { embedded: messages, total: messages });
            now.embedding.messages == whole && now.embedding.pace == Pace::Idle
        }
    };
    until(&librarian, &me, covers(1)).await;
    let found = search(&librarian, &archive, &me, "puppy", Mode::Semantic).await;
    let Found::Message(hit) = &found.hits[0].found else { panic!("a message is found") };
    assert_eq!(hit.conversation.external_id, "a");

    // Nobody tells it what others write; it looks.
    archive.keep(&me, talk("b", "The kitten purrs.")).await.unwrap();
    take_in(&librarian, &me, "tea.md", "An infusion of leaves.\n").await;
    let now = until(&librarian, &me, covers(2)).await;
    assert_eq!(now.embedding.model.as_deref(), Some("four-meanings"));
    until(&librarian, &me, |now| all_embedded(now) && covers(2)(now)).await;
    librarian.pause(&me, true);
    let (id, _) = archive.keep(&me, talk("c", "Bread and dough.")).await.unwrap();
    librarian.opened(&me, id);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(librarian.watch(&me).borrow().embedding.pace, Pace::Paused);
    librarian.pause(&me, false);
    until(&librarian, &me, covers(3)).await;
    archive.delete(&me, id).await.unwrap();
    until(&librarian, &me, covers(2)).await;
    assert!(librarian.watch(&for_test("stranger")).borrow().embedding.messages.is_none());
    librarian.shut_down().await;
}
