use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use athenaeum_core::vector::{Effort, Metric};
use athenaeum_kernels::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    search::{Best, search},
    segment::testing::segment_of,
};

const HNSW: Hnsw = Hnsw { rows_min: 1, m: 8, ef_construction: 60, ef_search: 40 };

/// Vectors around so many centers; each is near its own.
fn vectors(count: usize, centers: usize) -> Vec<Vec<f32>> {
    let number = |seed: usize| {
        let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    let vector = |index: usize| {
        (0..16)
            .map(|at| number(index % centers * 16 + at) + 0.4 * number((index + centers) * 16 + at))
            .collect()
    };
    (0..count).map(vector).collect()
}

fn graph_of(segment: &Segment, threads: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    Graph::of(segment, &HNSW, threads, &AtomicBool::new(false)).unwrap().write(&mut bytes).unwrap();
    bytes
}

fn found(segment: &Segment, query: &[f32], effort: Effort) -> BTreeSet<athenaeum_core::vector::Key> {
    let probe = Probe::new(segment.metric(), query);
    let mut best = Best::new(10);
    search(segment, None, &probe, effort, &mut best);
    best.finish(&probe).into_iter().map(|near| near.key).collect()
}

#[test]
fn a_walk_finds_what_comparing_everything_finds() {
    let vectors = vectors(6_200, 300);
    let (rows, queries) = vectors.split_at(6_000);
    for metric in Metric::ALL {
        let segment = segment_of(metric, rows);
        let graph = Graph::open(&Bytes::from(graph_of(&segment, 2)), &segment, HNSW.ef_search).unwrap();
        assert!(graph.is_sound() && graph.is_as(&HNSW));
        let probe = Probe::new(metric, &queries[0]);
        let near = graph.near(&segment, &probe, 40);
        assert_eq!(near.iter().collect::<BTreeSet<_>>().len(), 40, "each row once");
        let segment = segment.with_graph(graph);
        for (effort, least) in [(Effort::Quick, 0.95), (Effort::Thorough, 0.99)] {
            let right: usize = queries
                .iter()
                .map(|query| {
                    let exact = found(&segment, query, Effort::Exact);
                    found(&segment, query, effort).intersection(&exact).count()
                })
                .sum();
            let recall = right as f64 / (10 * queries.len()) as f64;
            assert!(recall >= least, "{metric:?}, {effort:?}: {recall}");
        }
    }
}

#[test]
fn threads_change_nothing_and_who_gives_up_gets_nothing() {
    let segment = segment_of(Metric::Euclidean, &vectors(3_000, 40));
    let graph = graph_of(&segment, 1);
    assert!(graph == graph_of(&segment, 2) && graph == graph_of(&segment, 5));
    assert!(Graph::of(&segment, &HNSW, 2, &AtomicBool::new(true)).is_none());
}

#[test]
fn every_row_can_be_reached() {
    for (count, centers) in [(0, 1), (1, 1), (2, 1), (40, 3), (3_000, 3_000), (3_000, 2)] {
        let segment = segment_of(Metric::Cosine, &vectors(count, centers));
        let graph = Graph::open(&Bytes::from(graph_of(&segment, 2)), &segment, 1).unwrap();
        let layer = graph.lowest();
        let (mut met, mut to_visit) = (BTreeSet::from([0]), vec![0]);
        while let Some(node) = to_visit.pop() {
            for link in layer.links_of(node).iter().take_while(|link| **link != walk::NONE) {
                let node = u32::from_le_bytes(*link);
                if met.insert(node) {
                    to_visit.push(node);
                }
            }
        }
        // One row of a thousand that all its neighbours have dropped is what a graph costs.
        assert!(met.len() >= count - count / 1_000, "{} of {count}", met.len());
    }
}

/// More rows than a list of neighbours holds may be one and the same.
#[test]
fn equal_rows_are_found() {
    let mut rows = vectors(2_000, 200);
    rows.extend(vec![rows[7].clone(); 500]);
    let segment = segment_of(Metric::Cosine, &rows);
    let graph = Graph::open(&Bytes::from(graph_of(&segment, 1)), &segment, HNSW.ef_search).unwrap();
    let probe = Probe::new(Metric::Cosine, &rows[7]);
    let near = graph.near(&segment, &probe, 100);
    let score = |row: &u32| {
        let (factor, _) = segment.factor_and_bias(*row as usize);
        athenaeum_kernels::product_f32_i8(&probe.exact, segment.row_values(*row as usize)) * factor
    };
    assert!(near.iter().filter(|row| score(row) > 0.999).count() >= 90);
}

#[test]
fn another_segments_graph_and_a_damaged_one_are_none() {
    let (ours, theirs) = (vectors(300, 10), vectors(300, 11));
    let (ours, theirs) = (segment_of(Metric::Cosine, &ours), segment_of(Metric::Cosine, &theirs));
    let graph = graph_of(&ours, 1);
    let open = |bytes: &[u8]| Graph::open(&Bytes::from(bytes.to_vec()), &ours, 10);
    assert!(Graph::open(&Bytes::from(graph.clone()), &theirs, 10).is_err());
    assert!(open(&graph[..graph.len() - 4]).is_err() && open(&[]).is_err());
    for at in [0, 9, 20, 30, 40, 50, 310, 319] {
        let mut damaged = graph.clone();
        damaged[at] ^= 1;
        assert!(open(&damaged).is_err(), "byte {at}");
    }
    let mut damaged = graph.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(!open(&damaged).unwrap().is_sound());
}

proptest! {
    /// With a head whose hash holds, so that what comes after it is looked at, too.
    #[test]
    fn no_bytes_make_it_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..60),
        in_head in proptest::collection::vec((16_usize..320, any::<u8>()), 0..3),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let segment = segment_of(Metric::Cosine, &vectors(200, 9));
        let mut bytes = graph_of(&segment, 1);
        for (at, byte) in changes {
            let at = 320 + at.index(bytes.len() - 320);
            bytes[at] = byte;
        }
        in_head.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        let hash = xxhash_rust::xxh3::xxh3_64(&bytes[..312]);
        bytes[312..320].copy_from_slice(&hash.to_le_bytes());
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(graph) = Graph::open(&Bytes::from(bytes), &segment, 10) {
            graph.is_sound();
            let near = graph.near(&segment, &Probe::new(Metric::Cosine, &[0.5; 16]), 20);
            prop_assert!(near.len() <= 20 && near.iter().all(|row| *row < 200));
        }
    }
}
