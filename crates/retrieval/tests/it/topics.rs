//! Topics of conversations and documents, with a model of a few words.

use std::{fs, path::Path, sync::Arc};

use athenaeum_archive::{Archive, Settings, library::Library};
use athenaeum_core::{Block, Conversation, Message, Provider, Role};
use athenaeum_retrieval::{
    CancellationToken,
    documents::{self, Options},
    meaning::Meaning,
    search::{Coverage, Within},
    testing::FourMeanings,
    topics::{Origin, Request, Topic, Topics, topics},
};
use athenaeum_tenancy::{Scope, for_test, local};
use athenaeum_vector::Vectors;
use tempfile::TempDir;

struct Place {
    data: TempDir,
    archive: Archive,
    library: Library,
    meaning: Meaning,
}

impl Place {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let library = Library::open(data.path(), &Settings::default()).await.unwrap();
        let archive = Archive::open(data.path(), &Settings::default()).await.unwrap();
        let vectors =
            Vectors::open(&data.path().join("vectors"), athenaeum_vector::Settings::default()).await.unwrap();
        let meaning = Meaning::new(vectors, Arc::new(FourMeanings::new()));
        Self { data, archive, library, meaning }
    }

    async fn talk(&self, scope: &Scope, name: &str, texts: &[&str]) {
        let mut conversation = Conversation::new(Provider::CHATGPT, name);
        conversation.title = Some(name.to_owned());
        for (turn, text) in texts.iter().enumerate() {
            let role = if turn % 2 == 0 { Role::User } else { Role::Assistant };
            conversation.messages.push(Message::new(role, vec![Block::text(*text)]));
        }
        self.archive.keep(scope, conversation).await.unwrap();
    }

    async fn add(&self, scope: &Scope, name: &str, text: &str) {
        let folder = self.data.path().join("files").join(scope.tenant().as_str());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
        self.take(scope, &folder).await;
    }

    async fn take(&self, scope: &Scope, folder: &Path) {
        let (paths, cancel) = ([folder.to_owned()], CancellationToken::new());
        documents::add(&self.library, scope, &paths, &Options::default(), |_| {}, cancel).await.unwrap();
    }

    async fn fill(&self, scope: &Scope) {
        let cancel = CancellationToken::new();
        self.meaning.fill(scope, &self.library, |_| {}, &cancel).await.unwrap();
        self.meaning.fill_conversations(scope, &self.archive, &[], |_| {}, &cancel).await.unwrap();
    }

    async fn topics(&self, scope: &Scope, within: Within, count: usize) -> Topics {
        let request = Request { within, count: Some(count) };
        let sources = (Some(&self.archive), Some(&self.library));
        topics(sources, Some(&self.meaning), scope, &request).await.unwrap()
    }

    /// Fills it with what is said of dogs in conversations, of cats in documents, and of bread in both.
    async fn furnish(&self, scope: &Scope) {
        self.talk(
            scope,
            "Loose leash walking",
            &["My puppy pulls at the leash.", "A hound learns a loose leash in weeks.", "The dog barks."],
        )
        .await;
        self.talk(
            scope,
            "A hound's leash",
            &["Which leash suits a hound?", "A long leash suits a young dog."],
        )
        .await;
        self.talk(
            scope,
            "Rye",
            &["Rye flour makes the dough sticky.", "Then wet the hands: dough of rye flour is."],
        )
        .await;
        self.add(scope, "naps.md", "The kitten naps in the sun. A cat naps all day.").await;
        self.add(scope, "litter.md", "A cat wants a clean litter box. A kitten naps beside it.").await;
        self.add(scope, "loaf.md", "A loaf of rye flour wants a hot oven.").await;
        self.fill(scope).await;
    }
}

fn called<'t>(topics: &'t Topics, word: &str) -> &'t Topic {
    let labels: Vec<&String> = topics.topics.iter().map(|topic| &topic.label).collect();
    let found = topics.topics.iter().find(|topic| topic.label.contains(word));
    found.unwrap_or_else(|| panic!("{word}: {labels:?}"))
}

fn counts(topic: &Topic) -> [u64; 3] {
    [topic.passages, topic.documents, topic.conversations]
}

#[tokio::test]
async fn conversations_and_documents_come_together_under_their_words() {
    let place = Place::new().await;
    place.furnish(&local()).await;
    let found = place.topics(&local(), Within::All, 3).await;
    assert_eq!((found.topics.len(), found.passages), (3, 10));
    assert_eq!(found.coverage, Some(Coverage { embedded: 10, total: 10 }));
    assert!(found.notices.is_empty(), "{:?}", found.notices);

    let dogs = called(&found, "leash");
    assert_eq!(counts(dogs), [5, 0, 2]);
    assert_eq!(counts(called(&found, "rye flour")), [3, 1, 1]);
    let cats = called(&found, "naps");
    assert_eq!(counts(cats), [2, 2, 0]);
    // The greatest first, and examples of several conversations, the nearest first.
    assert_eq!(found.topics[0], *dogs);
    assert_eq!(dogs.examples.len(), 3);
    let titles: std::collections::BTreeSet<String> = dogs.examples.iter().map(title).collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(dogs.examples.is_sorted_by(|a, b| a.score >= b.score));
    assert!(cats.examples.iter().all(|example| example.text.contains("naps")));

    let chats = place.topics(&local(), Within::Chats, 2).await;
    assert_eq!((chats.passages, counts(called(&chats, "leash"))), (7, [5, 0, 2]));
    assert_eq!(counts(called(&chats, "rye flour")), [2, 0, 1]);
    let library = place.topics(&local(), Within::Library, 2).await;
    assert_eq!((library.passages, counts(called(&library, "naps"))), (3, [2, 2, 0]));
}

fn title(example: &athenaeum_retrieval::topics::Example) -> String {
    match &example.origin {
        Origin::Message { conversation, .. } => conversation.title.clone().unwrap(),
        Origin::Document { document, .. } => document.path.clone().unwrap(),
    }
}

#[tokio::test]
async fn another_tenants_topics_count_nothing_of_mine() {
    let place = Place::new().await;
    let [mine, other] = [local(), for_test("other")];
    place.furnish(&mine).await;
    assert_eq!(place.topics(&other, Within::All, 3).await.passages, 0);
    place.talk(&other, "Afternoon", &["Which tea is an evening infusion?", "Brew the tea of herbs."]).await;
    place.fill(&other).await;
    let before = place.topics(&mine, Within::All, 3).await;
    let theirs = place.topics(&other, Within::All, 3).await;
    assert_eq!(theirs.passages, 2);
    assert_eq!(theirs.coverage, Some(Coverage { embedded: 2, total: 2 }));
    let of_dogs = |topics: &Topics| format!("{topics:?}").contains("leash");
    assert!(of_dogs(&before) && !of_dogs(&theirs), "{theirs:?}");
    assert!(!format!("{before:?}").contains("infusion"));
}

#[tokio::test]
async fn nothing_little_and_what_went_are_answered_honestly() {
    let place = Place::new().await;
    let told = |topics: &Topics| topics.notices.iter().map(|notice| notice.0.clone()).collect::<String>();
    let empty = place.topics(&local(), Within::All, 5).await;
    assert!(empty.topics.is_empty() && told(&empty).contains("nothing to find topics in"), "{empty:?}");
    place.talk(&local(), "Tea", &["Brew the tea."]).await;
    let without = place.topics(&local(), Within::All, 5).await;
    assert!(without.topics.is_empty() && told(&without).contains("has a vector yet"), "{without:?}");
    let none = topics((Some(&place.archive), None), None, &local(), &Request::default()).await.unwrap();
    assert!(told(&none).contains("no model"), "{none:?}");

    place.fill(&local()).await;
    let one = place.topics(&local(), Within::All, 5).await;
    assert_eq!((one.topics.len(), counts(&one.topics[0])), (1, [1, 0, 1]));

    // A document that left the library, and whose vectors are still there, is in no topic.
    place.add(&local(), "cat.md", "A kitten purrs.").await;
    place.fill(&local()).await;
    assert_eq!(place.topics(&local(), Within::All, 5).await.passages, 2);
    let path = place.data.path().join("files/local/cat.md").to_str().unwrap().to_owned();
    place.library.forget(&local(), &[path]).await.unwrap();
    let left = place.topics(&local(), Within::All, 5).await;
    assert_eq!((left.passages, left.topics.len()), (1, 1));
}
