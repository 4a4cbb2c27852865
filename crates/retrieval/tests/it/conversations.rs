//! Conversations by meaning: every message has a vector, under every filter, in every state of the archive.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use athenaeum_archive::{Archive, Filters, Settings, library::Library};
use athenaeum_core::{
    Block, BlockKind, Conversation, ConversationId, Embed, Embedding, EmbeddingModel, Message, Provider,
    Role, TextKind, Timestamp,
};
use athenaeum_retrieval::{
    CancellationToken,
    ask::{self, Answer, Budget},
    meaning::{Filled, Meaning, follow_restored},
    search::{Found, Mode, Request, Results, Searcher, Within},
    testing::FourMeanings,
};
use athenaeum_tenancy::{Scope, for_test, local};
use athenaeum_vector::Vectors;
use tempfile::TempDir;

/// Counts the texts that a model was given.
pub(crate) struct Counted(FourMeanings, Arc<AtomicUsize>);

impl Embed for Counted {
    fn model(&self) -> &EmbeddingModel {
        self.0.model()
    }

    fn tokens(&self, text: &str) -> usize {
        self.0.tokens(text)
    }

    fn embed<'a>(&'a self, texts: &'a [String], kind: TextKind) -> Embedding<'a> {
        if kind == TextKind::Passage {
            self.1.fetch_add(texts.len(), Ordering::Relaxed);
        }
        self.0.embed(texts, kind)
    }
}

struct Place {
    data: TempDir,
    archive: Archive,
    meaning: Meaning,
    embedded: Arc<AtomicUsize>,
}

async fn meaning_in(data: &std::path::Path, embedded: &Arc<AtomicUsize>) -> Meaning {
    let vectors = Vectors::open(&data.join("vectors"), athenaeum_vector::Settings::default()).await.unwrap();
    Meaning::new(vectors, Arc::new(Counted(FourMeanings::new(), Arc::clone(embedded))))
}

impl Place {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let archive = Archive::open(data.path(), &Settings::default()).await.unwrap();
        let embedded = Arc::default();
        let meaning = meaning_in(data.path(), &embedded).await;
        Self { data, archive, meaning, embedded }
    }

    async fn import(&self, scope: &Scope, conversations: &[Conversation]) {
        let mut import = self.archive.begin_import(scope, "export.json", None).await.unwrap();
        for conversation in conversations {
            import.add(conversation.clone()).await.unwrap();
        }
        import.finish("{}").await.unwrap();
    }

    async fn fill(&self, scope: &Scope) -> Filled {
        let cancel = CancellationToken::new();
        self.meaning.fill_conversations(scope, &self.archive, &[], |_| {}, &cancel).await.unwrap()
    }

    async fn search(&self, scope: &Scope, request: &Request) -> Results {
        let searcher = Searcher::new(Some(self.archive.clone()), None, Some(self.meaning.clone()));
        searcher.search(scope, request).await.unwrap()
    }

    /// Returns what was found by meaning, as the conversation's name and the position.
    async fn near(&self, query: &str) -> Vec<String> {
        let request = Request { query: query.into(), mode: Mode::Semantic, limit: 200, ..Request::default() };
        names(&self.search(&local(), &request).await)
    }

    async fn id(&self, name: &str) -> ConversationId {
        let provider = Provider::CHATGPT;
        self.archive.find_by_source(&local(), &provider, name).await.unwrap().unwrap()
    }
}

fn names(results: &Results) -> Vec<String> {
    let name = |found: &Found| match found {
        Found::Message(hit) => format!("{}/{}", hit.conversation.external_id, hit.position),
        Found::Chunk(hit) => hit.chunk.text.clone(),
    };
    results.hits.iter().map(|hit| name(&hit.found)).collect()
}

fn talk(name: &str, day: i64, texts: &[&str]) -> Conversation {
    let mut conversation = Conversation::new(Provider::CHATGPT, name);
    conversation.created_at = Some(Timestamp::from_micros(1_700_000_000_000_000 + day * 86_400_000_000));
    for (turn, text) in texts.iter().enumerate() {
        let role = if turn % 2 == 0 { Role::User } else { Role::Assistant };
        conversation.messages.push(Message::new(role, vec![Block::text(*text)]));
    }
    conversation
}

fn pets() -> Vec<Conversation> {
    vec![
        talk("walks", 1, &["My puppy pulls at the leash.", "Let the hound wait until it is calm."]),
        talk("naps", 2, &["The kitten sleeps all day.", "That is what it does."]),
        talk("baking", 3, &["Why is the dough flat?", "A loaf wants a hot oven."]),
    ]
}

#[tokio::test]
async fn what_was_said_is_found_by_meaning_and_says_why() {
    let place = Place::new().await;
    place.import(&local(), &pets()).await;
    let before = place.near("cat").await;
    assert!(before.is_empty(), "{before:?}");
    assert_eq!(place.fill(&local()).await.made, 6);
    let request = Request { query: "cat".into(), mode: Mode::Hybrid, ..Request::default() };
    let results = place.search(&local(), &request).await;
    assert_eq!(names(&results)[0], "naps/0");
    let why = results.hits[0].why;
    assert_eq!((why.text, why.meaning.unwrap().rank), (None, 1));
    assert_eq!(results.hits[0].passage, Some(0.."The kitten sleeps all day.".len()));
    let coverage = results.coverage.unwrap();
    assert_eq!((coverage.embedded, coverage.total), (6, 6));
    let text = Request { mode: Mode::Text, ..request.clone() };
    assert!(place.search(&local(), &text).await.hits.is_empty());
    // Words and meaning together are before either alone.
    let both = Request { query: "dough".into(), ..request };
    let results = place.search(&local(), &both).await;
    assert_eq!(names(&results)[0], "baking/0");
    assert!(results.hits[0].score > 0.0, "both lists say so");
}

#[tokio::test]
async fn what_did_not_change_is_not_embedded_again_and_what_went_is_not_found() {
    let place = Place::new().await;
    place.import(&local(), &pets()).await;
    place.fill(&local()).await;
    let embedded = || place.embedded.swap(0, Ordering::Relaxed);
    assert_eq!(embedded(), 6);
    place.import(&local(), &pets()).await;
    assert_eq!((place.fill(&local()).await.made, embedded()), (0, 0));

    let mut longer = pets().swap_remove(0);
    longer.messages.push(Message::new(Role::User, vec![Block::text("It barks at every bicycle.")]));
    place.import(&local(), &[longer.clone()]).await;
    assert_eq!((place.fill(&local()).await.made, embedded()), (1, 1));
    assert_eq!(place.near("dog").await.len(), 7);

    longer.messages.remove(0);
    place.import(&local(), &[longer.clone()]).await;
    assert_eq!((place.fill(&local()).await.made, embedded()), (0, 0));
    assert_eq!(place.near("dog").await.len(), 6);
    // All that is embedded of it begins with its title.
    longer.title = Some("Long walks".into());
    place.import(&local(), &[longer]).await;
    assert_eq!(place.fill(&local()).await.made, 2);

    place.archive.delete(&local(), place.id("walks").await).await.unwrap();
    assert!(!place.near("dog").await.iter().any(|name| name.starts_with("walks")));
    place.fill(&local()).await;
    let all = Request { query: "dog".into(), mode: Mode::Semantic, ..Request::default() };
    let coverage = place.search(&local(), &all).await.coverage.unwrap();
    assert_eq!((coverage.embedded, coverage.total), (4, 4));
    let naps = place.id("naps").await;
    place.archive.delete(&local(), naps).await.unwrap();
    place.meaning.remove_conversations(&local(), &[naps]).await.unwrap();
    let coverage = place.search(&local(), &all).await.coverage.unwrap();
    assert_eq!((coverage.embedded, coverage.total), (2, 2));
}

#[tokio::test]
async fn tools_noise_and_hidden_messages_have_no_vector_and_long_ones_have_several() {
    let place = Place::new().await;
    let mut conversation = talk("mixed", 1, &["Tell me.", "Thinking it over."]);
    conversation.messages[0].hidden = true;
    conversation.messages[1].blocks.push(Block::new(BlockKind::ToolUse, "{\"query\": \"dough\"}"));
    conversation.messages.push(Message::new(Role::Tool, vec![Block::text("bread dough loaf")]));
    conversation.messages.push(Message::new(Role::User, vec![Block::text("  \n ")]));
    let filler = "There is nothing to be said of it here at all. ".repeat(40);
    let long = format!("{filler}\n\nAt the very end a kitten purrs. {}", "So it does. ".repeat(3));
    conversation.messages.push(Message::new(Role::Assistant, vec![Block::text(long.clone())]));
    place.import(&local(), &[conversation]).await;
    assert!(place.fill(&local()).await.made > 3);
    assert!(place.near("bread").await.iter().all(|name| name == "mixed/1" || name == "mixed/4"));
    let request = Request { query: "cat".into(), mode: Mode::Semantic, ..Request::default() };
    let hits = place.search(&local(), &request).await.hits;
    assert_eq!(hits.len(), 2, "each message once");
    let passage = hits[0].passage.clone().unwrap();
    assert!(passage.start > 100 && long[passage].contains("a kitten purrs"));
    let Found::Message(hit) = &hits[0].found else { panic!("a message is found") };
    assert!(hit.snippet.text.starts_with('…'), "{}", hit.snippet.text);

    let count = |text: &str| text.split_whitespace().count();
    let sources = (Some(&place.archive), None);
    let budget = Budget { tokens_max: 300, ..Budget::default() };
    let passages = ask::passages(sources, &local(), "cat", &hits[..1], budget, &count).await.unwrap();
    assert!(passages[0].text.contains("a kitten purrs"), "{}", passages[0].text);
    let answer = Answer::quoted("cat", &passages, Some(&place.meaning)).await.unwrap();
    assert!(answer.text.contains("a kitten purrs"), "{}", answer.text);
}

/// A thousand conversations about nothing, and one that a narrow filter leaves; it is far from the query.
#[tokio::test]
async fn filters_hold_for_meaning_however_few_pass() {
    let place = Place::new().await;
    let mut all: Vec<Conversation> =
        (0..600).map(|n| talk(&format!("dog-{n}"), n, &["A dog barks, a hound, a puppy."])).collect();
    let mut one = talk("one", 700, &["Tea with bread.", "A dog and an infusion."]);
    one.provider = Provider::CLAUDE;
    one.title = Some("Rare afternoon".into());
    one.user_id = Some("ann".into());
    one.model = Some("rare-model-2".into());
    one.messages[1].blocks.push(Block::new(BlockKind::Code, "brew()"));
    all.push(one);
    let mut timeless = Conversation::new(Provider::GEMINI, "timeless");
    timeless.messages.push(Message::new(Role::User, vec![Block::text("A dog outside of time.")]));
    all.push(timeless);
    place.import(&local(), &all).await;
    place.fill(&local()).await;
    let check = async |query: &str, expected: &[&str]| {
        let found = place.near(query).await;
        assert_eq!(found, expected, "{query}");
    };
    check("dog provider:claude", &["one/1", "one/0"]).await;
    check("dog provider:claude role:user", &["one/0"]).await;
    check("dog model:rare*", &["one/1", "one/0"]).await;
    check("dog user:ann", &["one/1", "one/0"]).await;
    check("dog has:code", &["one/1"]).await;
    check("dog title:afternoon", &["one/1", "one/0"]).await;
    check("dog title:afternoon -infusion", &["one/0"]).await;
    check("dog after:2025-10-14", &["one/1", "one/0"]).await;
    check("dog provider:gemini", &["timeless/0"]).await;
    check("dog provider:gemini after:1999", &[]).await;
    check("dog provider:gemini before:2099", &[]).await;
    check("dog provider:grok", &[]).await;
    check("dog provider:claude provider:gemini -role:user", &["one/1"]).await;
    assert_eq!(place.near("dog -provider:claude before:2023-11-15").await.len(), 2);
    let provider = Provider::CLAUDE;
    let id = place.archive.find_by_source(&local(), &provider, "one").await.unwrap();
    let filters = Filters { conversation: id, ..Filters::default() };
    let request = Request { query: "dog".into(), mode: Mode::Semantic, filters, ..Request::default() };
    assert_eq!(names(&place.search(&local(), &request).await), ["one/1", "one/0"]);
}

#[tokio::test]
async fn another_tenants_conversations_are_never_near() {
    let place = Place::new().await;
    let other = for_test("other");
    place.import(&local(), &pets()).await;
    place.import(&other, &pets()[..1]).await;
    place.fill(&local()).await;
    let request = |mode, query: &str| Request { query: query.into(), mode, ..Request::default() };
    for mode in [Mode::Semantic, Mode::Hybrid] {
        let results = place.search(&other, &request(mode, "cat")).await;
        assert!(results.hits.is_empty());
        assert_eq!(results.coverage.unwrap().total, 2);
    }
    assert_eq!(place.fill(&other).await.made, 2);
    let theirs = place.search(&other, &request(Mode::Semantic, "cat")).await;
    assert_eq!(theirs.hits.len(), 2);
    for hit in &theirs.hits {
        let Found::Message(hit) = &hit.found else { panic!("a message is found") };
        assert!(place.archive.head(&local(), hit.conversation.id).await.is_err());
    }
    // Whoever removes by an id of somebody else removes nothing.
    let naps = place.id("naps").await;
    place.meaning.remove_conversations(&other, &[naps]).await.unwrap();
    assert_eq!(place.near("cat").await[0], "naps/0");
    // Nor does one tenant's look for what is gone.
    place.fill(&other).await;
    assert_eq!(place.near("cat").await.len(), 6);
}

#[tokio::test]
async fn two_programs_do_not_embed_the_same_twice_and_what_was_stopped_goes_on() {
    let place = Place::new().await;
    let talks: Vec<Conversation> =
        (0..120).map(|n| talk(&format!("c-{n}"), n, &["a dog", "a cat", "bread"])).collect();
    place.import(&local(), &talks).await;
    let cancel = CancellationToken::new();
    let stop = |_: &athenaeum_retrieval::meaning::Filling| cancel.cancel();
    let first = place.meaning.fill_conversations(&local(), &place.archive, &[], stop, &cancel).await.unwrap();
    assert!(first.stopped && (1..360).contains(&first.made), "{first:?}");

    let second = meaning_in(place.data.path(), &place.embedded).await;
    let scope = local();
    let go_on = CancellationToken::new();
    let (one, two) = tokio::join!(
        place.meaning.fill_conversations(&scope, &place.archive, &[], |_| {}, &go_on),
        second.fill_conversations(&scope, &place.archive, &[], |_| {}, &go_on)
    );
    assert_eq!(first.made + one.unwrap().made + two.unwrap().made, 360);
    assert_eq!(place.embedded.load(Ordering::Relaxed), 360);
}

#[tokio::test]
async fn those_that_were_opened_come_first_and_then_the_newest() {
    let place = Place::new().await;
    let talks: Vec<Conversation> =
        (0..300).map(|n| talk(&format!("c-{n}"), n, &["A dog.", "A cat."])).collect();
    place.import(&local(), &talks).await;
    let cancel = CancellationToken::new();
    let opened = [place.id("c-3").await];
    let stop = |filling: &athenaeum_retrieval::meaning::Filling| {
        if filling.made > 0 {
            cancel.cancel();
        }
    };
    place.meaning.fill_conversations(&local(), &place.archive, &opened, stop, &cancel).await.unwrap();
    let found = place.near("dog").await;
    assert!(found.contains(&"c-3/0".to_owned()) && found.contains(&"c-299/0".to_owned()), "{found:?}");
    assert!(!found.contains(&"c-4/0".to_owned()) && !found.contains(&"c-100/0".to_owned()), "{found:?}");
}

#[tokio::test]
async fn documents_and_conversations_share_one_list_and_one_coverage() {
    let place = Place::new().await;
    place.import(&local(), &pets()).await;
    let library = Library::open(place.data.path(), &Settings::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tea.md"), "An infusion of leaves and a kitten.").unwrap();
    let cancel = CancellationToken::new();
    let options = athenaeum_retrieval::documents::Options::default();
    let paths = [folder.path().to_owned()];
    athenaeum_retrieval::documents::add(&library, &local(), &paths, &options, |_| {}, cancel.clone())
        .await
        .unwrap();
    place.meaning.fill(&local(), &library, |_| {}, &cancel).await.unwrap();
    let searcher = Searcher::new(Some(place.archive.clone()), Some(library), Some(place.meaning.clone()));
    let check = async |within: Within, covered: (u64, u64), hits: usize| {
        let request = Request { query: "cat".into(), mode: Mode::Semantic, within, ..Request::default() };
        let results = searcher.search(&local(), &request).await.unwrap();
        let coverage = results.coverage.unwrap();
        assert_eq!((coverage.embedded, coverage.total), covered, "{within:?}");
        assert_eq!(results.hits.len(), hits, "{within:?}");
    };
    check(Within::All, (1, 7), 1).await;
    place.fill(&local()).await;
    check(Within::All, (7, 7), 7).await;
    check(Within::Chats, (6, 6), 6).await;
    check(Within::Library, (1, 1), 1).await;
}

/// Rows of messages that were said after the backup are given once more, to others.
#[tokio::test]
async fn after_a_restore_no_message_is_found_by_what_another_one_meant() {
    let mut place = Place::new().await;
    place.import(&local(), &pets()).await;
    place.fill(&local()).await;
    let copy = place.data.path().join("copy.db");
    place.archive.backup(&copy).await.unwrap();
    let mut longer = pets().swap_remove(0);
    let said = |text: &str| Message::new(Role::User, vec![Block::text(text)]);
    longer.messages.push(said("The kitten is afraid of it."));
    place.import(&local(), &[longer.clone(), talk("later", 9, &["A puppy came later."])]).await;
    assert_eq!(place.fill(&local()).await.made, 2);
    place.archive.close().await;
    Archive::restore(place.data.path(), &copy).await.unwrap();
    place.archive = Archive::open(place.data.path(), &Settings::default()).await.unwrap();
    *longer.messages.last_mut().unwrap() = said("Bread is left on the path.");
    place.import(&local(), &[longer]).await;

    let vectors = Vectors::open(&place.data.path().join("vectors"), Default::default()).await.unwrap();
    follow_restored(&vectors, &local(), None, &place.archive).await.unwrap();
    place.fill(&local()).await;
    let found = place.near("dough").await;
    let last = found.iter().position(|name| name == "walks/2").unwrap();
    assert!(last < 3, "it speaks of bread: {found:?}");
    assert!(!found.iter().any(|name| name.starts_with("later")), "{found:?}");
    let settled = place.meaning.coverage(&local(), None, Some(&place.archive)).await.unwrap();
    assert_eq!((settled.embedded, settled.total), (7, 7));
    let embedded = place.embedded.swap(0, Ordering::Relaxed);
    assert_eq!(embedded, 6 + 2 + 3, "of those that are as they were, nothing is made anew");
}
