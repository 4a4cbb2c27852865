//! Rooms: texts of programs, kept apart, found by meaning, gone when their time is over.

use std::{sync::Arc, time::Duration};

use athenaeum_archive::{
    Archive, ErrorKind, Settings,
    library::{Having, Library},
};
use athenaeum_core::Timestamp;
use athenaeum_retrieval::{
    CancellationToken,
    ask::{self, Answer, Budget, Verdict},
    librarian::Librarian,
    meaning::{Meaning, follow_restored},
    rooms::{
        ArtifactKind, Asked, By, Cutting, InvalidText, KeptTexts, NewArtifact, RoomHit, Rooms, RoomsError,
        Text,
    },
    search::{Mode, Request, Searcher},
    testing::FourMeanings,
};
use athenaeum_tenancy::{Room, Scope, for_test, local};
use athenaeum_vector::Vectors;
use serde_json::json;
use tempfile::TempDir;

use crate::librarian::Folder;

struct Place {
    data: TempDir,
    library: Library,
    vectors: Vectors,
    rooms: Rooms,
}

impl Place {
    async fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap()).await
    }

    async fn in_folder(data: TempDir) -> Self {
        let library = Library::open(data.path(), &Settings::default()).await.unwrap();
        let settings = athenaeum_vector::Settings::default();
        let vectors = Vectors::open(&data.path().join("vectors"), settings).await.unwrap();
        let meaning = Meaning::new(vectors.clone(), Arc::new(FourMeanings::new()));
        let searcher = Searcher::new(None, Some(library.clone()), Some(meaning.clone()));
        Self { data, rooms: Rooms::new(library.clone(), Some(meaning), searcher), library, vectors }
    }

    async fn keep(&self, scope: &Scope, room: Option<&Room>, texts: &[(&str, &str)]) -> KeptTexts {
        let text = |(id, text): &(&str, &str)| Text {
            id: Some((*id).into()),
            text: (*text).into(),
            ..Text::default()
        };
        let texts = texts.iter().map(text).collect();
        self.rooms.keep(scope, room, texts, Cutting::default(), &CancellationToken::new()).await.unwrap()
    }

    async fn hits(&self, scope: &Scope, room: Option<&Room>, asked: &Asked) -> Vec<RoomHit> {
        self.rooms.search(scope, room, asked).await.unwrap().hits
    }

    async fn found(&self, scope: &Scope, room: Option<&Room>, query: &str) -> Vec<String> {
        self.hits(scope, room, &asked(query)).await.into_iter().map(|hit| hit.id).collect()
    }
}

fn asked(query: &str) -> Asked {
    Asked { query: query.into(), limit: 9, mode: Mode::Hybrid, ..Asked::default() }
}

fn session(id: &str) -> Room {
    Room::new("session", id).unwrap()
}

#[tokio::test]
async fn a_paraphrase_is_found_in_its_room_alone() {
    let place = Place::new().await;
    let (one, other) = (session("one"), session("ONE"));
    let kept =
        place.keep(&local(), Some(&one), &[("dog", "A hound barks."), ("cat", "A kitten purrs.")]).await;
    assert_eq!((kept.chunks, kept.vectors, kept.ids), (2, 2, vec!["dog".to_owned(), "cat".to_owned()]));
    place.keep(&local(), Some(&other), &[("loaf", "A loaf is baked.")]).await;
    place.keep(&local(), None, &[("own", "A puppy of the house.")]).await;
    assert_eq!(place.found(&local(), Some(&one), "puppy").await[0], "dog");
    assert_eq!(
        place.found(&local(), Some(&other), "puppy").await,
        ["loaf"],
        "what is nearest there, and no other's"
    );
    assert_eq!(place.found(&local(), None, "puppy").await, ["own"]);
    assert!(place.found(&for_test("other"), Some(&one), "puppy").await.is_empty());
    assert!(place.found(&local(), Some(&session("none")), "puppy").await.is_empty());
    assert_eq!(place.rooms.list(&local()).await.unwrap().len(), 2, "to look for a room makes none");
    let hit = place.hits(&local(), Some(&one), &asked("puppy")).await.remove(0);
    assert!(hit.similarity.unwrap() > 0.9, "{hit:?}");
}

#[tokio::test]
async fn what_is_too_far_or_has_other_metadata_is_left_out() {
    let place = Place::new().await;
    let room = session("s");
    let text = |id: &str, said: &str, year: i64| Text {
        id: Some(id.into()),
        text: said.into(),
        metadata: serde_json::from_value(json!({ "year": year, "by": { "name": "K" } })).unwrap(),
        ..Text::default()
    };
    let texts =
        vec![text("a", "hound", 1991), text("b", "a puppy and a kitten", 1995), text("c", "tea", 1995)];
    place
        .rooms
        .keep(&local(), Some(&room), texts, Cutting::default(), &CancellationToken::new())
        .await
        .unwrap();
    let ids = async |asked: Asked| -> Vec<String> {
        place.hits(&local(), Some(&room), &asked).await.into_iter().map(|hit| hit.id).collect()
    };
    assert_eq!(ids(Asked { threshold: Some(0.9), ..asked("dog") }).await, ["a"]);
    let mut near = ids(Asked { threshold: Some(0.5), ..asked("dog") }).await;
    near.sort_unstable();
    assert_eq!(near, ["a", "b"]);
    let year = |year: i64| vec![Having { key: "year".into(), values: vec![json!(year)] }];
    let mut of_1995 = ids(Asked { having: year(1995), ..asked("dog") }).await;
    of_1995.sort_unstable();
    assert_eq!(of_1995, ["b", "c"]);
    assert!(ids(Asked { having: year(2000), ..asked("dog") }).await.is_empty());
    let hit = place.hits(&local(), Some(&room), &asked("hound")).await.remove(0);
    assert_eq!(serde_json::to_value(&hit.metadata).unwrap(), json!({ "year": 1991, "by": { "name": "K" } }));
    // By word alone a hit is measured, too.
    let by_word = Asked { mode: Mode::Text, ..asked("hound") };
    assert!(place.hits(&local(), Some(&room), &by_word).await[0].similarity.unwrap() > 0.9);
}

#[tokio::test]
async fn a_text_takes_the_place_of_the_one_with_its_id() {
    let place = Place::new().await;
    let room = session("s");
    place.keep(&local(), Some(&room), &[("a", "A hound barks."), ("b", "A hound barks.")]).await;
    assert_eq!(
        place.found(&local(), Some(&room), "hound").await.len(),
        2,
        "the same words under two ids are two texts"
    );
    place.keep(&local(), Some(&room), &[("a", "Tea is brewed.")]).await;
    assert_eq!(place.found(&local(), Some(&room), "tea").await[0], "a");
    let stats = place.rooms.stats(&local(), Some(&room)).await.unwrap().unwrap();
    assert_eq!((stats.library.documents, stats.vectors), (2, 2));
    // Without an id a text is known by what it says.
    for _ in 0..2 {
        let said = vec![Text { text: "Bread.".into(), ..Text::default() }];
        place
            .rooms
            .keep(&local(), Some(&room), said, Cutting::default(), &CancellationToken::new())
            .await
            .unwrap();
    }
    assert_eq!(place.rooms.stats(&local(), Some(&room)).await.unwrap().unwrap().library.documents, 3);
    assert_eq!(place.rooms.stats(&local(), Some(&session("t"))).await.unwrap(), None);
}

#[tokio::test]
async fn texts_are_cut_as_it_is_asked() {
    let place = Place::new().await;
    let sentences = "The hound barks at the moon tonight. ".repeat(40);
    let cut = async |id: &str, text: &str, cutting: Cutting| {
        let text = Text { id: Some(id.into()), text: text.into(), ..Text::default() };
        place.rooms.keep(&local(), Some(&session("s")), vec![text], cutting, &CancellationToken::new()).await
    };
    let cutting = |tokens_max, overlap| Cutting { tokens_max, overlap, by: By::Sentences };
    let large = cut("a", &sentences, cutting(100, 0)).await.unwrap().chunks;
    let small = cut("b", &sentences, cutting(20, 0)).await.unwrap().chunks;
    let overlapping = cut("c", &sentences, cutting(20, 9)).await.unwrap().chunks;
    assert!(large < small && small < overlapping, "{large} {small} {overlapping}");
    let headed = "# Dogs\n\nThe hound barks at the moon, all night, and nobody knows why it does that so often, nor whom it means by it, nor when it sleeps.\n\n\
                  # Cats\n\nThe kitten purrs in the sun, all day, and everybody knows why it does that so often, and whom it means by it, and when it sleeps.";
    let by = |by| Cutting { tokens_max: 200, overlap: 0, by };
    assert_eq!(cut("d", headed, by(By::Sentences)).await.unwrap().chunks, 1);
    assert_eq!(cut("e", headed, by(By::Structure)).await.unwrap().chunks, 2);
    for cutting in [cutting(0, 0), cutting(8_193, 0), cutting(20, 11)] {
        let refused = cut("f", "text", cutting).await.unwrap_err();
        assert!(matches!(refused, RoomsError::Text(InvalidText::Cutting)), "{refused}");
    }
    for (text, kind) in [(" \n", InvalidText::Empty), ("a\0b", InvalidText::Nul)] {
        let refused = cut("f", text, Cutting::default()).await.unwrap_err();
        assert!(matches!(&refused, RoomsError::Text(why) if *why == kind), "{refused}");
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    }
}

#[tokio::test]
async fn what_has_expired_is_not_found_and_is_swept_with_its_vectors() {
    let place = Place::new().await;
    let (short, long) = (session("short"), session("long"));
    place.rooms.open(&local(), &short, Some(Duration::from_secs(60))).await.unwrap();
    place.keep(&local(), Some(&short), &[("a", "A hound barks.")]).await;
    place.keep(&local(), Some(&long), &[("b", "A hound barks.")]).await;
    assert_eq!(place.found(&local(), Some(&short), "dog").await, ["a"]);
    let later = Timestamp::from_micros(Timestamp::now().as_micros() + 61_000_000);
    assert_eq!(place.rooms.sweep(&local(), later).await.unwrap().documents, 1);
    assert!(place.found(&local(), Some(&short), "dog").await.is_empty());
    assert_eq!(place.found(&local(), Some(&long), "dog").await, ["b"]);
    assert_eq!(place.vectors.tenants().await.unwrap(), ["local@session.long"]);
    // Whoever asks takes out what has expired, swept or not; the time is the room's also for what comes later.
    place.rooms.open(&local(), &short, Some(Duration::from_micros(1))).await.unwrap();
    place.keep(&local(), Some(&short), &[("c", "A puppy.")]).await;
    assert!(place.found(&local(), Some(&short), "dog").await.is_empty());
}

#[tokio::test]
async fn a_room_that_is_removed_takes_its_vectors_along() {
    let place = Place::new().await;
    let (gone, stays) = (session("gone"), session("stays"));
    place.keep(&local(), Some(&gone), &[("a", "A hound."), ("b", "A cat.")]).await;
    place.keep(&local(), Some(&stays), &[("a", "A hound.")]).await;
    place.rooms.gather(&local(), Some(&gone)).await.unwrap();
    let folder = place.data.path().join("vectors/local@session.gone");
    assert!(folder.is_dir());
    assert_eq!(place.rooms.remove(&local(), &gone).await.unwrap(), Some(2));
    assert_eq!(place.rooms.remove(&local(), &gone).await.unwrap(), None);
    assert!(!folder.exists());
    assert_eq!(place.vectors.tenants().await.unwrap(), ["local@session.stays"]);
    assert_eq!(place.found(&local(), Some(&stays), "dog").await, ["a"]);
    place.keep(&local(), Some(&gone), &[("c", "A puppy.")]).await;
    assert_eq!(place.found(&local(), Some(&gone), "dog").await, ["c"]);
    // A program that ended between the two leaves vectors, which are swept.
    place.library.remove_room(&local(), &gone).await.unwrap();
    assert_eq!(place.rooms.sweep(&local(), Timestamp::now()).await.unwrap().rooms, 1);
    assert_eq!(place.vectors.tenants().await.unwrap(), ["local@session.stays"]);
}

#[tokio::test]
async fn a_server_sweeps_the_rooms_of_its_library() {
    let place = Place::new().await;
    let room = session("s");
    let librarian = |data: &std::path::Path| {
        Librarian::new(
            Folder(data.to_owned()),
            &data.join("drop"),
            athenaeum_retrieval::documents::Options::default(),
        )
    };
    let sweep = async |data: &std::path::Path, seconds: i64| {
        let now = Timestamp::from_micros(Timestamp::now().as_micros() + seconds * 1_000_000);
        librarian(data).sweep_rooms(&local(), &data.join("library.db"), now).await.unwrap().documents
    };
    place.rooms.open(&local(), &room, Some(Duration::from_secs(60))).await.unwrap();
    place.keep(&local(), Some(&room), &[("a", "A hound barks.")]).await;
    let other = Room::new("user", "u").unwrap();
    place.rooms.open(&local(), &other, Some(Duration::from_secs(3600))).await.unwrap();
    place.keep(&local(), Some(&other), &[("b", "A kitten plays.")]).await;
    assert_eq!(sweep(place.data.path(), 50).await, 0);
    let far = Timestamp::from_micros(Timestamp::now().as_micros() + 61_000_000);
    let expiring = place.library.expiring(&local(), far).await.unwrap();
    assert_eq!(expiring, [local().room(&room).unwrap()]);
    assert!(place.library.expiring(&for_test("other"), far).await.unwrap().is_empty());
    assert_eq!(sweep(place.data.path(), 61).await, 1);
    assert_eq!(place.vectors.tenants().await.unwrap(), ["local@user.u"]);
    assert_eq!(sweep(place.data.path(), 3601).await, 1);
    assert!(place.vectors.tenants().await.unwrap().is_empty());
    let nowhere = tempfile::tempdir().unwrap();
    assert_eq!(sweep(nowhere.path(), 61).await, 0);
    assert!(!nowhere.path().join("library.db").exists(), "nothing is opened where there is nothing");
}

/// Without this, the marks of a room would say that all of its chunks have vectors, after a backup brought some back that had been
/// removed: these would never be found by meaning again.
#[tokio::test]
async fn rooms_that_come_back_from_a_backup_get_their_vectors_again() {
    let place = Place::new().await;
    let room = session("s");
    place.keep(&local(), Some(&room), &[("a", "A hound barks.")]).await;
    let backup = place.data.path().join("backup.db");
    place.library.backup(&backup).await.unwrap();
    place.keep(&local(), Some(&room), &[("a", "Tea is brewed.")]).await;
    let Place { data, library, vectors, rooms } = place;
    library.close().await;
    drop((rooms, vectors));
    Library::restore(data.path(), &backup).await.unwrap();
    let place = Place::in_folder(data).await;
    let archive = Archive::open(place.data.path(), &Settings::default()).await.unwrap();
    follow_restored(&place.vectors, &local(), Some(&place.library), &archive).await.unwrap();
    place.keep(&local(), Some(&room), &[("b", "A kitten.")]).await;
    assert_eq!(place.rooms.stats(&local(), Some(&room)).await.unwrap().unwrap().vectors, 2);
    assert_eq!(place.found(&local(), Some(&room), "puppy").await[0], "a");
}

#[tokio::test]
async fn the_text_of_an_artifact_is_found_in_its_session() {
    let place = Place::new().await;
    let (ours, theirs) = (session("ours"), session("theirs"));
    let new = |name: &str, content: &str| NewArtifact {
        kind: ArtifactKind::ToolResult,
        name: name.into(),
        content: content.into(),
        tags: vec!["pets".into()],
        metadata: serde_json::from_value(json!({ "by": "K" })).unwrap(),
    };
    let keep = async |session: &Room, new: NewArtifact| {
        place.rooms.keep_artifact(&local(), session, new, &CancellationToken::new()).await
    };
    let dog = keep(&ours, new("report.txt", "A hound barks.")).await.unwrap();
    keep(&ours, new("other.txt", "Tea is brewed.")).await.unwrap();
    assert_eq!((dog.sequence, dog.bytes, dog.name.as_str()), (1, 14, "report.txt"));
    assert_eq!(dog.content_hash, blake3::hash(b"A hound barks.").to_hex().to_string());
    assert_eq!(place.found(&local(), Some(&ours), "puppy").await[0], "artifact:1");
    assert!(place.found(&local(), Some(&theirs), "puppy").await.is_empty());
    assert!(place.found(&local(), None, "puppy").await.is_empty());

    let (read, text) = place.rooms.artifact(&local(), &ours, 1).await.unwrap().unwrap();
    assert_eq!((read, text.as_str()), (dog, "A hound barks."));
    assert_eq!(place.rooms.artifact(&local(), &theirs, 1).await.unwrap(), None);
    let names: Vec<String> = place
        .rooms
        .artifacts(&local(), &ours)
        .await
        .unwrap()
        .into_iter()
        .map(|artifact| artifact.name)
        .collect();
    assert_eq!(names, ["report.txt", "other.txt"]);
    assert!(place.rooms.remove_artifact(&local(), &ours, 2).await.unwrap());
    assert!(!place.rooms.remove_artifact(&local(), &ours, 2).await.unwrap());
    assert_eq!(keep(&ours, new("third.txt", "Bread.")).await.unwrap().sequence, 3, "a number is given once");
    // A text cannot be handed in that is taken for an artifact.
    place.keep(&local(), Some(&ours), &[("artifact:9", "A hound.")]).await;
    assert_eq!(place.rooms.artifacts(&local(), &ours).await.unwrap().len(), 2);
    for bad in [
        new("", "x"),
        new(&"n".repeat(256), "x"),
        NewArtifact { tags: vec!["t".repeat(65)], ..new("n", "x") },
    ] {
        assert_eq!(keep(&ours, bad).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}

/// A citation of a text that a program handed in names no file; its name was read as a path relative to wherever the program ran.
#[tokio::test(flavor = "multi_thread")]
async fn citations_of_handed_in_texts_are_held_against_the_library() {
    let place = Place::new().await;
    place
        .keep(&local(), None, &[("../x", "A loaf wants a hot oven of 250 degrees. It is baked for an hour.")])
        .await;
    let data = place.data.path();
    let archive = Archive::open(data, &Settings::default()).await.unwrap();
    let options = athenaeum_retrieval::documents::Options::default();
    let librarian = Librarian::new(Folder(data.to_owned()), &data.join("drop"), options);
    let question = Request { query: "How hot must the oven be for a loaf?".into(), ..Request::default() };
    let answer = librarian.answer(&archive, &local(), &question, Budget::default()).await.unwrap();
    assert_eq!(answer.citations.len(), 1, "{answer:?}");
    let offline = ask::verify(&answer, &athenaeum_ingest::document::Options::default());
    assert_eq!(offline.citations[0].verdict, Verdict::Unseen);
    assert_eq!(offline.citations[0].said, "a program handed it in, so there is no file to look at");
    let verified = async |answer: &Answer| {
        let verification = librarian.verify(&local(), answer.clone()).await.unwrap();
        (verification.holds, verification.citations[0].verdict)
    };
    assert_eq!(verified(&answer).await, (true, Verdict::Holds));
    let mut forged = answer.clone();
    forged.citations[0].text.push('!');
    assert_eq!(verified(&forged).await, (false, Verdict::Forged));
    let by_other = librarian.verify(&for_test("other"), answer.clone()).await.unwrap();
    assert_eq!((by_other.holds, by_other.citations[0].verdict), (false, Verdict::Unseen));
    place
        .keep(&local(), None, &[("../x", "A loaf wants a cold oven of 50 degrees. It is dried for a day.")])
        .await;
    assert_eq!(verified(&answer).await, (false, Verdict::Missing));
    librarian.shut_down().await;
}
