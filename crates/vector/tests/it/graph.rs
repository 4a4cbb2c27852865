//! Graphs beside segments: made when they are wanted, gone with their segment, never needed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use athenaeum_core::vector::{
    Condition, Effort, Entry, Filter, Key, Metric, Query, Spec, Tag, VectorStorage,
};
use athenaeum_vector::{Collection, Hnsw, Settings, Vectors};

const ROWS: usize = 30_000;

fn vector(index: usize) -> Vec<f32> {
    let mixed = |at: usize| {
        let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..8).map(|at| mixed(index % 900 * 8 + at) + 0.5 * mixed((index + 900) * 8 + at)).collect()
}

fn key(index: usize) -> Key {
    Key((index as u128).to_be_bytes())
}

fn entries(range: std::ops::Range<usize>) -> Vec<Entry> {
    let entry = |index: usize| Entry {
        tags: vec![Tag::new("third", (index % 3).to_string())],
        ..Entry::new(key(index), vector(index))
    };
    range.map(entry).collect()
}

async fn open_with(dir: &Path, settings: Settings) -> Collection {
    let vectors = Vectors::open(dir, settings).await.unwrap();
    let spec = Spec { name: "chunks".into(), model: "m".into(), dimensions: 8, metric: Metric::Cosine };
    vectors.collection(&athenaeum_tenancy::local(), &spec).await.unwrap()
}

fn with_graph() -> Settings {
    let hnsw = Hnsw { rows_min: 20_000, m: 8, ef_construction: 60, ef_search: 40 };
    Settings { background: false, hnsw: Some(hnsw), ..Settings::default() }
}

fn files(dir: &Path, end: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(dir.join("local")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|other| other == end))
        .collect()
}

async fn keys(chunks: &Collection, query: Query) -> Vec<Key> {
    chunks.search(&query).await.unwrap().into_iter().map(|near| near.key).collect()
}

/// The part of the ten nearest that is found quickly, of fifty queries with a filter.
async fn recall(chunks: &Collection, filter: &Filter) -> f64 {
    let mut right = 0;
    for index in 0..50 {
        let query =
            |effort| Query { effort, filter: filter.clone(), ..Query::new(vector(ROWS + 7 * index), 10) };
        let exact = keys(chunks, query(Effort::Exact)).await;
        right += keys(chunks, query(Effort::Quick)).await.iter().filter(|key| exact.contains(key)).count();
    }
    right as f64 / 500.0
}

#[tokio::test]
async fn large_segments_get_a_graph_and_lose_it_with_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = open_with(dir.path(), with_graph()).await;
    chunks.store(&entries(0..10_000)).await.unwrap();
    chunks.persist().await.unwrap();
    assert_eq!(files(dir.path(), "graph").len(), 0, "too few to be worth it");
    chunks.store(&entries(10_000..ROWS)).await.unwrap();
    chunks.persist().await.unwrap();
    let graph = files(dir.path(), "graph");
    assert_eq!((graph.len(), files(dir.path(), "segment").len()), (1, 1));

    // What a filter and the removed leave: more than half by the graph, fewer without.
    let filter = |values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned());
        Filter { tags: vec![Condition::any("third", values)], ..Filter::default() }
    };
    for filter in [Filter::default(), filter(&["0", "1"]), filter(&["2"])] {
        let recall = recall(&chunks, &filter).await;
        assert!(recall >= 0.95, "{filter:?}: {recall}");
    }
    let nearest = keys(&chunks, Query::new(vector(3), 5)).await;
    chunks.delete(&nearest).await.unwrap();
    chunks.store(&entries(ROWS..ROWS + 10)).await.unwrap();
    let now = keys(&chunks, Query::new(vector(3), 5)).await;
    assert!(now.len() == 5 && now.iter().all(|key| !nearest.contains(key)));
    assert_eq!(keys(&chunks, Query::new(vector(ROWS + 4), 1)).await, [key(ROWS + 4)], "the newest is found");

    // Another program that knows of no graphs, and one that wants another kind.
    let plain = open_with(dir.path(), Settings { hnsw: None, ..with_graph() }).await;
    let near = plain.search(&Query::new(vector(3), 5)).await.unwrap();
    assert!(near.len() == 5 && near.iter().all(|near| !nearest.contains(&near.key)));
    let fast = Settings { hnsw: Some(Hnsw { rows_min: 20_000, ..Hnsw::FAST }), ..with_graph() };
    let before = fs::metadata(&graph[0]).unwrap().len();
    open_with(dir.path(), fast).await.persist().await.unwrap();
    let after = fs::metadata(&graph[0]).unwrap().len();
    assert!(after > before * 5 / 4, "{before} bytes, then {after}");

    let chunks = open_with(dir.path(), with_graph()).await;
    chunks.store(&entries(ROWS + 10..2 * ROWS)).await.unwrap();
    chunks.persist().await.unwrap();
    assert!(!graph[0].exists() && files(dir.path(), "graph").len() == 1);
    chunks.clear().await.unwrap();
    assert_eq!(files(dir.path(), "graph").len() + files(dir.path(), "segment").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn graphs_are_made_in_the_background_and_anew_where_they_are_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let background = Settings { background: true, ..with_graph() };
    let chunks = open_with(dir.path(), Settings { hnsw: None, ..with_graph() }).await;
    chunks.store(&entries(0..ROWS)).await.unwrap();
    chunks.persist().await.unwrap();
    let wait = async |chunks: &Collection, until: &dyn Fn() -> bool| {
        for _ in 0..600 {
            assert_eq!(keys(chunks, Query::new(vector(9), 1)).await, [key(9)]);
            if until() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no graph came");
    };
    let chunks = open_with(dir.path(), background.clone()).await;
    wait(&chunks, &|| !files(dir.path(), "graph").is_empty()).await;

    let graph = files(dir.path(), "graph").remove(0);
    let good = fs::read(&graph).unwrap();
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.truncate(100),
        |bytes| bytes[20] ^= 1,
        |bytes| bytes[400..].iter_mut().for_each(|byte| *byte ^= 0x11),
    ];
    for damage in damages {
        let mut bytes = good.clone();
        damage(&mut bytes);
        let fresh = graph.with_extension("new");
        fs::write(&fresh, bytes).unwrap();
        fs::rename(fresh, &graph).unwrap();
        let chunks = open_with(dir.path(), background.clone()).await;
        // Of a damaged one some may be missing, until that was noticed.
        for _ in 0..600 {
            if fs::read(&graph).is_ok_and(|bytes| bytes == good) {
                break;
            }
            chunks.search(&Query::new(vector(9), 1)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(fs::read(&graph).unwrap() == good, "the same rows give the same graph");
        assert_eq!(keys(&chunks, Query::new(vector(9), 1)).await, [key(9)]);
    }
}
