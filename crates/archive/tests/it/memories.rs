//! What is remembered: once, in its tier, and nobody else's.

use athenaeum_archive::{
    Archive, ErrorKind, Settings,
    memories::{Cooled, Cooling, Kept, Memories, MemoryStats, NewMemory, Origin, Surprise, Tier, Wanted},
};
use athenaeum_core::{ConversationId, MemoryId, MessageId, Timestamp};
use athenaeum_tenancy::{Scope, for_test, local};
use sqlx::Connection as _;
use tempfile::TempDir;

async fn open() -> (TempDir, Memories) {
    let dir = tempfile::tempdir().unwrap();
    let memories = Memories::open(dir.path(), &Settings::default()).await.unwrap();
    (dir, memories)
}

async fn keep(memories: &Memories, scope: &Scope, text: &str) -> Kept {
    memories.keep(scope, NewMemory { text: text.into(), ..NewMemory::default() }).await.unwrap()
}

const ALL: Wanted = Wanted::All;

/// Takes down what was of no use before one moment.
fn before(moment: Timestamp, kept: usize) -> Cooling {
    Cooling { warm_before: moment, cold_before: moment, kept }
}

fn ever() -> Timestamp {
    Timestamp::from_micros(i64::MAX)
}

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
async fn what_is_of_no_use_goes_down_a_tier_at_a_time_but_for_the_newest() {
    let (_dir, memories) = open().await;
    let scope = local();
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(keep(&memories, &scope, &format!("walnut {number}")).await.memory.id);
    }
    let later = Timestamp::from_micros(Timestamp::now().as_micros() + 1_000_000);
    let after = Timestamp::from_micros(later.as_micros() + 1);
    let sorted = |mut ids: Vec<MemoryId>| {
        // Those of one millisecond have no order.
        ids.sort_unstable();
        ids
    };
    memories.used(&scope, &ids[..1], after).await.unwrap();
    let none = memories.cool(&scope, &before(Timestamp::from_micros(0), 0)).await.unwrap();
    assert_eq!(none, Cooled::default());
    let first = memories.cool(&scope, &before(after, 1)).await.unwrap();
    assert_eq!((sorted(first.warm), first.cold), (sorted(ids[1..].to_vec()), vec![]), "one tier a time");
    let stats = async || memories.stats(&scope).await.unwrap();
    assert_eq!(stats().await, MemoryStats { hot: 1, warm: 3, cold: 0 });
    // What was warm for less than it takes stays.
    let waiting = Cooling { warm_before: after, cold_before: Timestamp::from_micros(0), kept: 0 };
    assert_eq!(memories.cool(&scope, &waiting).await.unwrap(), Cooled::default());
    let second = memories.cool(&scope, &before(after, 1)).await.unwrap();
    assert_eq!(
        (second.warm, sorted(second.cold)),
        (vec![], sorted(ids[1..3].to_vec())),
        "the last is the newest"
    );
    assert_eq!(stats().await, MemoryStats { hot: 1, warm: 1, cold: 2 });

    let names = async |wanted: Wanted| {
        let found = memories.find(&scope, "walnut", &wanted, 9).await.unwrap();
        let found: Vec<MemoryId> = found.into_iter().map(|(memory, _)| memory.id).collect();
        let listed = memories.list(&scope, &wanted, None, 9).await.unwrap().items;
        let listed: Vec<MemoryId> = listed.into_iter().map(|memory| memory.id).collect();
        assert_eq!(found, listed, "{wanted:?}");
        found
    };
    assert_eq!(names(Wanted::Found).await, [ids[3], ids[0]]);
    assert_eq!(names(Wanted::Of(Tier::Hot)).await, [ids[0]]);
    assert_eq!(names(Wanted::Of(Tier::Warm)).await, [ids[3]]);
    assert_eq!(names(Wanted::Of(Tier::Cold)).await, [ids[2], ids[1]]);
    assert_eq!(names(Wanted::All).await.len(), 4);

    // A use makes a warm one hot, and leaves a cold one where it is.
    memories.used(&scope, &[ids[3], ids[2]], after).await.unwrap();
    assert_eq!(stats().await, MemoryStats { hot: 2, warm: 0, cold: 2 });
    let lifted = memories.lift(&scope, &ids, after).await.unwrap();
    assert_eq!(lifted.len(), 2);
    assert!(lifted.iter().all(|memory| memory.tier == Tier::Hot && memory.used_at == after));
    for _ in 0..2 {
        memories.cool(&scope, &before(ever(), 0)).await.unwrap();
    }
    assert_eq!(stats().await.cold, 4);
    let kept = keep(&memories, &scope, "walnut 2").await;
    assert_eq!((kept.is_new, kept.memory.tier), (false, Tier::Hot), "remembered again, it is found again");
}

/// Format 1 knew hot and cold, and programs of it take a third tier for damage: they must not open the file again.
#[tokio::test]
async fn memories_of_format_1_keep_their_tiers_and_may_grow_warm() {
    let (dir, memories) = open().await;
    let scope = local();
    let hot = keep(&memories, &scope, "the safe opens with 4711").await.memory.id;
    let cold = keep(&memories, &scope, "the tram leaves at six").await.memory.id;
    memories.close().await;
    let path = dir.path().join("memories.db");
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut file = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
    let older =
        "DROP INDEX memories_by_use; CREATE INDEX memories_by_use ON memories (tenant, tier, used_at);
        UPDATE memories SET tier = 'cold' WHERE text LIKE '%tram%'; PRAGMA user_version = 1;";
    sqlx::raw_sql(older).execute(&mut file).await.unwrap();
    file.close().await.unwrap();

    let memories = Memories::open(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(memories.stats(&scope).await.unwrap(), MemoryStats { hot: 1, warm: 0, cold: 1 });
    assert_eq!(memories.cool(&scope, &before(ever(), 0)).await.unwrap().warm, [hot]);
    assert_eq!(memories.lift(&scope, &[cold], Timestamp::now()).await.unwrap().len(), 1);
    memories.close().await;
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut file = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut file).await.unwrap();
    assert_eq!(version, 2);
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
    assert!(memories.cool(&theirs, &before(ever(), 0)).await.unwrap() == Cooled::default());
    memories.used(&theirs, &[id], now).await.unwrap();
    assert_eq!(memories.stats(&theirs).await.unwrap(), Default::default());
    for _ in 0..2 {
        memories.cool(&ours, &before(ever(), 0)).await.unwrap();
    }
    assert!(memories.lift(&theirs, &[id], now).await.unwrap().is_empty());

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
