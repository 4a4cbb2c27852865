//! What is remembered: once, in its tier, and nobody else's.

use athenaeum_archive::{
    Archive, ErrorKind, Settings,
    memories::{Kept, Memories, NewMemory, Origin, Surprise, Tier, Wanted},
};
use athenaeum_core::{ConversationId, MemoryId, MessageId, Timestamp};
use athenaeum_tenancy::{Scope, for_test, local};
use tempfile::TempDir;

async fn open() -> (TempDir, Memories) {
    let dir = tempfile::tempdir().unwrap();
    let memories = Memories::open(dir.path(), &Settings::default()).await.unwrap();
    (dir, memories)
}

async fn keep(memories: &Memories, scope: &Scope, text: &str) -> Kept {
    memories.keep(scope, NewMemory { text: text.into(), ..NewMemory::default() }).await.unwrap()
}

const ALL: Wanted = Wanted { tier: None };
const COLD: Wanted = Wanted { tier: Some(Tier::Cold) };

#[tokio::test]
async fn what_is_kept_reads_back_and_outlives_the_process() {
    let (dir, memories) = open().await;
    let scope = local();
    let new = NewMemory {
        text: "  Ada is allergic to walnuts\n".into(),
        origin: Origin {
            conversation: Some(ConversationId::mint(Timestamp::now())),
            message: Some(MessageId(7)),
        },
        surprise: Surprise { perplexity: Some(50.0), distance: 0.9, score: 0.832 },
        asked_for: true,
    };
    let Kept { memory, is_new } = memories.keep(&scope, new.clone()).await.unwrap();
    assert!(is_new && memory.asked_for && memory.tier == Tier::Hot && memory.uses == 0);
    assert_eq!((memory.text.as_str(), memory.origin), ("Ada is allergic to walnuts", new.origin));
    assert_eq!(memory.surprise, new.surprise);

    let again =
        memories.keep(&scope, NewMemory { text: "Ada is allergic to walnuts".into(), ..new }).await.unwrap();
    assert!(!again.is_new && again.memory.id == memory.id, "a text is there once");
    memories.close().await;

    let memories = Memories::open(dir.path(), &Settings::default()).await.unwrap();
    let listed = memories.list(&scope, &Wanted::default(), None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!((listed.items[0].id, listed.items[0].surprise), (memory.id, memory.surprise));
    assert_eq!(memories.stats(&scope).await.unwrap().hot, 1);
}

#[tokio::test]
async fn texts_of_no_length_and_too_much_are_refused() {
    let (_dir, memories) = open().await;
    let long = "a".repeat(NewMemory::BYTES_MAX + 1);
    for text in ["", " \n", &long] {
        let refused = memories.keep(&local(), NewMemory { text: text.into(), ..NewMemory::default() }).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
    keep(&memories, &local(), &long[1..]).await;
}

#[tokio::test]
async fn those_with_most_words_are_found_first() {
    let (_dir, memories) = open().await;
    let scope = local();
    for text in
        ["Walnuts grow on trees", "Ada is allergic to walnuts", "The train leaves at nine", "Дом стоит"]
    {
        keep(&memories, &scope, text).await;
    }
    let found = memories.find(&scope, "Is Ada allergic to a walnut?", &Wanted::default(), 5).await.unwrap();
    let texts: Vec<(&str, f64)> =
        found.iter().map(|(memory, share)| (memory.text.as_str(), *share)).collect();
    assert_eq!(texts, [("Ada is allergic to walnuts", 1.0), ("Walnuts grow on trees", 1.0 / 3.0)]);
    assert_eq!(memories.find(&scope, "дом", &ALL, 5).await.unwrap().len(), 1);
    assert!(memories.find(&scope, "?!", &ALL, 5).await.unwrap().is_empty());
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (_dir, memories) = open().await;
    let scope = local();
    for number in 0..7 {
        keep(&memories, &scope, &format!("number {number}")).await;
    }
    let (mut texts, mut after) = (Vec::new(), None);
    loop {
        let page = memories.list(&scope, &ALL, after.as_ref(), 3).await.unwrap();
        texts.extend(page.items.into_iter().map(|memory| memory.text));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(texts, (0..7).rev().map(|number| format!("number {number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_of_no_use_grows_cold_but_for_the_newest() {
    let (_dir, memories) = open().await;
    let scope = local();
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(keep(&memories, &scope, &format!("walnut {number}")).await.memory.id);
    }
    let later = Timestamp::from_micros(Timestamp::now().as_micros() + 1_000_000);
    let after = Timestamp::from_micros(later.as_micros() + 1);
    memories.used(&scope, &ids[..1], after).await.unwrap();
    assert!(memories.cool(&scope, Timestamp::from_micros(0), 0).await.unwrap().is_empty());
    let mut cooled = memories.cool(&scope, after, 1).await.unwrap();
    cooled.sort_unstable();
    // Those of one millisecond have no order.
    let mut expected = ids[1..3].to_vec();
    expected.sort_unstable();
    assert_eq!(cooled, expected, "the first was of use, the last is the newest");

    let names = |found: Vec<(athenaeum_archive::memories::Memory, f64)>| {
        found.into_iter().map(|(memory, _)| memory.id).collect::<Vec<MemoryId>>()
    };
    assert_eq!(
        names(memories.find(&scope, "walnut", &Wanted::default(), 9).await.unwrap()),
        [ids[3], ids[0]]
    );
    assert_eq!(names(memories.find(&scope, "walnut", &COLD, 9).await.unwrap()), [ids[2], ids[1]]);
    let stats = memories.stats(&scope).await.unwrap();
    assert_eq!((stats.hot, stats.cold), (2, 2));

    let warmed = memories.warm(&scope, &ids, after).await.unwrap();
    assert_eq!(warmed.len(), 2);
    assert!(warmed.iter().all(|memory| memory.tier == Tier::Hot && memory.used_at == after));
    memories.cool(&scope, Timestamp::from_micros(i64::MAX), 0).await.unwrap();
    let kept = keep(&memories, &scope, "walnut 2").await;
    assert_eq!((kept.is_new, kept.memory.tier), (false, Tier::Hot), "remembered again, it is found again");
}

#[tokio::test]
async fn another_tenants_memories_are_not_there() {
    let (_dir, memories) = open().await;
    let (ours, theirs) = (local(), for_test("other"));
    let id = keep(&memories, &ours, "a secret walnut").await.memory.id;
    let now = Timestamp::now();

    assert_eq!(memories.memories(&theirs, &[id]).await.unwrap(), [None]);
    assert!(memories.list(&theirs, &ALL, None, 10).await.unwrap().items.is_empty());
    assert!(memories.find(&theirs, "walnut", &ALL, 10).await.unwrap().is_empty());
    assert!(memories.forget(&theirs, &[id]).await.unwrap().is_empty());
    assert!(memories.cool(&theirs, Timestamp::from_micros(i64::MAX), 0).await.unwrap().is_empty());
    memories.used(&theirs, &[id], now).await.unwrap();
    assert_eq!(memories.stats(&theirs).await.unwrap(), Default::default());
    memories.cool(&ours, Timestamp::from_micros(i64::MAX), 0).await.unwrap();
    assert!(memories.warm(&theirs, &[id], now).await.unwrap().is_empty());

    // The same text is another memory there.
    let other = keep(&memories, &theirs, "a secret walnut").await;
    assert!(other.is_new && other.memory.id != id);
    let memory = memories.memories(&ours, &[other.memory.id, id]).await.unwrap();
    assert!(memory[0].is_none());
    let memory = memory[1].as_ref().unwrap();
    assert_eq!((memory.tier, memory.uses), (Tier::Cold, 0), "nothing that they did reached it");
    assert_eq!(memories.forget(&ours, &[id, id]).await.unwrap(), [id]);
    assert_eq!(memories.stats(&theirs).await.unwrap().hot, 1);
}

#[tokio::test]
async fn a_copy_is_put_back_and_what_is_no_copy_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    let memories = Memories::open(dir.path(), &settings).await.unwrap();
    let new = |text: &str| NewMemory { text: text.into(), ..NewMemory::default() };
    memories.keep(&local(), new("in the copy")).await.unwrap();
    let copy = dir.path().join("copy.db");
    memories.backup(&copy).await.unwrap();
    assert_eq!(memories.backup(&copy).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    memories.keep(&local(), new("after the copy")).await.unwrap();
    assert!(memories.check().await.unwrap().is_empty());
    memories.close().await;

    let archive = Archive::open(dir.path(), &settings).await.unwrap();
    archive.close().await;
    let refused = Memories::restore(dir.path(), &dir.path().join("archive.db")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged, "an archive holds no memories");
    assert!(Memories::restore(dir.path(), &copy).await.unwrap().is_some());
    let memories = Memories::open_read_only(dir.path(), &settings).await.unwrap();
    assert_eq!(memories.stats(&local()).await.unwrap().hot, 1);
    assert!(memories.keep(&local(), new("nothing is written")).await.is_err());
}
