use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use athenaeum_core::{
    Timestamp,
    vector::{Condition, Effort, Entry, Filter, Key, Metric, Near, Query, Span, Spec, Tag, VectorStorage},
};
use athenaeum_tenancy::{Scope, for_test};

/// Shows that a storage does what the port promises; panics where it does not. `open` opens a tenant's collection, which is
/// empty at first and stays as it was left; scopes and names are the suite's own.
///
/// # Panics
/// Where the storage fails or answers wrongly.
pub async fn conform<S: VectorStorage>(open: impl AsyncFn(&Scope, &Spec) -> S) {
    let open = |name: &'static str, dimensions, metric| {
        let spec = Spec { name: name.into(), model: "m".into(), dimensions, metric };
        let open = &open;
        async move { open(&for_test("suite"), &spec).await }
    };
    for metric in Metric::ALL {
        scores(&open(metric.as_str(), 2, metric).await, metric).await;
    }
    limits(&open("limits", 4, Metric::Cosine).await).await;
    updates(&open("updates", 4, Metric::Cosine).await).await;
    deletes(&open("deletes", 4, Metric::Euclidean).await).await;
    filters(&open("filters", 4, Metric::Cosine).await).await;
    times(&open("times", 2, Metric::Cosine).await).await;
    expiry(&open("expiry", 2, Metric::InnerProduct).await).await;
    refusals(&open("refusals", 3, Metric::Cosine).await).await;
    clearing(&open("clearing", 2, Metric::Cosine).await).await;
    for metric in Metric::ALL {
        let name =
            ["recall-c", "recall-e", "recall-i"][Metric::ALL.iter().position(|m| *m == metric).unwrap_or(0)];
        recall(&open(name, 32, metric).await, metric).await;
    }
    anything(&open("anything", 6, Metric::Euclidean).await).await;
}

/// Shows that nothing of one tenant, or of another collection, can be reached from another: every key, by every method.
///
/// # Panics
/// Where something can.
pub async fn isolates<S: VectorStorage>(open: impl AsyncFn(&Scope, &Spec) -> S) {
    let spec =
        |name: &str| Spec { name: name.into(), model: "m".into(), dimensions: 3, metric: Metric::Cosine };
    let ours = open(&for_test("ours"), &spec("notes")).await;
    let keys: Vec<Key> = (0..50).map(key).collect();
    let entries = |side: f32| -> Vec<Entry> {
        let entry = |index: &u32| Entry {
            tags: vec![Tag::new("all", "yes")],
            expires: Some(Timestamp::from_micros(1_000_000)),
            ..Entry::new(key(*index), vec![side, *index as f32, 1.0])
        };
        (0..50).collect::<Vec<u32>>().iter().map(entry).collect()
    };
    done(ours.store(&entries(1.0)).await);
    let before = Timestamp::from_micros(0);
    let all =
        |limit| Query { now: Some(before), effort: Effort::Exact, ..Query::new(vec![1.0, 7.0, 1.0], limit) };
    let expected = done(ours.search(&all(100)).await);
    assert_eq!(expected.len(), 50);

    let strangers = [
        open(&for_test("theirs"), &spec("notes")).await,
        open(&for_test("ours"), &spec("other-notes")).await,
        open(&for_test("ours-2"), &spec("notes")).await,
    ];
    for other in &strangers {
        let found = Query {
            filter: Filter { keys: Some(Arc::new(keys.iter().copied().collect())), ..Filter::default() },
            ..all(100)
        };
        for query in [all(100), found, Query { filter: Filter::tag("all", "yes"), ..all(100) }] {
            assert_eq!(done(other.search(&query).await), [], "theirs, not ours");
        }
        assert_eq!(done(other.contains(&keys).await), vec![false; 50]);
        assert_eq!(done(other.stats().await).vectors, 0);
        assert_eq!(done(other.delete(&keys).await), 0);
        assert_eq!(done(other.expire(Timestamp::from_micros(2_000_000)).await), 0);
        done(other.store(&entries(-1.0)).await);
        assert_eq!(done(other.stats().await).vectors, 50);
        done(other.persist().await);
        done(other.clear().await);
        assert_eq!(done(ours.search(&all(100)).await), expected, "the same keys elsewhere change nothing");
        assert_eq!(done(ours.contains(&keys).await), vec![true; 50]);
        assert_eq!(done(ours.stats().await).vectors, 50);
    }
    assert_eq!(done(ours.expire(Timestamp::from_micros(2_000_000)).await), 50);
}

async fn scores(storage: &impl VectorStorage, metric: Metric) {
    let vectors = [[3.0, 4.0], [-4.0, 3.0], [0.3, 0.4], [0.0, 0.0]];
    let entries: Vec<Entry> =
        (0..4).map(|index| Entry::new(key(index), vectors[index as usize].to_vec())).collect();
    done(storage.store(&entries).await);
    for effort in EFFORTS {
        let near = done(storage.search(&Query { effort, ..Query::new(vec![6.0, 8.0], 4) }).await);
        assert_eq!(near.len(), 4);
        assert!(near.is_sorted_by(|a, b| a.score >= b.score), "{near:?}");
        for found in near {
            let index = (0..4).find(|index| key(*index) == found.key).expect("a key that was stored");
            let exact = metric.score(&vectors[index as usize], &[6.0, 8.0]);
            assert!(
                (found.score - exact).abs() <= 0.01 * exact.abs().max(10.0),
                "{metric:?} {found:?} {exact}"
            );
        }
    }
}

async fn limits(storage: &impl VectorStorage) {
    assert_eq!(done(storage.search(&Query::new(vec![1.0; 4], 10)).await), [], "empty");
    done(storage.store(&[]).await);
    assert_eq!(done(storage.delete(&[]).await), 0);
    assert_eq!(done(storage.contains(&[]).await), Vec::<bool>::new());
    done(storage.store(&some(20, 4)).await);
    for (limit, found) in [(0, 0), (1, 1), (20, 20), (1_000, 20), (usize::MAX, 20)] {
        assert_eq!(done(storage.search(&Query::new(vec![1.0; 4], limit)).await).len(), found);
    }
    let queries: Vec<Query> = some(7, 4).into_iter().map(|entry| Query::new(entry.vector, 3)).collect();
    let together = done(storage.search_all(&queries).await);
    for (query, found) in queries.iter().zip(together) {
        assert_eq!(done(storage.search(query).await), found);
    }
}

async fn updates(storage: &impl VectorStorage) {
    let at = |index: usize| {
        let mut vector = vec![0.0; 4];
        vector[index] = 1.0;
        vector
    };
    done(
        storage
            .store(&[Entry::new(key(1), at(0)), Entry::new(key(2), at(1)), Entry::new(key(1), at(2))])
            .await,
    );
    assert_eq!(done(storage.stats().await).vectors, 2, "the last of a key stays");
    assert_eq!(nearest(storage, at(2)).await, key(1));
    done(storage.persist().await);
    let tagged = Entry { tags: vec![Tag::new("new", "yes")], ..Entry::new(key(1), at(3)) };
    done(storage.store(&[tagged]).await);
    let near = done(storage.search(&Query::new(at(2), 10)).await);
    assert!(near.len() == 2 && near.iter().all(|near| near.score < 0.01), "the old one is gone: {near:?}");
    let query = Query { filter: Filter::tag("new", "yes"), ..Query::new(at(3), 10) };
    assert_eq!(done(storage.search(&query).await)[0].key, key(1));
    done(storage.store(&[Entry::new(key(1), at(3))]).await);
    assert_eq!(done(storage.search(&query).await), [], "its tags went with it");
}

async fn deletes(storage: &impl VectorStorage) {
    let entries = some(60, 4);
    done(storage.store(&entries).await);
    done(storage.persist().await);
    assert_eq!(done(storage.delete(&[key(3), key(4), key(4), key(999)]).await), 2);
    assert_eq!(done(storage.delete(&[key(3)]).await), 0);
    assert_eq!(done(storage.contains(&[key(2), key(3), key(5)]).await), [true, false, true]);
    assert_eq!(done(storage.stats().await).vectors, 58);
    for effort in EFFORTS {
        let near =
            done(storage.search(&Query { effort, ..Query::new(entries[3].vector.clone(), 100) }).await);
        assert!(near.len() == 58 && near.iter().all(|near| near.key != key(3) && near.key != key(4)));
    }
    done(storage.store(&entries[3..4]).await);
    assert_eq!(nearest(storage, entries[3].vector.clone()).await, key(3), "it may come again");
}

async fn filters(storage: &impl VectorStorage) {
    let mut entries = some(200, 4);
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.tags.push(Tag::new("parity", if index % 2 == 0 { "even" } else { "odd" }));
        if index % 10 == 0 {
            entry.tags.push(Tag::new("ten", index.to_string()));
            entry.tags.push(Tag::new("parity", "round"));
        }
    }
    done(storage.store(&entries[..150]).await);
    done(storage.persist().await);
    done(storage.store(&entries[150..]).await);
    let keys = |some: &[u32]| Some(Arc::new(some.iter().map(|index| key(*index)).collect::<HashSet<_>>()));
    let any =
        |name: &str, values: &[&str]| Condition::any(name, values.iter().map(|value| (*value).to_owned()));
    let none = |name: &str, values: &[&str]| Condition { negated: true, ..any(name, values) };
    let tags = |tags: Vec<Condition>| Filter { tags, ..Filter::default() };
    for (filter, count) in [
        (Filter::default(), 200),
        (Filter::tag("parity", "odd"), 100),
        (Filter::tag("parity", "round"), 20),
        (Filter::tag("parity", "neither"), 0),
        (Filter::tag("Parity", "odd"), 0),
        (tags(vec![any("ten", &["10", "20", "25", "160"])]), 3),
        (tags(vec![any("ten", &[])]), 20),
        (tags(vec![none("ten", &[])]), 180),
        (tags(vec![none("parity", &["odd", "round"])]), 80),
        (tags(vec![any("parity", &["even"]), none("ten", &["0"])]), 99),
        (Filter { keys: keys(&[1, 2, 199, 200]), ..Filter::default() }, 3),
        (Filter { keys: keys(&[1, 2]), ..Filter::tag("parity", "odd") }, 1),
        (Filter { keys: keys(&[]), ..Filter::default() }, 0),
    ] {
        let expected: HashSet<Key> = entries
            .iter()
            .filter(|entry| filter.passes(entry, Timestamp::from_micros(0)))
            .map(|entry| entry.key)
            .collect();
        assert_eq!(expected.len(), count, "{filter:?}");
        for effort in EFFORTS {
            let query = Query { filter: filter.clone(), effort, ..Query::new(vec![1.0; 4], 500) };
            let found: HashSet<Key> =
                done(storage.search(&query).await).iter().map(|near| near.key).collect();
            assert_eq!(found, expected, "{filter:?}");
        }
    }
}

async fn times(storage: &impl VectorStorage) {
    let moment = Timestamp::from_micros;
    let entry = |index: u32, from: Option<i64>, until: Option<i64>, learnt: i64| Entry {
        valid: Span { from: from.map(moment), until: until.map(moment) },
        learnt: Some(moment(learnt)),
        ..Entry::new(key(index), vec![1.0, 0.0])
    };
    let entries = [
        entry(0, None, None, 100),
        entry(1, Some(10), Some(20), 200),
        entry(2, Some(20), None, 300),
        entry(3, None, Some(10), 100),
    ];
    done(storage.store(&entries[..2]).await);
    done(storage.persist().await);
    done(storage.store(&entries[2..]).await);
    let check = async |valid: Option<Span>, learnt: Option<Span>, expected: &[u32]| {
        let filter = Filter { valid, learnt, ..Filter::default() };
        let found = done(storage.search(&Query { filter, ..Query::new(vec![1.0, 0.0], 9) }).await);
        let mut found: Vec<Key> = found.iter().map(|near| near.key).collect();
        found.sort_unstable();
        assert_eq!(
            found,
            expected.iter().map(|index| key(*index)).collect::<Vec<_>>(),
            "{valid:?} {learnt:?}"
        );
    };
    let span = |from: i64, until: i64| Some(Span { from: Some(moment(from)), until: Some(moment(until)) });
    check(None, None, &[0, 1, 2, 3]).await;
    check(Some(Span::at(moment(15))), None, &[0, 1]).await;
    check(Some(Span::at(moment(20))), None, &[0, 2]).await;
    check(span(5, 15), None, &[0, 1, 3]).await;
    check(None, span(100, 201), &[0, 1, 3]).await;
    check(None, Some(Span { from: None, until: Some(moment(200)) }), &[0, 3]).await;
    check(Some(Span::at(moment(25))), span(300, 400), &[2]).await;
    check(Some(Span::at(moment(25))), span(400, 500), &[]).await;
}

async fn expiry(storage: &impl VectorStorage) {
    let moment = Timestamp::from_micros;
    let entry = |index: u32, expires: Option<i64>| Entry {
        expires: expires.map(moment),
        ..Entry::new(key(index), vec![1.0, index as f32])
    };
    done(storage.store(&[entry(0, None), entry(1, Some(1_000))]).await);
    done(storage.persist().await);
    done(storage.store(&[entry(2, Some(2_000)), entry(3, Some(i64::MAX))]).await);
    let found = async |now: i64| {
        let query = Query { now: Some(moment(now)), ..Query::new(vec![1.0, 1.0], 9) };
        done(storage.search(&query).await).len()
    };
    assert_eq!([found(0).await, found(999).await, found(1_000).await, found(3_000).await], [4, 4, 3, 2]);
    let now = done(storage.search(&Query::new(vec![1.0, 1.0], 9)).await);
    assert_eq!(now.len(), 2, "by the clock where nothing is said");
    assert_eq!(done(storage.expire(moment(1_500)).await), 1);
    assert_eq!(done(storage.expire(moment(1_500)).await), 0);
    assert_eq!((found(0).await, done(storage.stats().await).vectors), (3, 3));
}

async fn refusals(storage: &impl VectorStorage) {
    let good = Entry::new(key(1), vec![1.0, 2.0, 3.0]);
    for bad in [vec![], vec![1.0; 2], vec![1.0; 4], vec![f32::NAN, 0.0, 0.0], vec![0.0, f32::INFINITY, 0.0]] {
        assert!(storage.store(&[good.clone(), Entry::new(key(2), bad.clone())]).await.is_err(), "{bad:?}");
        assert!(storage.search(&Query::new(bad.clone(), 3)).await.is_err(), "{bad:?}");
    }
    assert_eq!(done(storage.stats().await).vectors, 0, "all of a batch or nothing");
}

async fn clearing(storage: &impl VectorStorage) {
    for round in 0..3 {
        done(storage.store(&some(30, 2)).await);
        if round > 0 {
            done(storage.persist().await);
        }
        done(storage.search(&Query::new(vec![1.0, 0.0], 3)).await);
        done(storage.clear().await);
        assert_eq!(done(storage.search(&Query::new(vec![1.0, 0.0], 3)).await), []);
        assert_eq!(done(storage.stats().await).vectors, 0);
    }
    done(storage.store(&some(2, 2)).await);
    assert_eq!(done(storage.search(&Query::new(vec![1.0, 0.0], 3)).await).len(), 2);
}

/// 6,000 vectors around 40 places: of the ten nearest at least 95 of a hundred, with any filter; 97 where
/// more time is taken, which leaves room for what rounding to a byte changes among so few dimensions.
async fn recall(storage: &impl VectorStorage, metric: Metric) {
    let mut random = Random(7);
    let centers: Vec<Vec<f32>> = (0..40).map(|_| random.vector(32)).collect();
    let entries: Vec<Entry> = (0..6_000)
        .map(|index| {
            let place = random.below(40);
            let center = &centers[place];
            let vector = center.iter().map(|value| value + 0.7 * random.normal()).collect();
            let tags = vec![
                Tag::new("side", if place < 20 { "left" } else { "right" }),
                Tag::new("hundredth", (index % 100).to_string()),
                Tag::new("half", (index % 2).to_string()),
            ];
            Entry { tags, ..Entry::new(key(index), vector) }
        })
        .collect();
    done(storage.store(&entries[..5_500]).await);
    done(storage.persist().await);
    done(storage.store(&entries[5_500..]).await);
    for (effort, least) in [(Effort::Quick, 0.95), (Effort::Thorough, 0.97), (Effort::Exact, 0.97)] {
        for filter in [
            Filter::default(),
            Filter::tag("half", "1"),
            Filter::tag("side", "left"),
            Filter::tag("hundredth", "9"),
        ] {
            let (mut right, mut all) = (0, 0);
            for _ in 0..15 {
                let vector: Vec<f32> =
                    centers[random.below(40)].iter().map(|value| value + 0.7 * random.normal()).collect();
                let score =
                    |entry: &Entry| Near { key: entry.key, score: metric.score(&entry.vector, &vector) };
                let passing = entries.iter().filter(|entry| filter.passes(entry, Timestamp::from_micros(0)));
                let mut truth: Vec<Near> = passing.map(score).collect();
                truth.sort_unstable_by(Near::order);
                let query = Query { filter: filter.clone(), effort, ..Query::new(vector.clone(), 10) };
                let found: HashSet<Key> =
                    done(storage.search(&query).await).iter().map(|near| near.key).collect();
                right += truth[..10].iter().filter(|near| found.contains(&near.key)).count();
                all += 10;
            }
            let recall = f64::from(right as u32) / f64::from(all);
            assert!(recall >= least, "{metric:?} {effort:?} {filter:?}: {recall}");
        }
    }
}

/// Any steps in any order, held against a plain map.
async fn anything(storage: &impl VectorStorage) {
    let mut random = Random(99);
    let mut model: BTreeMap<Key, Entry> = BTreeMap::new();
    for step in 0..300 {
        match random.below(20) {
            0..9 => {
                let batch: Vec<Entry> = (0..random.below(12))
                    .map(|_| Entry {
                        tags: vec![Tag::new("t", random.below(3).to_string())],
                        ..Entry::new(key(random.below(80) as u32), random.vector(6))
                    })
                    .collect();
                done(storage.store(&batch).await);
                model.extend(batch.into_iter().map(|entry| (entry.key, entry)));
            }
            9..13 => {
                let keys: Vec<Key> = (0..random.below(6)).map(|_| key(random.below(80) as u32)).collect();
                let there: HashSet<Key> =
                    keys.iter().copied().filter(|key| model.contains_key(key)).collect();
                assert_eq!(done(storage.delete(&keys).await), there.len() as u64, "step {step}");
                model.retain(|key, _| !there.contains(key));
            }
            13 => done(storage.persist().await),
            14 if step % 5 == 0 => {
                done(storage.clear().await);
                model.clear();
            }
            _ => {
                let filter = Filter::tag("t", random.below(4).to_string());
                let filter = if random.below(2) == 0 { Filter::default() } else { filter };
                let (vector, limit) = (random.vector(6), random.below(100));
                let query = Query {
                    filter: filter.clone(),
                    effort: Effort::Exact,
                    ..Query::new(vector.clone(), limit)
                };
                let found = done(storage.search(&query).await);
                let passing = model.values().filter(|entry| filter.passes(entry, Timestamp::from_micros(0)));
                let mut exact: Vec<f32> =
                    passing.map(|entry| Metric::Euclidean.score(&entry.vector, &vector)).collect();
                exact.sort_unstable_by(|a, b| b.total_cmp(a));
                exact.truncate(limit);
                assert_eq!(found.len(), exact.len(), "step {step}");
                let keys: HashSet<Key> = found.iter().map(|near| near.key).collect();
                assert_eq!(keys.len(), found.len(), "step {step}: each once");
                for (near, exact) in found.iter().zip(exact) {
                    let own = Metric::Euclidean.score(&model[&near.key].vector, &vector);
                    assert!(
                        (near.score - own).abs() < 0.05 && (near.score - exact).abs() < 0.05,
                        "step {step}"
                    );
                }
            }
        }
        assert_eq!(done(storage.stats().await).vectors, model.len() as u64, "step {step}");
    }
}

const EFFORTS: [Effort; 3] = [Effort::Quick, Effort::Thorough, Effort::Exact];

async fn nearest(storage: &impl VectorStorage, vector: Vec<f32>) -> Key {
    done(storage.search(&Query::new(vector, 1)).await)[0].key
}

fn key(index: u32) -> Key {
    Key((u128::from(index) << 40 | 0xabc).to_be_bytes())
}

fn some(count: u32, dimensions: usize) -> Vec<Entry> {
    let mut random = Random(u64::from(count));
    (0..count).map(|index| Entry::new(key(index), random.vector(dimensions))).collect()
}

fn done<T, E: std::error::Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}: {:?}", error.source()))
}

/// splitmix64 (Steele, Lea, Flood 2014): the same numbers each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// About normal: the sum of four even ones.
    fn normal(&mut self) -> f32 {
        let even = |bits: u64| (bits >> 40) as f32 / (1 << 24) as f32 - 0.5;
        (0..4).map(|_| even(self.next())).sum::<f32>() * 1.732
    }

    fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        (0..dimensions).map(|_| self.normal()).collect()
    }
}
