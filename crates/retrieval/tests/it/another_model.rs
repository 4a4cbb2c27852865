//! Another model makes the vectors: the old ones answer until the new ones are whole.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use athenaeum_archive::{Archive, Settings, library::Library};
use athenaeum_core::{
    Block, Conversation, Embed, Embedded, Embedding, EmbeddingModel, Message, Provider, Role, TextKind,
};
use athenaeum_retrieval::{
    CancellationToken,
    documents::{self, Options},
    meaning::{Filling, Former, Meaning, Opened},
    search::{Found, Mode, Request, Searcher},
};
use athenaeum_tenancy::{for_test, local};
use athenaeum_vector::Vectors;

/// Knows two meanings: animals, and what is eaten or drunk. Two of it differ in name, numbers and dimensions, and in nothing
/// that they know; each counts what it is asked.
struct TwoMeanings {
    model: EmbeddingModel,
    asked: Arc<AtomicUsize>,
    embedded: Arc<AtomicUsize>,
}

fn two_meanings(name: &str, dimensions: usize) -> TwoMeanings {
    let model =
        EmbeddingModel { name: name.into(), fingerprint: dimensions as u128, dimensions, tokens_max: 64 };
    TwoMeanings { model, asked: Arc::default(), embedded: Arc::default() }
}

impl Embed for TwoMeanings {
    fn model(&self) -> &EmbeddingModel {
        &self.model
    }

    fn tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed<'a>(&'a self, texts: &'a [String], kind: TextKind) -> Embedding<'a> {
        let counted = if kind == TextKind::Query { &self.asked } else { &self.embedded };
        counted.fetch_add(texts.len(), Ordering::Relaxed);
        let vector = |text: &String| {
            let text = text.to_lowercase();
            let held = |words: &[&str]| words.iter().filter(|word| text.contains(*word)).count() as f32;
            let mut vector = vec![0.05; self.model.dimensions];
            vector[0] = held(&["dog", "puppy", "cat", "kitten"]);
            vector[1] = held(&["bread", "loaf", "tea", "infusion"]);
            Embedded { vector, cut_tokens: 0 }
        };
        Box::pin(async move { Ok(texts.iter().map(vector).collect()) })
    }
}

/// Has one model, until it is gone.
struct OneFormer(Arc<dyn Embed>, AtomicBool);

impl Former for OneFormer {
    fn open(&self, model: &str) -> Opened {
        let known = self.0.model().to_string() == model && !self.1.load(Ordering::Relaxed);
        let opened = known.then(|| Arc::clone(&self.0));
        Box::pin(async move { opened })
    }
}

async fn vectors(data: &Path) -> Vectors {
    Vectors::open(&data.join("vectors"), athenaeum_vector::Settings::default()).await.unwrap()
}

struct Place {
    data: tempfile::TempDir,
    archive: Archive,
    library: Library,
    old: Arc<TwoMeanings>,
    new: Arc<TwoMeanings>,
}

/// Three batches of each: one is on its way when the first is told.
const COUNT: usize = 150;

impl Place {
    /// Documents and as many messages, all with vectors of the old model.
    async fn new() -> Self {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let archive = Archive::open(data.path(), &Settings::default()).await.unwrap();
        let library = Library::open(data.path(), &Settings::default()).await.unwrap();
        for number in 0..COUNT {
            let what = if number == 0 { "a kitten" } else { "a loaf" };
            std::fs::write(folder.path().join(format!("{number}.md")), format!("{what} {number}")).unwrap();
        }
        let paths = [folder.path().to_owned()];
        documents::add(&library, &local(), &paths, &Options::default(), |_| {}, CancellationToken::new())
            .await
            .unwrap();
        let mut import = archive.begin_import(&local(), "export", None).await.unwrap();
        for number in 0..COUNT {
            let what = if number == 0 { "a puppy" } else { "an infusion" };
            let mut conversation = Conversation::new(Provider::CLAUDE, format!("c-{number}"));
            let text = format!("{what} {number}");
            conversation.messages.push(Message::new(Role::User, vec![Block::text(text)]));
            import.add(conversation).await.unwrap();
        }
        import.finish("{}").await.unwrap();
        let (old, new) = (Arc::new(two_meanings("old", 3)), Arc::new(two_meanings("new", 5)));
        let place = Self { data, archive, library, old, new };
        let meaning = Meaning::new(vectors(place.data.path()).await, place.old.clone());
        place.fill(&meaning, &CancellationToken::new(), |_| {}).await;
        place
    }

    /// What is opened after the setting changed.
    async fn with_new(&self) -> (Meaning, Arc<OneFormer>) {
        let former = Arc::new(OneFormer(self.old.clone(), AtomicBool::new(false)));
        let meaning = Meaning::new(vectors(self.data.path()).await, self.new.clone());
        (meaning.with_former(former.clone()), former)
    }

    async fn fill(
        &self,
        meaning: &Meaning,
        cancel: &CancellationToken,
        mut progress: impl FnMut(&Filling) + Send,
    ) -> u64 {
        let documents = meaning.fill(&local(), &self.library, &mut progress, cancel).await.unwrap();
        let conversations =
            meaning.fill_conversations(&local(), &self.archive, &[], progress, cancel).await.unwrap();
        documents.made + conversations.made
    }

    /// Finds the document and the message that a paraphrase is near to, and which model was asked.
    async fn check(&self, meaning: &Meaning, old: usize, new: usize) {
        let asked = || (self.old.asked.swap(0, Ordering::Relaxed), self.new.asked.swap(0, Ordering::Relaxed));
        asked();
        let (archive, library) = (Some(self.archive.clone()), Some(self.library.clone()));
        let searcher = Searcher::new(archive, library, Some(meaning.clone()));
        let request = Request { query: "dog cat".into(), mode: Mode::Semantic, ..Request::default() };
        let results = searcher.search(&local(), &request).await.unwrap();
        let mut first: Vec<&str> = results.hits[..2]
            .iter()
            .map(|hit| match &hit.found {
                Found::Chunk(hit) => hit.chunk.text.as_str(),
                Found::Message(hit) => hit.snippet.text.as_str(),
            })
            .collect();
        first.sort_unstable();
        assert_eq!(first, ["a kitten 0", "a puppy 0"]);
        let all = 2 * COUNT as u64;
        let coverage = results.coverage.unwrap();
        assert_eq!((coverage.embedded, coverage.total), (all, all), "nothing is lost meanwhile");
        assert_eq!(asked(), (old, new));
    }
}

#[tokio::test]
async fn the_old_vectors_answer_until_the_new_ones_are_whole() {
    let place = Place::new().await;
    let all = 2 * COUNT as u64;
    let (meaning, _former) = place.with_new().await;
    place.check(&meaning, 1, 0).await;
    assert_eq!(meaning.formers(&local()).await.unwrap(), [place.old.model.to_string()]);
    assert!(meaning.formers(&for_test("other")).await.unwrap().is_empty());

    // Stopped half-way: the old ones answer still, in this program and in the next.
    let cancel = CancellationToken::new();
    let made = place
        .fill(&meaning, &cancel, |filling| {
            assert!(filling.made > 0);
            cancel.cancel();
        })
        .await;
    assert!(made > 0 && made < all, "{made}");
    place.check(&meaning, 1, 0).await;
    let own = meaning.progress(&local(), Some(&place.library), Some(&place.archive)).await.unwrap();
    assert!(own.embedded >= made && own.embedded < all);
    drop(meaning);

    // The next one goes on; nothing is made twice, and then the new ones answer, for others that are open, too.
    let (meaning, _former) = place.with_new().await;
    let (other, _) = place.with_new().await;
    place.check(&other, 1, 0).await;
    let rest = place.fill(&meaning, &CancellationToken::new(), |_| {}).await;
    assert_eq!((made + rest, place.new.embedded.load(Ordering::Relaxed) as u64), (all, all));
    place.check(&meaning, 0, 1).await;
    place.check(&other, 0, 1).await;
    assert!(meaning.formers(&local()).await.unwrap().is_empty());
    let holdings = vectors(place.data.path()).await.holdings(&local()).await.unwrap();
    let held: u64 =
        holdings.iter().filter(|(spec, _)| spec.model.starts_with("old@")).map(|(_, held)| held).sum();
    assert_eq!(held, 0, "what nobody asks any more is gone");
}

#[tokio::test]
async fn whoever_changes_their_mind_has_the_old_vectors_still() {
    let place = Place::new().await;
    let (meaning, _former) = place.with_new().await;
    let cancel = CancellationToken::new();
    place.fill(&meaning, &cancel, |_| cancel.cancel()).await;
    drop(meaning);
    let back = Meaning::new(vectors(place.data.path()).await, place.old.clone());
    place.check(&back, 1, 0).await;
    assert_eq!(place.fill(&back, &CancellationToken::new(), |_| {}).await, 0);
    assert!(back.formers(&local()).await.unwrap().is_empty());
}

#[tokio::test]
async fn where_the_old_model_is_gone_words_are_left_until_the_new_one_is_done() {
    let place = Place::new().await;
    let (meaning, former) = place.with_new().await;
    former.1.store(true, Ordering::Relaxed);
    let (archive, library) = (Some(place.archive.clone()), Some(place.library.clone()));
    let searcher = Searcher::new(archive, library, Some(meaning.clone()));
    let request = Request { query: "kitten".into(), ..Request::default() };
    let results = searcher.search(&local(), &request).await.unwrap();
    assert_eq!((results.hits.len(), results.coverage.unwrap().embedded), (1, 0));
    place.fill(&meaning, &CancellationToken::new(), |_| {}).await;
    place.check(&meaning, 0, 1).await;
}
