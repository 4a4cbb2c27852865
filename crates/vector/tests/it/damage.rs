//! Whatever happens to segments, the rows answer.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use athenaeum_core::vector::{Effort, Entry, Key, Metric, Query, Spec, VectorStorage};
use athenaeum_vector::{Collection, Settings, Vectors};

fn vector(index: usize) -> Vec<f32> {
    (0..24).map(|at| ((index * 24 + at) as f32 * 0.37).sin()).collect()
}

fn key(index: usize) -> Key {
    Key((index as u128).to_be_bytes())
}

async fn open(dir: &Path) -> Collection {
    let vectors = Vectors::open(dir, Settings::default()).await.unwrap();
    let spec = Spec { name: "chunks".into(), model: "m".into(), dimensions: 24, metric: Metric::Cosine };
    vectors.collection(&athenaeum_tenancy::local(), &spec).await.unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let tenant = fs::read_dir(dir.join("local")).unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<PathBuf> = fs::read_dir(tenant).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn segment(dir: &Path) -> PathBuf {
    files(dir).into_iter().find(|path| path.extension().is_some_and(|end| end == "segment")).unwrap()
}

/// As a copy or a disk would do it: whoever has the old file open keeps it.
fn replace(path: &Path, bytes: impl AsRef<[u8]>) {
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes).unwrap();
    fs::rename(fresh, path).unwrap();
}

async fn answers(chunks: &Collection) -> bool {
    let mut right = true;
    for index in [0, 100, 4_999] {
        let query = Query { effort: Effort::Quick, ..Query::new(vector(index), 3) };
        let near = chunks.search(&query).await.unwrap();
        right &= near.len() == 3 && near[0].key == key(index) && near[0].score > 0.999;
    }
    right
}

/// Does something to a folder with a segment; the next one who opens it finds everything, at once or after the damage
/// was noticed.
async fn check(damage: impl Fn(&Path), at_once: bool) {
    let dir = tempfile::tempdir().unwrap();
    {
        let chunks = open(dir.path()).await;
        let entries: Vec<Entry> = (0..5_000).map(|index| Entry::new(key(index), vector(index))).collect();
        chunks.store(&entries).await.unwrap();
        chunks.persist().await.unwrap();
        assert!(answers(&chunks).await);
    }
    damage(dir.path());
    let chunks = open(dir.path()).await;
    let mut right = answers(&chunks).await;
    assert!(right || !at_once);
    for _ in 0..200 {
        if right {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        right = answers(&chunks).await;
    }
    assert!(right, "the damage was not noticed");
    chunks.persist().await.unwrap();
    assert!(answers(&chunks).await && segment(dir.path()).exists());
}

#[tokio::test]
async fn what_is_missing_or_cut_off_is_made_anew() {
    check(|dir| fs::remove_dir_all(dir.join("local")).unwrap(), true).await;
    check(|dir| fs::remove_file(segment(dir)).unwrap(), true).await;
    check(|dir| replace(&segment(dir), "ATHVECS"), true).await;
    check(|dir| fs::write(segment(dir).with_file_name("segments.json"), "{\"version\":1,").unwrap(), true)
        .await;
    let cut = |dir: &Path| {
        let bytes = fs::read(segment(dir)).unwrap();
        replace(&segment(dir), &bytes[..bytes.len() / 2]);
    };
    check(cut, true).await;
}

#[tokio::test]
async fn bytes_that_changed_are_noticed() {
    let flip = |dir: &Path| {
        let mut bytes = fs::read(segment(dir)).unwrap();
        let values = bytes.len() / 3..bytes.len() * 2 / 3;
        bytes[values].iter_mut().for_each(|byte| *byte ^= 0x5a);
        replace(&segment(dir), bytes);
    };
    check(flip, false).await;
}

/// A backup knows less than the segments beside it, which then are another history's.
#[tokio::test]
async fn an_older_database_beside_newer_segments() {
    let dir = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    {
        let vectors = Vectors::open(dir.path(), Settings::default()).await.unwrap();
        let spec = Spec { name: "chunks".into(), model: "m".into(), dimensions: 24, metric: Metric::Cosine };
        let chunks = vectors.collection(&athenaeum_tenancy::local(), &spec).await.unwrap();
        let entries: Vec<Entry> = (0..100).map(|index| Entry::new(key(index), vector(index))).collect();
        chunks.store(&entries[..50]).await.unwrap();
        vectors.close().await;
        drop((chunks, vectors));
        for name in ["vectors.db", "vectors.db-wal"] {
            let _ = fs::copy(dir.path().join(name), old.path().join(name));
        }
        let chunks = open(dir.path()).await;
        chunks.store(&entries[50..]).await.unwrap();
        chunks.persist().await.unwrap();
    }
    for name in ["vectors.db", "vectors.db-wal", "vectors.db-shm"] {
        let _ = fs::remove_file(dir.path().join(name));
        let _ = fs::copy(old.path().join(name), dir.path().join(name));
    }
    let chunks = open(dir.path()).await;
    assert_eq!(chunks.search(&Query::new(vector(3), 1_000)).await.unwrap().len(), 50);
}
