//! Several processes at once, and such as end in the middle.
//!
//! Tests that wait for a child do so on a runtime of several threads: what makes segments in the background may be in a
//! transaction just then, and one thread that waits for the child would never end it.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use athenaeum_core::vector::{Effort, Entry, Filter, Key, Metric, Query, Spec, Tag, VectorStorage};
use athenaeum_vector::{Collection, Settings, Vectors};

fn vector(index: u64) -> Vec<f32> {
    (0..16).map(|at| ((index * 16 + at) as f32 * 0.37).sin()).collect()
}

fn entry(batch: u64, index: u64) -> Entry {
    let key = Key((u128::from(batch) << 64 | u128::from(index)).to_be_bytes());
    Entry { tags: vec![Tag::new("batch", batch.to_string())], ..Entry::new(key, vector(batch * 100 + index)) }
}

async fn open(dir: &Path) -> Collection {
    let vectors = Vectors::open(dir, Settings { newest_max: 150, ..Settings::default() }).await.unwrap();
    let spec = Spec { name: "chunks".into(), model: "m".into(), dimensions: 16, metric: Metric::Cosine };
    vectors.collection(&athenaeum_tenancy::local(), &spec).await.unwrap()
}

async fn in_batch(chunks: &Collection, batch: u64) -> usize {
    let filter = Filter::tag("batch", batch.to_string());
    let query = Query { filter, effort: Effort::Exact, ..Query::new(vector(1), 10_000) };
    chunks.search(&query).await.unwrap().len()
}

const DIR: &str = "ATHENAEUM_VECTOR_TEST_DIR";

/// Not a test by itself: the others run it in a process of its own. Stores batch after batch, deletes and searches
/// between, and says which batches are done.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let first: u64 = std::env::var("ATHENAEUM_VECTOR_TEST_FIRST").unwrap().parse().unwrap();
    let count: u64 = std::env::var("ATHENAEUM_VECTOR_TEST_COUNT").unwrap().parse().unwrap();
    let chunks = open(Path::new(&dir)).await;
    for batch in first..first + count {
        let entries: Vec<Entry> = (0..40).map(|index| entry(batch, index)).collect();
        chunks.store(&entries).await.unwrap();
        assert_eq!(in_batch(&chunks, batch).await, 40);
        if batch % 3 == 0 {
            chunks.delete(&entries[..10].iter().map(|entry| entry.key).collect::<Vec<_>>()).await.unwrap();
        }
        let mut out = std::io::stdout();
        writeln!(out, "\ndone {batch}").unwrap();
        out.flush().unwrap();
    }
}

fn start(dir: &Path, first: u64, count: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--nocapture"])
        .env(DIR, dir)
        .env("ATHENAEUM_VECTOR_TEST_FIRST", first.to_string())
        .env("ATHENAEUM_VECTOR_TEST_COUNT", count.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Batches that the child said it was done with.
fn told(child: &mut Child, until: usize) -> Vec<u64> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let batches = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("done ")?.parse().ok());
    batches.take(until).collect()
}

fn left(batch: u64) -> usize {
    if batch.is_multiple_of(3) { 30 } else { 40 }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_and_this_one_write_and_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = open(dir.path()).await;
    let mut children = [start(dir.path(), 100, 12), start(dir.path(), 200, 12)];
    for batch in 300..312 {
        chunks.store(&(0..40).map(|index| entry(batch, index)).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(in_batch(&chunks, batch).await, 40);
    }
    for child in &mut children {
        for batch in told(child, usize::MAX) {
            assert_eq!(in_batch(&chunks, batch).await, left(batch), "seen at once: {batch}");
        }
        assert!(child.wait().unwrap().success());
    }
    let expected: usize = (100..112).chain(200..212).map(left).sum::<usize>() + 12 * 40;
    assert_eq!(chunks.stats().await.unwrap().vectors, expected as u64);
    chunks.persist().await.unwrap();
    assert_eq!(chunks.search(&Query::new(vector(1), 10_000)).await.unwrap().len(), expected);
}

/// Killed in the middle: what it said was done is there, the batch it was at is there whole or not at all, and the next
/// one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..6_u64 {
        let first = 1_000 * (round + 1);
        let mut child = start(dir.path(), first, 1_000);
        let done = told(&mut child, 3 + 2 * round as usize);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!done.is_empty());
        let chunks = open(dir.path()).await;
        for batch in &done[..done.len() - 1] {
            assert_eq!(in_batch(&chunks, *batch).await, left(*batch));
        }
        let mut total = 0;
        for batch in first..first + 1_000 {
            let count = in_batch(&chunks, batch).await;
            assert!([0, 30, 40].contains(&count), "batch {batch} has {count}");
            total += count;
            if count == 0 {
                break;
            }
        }
        let all = chunks.search(&Query::new(vector(1), 1_000_000)).await.unwrap();
        assert_eq!(all.len() as u64, chunks.stats().await.unwrap().vectors);
        assert!(all.len() >= total);
    }
}
