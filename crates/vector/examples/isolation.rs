//! Measures what other tenants cost one tenant's searches: the same vectors alone in one folder, and in another beside those
//! of nine others with as many, asked in turns.
//!
//! ```text
//! cargo run --profile profiling -p athenaeum-vector --example isolation -- VECTORS DIMENSIONS [COUNT [ROUNDS]]
//! ```
//!
//! VECTORS is the file that the example `measure` reads; of its first COUNT (100,000) each tenant has all.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use athenaeum_core::vector::{Effort, Entry, Key, Metric, Query, Spec, VectorStorage};
use athenaeum_tenancy::{Scope, for_test, local};
use athenaeum_vector::{Collection, Settings, Vectors};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(dimensions)) = (arguments.next(), arguments.next()) else {
        return Err("give VECTORS and DIMENSIONS, perhaps COUNT and ROUNDS".into());
    };
    let count = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(20), |rounds| rounds.parse())?;
    let data = Data { bytes: std::fs::read(file)?, dimensions: dimensions.parse()? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&data, count, rounds))
}

async fn measure(data: &Data, count: usize, rounds: usize) -> Result<()> {
    let (one, ten) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let alone = fill(one.path(), data, count, &[local()]).await?;
    let mut tenants = vec![local()];
    tenants.extend((1..10).map(|tenant| for_test(&format!("other-{tenant}"))));
    let beside = fill(ten.path(), data, count, &tenants).await?;
    let queries: Vec<Query> = (0..1_000)
        .map(|row| Query { effort: Effort::Quick, ..Query::new(data.vector(count + 1_000 + row), 10) })
        .collect();
    let (mut of_one, mut of_ten) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (one, ten) = (p50(&alone, &queries).await?, p50(&beside, &queries).await?);
        // The first round warms up.
        if round > 0 {
            of_one.push(one);
            of_ten.push(ten);
        }
    }
    for times in [&mut of_one, &mut of_ten] {
        times.sort_unstable();
    }
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let ratio = |a: Duration, b: Duration| 100.0 * (us(a) / us(b) - 1.0);
    let (a, b) = (of_ten[rounds / 2], of_one[rounds / 2]);
    println!(
        "p50, the middle of {rounds} rounds: alone {:.1} µs, beside {:.1} µs: {:+.1}%",
        us(b),
        us(a),
        ratio(a, b)
    );
    println!(
        "the least: alone {:.1} µs, beside {:.1} µs: {:+.1}%",
        us(of_one[0]),
        us(of_ten[0]),
        ratio(of_ten[0], of_one[0])
    );
    let started = Instant::now();
    let mut differ = 0_u32;
    for _ in 0..1_000_000 {
        let scope = std::hint::black_box(&tenants[1]);
        differ += u32::from(scope.tenant() != std::hint::black_box(&tenants[2]).tenant());
    }
    println!("comparing two scopes: {:.1} ns ({differ})", started.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

async fn fill(dir: &Path, data: &Data, count: usize, tenants: &[Scope]) -> Result<Collection> {
    let vectors = Vectors::open(dir, Settings { background: false, ..Settings::default() }).await?;
    let mut first = None;
    for scope in tenants {
        let name = "chunks".into();
        let spec =
            Spec { name, model: "measured".into(), dimensions: data.dimensions, metric: Metric::Cosine };
        let collection = vectors.collection(scope, &spec).await?;
        for start in (0..count).step_by(5_000) {
            let rows = start..(start + 5_000).min(count);
            let entries = rows.map(|row| Entry::new(Key((row as u128).to_be_bytes()), data.vector(row)));
            collection.store(&entries.collect::<Vec<_>>()).await?;
        }
        collection.persist().await?;
        first.get_or_insert(collection);
    }
    Ok(first.ok_or("there are no tenants")?)
}

async fn p50(collection: &Collection, queries: &[Query]) -> Result<Duration> {
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        let started = Instant::now();
        std::hint::black_box(collection.search(query).await?);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

struct Data {
    bytes: Vec<u8>,
    dimensions: usize,
}

impl Data {
    fn vector(&self, row: usize) -> Vec<f32> {
        let bytes = &self.bytes[row * 4 * self.dimensions..][..4 * self.dimensions];
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}
