//! What is remembered, with a model of a few words.

use std::sync::Arc;

use athenaeum_archive::{
    Settings,
    memories::{Memories, Memory, NewMemory, Tier, Wanted},
};
use athenaeum_core::Timestamp;
use athenaeum_retrieval::{
    meaning::Meaning,
    memory::{self, Cooled, Memorizer, Offer, Taken, strength},
    testing::FourMeanings,
};
use athenaeum_tenancy::{Scope, for_test, local};
use athenaeum_vector::Vectors;
use tempfile::TempDir;

struct Place {
    dir: TempDir,
    memories: Memories,
    meaning: Meaning,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let memories = Memories::open(dir.path(), &Settings::default()).await.unwrap();
        let folder = dir.path().join("vectors");
        let vectors = Vectors::open(&folder, athenaeum_vector::Settings::default()).await.unwrap();
        let meaning = Meaning::new(vectors, Arc::new(FourMeanings::new()));
        Self { dir, memories, meaning }
    }

    fn with(&self, settings: memory::Settings) -> Memorizer {
        Memorizer::new(self.memories.clone(), Some(self.meaning.clone()), settings)
    }
}

fn offer(text: &str, asked_for: bool) -> Offer {
    Offer { text: text.into(), asked_for, ..Offer::default() }
}

async fn kept(memory: &Memorizer, scope: &Scope, text: &str) -> Memory {
    match memory.remember(scope, offer(text, true)).await.unwrap() {
        Taken::Kept(kept) => kept.memory,
        Taken::Passed(surprise) => panic!("{text} was asked for: {surprise:?}"),
    }
}

async fn found(memory: &Memorizer, scope: &Scope, text: &str) -> Vec<String> {
    let found = memory.recall(scope, text, &Wanted::default(), 10, true).await.unwrap();
    found.into_iter().map(|found| found.memory.text).collect()
}

async fn found_unnoted(memory: &Memorizer, scope: &Scope, text: &str) -> Vec<String> {
    let found = memory.recall(scope, text, &Wanted::default(), 10, false).await.unwrap();
    found.into_iter().map(|found| found.memory.text).collect()
}

#[tokio::test]
async fn what_is_asked_for_is_kept_and_what_does_not_surprise_is_not() {
    let place = Place::new().await;
    let memory = place.with(memory::Settings::default());
    let scope = local();
    let first = kept(&memory, &scope, "my dog barks").await;
    assert_eq!(first.surprise.distance, 1.0, "there was nothing that it could have been near to");
    assert_eq!(first.surprise.perplexity, None);

    // Near to what is known, and no model was surprised.
    let known = memory.remember(&scope, offer("your puppy barks", false)).await.unwrap();
    let Taken::Passed(surprise) = known else { panic!("{known:?}") };
    assert!(surprise.distance < 0.01, "{surprise:?}");
    assert!(kept(&memory, &scope, "your puppy barks").await.surprise.distance < 0.01);

    let known = Offer { perplexity: Some(60.0), ..offer("that hound barks", false) };
    assert!(matches!(memory.remember(&scope, known).await.unwrap(), Taken::Passed(_)));
    // Far from all of it, and a model was surprised.
    let news = Offer { perplexity: Some(60.0), ..offer("tea is an infusion", false) };
    let Taken::Kept(news) = memory.remember(&scope, news).await.unwrap() else { panic!("not kept") };
    assert!(news.memory.surprise.score > 0.7 && !news.memory.asked_for, "{news:?}");
    assert_eq!(news.memory.surprise.perplexity, Some(60.0));
}

#[tokio::test]
async fn memories_are_found_by_meaning_and_by_word() {
    let place = Place::new().await;
    let memory = place.with(memory::Settings::default());
    let scope = local();
    for text in ["the puppy is called Rex", "bread rises overnight", "the safe opens with 4711"] {
        kept(&memory, &scope, text).await;
    }
    assert_eq!(found(&memory, &scope, "hound").await, ["the puppy is called Rex"]);
    assert_eq!(found(&memory, &scope, "4711").await, ["the safe opens with 4711"]);
    assert_eq!(found(&memory, &scope, "dough overnight").await[0], "bread rises overnight");
    assert!(found(&memory, &scope, "kitten").await.is_empty());
    let rex = memory.memories().find(&scope, "Rex", &Wanted::default(), 1).await.unwrap().remove(0).0;
    assert_eq!(rex.uses, 1, "what is found was of use");

    assert_eq!(memory.forget(&scope, &[rex.id]).await.unwrap(), [rex.id]);
    assert!(found(&memory, &scope, "hound").await.is_empty());
}

#[tokio::test]
async fn what_lacks_a_vector_gets_one() {
    let place = Place::new().await;
    let scope = local();
    // As by a program without a model, or one that was stopped half-way.
    let new = NewMemory { text: "the puppy is called Rex".into(), ..NewMemory::default() };
    place.memories.keep(&scope, new).await.unwrap();
    let memory = place.with(memory::Settings::default());
    assert_eq!(found(&memory, &scope, "hound").await, ["the puppy is called Rex"]);
    drop(place.dir);
}

#[tokio::test]
async fn warm_memories_are_found_behind_hot_ones_and_a_use_makes_them_hot() {
    let place = Place::new().await;
    let memory = place.with(memory::Settings::default());
    let scope = local();
    let old = kept(&memory, &scope, "the puppy is called Rex").await;
    let new = kept(&memory, &scope, "the hound is called Argos").await;
    let days = |count: i64| Timestamp::from_micros(Timestamp::now().as_micros() + count * 86_400_000_000);
    assert_eq!(memory.cool(&scope, days(6)).await.unwrap(), Cooled::default());
    memory.memories().used(&scope, &[new.id], days(8)).await.unwrap();
    assert_eq!(memory.cool(&scope, days(8)).await.unwrap(), Cooled { warm: 1, cold: 0 });
    let recalled = async |text: &str, noted: bool| {
        let found = memory.recall(&scope, text, &Wanted::default(), 5, noted).await.unwrap();
        found.into_iter().map(|found| (found.memory.id, found.memory.tier, found.score)).collect::<Vec<_>>()
    };
    // As near in meaning as each other.
    let both = recalled("dog", false).await;
    assert_eq!([(both[0].0, both[0].1), (both[1].0, both[1].1)], [(new.id, Tier::Hot), (old.id, Tier::Warm)]);
    assert!((both[1].2 / both[0].2 - 0.9).abs() < 1e-3, "{both:?}");
    assert_eq!(recalled("dog Rex", false).await[0].0, old.id, "what is clearly nearer comes first");
    assert_eq!(memory.memories().stats(&scope).await.unwrap().warm, 1, "nobody noted it");
    recalled("Rex", true).await;
    assert_eq!(memory.memories().stats(&scope).await.unwrap().hot, 2);
}

#[tokio::test]
async fn cold_memories_are_found_only_when_wanted_and_come_back() {
    let place = Place::new().await;
    let memory = place.with(memory::Settings { kept_hot: 1, ..memory::Settings::default() });
    let scope = local();
    let old = kept(&memory, &scope, "the puppy is called Rex").await;
    kept(&memory, &scope, "bread rises overnight").await;
    let days = |count: i64| Timestamp::from_micros(Timestamp::now().as_micros() + count * 86_400_000_000);
    assert_eq!(memory.cool(&scope, days(29)).await.unwrap(), Cooled { warm: 2, cold: 0 });
    assert_eq!(found_unnoted(&memory, &scope, "hound").await, ["the puppy is called Rex"]);
    assert_eq!(memory.cool(&scope, days(29)).await.unwrap(), Cooled::default());
    assert_eq!(memory.cool(&scope, days(31)).await.unwrap(), Cooled { warm: 0, cold: 1 });
    assert!(found(&memory, &scope, "hound").await.is_empty());
    assert!(found(&memory, &scope, "Rex").await.is_empty());
    let cold = Wanted::Of(Tier::Cold);
    assert_eq!(memory.recall(&scope, "Rex", &cold, 5, true).await.unwrap().len(), 1);
    assert_eq!(memory.lift(&scope, &[old.id]).await.unwrap().len(), 1);
    assert_eq!(found(&memory, &scope, "hound").await, ["the puppy is called Rex"]);
}

#[tokio::test]
async fn memories_fade_only_where_that_is_set() {
    let place = Place::new().await;
    let scope = local();
    let plain = place.with(memory::Settings::default());
    let old = kept(&plain, &scope, "the puppy is called Rex").await;
    let new = kept(&plain, &scope, "the hound is called Argos").await;
    let in_ten_days = Timestamp::from_micros(new.used_at.as_micros() + 10 * 86_400_000_000);
    plain.memories().used(&scope, &[new.id], in_ten_days).await.unwrap();
    let scores = async |memory: &Memorizer| {
        let found = memory.recall(&scope, "dog Rex", &Wanted::default(), 5, false).await.unwrap();
        found.iter().map(|found| (found.memory.id, found.score)).collect::<Vec<_>>()
    };
    let before = scores(&plain).await;
    assert_eq!(before[0].0, old.id, "it has the name: {before:?}");
    let fading = place.with(memory::Settings { half_life_days: Some(1e-8), ..memory::Settings::default() });
    let after = scores(&fading).await;
    assert_eq!(after[0].0, new.id, "the other one is long forgotten: {after:?}");

    let now = in_ten_days;
    assert_eq!(strength(None, new.used_at, now), 1.0);
    assert!((strength(Some(10.0), new.used_at, now) - 0.5).abs() < 1e-9);
    assert!((strength(Some(5.0), new.used_at, now) - 0.25).abs() < 1e-9);
    assert_eq!(strength(Some(5.0), now, new.used_at), 1.0, "clocks that went back forget nothing");
}

#[tokio::test]
async fn another_tenants_memories_are_neither_found_nor_near() {
    let place = Place::new().await;
    let memory = place.with(memory::Settings::default());
    let (ours, theirs) = (local(), for_test("other"));
    let ours_id = kept(&memory, &ours, "the puppy is called Rex").await.id;
    assert!(found(&memory, &theirs, "hound Rex").await.is_empty());
    assert!(memory.forget(&theirs, &[ours_id]).await.unwrap().is_empty());
    assert!(memory.lift(&theirs, &[ours_id]).await.unwrap().is_empty());
    assert_eq!(memory.cool(&theirs, Timestamp::from_micros(i64::MAX)).await.unwrap(), Cooled::default());
    let theirs_own = kept(&memory, &theirs, "the puppy is called Rex").await;
    assert_eq!(theirs_own.surprise.distance, 1.0, "ours is not near to theirs");
    assert_eq!(found(&memory, &ours, "hound").await, ["the puppy is called Rex"]);
}
