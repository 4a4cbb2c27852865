//! Vectors of things with many parts.

use std::collections::HashSet;

use athenaeum_core::vector::{Entry, Key, Metric, Query, Spec, VectorStorage};
use athenaeum_tenancy::{for_test, local};
use athenaeum_vector::{Collection, Settings, Settled, Source, Vectors};

async fn open(dir: &std::path::Path) -> (Vectors, Collection) {
    let vectors = Vectors::open(dir, Settings::default()).await.unwrap();
    let spec = Spec { name: "messages".into(), model: "m".into(), dimensions: 2, metric: Metric::Cosine };
    let collection = vectors.collection(&local(), &spec).await.unwrap();
    (vectors, collection)
}

fn source(number: u8, version: u8, weight: u64) -> Source {
    Source { id: Key([[1; 8], [number; 8]].concat().try_into().unwrap()), version: [version; 16], weight }
}

fn part(source: &Source, number: u8) -> Key {
    Key([Source::beginning(source.id), [number; 8]].concat().try_into().unwrap())
}

#[tokio::test]
async fn what_is_no_longer_a_part_goes_and_the_counts_stay_right() {
    let dir = tempfile::tempdir().unwrap();
    let (vectors, collection) = open(dir.path()).await;
    let (one, two) = (source(1, 1, 10), source(255, 1, 5));
    let parts = |source: &Source, numbers: &[u8]| -> Vec<Key> {
        numbers.iter().map(|number| part(source, *number)).collect()
    };
    let entries = |keys: &[Key]| -> Vec<Entry> {
        keys.iter().map(|key| Entry::new(*key, vec![1.0, f32::from(key.0[15])])).collect()
    };
    let (of_one, of_two) = (parts(&one, &[0, 1, 2]), parts(&two, &[0, 255]));
    collection.store(&entries(&of_one)).await.unwrap();
    collection.store(&entries(&of_two)).await.unwrap();
    assert_eq!(collection.versions(&[one.id]).await.unwrap(), [None]);
    let removed = collection.settle(&[(one, of_one.clone()), (two, of_two.clone())]).await.unwrap();
    assert_eq!(removed, 0);
    assert_eq!(collection.settled().await.unwrap(), Settled { sources: 2, weight: 15 });
    assert_eq!(collection.keys_of(two.id, 9).await.unwrap(), HashSet::from_iter(of_two));

    let newer = source(1, 2, 11);
    assert_eq!(collection.settle(&[(newer, of_one[..2].to_vec())]).await.unwrap(), 1);
    assert_eq!(collection.versions(&[two.id, one.id]).await.unwrap(), [Some([1; 16]), Some([2; 16])]);
    assert_eq!(collection.settled().await.unwrap(), Settled { sources: 2, weight: 16 });
    let near = collection.search(&Query::new(vec![1.0, 2.0], 9)).await.unwrap();
    assert!(near.len() == 4 && near.iter().all(|near| near.key != of_one[2]));

    assert_eq!(collection.keys_after(None, 3).await.unwrap(), [of_one[0], of_one[1], part(&two, 0)]);
    assert_eq!(collection.keys_after(Some(part(&two, 0)), 9).await.unwrap(), [part(&two, 255)]);
    assert_eq!(collection.sources_after(None, 9).await.unwrap(), [one.id, two.id]);
    assert_eq!(collection.sources_after(Some(one.id), 9).await.unwrap(), [two.id]);
    assert_eq!(collection.remove_sources(&[two.id]).await.unwrap(), 2);
    assert_eq!(collection.stats().await.unwrap().vectors, 2);
    assert_eq!(collection.settled().await.unwrap(), Settled { sources: 1, weight: 11 });

    let spec = collection.spec().clone();
    let other = vectors.collection(&for_test("other"), &spec).await.unwrap();
    assert_eq!(other.versions(&[one.id]).await.unwrap(), [None]);
    assert!(other.keys_of(one.id, 9).await.unwrap().is_empty());
    assert!(other.keys_after(None, 9).await.unwrap().is_empty());
    assert_eq!(other.remove_sources(&[one.id]).await.unwrap(), 0);
    assert_eq!(other.settled().await.unwrap(), Settled::default());
    collection.clear().await.unwrap();
    assert_eq!(collection.settled().await.unwrap(), Settled::default());
}

#[tokio::test]
async fn one_at_a_time_makes_a_tenants_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let (vectors, _collection) = open(dir.path()).await;
    let (others, _) = open(dir.path()).await;
    let turn = vectors.turn(&local()).unwrap();
    assert!(turn.is_some());
    assert!(others.turn(&local()).unwrap().is_none() && vectors.turn(&local()).unwrap().is_none());
    assert!(others.turn(&for_test("other")).unwrap().is_some());
    let turn = turn.unwrap();
    turn.say("almost done");
    assert_eq!(others.said(&local()).unwrap().as_deref(), Some("almost done"));
    assert_eq!(others.said(&for_test("other")).unwrap(), None);
    drop(turn);
    assert_eq!(others.said(&local()).unwrap(), None);
    assert!(others.turn(&local()).unwrap().is_some());
}

/// A file of the version before has no sources; they are made room for when it is opened.
#[tokio::test]
async fn an_older_file_is_brought_up_to_date() {
    use sqlx::Connection as _;
    let dir = tempfile::tempdir().unwrap();
    let (vectors, collection) = open(dir.path()).await;
    collection.store(&[Entry::new(Key([1; 16]), vec![1.0, 0.0])]).await.unwrap();
    vectors.close().await;
    drop((vectors, collection));
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("vectors.db"));
    let mut file = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
    let older = "DROP TABLE sources_counted; DROP TABLE sources; PRAGMA user_version = 1;";
    sqlx::raw_sql(older).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    let (_vectors, collection) = open(dir.path()).await;
    assert_eq!(collection.stats().await.unwrap().vectors, 1);
    collection.settle(&[(source(1, 1, 3), Vec::new())]).await.unwrap();
    assert_eq!(collection.settled().await.unwrap().weight, 3);
}
