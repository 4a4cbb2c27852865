use std::{task::Poll, time::Duration};

use athenaeum_core::vector::{Entry, Filter, Key, Metric, Query, Spec, Tag, VectorStorage};
use athenaeum_vector::{Settings, Vectors};

fn spec() -> Spec {
    Spec { name: "chunks".into(), model: "m".into(), dimensions: 8, metric: Metric::Cosine }
}

fn vector(index: usize) -> Vec<f32> {
    (0..8).map(|at| ((index * 8 + at) as f32 * 1.3).sin()).collect()
}

fn key(index: usize) -> Key {
    Key((index as u128).to_be_bytes())
}

fn entries(range: std::ops::Range<usize>) -> Vec<Entry> {
    range
        .map(|index| Entry {
            tags: vec![Tag::new("parity", if index % 2 == 0 { "even" } else { "odd" })],
            ..Entry::new(key(index), vector(index))
        })
        .collect()
}

#[tokio::test]
async fn what_is_stored_is_found_and_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let scope = athenaeum_tenancy::local();
    {
        let vectors = Vectors::open(dir.path(), Settings::default()).await.unwrap();
        let chunks = vectors.collection(&scope, &spec()).await.unwrap();
        chunks.store(&entries(0..300)).await.unwrap();
        chunks.store(&entries(300..310)).await.unwrap();
        assert_eq!(chunks.delete(&[key(7), key(305), key(999)]).await.unwrap(), 2);
        let near = chunks.search(&Query::new(vector(7), 5)).await.unwrap();
        assert!(near.len() == 5 && near.iter().all(|near| near.key != key(7)));
    }
    for persist in [false, true, false] {
        let vectors = Vectors::open(dir.path(), Settings::default()).await.unwrap();
        let chunks = vectors.collection(&scope, &spec()).await.unwrap();
        if persist {
            chunks.persist().await.unwrap();
        }
        for index in [0, 8, 299, 309] {
            let near = chunks.search(&Query::new(vector(index), 1)).await.unwrap();
            assert_eq!(near[0].key, key(index));
            assert!(near[0].score > 0.999);
        }
        let odd = Query { filter: Filter::tag("parity", "odd"), ..Query::new(vector(8), 400) };
        assert_eq!(chunks.search(&odd).await.unwrap().len(), 153);
        assert_eq!(chunks.stats().await.unwrap().vectors, 308);
        assert_eq!(chunks.contains(&[key(7), key(8)]).await.unwrap(), [false, true]);
    }
}

/// Whoever is gone in the middle of writing, such as a client that hung up, holds up no other process.
#[tokio::test]
async fn a_write_that_is_given_up_is_taken_back_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let scope = athenaeum_tenancy::local();
    let settings =
        Settings { busy_timeout: Duration::from_secs(5), background: false, ..Settings::default() };
    let open = async || {
        let vectors = Vectors::open(dir.path(), settings.clone()).await.unwrap();
        vectors.collection(&scope, &spec()).await.unwrap()
    };
    // A second handle has connections of its own, as another process would.
    let (ours, theirs) = (open().await, open().await);
    for steps in 0.. {
        let batch = entries(steps * 1_000..(steps + 1) * 1_000);
        let mut done = false;
        {
            let mut writing = std::pin::pin!(ours.store(&batch));
            for _ in 0..steps {
                done = std::future::poll_fn(|context| Poll::Ready(writing.as_mut().poll(context).is_ready()))
                    .await;
                if done {
                    break;
                }
                // Lets the connection's thread do what it was told; nothing tells when it has.
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let one = [Entry::new(Key(u128::MAX.to_be_bytes()), vector(steps))];
        let stored = theirs.store(&one).await;
        stored.unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        let keys: Vec<Key> = batch.iter().map(|entry| entry.key).collect();
        let there = theirs.contains(&keys).await.unwrap();
        assert!(there.iter().all(|is| *is == there[0]), "a part of a batch stays after {steps} steps");
        if done {
            return;
        }
    }
}
