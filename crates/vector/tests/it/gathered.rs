//! Segments made by whoever makes vectors, and put together.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use athenaeum_core::vector::{Effort, Entry, Key, Metric, Near, Query, Spec, VectorStorage};
use athenaeum_vector::{Collection, Settings, Vectors};

/// Far from each other, however many there are.
fn vector(index: usize) -> Vec<f32> {
    let mixed = |at: usize| ((index * 8 + at) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..8)
        .map(|at| {
            ((mixed(at) ^ mixed(at) >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 - 8_388_608.0
        })
        .collect()
}

fn key(index: usize) -> Key {
    Key((index as u128).to_be_bytes())
}

fn entries(range: std::ops::Range<usize>) -> Vec<Entry> {
    range.map(|index| Entry::new(key(index), vector(index))).collect()
}

async fn open(dir: &Path) -> Collection {
    let vectors = Vectors::open(dir, Settings { background: false, ..Settings::default() }).await.unwrap();
    let spec = Spec { name: "chunks".into(), model: "m".into(), dimensions: 8, metric: Metric::Cosine };
    vectors.collection(&athenaeum_tenancy::local(), &spec).await.unwrap()
}

/// Counts the files.
fn segments(dir: &Path) -> usize {
    let folders = std::fs::read_dir(dir.join("local")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".segment")).count()
}

async fn exact(chunks: &Collection, index: usize, limit: usize) -> Vec<Near> {
    let query = Query { effort: Effort::Exact, ..Query::new(vector(index), limit) };
    chunks.search(&query).await.unwrap()
}

/// However many vectors there are, few are held at a time, and none is lost between two segments.
#[tokio::test]
async fn what_is_gathered_lies_in_segments_of_bounded_size() {
    let dir = tempfile::tempdir().unwrap();
    let check = async |written: usize| {
        let chunks = open(dir.path()).await;
        for index in [0, 5, 8_191, 8_192, 16_383, 16_384, 20_000, written - 1] {
            let near = chunks.search(&Query::new(vector(index), 1)).await.unwrap();
            assert_eq!(near[0].key, key(index), "of {written}");
        }
        assert_eq!(chunks.stats().await.unwrap().vectors, written as u64 - 1);
    };
    let chunks = open(dir.path()).await;
    for from in (0..20_500).step_by(500) {
        chunks.store(&entries(from..from + 500)).await.unwrap();
    }
    chunks.delete(&[key(10_000)]).await.unwrap();
    chunks.gather(50_000).await.unwrap();
    assert_eq!(segments(dir.path()), 0, "too few to be worth it");
    chunks.gather(500).await.unwrap();
    assert_eq!(segments(dir.path()), 3);
    check(20_500).await;

    // Few beside the last segment, which takes them in; nothing where nothing came.
    chunks.store(&entries(20_500..22_000)).await.unwrap();
    for _ in 0..2 {
        chunks.gather(500).await.unwrap();
        assert_eq!(segments(dir.path()), 3);
    }
    check(22_000).await;

    // Whoever has little memory leaves them as they are, and fewer than asked for stay; otherwise two or three are one then.
    let settings = Settings { background: false, joined_max: 0, ..Settings::default() };
    let spare = Vectors::open(dir.path(), settings).await.unwrap();
    let spare = spare.collection(&athenaeum_tenancy::local(), chunks.spec()).await.unwrap();
    spare.join(2).await.unwrap();
    assert_eq!(segments(dir.path()), 3);
    chunks.join(4).await.unwrap();
    assert_eq!(segments(dir.path()), 3);
    chunks.join(2).await.unwrap();
    assert_eq!(segments(dir.path()), 1);
    check(22_000).await;
}

/// As a librarian does whose folders grow for weeks.
#[tokio::test]
async fn however_often_vectors_come_segments_stay_few_and_answers_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = open(dir.path()).await;
    // Opened before anything was put together, as by another process.
    let (reader, mut most) = (open(dir.path()).await, 0);
    for round in 0..40 {
        chunks.store(&entries(round * 1_100..(round + 1) * 1_100)).await.unwrap();
        chunks.delete(&[key(round * 1_000)]).await.unwrap();
        chunks.gather(1_024).await.unwrap();
        let before = exact(&reader, round * 7, 20).await;
        chunks.join(2).await.unwrap();
        most = most.max(segments(dir.path()));
        for chunks in [&chunks, &reader, &open(dir.path()).await] {
            assert_eq!(exact(chunks, round * 7, 20).await, before, "round {round}");
        }
    }
    // Of 33,000 rows, 8,000, 2,000 and 1,000, at most; without, there would be seventeen.
    assert!(most <= 4, "{most}");
    let all: BTreeSet<Key> = exact(&reader, 0, 50_000).await.iter().map(|near| near.key).collect();
    let removed: BTreeSet<Key> = (0..40).map(|round| key(round * 1_000)).collect();
    assert!(all.len() == 44_000 - 40 && all.is_disjoint(&removed), "{}", all.len());
    let joined = exact(&chunks, 3, 10).await;
    let mut right = 0;
    for index in 0..20 {
        let near = chunks.search(&Query::new(vector(index), 10)).await.unwrap();
        let nearest = exact(&chunks, index, 10).await;
        right += near.iter().filter(|near| nearest.contains(near)).count();
    }
    assert!(right >= 180, "{right} of 200");
    chunks.persist().await.unwrap();
    assert_eq!(exact(&chunks, 3, 10).await, joined);
}

#[tokio::test]
async fn where_most_of_a_segment_is_gone_it_is_put_together_with_others_and_nothing_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = open(dir.path()).await;
    for from in [0, 5_000, 10_000] {
        chunks.store(&entries(from..from + 5_000)).await.unwrap();
        chunks.gather(1_000).await.unwrap();
    }
    let reader = open(dir.path()).await;
    assert_eq!(exact(&reader, 1, 20_000).await.len(), 15_000);
    let gone: Vec<Key> = (5_000..9_999).map(key).collect();
    chunks.delete(&gone).await.unwrap();
    chunks.join(2).await.unwrap();
    assert!(segments(dir.path()) < 3);
    for chunks in [&chunks, &reader, &open(dir.path()).await] {
        let found = exact(chunks, 1, 20_000).await;
        assert_eq!(found.len(), 10_001);
        assert!(found.iter().all(|near| !gone.contains(&near.key)));
    }
    // Cleared, there is nothing to put together, and what comes then is found.
    chunks.clear().await.unwrap();
    chunks.join(2).await.unwrap();
    chunks.store(&entries(0..5)).await.unwrap();
    assert_eq!(exact(&reader, 1, 20).await.len(), 5);
}

const DIR: &str = "ATHENAEUM_VECTOR_TEST_GATHERED";
const BATCH: usize = 300;

/// Not a test by itself: the other runs it in a process of its own. Stores batch after batch, with segments made and put
/// together after each, and says which are done.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let chunks = open(Path::new(&dir)).await;
    let first = chunks.stats().await.unwrap().vectors as usize / BATCH;
    for batch in first.. {
        chunks.store(&entries(batch * BATCH..(batch + 1) * BATCH)).await.unwrap();
        chunks.gather(1).await.unwrap();
        chunks.join(2).await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "\ndone {batch}").unwrap();
        out.flush().unwrap();
    }
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "gathered::child", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Another process puts segments together and is killed wherever it is; this one reads on.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_segments_are_put_together_loses_and_doubles_nothing_for_those_who_read() {
    let dir = tempfile::tempdir().unwrap();
    let reader = open(dir.path()).await;
    for round in 0..5 {
        let mut child = start(dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let batches =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("done ")?.parse::<usize>().ok());
        for batch in batches.take(2 + 3 * round) {
            let found = exact(&reader, 1, 1_000_000).await;
            let keys: BTreeSet<Key> = found.iter().map(|near| near.key).collect();
            assert!(keys.len() == found.len() && keys.len().is_multiple_of(BATCH), "{}", found.len());
            assert!((0..(batch + 1) * BATCH).all(|index| keys.contains(&key(index))), "after {batch}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for chunks in [&reader, &open(dir.path()).await] {
            let found = exact(chunks, 1, 1_000_000).await;
            let keys: BTreeSet<Key> = found.iter().map(|near| near.key).collect();
            assert_eq!((found.len(), keys.len() as u64), (keys.len(), chunks.stats().await.unwrap().vectors));
        }
    }
}
