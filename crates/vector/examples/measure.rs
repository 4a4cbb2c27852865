//! Measures what `docs/benchmarks.md` says of vectors, on vectors from a file:
//!
//! ```text
//! cargo run --profile profiling -p athenaeum-vector --example measure -- VECTORS DIMENSIONS [COUNT [FOLDER [PARTS [joined|graph[=M,EF_CONSTRUCTION,EF_SEARCH]]]]]
//! ```
//!
//! VECTORS holds `f32`, little-endian, one vector behind the other: COUNT (100,000) to search in, then 1,000 to insert, then
//! 1,000 to search with. FOLDER keeps what is made, so that the next run need not make it. With
//! PARTS they are put into so many segments on the way, as by a program that makes vectors and does not search, and with `joined`
//! those together in the end. With `graph` the segment gets a graph of the usual kind (HNSW), which then answers.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use athenaeum_core::vector::{Effort, Entry, Filter, Key, Metric, Query, Spec, Tag, VectorStorage};
use athenaeum_kernels::{Format, dots};
use athenaeum_vector::{Collection, Hnsw, Settings, Vectors};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(dimensions)) = (arguments.next(), arguments.next()) else {
        return Err("give VECTORS and DIMENSIONS, perhaps COUNT and FOLDER".into());
    };
    let count = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    let dimensions = dimensions.parse()?;
    let data = Data { bytes: std::fs::read(file)?, dimensions, count };
    let folder = arguments.next().map(PathBuf::from);
    let parts = arguments.next().map_or(Ok(1), |parts| parts.parse())?;
    let then = arguments.next().unwrap_or_default();
    let (joined, hnsw) = (then == "joined", then.strip_prefix("graph").map(hnsw).transpose()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(data, folder, Parts { count: parts, joined, hnsw }))
}

/// Reads `=M,EF_CONSTRUCTION,EF_SEARCH`, or nothing for what is usual.
fn hnsw(text: &str) -> Result<Hnsw> {
    let Some(text) = text.strip_prefix('=') else { return Ok(Hnsw { rows_min: 1, ..Hnsw::BALANCED }) };
    let numbers: Vec<usize> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
    match numbers[..] {
        [m, ef_construction, ef_search] => Ok(Hnsw { rows_min: 1, m, ef_construction, ef_search }),
        _ => Err("give graph=M,EF_CONSTRUCTION,EF_SEARCH".into()),
    }
}

fn settings(parts: &Parts) -> Settings {
    Settings { background: false, hnsw: parts.hnsw, ..Settings::default() }
}

struct Parts {
    count: usize,
    joined: bool,
    hnsw: Option<Hnsw>,
}

async fn measure(data: Data, folder: Option<PathBuf>, parts: Parts) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = folder.unwrap_or_else(|| temporary.path().to_owned());
    // Comparing a million with each takes its time.
    let queries = if data.count > 300_000 { 200 } else { 1_000 };
    let queries: Vec<Vec<f32>> =
        (0..queries).map(|query| data.vector(data.count + INSERTED + query)).collect();
    let truth = data.nearest(&queries, |_| true);
    let truth_of_few = data.nearest(&queries, |row| row % 100 == 7);
    // Only their count is needed from here on, and a thousand to insert.
    let inserted: Vec<Vec<f32>> = (0..INSERTED).map(|row| data.vector(data.count + row)).collect();
    if !dir.join("vectors.db").exists() {
        build(&dir, &data, &parts).await?;
    }
    let (count, dimensions) = (data.count, data.dimensions);
    drop(data);

    let before = memory();
    let started = Instant::now();
    let (vectors, chunks) = open(&dir, dimensions, &athenaeum_tenancy::local(), &parts).await?;
    let first = Query { effort: Effort::Quick, ..Query::new(queries[0].clone(), 10) };
    chunks.search(&first).await?;
    println!("open and first query: {:.1} ms", ms(started.elapsed()));
    // What compares files with their hashes meanwhile.
    tokio::time::sleep(Duration::from_secs(1)).await;

    for (name, effort) in EFFORTS {
        let query = |vector: &Vec<f32>| Query { effort, ..Query::new(vector.clone(), 10) };
        let queries: Vec<Query> = queries.iter().map(query).collect();
        report(name, &chunks, &queries, &truth).await?;
    }
    println!("memory: {} MiB more than before it was opened ({:?})", memory().0 - before.0, memory());
    for (name, effort) in EFFORTS {
        let filter = Filter::tag("hundredth", "7");
        let query =
            |vector: &Vec<f32>| Query { effort, filter: filter.clone(), ..Query::new(vector.clone(), 10) };
        let queries: Vec<Query> = queries.iter().map(query).collect();
        report(&format!("{name}, a filter passes 1%"), &chunks, &queries, &truth_of_few).await?;
    }

    let mut times = Vec::new();
    chunks.contains(&[key(0)]).await?;
    for round in 0..5 {
        let entries: Vec<Entry> = inserted
            .iter()
            .enumerate()
            .map(|(row, vector)| entry(count + round * INSERTED + row, vector.clone()))
            .collect();
        let started = Instant::now();
        chunks.store(&entries).await?;
        let stored = started.elapsed();
        let near = chunks.search(&Query::new(inserted[INSERTED - 1].clone(), 1)).await?;
        assert!(near.iter().all(|near| near.score > 0.99), "what was inserted is found");
        times.push((started.elapsed(), stored));
        let keys: Vec<Key> = entries.iter().map(|entry| entry.key).collect();
        chunks.delete(&keys).await?;
    }
    times.sort_unstable();
    println!(
        "insert {INSERTED}, durable and searchable: {:.1} ms in the middle of 5 ({:.1} ms until durable; {:?})",
        ms(times[2].0),
        ms(times[2].1),
        times.iter().map(|time| ms(time.0).round()).collect::<Vec<_>>()
    );
    tokio::time::sleep(Duration::from_millis(200)).await;

    let query = |vector: &Vec<f32>| Query::new(vector.clone(), 10);
    let asked: Vec<Query> = queries.iter().map(query).collect();
    let alone = time(&chunks, &asked).await?.0;
    for tenant in 0..20 {
        let other =
            open(&dir, dimensions, &athenaeum_tenancy::for_test(&format!("other-{tenant}")), &parts).await?.1;
        other.store(&(0..1_000).map(|row| entry(row, inserted[row].clone())).collect::<Vec<_>>()).await?;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    chunks.search(&asked[0]).await?;
    let (mut least, mut beside) = (alone, Duration::MAX);
    for _ in 0..5 {
        beside = beside.min(time(&chunks, &asked).await?.0);
        least = least.min(beside);
    }
    println!("p50 alone {:.4} ms, beside 20 other tenants {:.4} ms", ms(alone), ms(beside));
    vectors.close().await;
    Ok(())
}

async fn build(dir: &Path, data: &Data, parts: &Parts) -> Result<()> {
    let vectors = Vectors::open(dir, settings(parts)).await?;
    let chunks = vectors.collection(&athenaeum_tenancy::local(), &spec(data.dimensions)).await?;
    let started = Instant::now();
    let step = if parts.count > 1 { data.count.div_ceil(parts.count) } else { 5_000 };
    for first in (0..data.count).step_by(step) {
        let rows = first..(first + step).min(data.count);
        chunks.store(&rows.map(|row| entry(row, data.vector(row))).collect::<Vec<_>>()).await?;
        if parts.count > 1 {
            chunks.gather(1).await?;
        }
    }
    println!("stored {} in {:.1} s", data.count, started.elapsed().as_secs_f64());
    let started = Instant::now();
    if parts.count == 1 {
        chunks.persist().await?;
    } else if parts.joined {
        chunks.join(2).await?;
    }
    println!(
        "segment made in {:.1} s, {:.1} s of processor time so far",
        started.elapsed().as_secs_f64(),
        processor()
    );
    println!("stats: {:?}", chunks.stats().await?);
    vectors.close().await;
    Ok(())
}

async fn open(
    dir: &Path,
    dimensions: usize,
    scope: &athenaeum_tenancy::Scope,
    parts: &Parts,
) -> Result<(Vectors, Collection)> {
    let vectors = Vectors::open(dir, settings(parts)).await?;
    let chunks = vectors.collection(scope, &spec(dimensions)).await?;
    Ok((vectors, chunks))
}

async fn report(name: &str, chunks: &Collection, queries: &[Query], truth: &[Vec<Key>]) -> Result<()> {
    let mut right = 0;
    for (query, truth) in queries.iter().zip(truth) {
        let found: HashSet<Key> = chunks.search(query).await?.into_iter().map(|near| near.key).collect();
        right += truth.iter().filter(|key| found.contains(key)).count();
    }
    let recall = right as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64;
    let (mut p50, mut p99) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        let (a, b) = time(chunks, queries).await?;
        (p50, p99) = (p50.min(a), p99.min(b));
    }
    println!("{name}: recall@10 {recall:.4}, p50 {:.4} ms, p99 {:.4} ms", ms(p50), ms(p99));
    Ok(())
}

async fn time(chunks: &Collection, queries: &[Query]) -> Result<(Duration, Duration)> {
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        let started = Instant::now();
        let found = chunks.search(query).await?;
        times.push(started.elapsed());
        std::hint::black_box(found);
    }
    times.sort_unstable();
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}

struct Data {
    bytes: Vec<u8>,
    dimensions: usize,
    count: usize,
}

impl Data {
    fn vector(&self, row: usize) -> Vec<f32> {
        let bytes = &self.bytes[row * 4 * self.dimensions..][..4 * self.dimensions];
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    /// The ten nearest of each query, of those rows that are wanted.
    fn nearest(&self, queries: &[Vec<f32>], wanted: impl Fn(usize) -> bool) -> Vec<Vec<Key>> {
        let rows = &self.bytes[..self.count * 4 * self.dimensions];
        let mut products = vec![0.0; self.count];
        let nearest = |query: &Vec<f32>| {
            dots(Format::F32, rows, query, &mut products);
            let mut order: Vec<usize> = (0..self.count).filter(|row| wanted(*row)).collect();
            let last = 9.min(order.len() - 1);
            order.select_nth_unstable_by(last, |a, b| products[*b].total_cmp(&products[*a]));
            order[..=last].iter().map(|row| key(*row)).collect()
        };
        queries.iter().map(nearest).collect()
    }
}

fn entry(row: usize, vector: Vec<f32>) -> Entry {
    Entry { tags: vec![Tag::new("hundredth", (row % 100).to_string())], ..Entry::new(key(row), vector) }
}

/// As ids are that sort by their time.
fn key(row: usize) -> Key {
    let noise = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Key(((row as u128) << 64 | u128::from(noise)).to_be_bytes())
}

fn spec(dimensions: usize) -> Spec {
    Spec { name: "chunks".into(), model: "measured".into(), dimensions, metric: Metric::Cosine }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// MiB in memory: all, and those that are not files'.
fn memory() -> (i64, i64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<i64>().ok()).unwrap_or(0) / 1024
    };
    (of("VmRSS:"), of("RssAnon:"))
}

/// Seconds that this process computed.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let times = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    times.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

const INSERTED: usize = 1_000;
const EFFORTS: [(&str, Effort); 3] =
    [("quick", Effort::Quick), ("thorough", Effort::Thorough), ("exact", Effort::Exact)];
